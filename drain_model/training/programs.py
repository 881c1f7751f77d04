"""The compiled programs of training: an update, and the losses of a panel.

Batches go through the network a few products at a time: a sum over products is the sum of sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from draingym.common.devices import on_all_devices, sharing, total_over_devices
from draingym.drain_model.checkpoint import Weights
from draingym.drain_model.config import DrainConfig
from draingym.drain_model.data.dataset import Geography, Inputs
from draingym.drain_model.data.statistics import Statistics
from draingym.drain_model.network.drain_network import DrainNetwork
from draingym.drain_model.network.types import Static
from draingym.drain_model.training.losses import (
    Losses,
    initial_weights,
    loss_sums,
    means,
    weighted,
)
from draingym.drain_model.training.state import Learned


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """The arrays that stay while parameters change."""

    statistics: Statistics
    geography: Geography
    inputs: Inputs | None  # [P, T, ...], or none where batches come with their data


# Products by index, or their data where the panel is not in memory: [B] or leaves [B, T, ...].
Batch = Int[Array, " B"] | Inputs


def _sums(
    definition: nnx.GraphDef[DrainNetwork],
    weights: Weights,
    static: Static,
    panel: Panel,
    batch: Batch,
    mask: Bool[Array, "B T"],
) -> tuple[Losses, Losses]:
    """Return sums and counts over some products; ``mask`` says which periods count."""
    part = _pick(panel, batch, mask.shape[1])
    network: DrainNetwork = nnx.merge(definition, weights)
    joint, knots, nodes = network.window(static, part)
    flows = (part.outbound, part.ship_cost, part.available, part.active)
    lanes, (flow, lane, units) = None, (nodes.flow, part.lane, part.lane_units)
    told = network.config.lane_labels
    if told and flow is not None and lane is not None and units is not None:
        lanes = (flow, lane, units)
    return loss_sums(joint, knots, *flows, mask, lanes)


def _static(definition: nnx.GraphDef[DrainNetwork], panel: Panel, weights: Weights) -> Static:
    return nnx.merge(definition, weights).static(panel.statistics, panel.geography)


def _total(
    add: Callable[..., Any], given: Any, batch: Batch, mask: Bool[Array, "B T"], chunk: int
) -> Any:
    """Return the sum of ``add(*given, batch, mask)`` over chunks of products; ``chunk`` divides B.

    Where devices share the products out, each adds up a part of them, and ``chunk`` divides that.
    """

    def part(real: Bool[Array, " b"], given: Any, batch: Batch, mask: Bool[Array, "b T"]) -> Any:
        cut = jax.tree.map(
            lambda x: x.reshape((-1, chunk, *x.shape[1:])), (batch, mask & real[:, None])
        )
        first = jax.tree.map(lambda x: x[0], cut)
        zero = jax.tree.map(
            lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(add, *given, *first)
        )

        def body(total: Any, now: tuple[Any, Array]) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, add(*given, *now)), None

        return jax.lax.scan(body, zero, cut)[0]

    return total_over_devices(part, (None, 0, 0))(given, batch, mask)


def gradient_of(
    definition: nnx.GraphDef[DrainNetwork],
    weights: Weights,
    balance: Losses,
    panel: Panel,
    batch: Batch,
    mask: Bool[Array, "B T"],
    chunk: int,
) -> tuple[Float[Array, ""], Weights]:
    """Return a batch's weighted mean losses and their gradient, ``chunk`` products at a time.

    How many entries a loss counts depends on data alone. Given that, the loss is a sum over
    products and so is its gradient: a chunk's activations are used up while they are in cache,
    and no other's are kept.
    """
    static, pull = jax.vjp(partial(_static, definition, panel), weights)
    _, counts = _sums(definition, weights, static, panel, batch, mask)  # the sums are not computed
    share = jax.tree.map(lambda w, c: w / jnp.maximum(c, 1.0), balance, counts)

    def loss(
        weights: Weights, static: Static, share: Losses, panel: Panel, batch: Batch, mask: Array
    ) -> Array:
        return weighted(_sums(definition, weights, static, panel, batch, mask)[0], share)

    add = jax.value_and_grad(loss, argnums=(0, 1))
    given = (weights, static, share, panel)
    total, (direct, through) = _total(add, given, batch, mask, chunk)
    return total, jax.tree.map(jnp.add, direct, pull(through)[0])


def _pick(panel: Panel, batch: Batch, periods: int) -> Inputs:
    """Return the first periods of a batch, [B, T', ...]."""
    part: Inputs
    if isinstance(batch, Inputs):
        part = jax.tree.map(lambda x: x[:, :periods], batch)
    else:
        part = jax.tree.map(lambda x: x[batch, :periods], panel.inputs)
    return part


@lru_cache(maxsize=16)
def schedule_of(config: DrainConfig, updates: int) -> optax.Schedule:
    """Return the learning rate: warm-up and cosine over that many updates."""
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=max(1, round(config.warmup_share * updates)),
        decay_steps=max(2, updates),
        end_value=0.01 * config.learning_rate,
    )


@partial(jax.jit, static_argnums=(0, 1))
def learning_rate(config: DrainConfig, updates: int, made: Int[Array, ""]) -> Float[Array, ""]:
    """Return the learning rate after some of that many updates."""
    return jnp.asarray(schedule_of(config, updates)(made))


@lru_cache(maxsize=16)
def optimizer_of(config: DrainConfig, updates: int) -> optax.GradientTransformation:
    """Return AdamW with clipping on the schedule of that many updates."""
    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.adamw(schedule_of(config, updates), weight_decay=config.weight_decay),
    )


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4), static_argnames="mesh")
def update(
    definition: nnx.GraphDef[DrainNetwork],
    config: DrainConfig,
    updates: int,
    fit: int,
    chunk: int,
    learned: Learned,
    batches: Batch,
    panel: Panel,
    *,
    mesh: Mesh | None = None,
) -> tuple[Learned, Float[Array, " S"], Float[Array, " S"]]:
    """Make one update for each batch, all in one dispatch; leaves of ``batches`` are [S, B, ...].

    The devices of a mesh share the products of a batch out.

    Returns:
        What was learned, and every update's loss and norm of the gradient.
    """
    optimizer = optimizer_of(config, updates)

    def body(
        carry: tuple[Weights, Weights, optax.OptState], batch: Any
    ) -> tuple[tuple[Weights, Weights, optax.OptState], tuple[Array, Array]]:
        weights, average, state = carry
        mask = jnp.ones((jax.tree.leaves(batch)[0].shape[0], fit), bool)
        loss, gradient = gradient_of(
            definition, weights, learned.balance, panel, batch, mask, chunk
        )
        change, state = optimizer.update(gradient, state, weights)
        # Few numbers decide the lanes, and every product shares them: they may move faster.
        if "pairs" in change:
            change["pairs"] = jax.tree.map(lambda x: config.pair_rate * x, change["pairs"])
        weights = optax.apply_updates(weights, change)
        average = optax.incremental_update(weights, average, 1.0 - config.average_decay)
        return (weights, average, state), (loss, optax.tree.norm(gradient))

    carry = (learned.weights, learned.average, learned.optimizer)
    with sharing(mesh):
        (weights, average, state), (losses, norms) = jax.lax.scan(body, carry, batches)
        learned = replace(learned, weights=weights, average=average, optimizer=state)
        return on_all_devices((learned, losses, norms))


@partial(jax.jit, static_argnums=(0, 1), static_argnames="mesh")
def evaluate(
    definition: nnx.GraphDef[DrainNetwork],
    chunk: int,
    weights: Weights,
    total: tuple[Losses, Losses],
    batches: Batch,
    once: Bool[Array, "S B"],
    inside: Bool[Array, " T"],
    panel: Panel,
    *,
    mesh: Mesh | None = None,
) -> tuple[Losses, Losses]:
    """Add the losses' sums and counts over batches to a total.

    Args:
        definition: Of the network.
        chunk: Products at a time.
        weights: Its parameters.
        total: Sums and counts so far.
        batches: Leaves [S, B, ...].
        once: False for what only fills up the last batch.
        inside: Which periods count.
        panel: What stays.
        mesh: Its devices share the products of a batch out.
    """
    static = _static(definition, panel, weights)
    add, given = partial(_sums, definition), (weights, static, panel)

    def body(
        carry: tuple[Losses, Losses], row: tuple[Any, Array]
    ) -> tuple[tuple[Losses, Losses], None]:
        mask = row[1][:, None] & inside[None, :]
        found = _total(add, given, row[0], mask, chunk)
        return jax.tree.map(jnp.add, carry, found), None

    with sharing(mesh):
        total, _ = jax.lax.scan(body, total, (batches, once))
        return on_all_devices(total)


mean_losses, balance_of = jax.jit(means), jax.jit(initial_weights)


def cache_chunk(batch: int) -> int:
    """Return how many of a batch's products a processor takes at a time: about a fourth.

    Fewer keep activations in its cache; more keep its cores busy.
    """
    return next(size for size in range(max(1, batch // 4), 0, -1) if batch % size == 0)
