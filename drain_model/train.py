"""Training: AdamW over batches of products, early stopping on the last training periods."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from drain_model.checkpoint import Checkpoint, Weights, graph_definition, initial_weights
from drain_model.config import DrainConfig
from drain_model.data import DrainData, Geography, Inputs, Statistics
from drain_model.losses import Losses, loss_sums, means, weighted
from drain_model.losses import initial_weights as loss_weights
from drain_model.network import DrainNetwork


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where training stands after a validation."""

    epoch: int
    epochs: int  # at most
    train_loss: float  # mean over the updates since the last validation
    validation_loss: float
    best_loss: float
    seconds: float  # since training started, compilation included


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """A trained model and how it came about."""

    checkpoint: Checkpoint  # the parameters with the best validation loss
    history: tuple[Progress, ...]
    loss_weights: Losses  # 1 / loss at initialisation
    stopped: str  # "epochs", "patience", or where the loss was not finite


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class _Panel:
    """The arrays that stay while parameters change."""

    statistics: Statistics
    geography: Geography
    inputs: Inputs  # [P, T, ...]


def _losses(
    definition: nnx.GraphDef[DrainNetwork],
    weights: Weights,
    panel: _Panel,
    index: Int[Array, " B"],
    mask: Bool[Array, "B T"],
) -> tuple[Losses, Losses]:
    """Return sums and counts over some products; ``mask`` says which periods count."""
    periods = mask.shape[1]
    part: Inputs = jax.tree.map(lambda x: x[index, :periods], panel.inputs)
    network = nnx.merge(definition, weights)
    dist, knots = network(network.static(panel.statistics, panel.geography), part)
    counted = part.active & mask[..., None]
    return loss_sums(dist, knots, part.outbound, part.ship_cost, part.available, counted)


@lru_cache(maxsize=16)
def _optimizer(config: DrainConfig, updates: int) -> optax.GradientTransformation:
    """Return AdamW with clipping, warm-up and cosine over that many updates."""
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=max(1, round(config.warmup_share * updates)),
        decay_steps=max(2, updates),
        end_value=0.01 * config.learning_rate,
    )
    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.adamw(schedule, weight_decay=config.weight_decay),
    )


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _update(
    definition: nnx.GraphDef[DrainNetwork],
    config: DrainConfig,
    updates: int,
    fit: int,
    weights: Weights,
    average: Weights,
    state: optax.OptState,
    rows: Int[Array, "S B"],
    balance: Losses,
    panel: _Panel,
) -> tuple[Weights, Weights, optax.OptState, Float[Array, " S"]]:
    """Make one update for each row of product indices, all in one dispatch.

    Returns:
        Parameters, their moving average, the optimiser's state, and every update's loss.
    """
    optimizer = _optimizer(config, updates)

    def objective(weights: Weights, index: Array) -> Array:
        mask = jnp.ones((index.shape[0], fit), bool)
        return weighted(means(*_losses(definition, weights, panel, index, mask)), balance)

    def body(
        carry: tuple[Weights, Weights, optax.OptState], index: Array
    ) -> tuple[tuple[Weights, Weights, optax.OptState], Array]:
        weights, average, state = carry
        loss, gradient = jax.value_and_grad(objective)(weights, index)
        change, state = optimizer.update(gradient, state, weights)
        # Few numbers decide the lanes, and every product shares them: they may move faster.
        change["pairs"] = jax.tree.map(lambda x: config.pair_rate * x, change["pairs"])
        weights = optax.apply_updates(weights, change)
        average = optax.incremental_update(weights, average, 1.0 - config.average_decay)
        return (weights, average, state), loss

    (weights, average, state), losses = jax.lax.scan(body, (weights, average, state), rows)
    return weights, average, state, losses


@partial(jax.jit, static_argnums=(0, 1))
def _evaluate(
    definition: nnx.GraphDef[DrainNetwork],
    batch: int,
    weights: Weights,
    first: Int[Array, ""],
    stop: Int[Array, ""],
    panel: _Panel,
) -> Losses:
    """Return the mean losses of all products over periods [first, stop)."""
    products, periods = panel.inputs.outbound.shape[:2]
    slots = np.arange(-(-products // batch) * batch)
    rows = jnp.asarray(np.minimum(slots, products - 1).reshape(-1, batch))
    once = jnp.asarray((slots < products).reshape(-1, batch))  # the last batch is filled up
    time_index = jnp.arange(periods)
    inside = (time_index >= first) & (time_index < stop)

    def body(
        carry: tuple[Losses, Losses], row: tuple[Array, Array]
    ) -> tuple[tuple[Losses, Losses], None]:
        mask = row[1][:, None] & inside[None, :]
        found = _losses(definition, weights, panel, row[0], mask)
        return jax.tree.map(jnp.add, carry, found), None

    total, _ = jax.lax.scan(body, (Losses.zeros(), Losses.zeros()), (rows, once))
    return means(*total)


def train(
    data: DrainData,
    config: DrainConfig,
    *,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> Trained:
    """Train a drain model on a panel.

    The last ``validation_share`` of the periods is held out of the loss; its loss decides when to
    stop, and which parameters are kept. A loss that is not finite ends training with the best
    parameters so far.

    Args:
        data: Training periods only.
        config: Sizes and settings.
        seed: Of initialisation and batches.
        progress: Called after every validation.

    Returns:
        The best parameters as a checkpoint, the learning curve, and why training stopped.

    Raises:
        ValueError: If there are too few periods, or no unit was shipped.
    """
    started = time.perf_counter()
    periods, products = data.num_periods, data.num_products
    fit = min(round(periods * (1.0 - config.validation_share)), periods - 1)
    if fit < 1:
        raise ValueError(f"data.num_periods = {periods}: must be at least 2, one to validate on")
    features = (data.calendar.shape[-1], data.attributes.shape[-1])
    statistics = Statistics.from_data(data.periods(0, fit))
    definition = graph_definition(config, *features)
    panel = _Panel(
        statistics=statistics,
        geography=jax.tree.map(jnp.asarray, data.geography),
        inputs=data.inputs(),
    )
    batch = min(config.batch_products, products)
    updates = max(1, config.validate_every * products // batch)
    rounds = -(-config.epochs // config.validate_every)

    def evaluate(weights: Weights, first: int, stop: int) -> Losses:
        found: Losses = _evaluate(
            definition, batch, weights, jnp.asarray(first), jnp.asarray(stop), panel
        )
        return found

    weights = initial_weights(config, *features, seed=seed)
    balance = loss_weights(evaluate(weights, 0, fit))
    state = _optimizer(config, rounds * updates).init(weights)
    random = np.random.default_rng(seed)
    average, best, best_loss, since = weights, weights, math.inf, 0
    history: list[Progress] = []
    stopped = "epochs"
    for done in range(1, rounds + 1):
        rows = np.concatenate(
            [random.permutation(products) for _ in range(config.validate_every + 1)]
        )
        rows = rows[: updates * batch].reshape(updates, batch)
        weights, average, state, losses = _update(
            definition,
            config,
            rounds * updates,
            fit,
            weights,
            average,
            state,
            jnp.asarray(rows),
            balance,
            panel,
        )
        finite = np.isfinite(np.asarray(losses))
        if not finite.all():
            bad = (done - 1) * updates + int(np.argmin(finite))
            stopped = f"update {bad}: loss = {float(losses[bad - (done - 1) * updates])!r}"
            break
        validation = float(weighted(evaluate(average, fit, periods), balance))
        if validation < best_loss:
            best, best_loss, since = average, validation, 0
        else:
            since += 1
        history.append(
            Progress(
                epoch=min(done * config.validate_every, config.epochs),
                epochs=config.epochs,
                train_loss=float(jnp.mean(losses)),
                validation_loss=validation,
                best_loss=best_loss,
                seconds=time.perf_counter() - started,
            )
        )
        if progress is not None:
            progress(history[-1])
        if since >= config.patience:
            stopped = "patience"
            break
    checkpoint = Checkpoint(
        config=config,
        weights=jax.tree.map(np.asarray, best),
        statistics=statistics,
        node_coordinates=np.asarray(data.geography.node_coordinates),
    )
    return Trained(
        checkpoint=checkpoint, history=tuple(history), loss_weights=balance, stopped=stopped
    )
