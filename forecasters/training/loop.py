"""The loop that trains every forecaster: epochs of windows, early stopping, resuming."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from draingym.common.atomic import require_writable
from draingym.common.carry import strong
from draingym.common.npz import named_arrays
from draingym.common.runs import generator_of
from draingym.forecasters.data.encoding import Arrays, Layout
from draingym.forecasters.data.windows import Samples, cut, hide_labels
from draingym.forecasters.training.model import Model, TrainConfig, Weights
from draingym.forecasters.training.state import (
    Learned,
    Progress,
    TrainingState,
    load_state,
    save_state,
)
from draingym.forecasters.training.weights import definition, initial_weights

STATE = "state.npz"  # of a training run's folder
Report = Callable[[Progress], None]


class NonFiniteLossError(ValueError):
    """A loss or a gradient is not finite."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run learned, and how."""

    weights: Weights  # on the host
    history: tuple[Progress, ...]


def _mask(weights: Weights, trains: tuple[str, ...]) -> Any:
    """Return 1 for each leaf that a stage trains, 0 for the others."""

    def chosen(path: Any, leaf: Any) -> float:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return float(not trains or name.startswith(trains))

    return jax.tree_util.tree_map_with_path(chosen, weights)


@partial(jax.jit, static_argnums=(0, 1, 2, 3), donate_argnums=4)
def _epoch(
    model: Model,
    layout: Layout,
    config: TrainConfig,
    stage: int,
    learned: Learned,
    arrays: Arrays,
    series: Int[Array, "U B"],
    origin: Int[Array, "U B"],
    key: Array,
    rate: Float[Array, ""],
) -> tuple[Learned, Float[Array, " U"], Float[Array, " U"]]:
    """Make one update for each row of windows; return every loss and norm of the gradient."""
    graph, optimiser = definition(model, layout), config.optimiser()
    mask = _mask(learned.weights, model.stages[stage].trains)

    def update(carry: tuple[Weights, optax.OptState], now: Any) -> tuple[Any, tuple[Array, Array]]:
        weights, state = carry
        rows, origins, number = now
        key_hide, key_loss = jax.random.split(jax.random.fold_in(key, number))
        batch = cut(arrays, rows, origins, model.context, model.horizon)
        batch = hide_labels(batch, key_hide, config.hidden)

        def mean(weights: Weights) -> Array:
            total, count = model.loss(nnx.merge(graph, weights), batch, key_loss, stage)
            return total / jnp.maximum(count, 1.0)

        loss, gradient = jax.value_and_grad(mean)(weights)
        gradient = jax.tree.map(jnp.multiply, gradient, mask)
        change, state = optimiser.update(gradient, state, weights)
        change = jax.tree.map(lambda x, trains: rate * trains * x, change, mask)
        return (optax.apply_updates(weights, change), state), (loss, optax.tree.norm(gradient))

    numbers = jnp.arange(series.shape[0])
    carry = (learned.weights, learned.optimizer)
    (weights, state), (losses, norms) = jax.lax.scan(update, carry, (series, origin, numbers))
    return replace(learned, weights=weights, optimizer=state), losses, norms


@partial(jax.jit, static_argnums=(0, 1, 2))
def _losses(
    model: Model,
    layout: Layout,
    stage: int,
    weights: Weights,
    arrays: Arrays,
    series: Int[Array, "U B"],
    origin: Int[Array, "U B"],
    once: Bool[Array, "U B"],
) -> Float[Array, ""]:
    """Return the mean loss of windows; those that only fill up the last batch do not count."""
    network = nnx.merge(definition(model, layout), weights)

    def add(total: tuple[Array, Array], now: Any) -> tuple[tuple[Array, Array], None]:
        rows, origins, counts = now
        batch = cut(arrays, rows, origins, model.context, model.horizon)
        batch = replace(
            batch,
            observed=batch.observed & counts[:, None],
            future_observed=batch.future_observed & counts[:, None],
        )
        found = model.loss(network, batch, None, stage)
        return (total[0] + found[0], total[1] + found[1]), None

    zero = (jnp.zeros(()), jnp.zeros(()))
    (total, count), _ = jax.lax.scan(add, zero, (series, origin, once))
    return total / jnp.maximum(count, 1.0)


def train(
    model: Model,
    layout: Layout,
    arrays: Arrays,
    fitting: Samples,
    validating: Samples,
    config: TrainConfig,
    *,
    seed: int,
    weights: Weights | None = None,
    part: str = "",
    folder: Path | None = None,
    progress: Report | None = None,
) -> Trained:
    """Train a network on windows.

    Every stage of the model begins with the best weights of the one before, and ends after its
    epochs, or when the validation loss has not been better for ``patience`` epochs.

    Args:
        model: Network and losses.
        layout: Its input.
        arrays: The series.
        fitting: Windows to train on, at least one.
        validating: Windows that say when to stop, and which weights to keep; where there are none,
            all epochs are made and the last weights are kept.
        config: Settings.
        seed: Of weights, windows and noise.
        weights: To begin with; drawn when not given.
        part: What the run is called in ``Progress``.
        folder: Of ``state.npz``, written after every epoch; the same call goes on from there.
        progress: Called after every epoch.

    Returns:
        The best weights and the learning curve.

    Raises:
        ValueError: If the folder holds another run's state.
        NonFiniteLossError: If a loss is not finite, naming the update and the series.
    """
    if folder is not None:
        require_writable(folder, "folder")
    began = initial_weights(model, layout, seed) if weights is None else strong(weights)
    fresh = TrainingState(
        config=config,
        seed=seed,
        fingerprint=_fingerprint(model, arrays, fitting, validating, began),
        learned=_begin(config.compiled(), began),
        random=dict(np.random.default_rng(seed).bit_generator.state),
    )
    state, stored = fresh, None if folder is None else folder / STATE
    if stored is not None and stored.exists():
        state = load_state(stored, fresh)
    state = replace(state, learned=strong(state.learned))
    run = _Run(model, layout, arrays, fitting, validating, part)
    started = time.perf_counter() - (state.history[-1].seconds if state.history else 0.0)
    while not state.done:
        state = run.epoch(state, started)
        if stored is not None:
            save_state(state, stored)
        if progress is not None:
            progress(state.history[-1])
    return Trained(jax.tree.map(np.asarray, state.learned.best), state.history)


@dataclass(frozen=True, slots=True)
class _Run:
    """What stays while weights change."""

    model: Model
    layout: Layout
    arrays: Arrays
    fitting: Samples
    validating: Samples
    part: str

    def epoch(self, state: TrainingState, started: float) -> TrainingState:
        """Make an epoch of updates, validate, and say what comes next."""
        config, stages = state.config, self.model.stages
        stage = stages[state.stage]
        random = generator_of(state.random)
        rows, origins = self._windows(config, random)
        key = jax.random.fold_in(jax.random.key(state.seed), len(state.history) + 1)
        learned, losses, norms = _epoch(
            self.model,
            self.layout,
            config.compiled(),
            state.stage,
            state.learned,
            self.arrays,
            rows,
            origins,
            key,
            jnp.asarray(config.rate, jnp.float32),
        )
        losses, norms = np.asarray(losses), np.asarray(norms)
        self._require_finite(losses, norms, rows, len(state.history))
        held = len(self.validating) > 0
        loss = float("nan")
        if held:
            loss = float(self._validation_loss(learned.weights, state.stage, config.batch))
        better = loss < state.best_loss or not held
        if better:
            learned = replace(learned, best=_copy(learned.weights))
        since = 0 if better else state.since + 1
        epochs, made = stage.epochs or config.epochs, state.epoch + 1
        updates = state.history[-1].update if state.history else 0
        point = Progress(
            part=f"{self.part} {stage.name}".strip() if len(stages) > 1 else self.part,
            epoch=made,
            epochs=epochs,
            update=updates + len(losses),
            train_loss=float(losses.mean()),
            validation_loss=loss,
            best_loss=loss if better and held else state.best_loss,
            gradient_norm=float(norms.max()),
            seconds=time.perf_counter() - started,
        )
        state = replace(
            state,
            learned=learned,
            random=dict(random.bit_generator.state),
            history=(*state.history, point),
            epoch=made,
            since=since,
        )
        if made < epochs and since < config.patience:
            return state
        if state.stage + 1 == len(stages):
            return replace(state, done=True)
        return replace(
            state,
            learned=_begin(config.compiled(), state.learned.best),
            stage=state.stage + 1,
            epoch=0,
            since=0,
        )

    def _windows(
        self, config: TrainConfig, random: np.random.Generator
    ) -> tuple[Int[Array, "U B"], Int[Array, "U B"]]:
        """Draw the windows of an epoch."""
        there = len(self.fitting)
        wanted = there if config.windows is None else min(config.windows, there)
        batch = min(config.batch, wanted)
        updates = wanted // batch
        chosen = random.permutation(there)[: updates * batch].reshape(updates, batch)
        return (
            jnp.asarray(self.fitting.series[chosen], jnp.int32),
            jnp.asarray(self.fitting.origin[chosen], jnp.int32),
        )

    def _validation_loss(self, weights: Weights, stage: int, batch: int) -> Array:
        there = len(self.validating)
        batch = min(batch, there)
        slots = np.arange(-(-there // batch) * batch).reshape(-1, batch)
        chosen = np.minimum(slots, there - 1)
        found: Array = _losses(
            self.model,
            self.layout,
            stage,
            weights,
            self.arrays,
            jnp.asarray(self.validating.series[chosen], jnp.int32),
            jnp.asarray(self.validating.origin[chosen], jnp.int32),
            jnp.asarray(slots < there),
        )
        return found

    def _require_finite(
        self, losses: Any, norms: Any, rows: Int[Array, "U B"], epochs: int
    ) -> None:
        finite = np.isfinite(losses) & np.isfinite(norms)
        if not finite.all():
            bad = int(np.argmin(finite))
            raise NonFiniteLossError(
                f"loss is {losses[bad]}, norm of the gradient {norms[bad]} at update {bad + 1} of "
                f"epoch {epochs + 1}, must be finite; the batch holds series "
                f"{np.unique(np.asarray(rows[bad])).tolist()}"
            )


@jax.jit
def _copy(weights: Weights) -> Weights:
    """Return a copy: what an epoch is given is given away, and must not be shared."""
    found: Weights = jax.tree.map(jnp.copy, weights)
    return found


@partial(jax.jit, static_argnums=0)
def _begin(config: TrainConfig, weights: Weights) -> Learned:
    """Return what a stage begins with."""
    optimizer = strong(config.optimiser().init(weights))
    return Learned(weights=_copy(weights), best=_copy(weights), optimizer=optimizer)


def _fingerprint(
    model: Model, arrays: Arrays, fitting: Samples, validating: Samples, weights: Weights
) -> str:
    """Return what says that a state is one of this run."""
    digest = hashlib.sha256(repr(model).encode())
    for values in named_arrays((arrays, weights)).values():
        digest.update(values.tobytes())
    for samples in (fitting, validating):
        digest.update(samples.series.tobytes() + samples.origin.tobytes())
    return digest.hexdigest()
