"""The state of a training run after a validation: all that the next update depends on.

One ``.npz`` file of a few megabytes at most, replaced as a whole. Orbax writes a folder of many
files asynchronously, for arrays sharded over hosts: here parameters are small and replicated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from draingym.drain_model.checkpoint import Weights, load_arrays, require_config, save_arrays
from draingym.drain_model.config import DrainConfig
from draingym.drain_model.data.dataset import Statistics
from draingym.drain_model.training.losses import Losses

_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where training stands after a validation."""

    epoch: int
    epochs: int  # at most
    update: int  # made so far
    train_loss: float  # mean over the updates since the last validation
    validation_loss: float
    validation_parts: dict[str, float]  # mean of each loss, before it is weighted
    best_loss: float
    gradient_norm: float  # largest since the last validation, before clipping
    learning_rate: float  # of the next update
    seconds: float  # of training so far, compilation included

    def scalars(self) -> dict[str, float]:
        """Return the losses, each part of the validation loss, gradient norm and learning rate."""
        return {
            "loss/train": self.train_loss,
            "loss/validation": self.validation_loss,
            "loss/best": self.best_loss,
            "update/gradient_norm": self.gradient_norm,
            "update/learning_rate": self.learning_rate,
        } | {f"validation/{name}": value for name, value in self.validation_parts.items()}


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


def save_state(state: TrainingState, path: Path) -> None:
    """Write a training state to one file; it appears whole or not at all."""
    meta = {
        "version": _VERSION,
        "config": asdict(state.config),
        "seed": state.seed,
        "fingerprint": state.fingerprint,
        "random": state.random,
        "history": [asdict(progress) for progress in state.history],
        "since": state.since,
        "stopped": state.stopped,
    }
    save_arrays(path, meta, named_arrays((state.learned, state.statistics)))


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
    meta, arrays = load_arrays(path, "training state")
    if meta.get("version") != _VERSION or "random" not in meta:
        raise ValueError(f"{what}: version is {meta.get('version')!r}, must be {_VERSION}")
    require_config(DrainConfig.from_dict(meta["config"]), fresh.config, what)
    for name in ("seed", "fingerprint"):
        found, bound = meta[name], getattr(fresh, name)
        if found != bound:
            label = "fingerprint of the data" if name == "fingerprint" else name
            raise ValueError(f"{what}: {label} is {found!r}, must be {bound!r}")
    learned, statistics = filled_tree((fresh.learned, fresh.statistics), arrays, what)
    return replace(
        fresh,
        learned=learned,
        statistics=statistics,
        random=meta["random"],
        history=tuple(Progress(**progress) for progress in meta["history"]),
        since=int(meta["since"]),
        stopped=meta["stopped"],
    )


def named_arrays(tree: Any) -> dict[str, NDArray[Any]]:
    """Return the leaves of a pytree on the host, by their paths."""
    return {name: np.asarray(leaf) for name, leaf in _leaves(tree)}


def filled_tree(tree: Any, arrays: Mapping[str, NDArray[Any]], what: str) -> Any:
    """Return a pytree with its leaves replaced by arrays of ``named_arrays``.

    Raises:
        ValueError: If an array is missing, or of another shape or type, naming it.
    """
    filled = []
    for name, leaf in _leaves(tree):
        found = arrays.get(name)
        if found is None or found.shape != leaf.shape or found.dtype != leaf.dtype:
            shape = None if found is None else found.shape
            raise ValueError(f"{what}: {name} has shape {shape}, must be {leaf.shape}")
        filled.append(jnp.asarray(found))
    return jax.tree.unflatten(jax.tree.structure(tree), filled)


def _leaves(tree: Any) -> Iterator[tuple[str, Any]]:
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        yield jax.tree_util.keystr(path, simple=True, separator="/"), leaf
