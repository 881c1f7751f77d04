"""The state of a training run after a validation: all that the next update depends on.

One ``.npz`` file of a few megabytes at most, replaced as a whole. Orbax writes a folder of many
files asynchronously, for arrays sharded over hosts: here parameters are small and replicated.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import jax
import optax

from draingym.common.arrays import require_whole
from draingym.common.config import read_config, require_fields
from draingym.common.npz import filled_tree, named_arrays, read_npz, write_npz
from draingym.common.runs import BEGIN_ANEW, RunProgress, generator_of, require_same
from draingym.drain_model.checkpoint import Weights, require_config
from draingym.drain_model.config import DrainConfig
from draingym.drain_model.data.statistics import Statistics
from draingym.drain_model.training.losses import Losses


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress(RunProgress):
    """Where training stands after a validation."""

    validation_parts: dict[str, float]  # mean of each loss, before it is weighted
    learning_rate: float  # of the next update

    def scalars(self) -> dict[str, float]:
        """Return the losses, each part of the validation loss, gradient norm and learning rate."""
        return (
            RunProgress.scalars(self)  # a class with slots knows no plain super()
            | {"update/learning_rate": self.learning_rate}
            | {f"validation/{name}": value for name, value in self.validation_parts.items()}
        )


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """The arrays that training changes, and what they are balanced by."""

    weights: Weights
    average: Weights  # moving average of the parameters
    best: Weights  # the average with the best validation loss
    optimizer: optax.OptState
    balance: Losses  # 1 / loss at initialisation


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingState:
    """A training run between two rounds."""

    config: DrainConfig
    seed: int
    fingerprint: str  # of the training data
    statistics: Statistics
    learned: Learned
    random: dict[str, Any]  # state of the generator that draws batches
    history: tuple[Progress, ...] = ()
    since: int = 0  # validations without a better loss
    stopped: str = ""  # why the run is over, if it is

    @property
    def best_loss(self) -> float:
        """The best validation loss so far."""
        return self.history[-1].best_loss if self.history else float("inf")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Meta:
    """The plain values of a training state's file."""

    version: Literal[1]
    config: DrainConfig
    seed: int
    fingerprint: str
    random: dict[str, Any]
    history: tuple[Progress, ...]
    since: int
    stopped: str

    def __post_init__(self) -> None:
        """Check the fields."""
        require_fields(self)
        require_whole("since", self.since, low=0)
        generator_of(self.random)


def save_state(state: TrainingState, path: Path) -> None:
    """Write a training state to one file; it appears whole or not at all."""
    meta = _Meta(
        version=1, **{f.name: getattr(state, f.name) for f in fields(_Meta) if f.name != "version"}
    )
    write_npz(path, named_arrays((state.learned, state.statistics)), asdict(meta))


def load_state(path: Path, fresh: TrainingState) -> TrainingState:
    """Read a training state.

    Args:
        path: The file.
        fresh: The state that the run begins with, of the same config, seed and data.

    Returns:
        The state: what comes next is bit for bit what an uninterrupted run does.

    Raises:
        ValueError: If it is no training state, or one of another config, seed or data, naming
            the field, the value and the bound.
    """
    what = f"training state {path}"
    values, arrays = read_npz(path, "training state", BEGIN_ANEW)
    meta: _Meta = read_config(_Meta, values, f"{what}: meta")
    require_config(meta.config, fresh.config, what)
    labels = {"seed": "seed", "fingerprint": "fingerprint of the data"}
    require_same(meta, fresh, what, labels)
    learned, statistics = filled_tree((fresh.learned, fresh.statistics), arrays, what)
    return replace(
        fresh,
        learned=learned,
        statistics=statistics,
        **{name: getattr(meta, name) for name in ("random", "history", "since", "stopped")},
    )
