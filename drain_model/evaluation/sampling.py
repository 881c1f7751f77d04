"""One-step-ahead samples of a panel's drain, on the stock and past that really were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Int
from numpy.typing import NDArray

from draingym.common.devices import cores_mesh, over_devices, placed, sharing
from draingym.common.shared_jit import unbound
from draingym.drain_model.checkpoint import Checkpoint, Weights
from draingym.drain_model.data.dataset import DrainData, Inputs
from draingym.drain_model.distributions.coherent import Coherent
from draingym.drain_model.distributions.cost_quantiles import cost_ppf
from draingym.drain_model.distributions.hybrid import Hybrid
from draingym.drain_model.network.drain_network import DrainNetwork
from draingym.drain_model.network.types import Static

# Samples that a dispatch draws, so that one program draws any number of them.
_AT_ONCE = 32


def sample_panel(
    checkpoint: Checkpoint,
    data: DrainData,
    periods: tuple[int, int],
    num_samples: int,
    key: Array,
    *,
    batch_products: int = 16,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw outbound and cost of every product, period and node.

    Every period is drawn given the actual stock and the actual past, and cost given the units
    drawn: ``O`` by the model's joint, ``C = O`` times a quantile of the cost of a unit.

    Args:
        checkpoint: A trained model.
        data: Panel from its first period on, so that the encoders see the past.
        periods: First period and the one after the last.
        num_samples: Joint samples, ``S``.
        key: Random key.
        batch_products: Products encoded at once.

    Returns:
        Outbound units and cost [S, P, T', N], T' the number of periods; zero where not active.

    Raises:
        ValueError: If the data does not match the checkpoint, or the periods are not in it.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples is {num_samples}, must be at least 1")
    outbound, cost = [], []
    mesh = cores_mesh(min(batch_products, data.num_products), data.outbound.size)
    key = unbound(key)
    for start, kept, part, weights, static in _batches(
        checkpoint, data, periods, batch_products, mesh
    ):
        sample = partial(
            _sample,
            checkpoint.definition,
            periods[0],
            mesh,
            weights,
            static,
            part,
            jax.random.fold_in(key, start),
        )
        drawn = [
            np.asarray(leaf)[: num_samples - done, :kept]
            for done in range(0, num_samples, _AT_ONCE)
            for leaf in sample(np.int32(done), np.int32(num_samples))
        ]
        outbound.append(np.concatenate(drawn[0::2]))
        cost.append(np.concatenate(drawn[1::2]))
    return np.concatenate(outbound, axis=1), np.concatenate(cost, axis=1)


def distributions(
    checkpoint: Checkpoint,
    data: DrainData,
    periods: tuple[int, int],
    *,
    batch_products: int = 16,
) -> tuple[Hybrid, Array]:
    """Return what a model with marginals says of every product, period and node.

    Args:
        checkpoint: A trained model whose joint is ``independent`` or ``copula``.
        data: Panel from its first period on.
        periods: First period and the one after the last.
        batch_products: Products encoded at once.

    Returns:
        The outbound distribution before stock limits it, [P, T', N], and the log quantiles of a
        unit's cost given the actual units, [P, T', N, 9].

    Raises:
        ValueError: As of ``sample_panel``, or if the model has no marginals.
    """
    parts = []
    for _, kept, part, weights, static in _batches(checkpoint, data, periods, batch_products):
        found = _forecast(checkpoint.definition, periods[0], weights, static, part)
        parts.append(jax.tree.map(lambda x, k=kept: x[:k], found))
    joined: tuple[Hybrid, Array] = jax.tree.map(lambda *x: jnp.concatenate(x), *parts)
    return joined


def _batches(
    checkpoint: Checkpoint,
    data: DrainData,
    periods: tuple[int, int],
    batch_products: int,
    mesh: Mesh | None = None,
) -> Iterator[tuple[int, int, Inputs, Weights, Static]]:
    """Yield batches of products: the first one's index, how many count, inputs, and the model."""
    checkpoint.require(data)
    first, stop = periods
    if not 0 <= first < stop <= data.num_periods:
        raise ValueError(
            f"periods [{first}, {stop}), must be a non-empty part of [0, {data.num_periods})"
        )
    weights = jax.device_put(checkpoint.weights)
    weights, static = placed((weights, checkpoint.static(data.geography)), mesh)
    inputs = data.periods(0, stop).arrays()
    if not checkpoint.config.sales:  # not read: data with and without them share a program
        inputs = replace(inputs, sales=None)
    inputs = replace(inputs, lane=None, lane_units=None)  # labels
    batch = min(batch_products, data.num_products)
    for start in range(0, data.num_products, batch):
        index = np.minimum(np.arange(start, start + batch), data.num_products - 1)
        part: Inputs = jax.tree.map(lambda x, i=index: x[i], inputs)
        yield start, min(batch, data.num_products - start), part, weights, static


@partial(jax.jit, static_argnums=(0, 1))
def _forecast(
    definition: nnx.GraphDef[DrainNetwork],
    first: int,
    weights: Weights,
    static: Static,
    inputs: Inputs,
) -> tuple[Hybrid, Array]:
    joint, knots = nnx.merge(definition, weights)(static, inputs)
    if isinstance(joint, Coherent):
        raise ValueError("config.joint is 'coherent', must be one with a distribution of each node")
    late: tuple[Hybrid, Array] = jax.tree.map(lambda x: x[:, first:], (joint.dist, knots))
    return late


@partial(jax.jit, static_argnums=(0, 1, 2))
def _sample(
    definition: nnx.GraphDef[DrainNetwork],
    first: int,
    mesh: Mesh | None,
    weights: Weights,
    static: Static,
    inputs: Inputs,
    key: Array,
    start: Int[Array, ""],
    stop: Int[Array, ""],
) -> tuple[Array, Array]:
    """Draw samples [start, stop), as many at once as ``_AT_ONCE``; the rest of the leaves is 0.

    Every product has a key of its own, so that devices that share products out draw the same.
    """

    def draw(
        weights: Weights, static: Static, inputs: Inputs, keys: Array, start: Array, stop: Array
    ) -> tuple[Array, Array]:
        network = nnx.merge(definition, weights)
        exogenous = network.exogenous(static, inputs)
        past = network.encode(static, inputs)
        late, past, available = jax.tree.map(
            lambda x: x[:, first:], (exogenous, past, inputs.available)
        )
        nodes = network.embed(static, late, past, available)
        joint = network.joint(late, nodes, available)
        size = joint.num_uniforms(available.shape[-1], network.config.copula_rank)

        def uniforms(keys: Array, size: int) -> Array:
            shape = (available.shape[1], size)
            return jax.vmap(lambda key: jax.random.uniform(key, shape))(keys)

        def one(i: Array, drawn: tuple[Array, Array]) -> tuple[Array, Array]:
            now = jax.vmap(lambda key: jax.random.split(jax.random.fold_in(key, start + i)))(keys)
            units = joint.sample(available, late.active, uniforms(now[:, 0], size))
            knots = network.cost(static, late, nodes, units)
            cost = units * cost_ppf(knots, uniforms(now[:, 1], available.shape[-1]))
            return drawn[0].at[i].set(units), drawn[1].at[i].set(cost)

        none = jnp.zeros((_AT_ONCE, *available.shape))
        count = jnp.minimum(stop - start, _AT_ONCE)
        drawn: tuple[Array, Array] = jax.lax.fori_loop(0, count, one, (none, none))
        return drawn

    keys = jax.random.split(key, inputs.available.shape[0])
    with sharing(mesh):
        axes = (None, None, 0, 0, None, None)
        return over_devices(draw, axes, (1, 1))(weights, static, inputs, keys, start, stop)
