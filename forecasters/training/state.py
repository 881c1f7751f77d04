"""The state of a training run after an epoch: all that the next one depends on, in one file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import jax
import optax

from draingym.common.arrays import require_whole
from draingym.common.config import read_config, require_fields
from draingym.common.npz import filled_tree, named_arrays, read_npz, write_npz
from draingym.common.runs import RunProgress, generator_of, require_same
from draingym.forecasters.training.model import TrainConfig, Weights


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress(RunProgress):
    """Where training stands after an epoch, of those of its stage.

    The validation loss is NaN where nothing is held out.
    """

    part: str  # group and stage; "" where there is one of each


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """The arrays that training changes."""

    weights: Weights
    best: Weights  # those with the best validation loss of the stage
    optimizer: optax.OptState


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingState:
    """A training run between two epochs."""

    config: TrainConfig
    seed: int
    fingerprint: str  # of data, model and the weights that training begins with
    learned: Learned
    random: dict[str, Any]  # state of the generator that draws windows
    history: tuple[Progress, ...] = ()
    stage: int = 0
    epoch: int = 0  # made of the stage
    since: int = 0  # epochs without a better loss
    done: bool = False

    @property
    def best_loss(self) -> float:
        """The best validation loss of the stage so far."""
        return self.history[-1].best_loss if self.epoch else float("inf")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Meta:
    """The plain values of a training state's file."""

    version: Literal[1]
    config: TrainConfig
    seed: int
    fingerprint: str
    random: dict[str, Any]
    history: tuple[Progress, ...]
    stage: int
    epoch: int
    since: int
    done: bool

    def __post_init__(self) -> None:
        """Check the fields."""
        require_fields(self)
        for name in ("stage", "epoch", "since"):
            require_whole(name, getattr(self, name), low=0)
        generator_of(self.random)


def save_state(state: TrainingState, path: Path) -> None:
    """Write a training state to one file; it appears whole or not at all."""
    meta = _Meta(
        version=1, **{f.name: getattr(state, f.name) for f in fields(_Meta) if f.name != "version"}
    )
    write_npz(path, named_arrays(state.learned), asdict(meta))


def load_state(path: Path, fresh: TrainingState) -> TrainingState:
    """Read a training state.

    Args:
        path: The file.
        fresh: The state that the run begins with.

    Returns:
        The state: what comes next is bit for bit what an uninterrupted run does.

    Raises:
        ValueError: If it is no training state, or one of other settings, data or seed, naming the
            field, the value and the bound.
    """
    what = f"training state {path}"
    values, arrays = read_npz(path, "training state")
    meta: _Meta = read_config(_Meta, values, f"{what}: meta")
    labels = {field.name: f"training.{field.name}" for field in fields(TrainConfig)}
    require_same(meta.config, fresh.config, what, labels)
    labels = {"seed": "seed", "fingerprint": "fingerprint of data and model"}
    require_same(meta, fresh, what, labels)
    learned = filled_tree(fresh.learned, arrays, what)
    rest = ("random", "history", "stage", "epoch", "since", "done")
    return replace(fresh, learned=learned, **{name: getattr(meta, name) for name in rest})
