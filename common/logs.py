"""Learning curves as files that TensorBoard reads."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Protocol


class Point(Protocol):
    """A point of learning curves."""

    @property
    def update(self) -> int:
        """How many updates were made before it."""
        ...

    def scalars(self) -> dict[str, float]:
        """Return the value of every curve, by its name."""
        ...


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

    def __call__(self, point: Point) -> None:
        """Write a point of every curve."""
        for name, value in point.scalars().items():
            self._writer.add_scalar(name, value, point.update)
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
