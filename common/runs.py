"""Training runs that go on after a stop: where one stands, its generator, and whose state it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from draingym.common.arrays import short
from draingym.common.config import require_fields

BEGIN_ANEW = "remove it to train from the beginning"  # where a state cannot be read


@dataclass(frozen=True, kw_only=True, slots=True)
class RunProgress:
    """Where training stands after a validation.

    Raises:
        ValueError: If a value is of another type: a file may hold anything.
    """

    epoch: int
    epochs: int  # at most
    update: int  # made so far
    train_loss: float  # mean over the updates since the last validation
    validation_loss: float
    best_loss: float
    gradient_norm: float  # largest since the last validation, before clipping
    seconds: float  # of training so far, compilation included

    def __post_init__(self) -> None:
        """Check the types; see the class."""
        require_fields(self, "progress")

    def scalars(self) -> dict[str, float]:
        """Return the losses and the norm of the gradient, by name."""
        return {
            "loss/train": self.train_loss,
            "loss/validation": self.validation_loss,
            "loss/best": self.best_loss,
            "update/gradient_norm": self.gradient_norm,
        }

    def losses(self) -> str:
        """Return the losses as a progress bar shows them."""
        return (
            f"train {self.train_loss:.4f}  validation {self.validation_loss:.4f}  "
            f"best {self.best_loss:.4f}"
        )


def generator_of(state: dict[str, Any]) -> np.random.Generator:
    """Return a generator that goes on from a state, which is as ``bit_generator.state`` has it.

    Raises:
        ValueError: If it is no such state.

    >>> random = np.random.default_rng(3)
    >>> again = generator_of(dict(random.bit_generator.state))
    >>> bool(random.random() == again.random())
    True
    """
    bits: Any = np.random.PCG64(0)
    try:
        bits.state = state
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"random is {short(state)}, must be the state of a generator") from error
    return np.random.Generator(bits)


def require_same(found: Any, fresh: Any, what: str, labels: dict[str, str]) -> None:
    """Raise unless a state that was stored is one of the run that asks for it.

    Args:
        found: What was stored.
        fresh: What the run begins with.
        what: What the state is called in errors.
        labels: What is compared: fields of both, and what each is called.

    Raises:
        ValueError: Naming the first that differs, its value and the bound.
    """
    for name, label in labels.items():
        here, there = getattr(found, name), getattr(fresh, name)
        if here != there:
            raise ValueError(f"{what}: {label} is {here!r}, must be {there!r}")
