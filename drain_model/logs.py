"""The learning curve as files that TensorBoard reads."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from drain_model.training_state import Progress


class ScalarLog:
    """Writes scalars to a folder: ``with ScalarLog(folder) as log: train(..., progress=log)``.

    A run that goes on adds a file to the folder, with the points that are new.
    """

    def __init__(self, folder: Path) -> None:
        """Open the log.

        Args:
            folder: Made when the first scalar is written.

        Raises:
            ImportError: If tensorboardX is not there (extra ``train``).
        """
        from tensorboardX import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder))

    def __call__(self, progress: Progress) -> None:
        """Write the losses, each part of the validation loss, gradient norm and learning rate."""
        scalars = {
            "loss/train": progress.train_loss,
            "loss/validation": progress.validation_loss,
            "loss/best": progress.best_loss,
            "update/gradient_norm": progress.gradient_norm,
            "update/learning_rate": progress.learning_rate,
        } | {f"validation/{name}": value for name, value in progress.validation_parts.items()}
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, progress.update)
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()

    def __enter__(self) -> ScalarLog:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the log."""
        self.close()
