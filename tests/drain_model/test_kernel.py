from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from draingym.drain_model import Checkpoint, DrainConfig, DrainData, LearnedDrain, Statistics
from draingym.drain_model.checkpoint import initial_weights
from draingym.simulator import History, Series

TINY = DrainConfig(width=8, heads=2, pair_width=8, frequencies=2, batch_products=2)


@pytest.fixture(scope="module")
def data(process) -> DrainData:
    return process.data.products(slice(0, 1))


def perturbed(config: DrainConfig, data: DrainData) -> Checkpoint:
    random = np.random.default_rng(1)
    weights = jax.tree.map(
        lambda x: x + jnp.asarray(0.1 * random.standard_normal(x.shape), jnp.float32),
        initial_weights(config, 2, 3, seed=0),
    )
    return Checkpoint(
        config=config,
        weights=weights,
        statistics=Statistics.from_data(data),
        node_coordinates=np.asarray(data.geography.node_coordinates),
    )


def bind(checkpoint: Checkpoint, data: DrainData):
    return LearnedDrain.bind(
        checkpoint, data.geography, data.active.any(axis=0), data.active.argmax(axis=0)
    )


@pytest.fixture(scope="module")
def checkpoint(data: DrainData) -> Checkpoint:
    return perturbed(TINY, data)


@pytest.fixture(scope="module")
def bound(checkpoint: Checkpoint, data: DrainData):
    return bind(checkpoint, data)


def series_of(data: DrainData, uniforms: jax.Array) -> Series:
    periods, nodes, regions = data.num_periods, data.num_nodes, data.glance_views.shape[-1]
    return Series(
        period=jnp.arange(periods),
        glance_views=jnp.asarray(data.glance_views[0]),
        forecast=jnp.zeros((periods, regions)),
        price=jnp.ones(periods),
        unit_cost=jnp.ones(periods),
        attributes=jnp.broadcast_to(data.attributes[0], (periods, data.attributes.shape[-1])),
        calendar=jnp.asarray(data.calendar),
        lead_share=jnp.zeros((periods, nodes, 2)),
        last=jnp.arange(periods) == periods - 1,
        round_uniform=jnp.zeros((periods, nodes)),
        drain_uniform=uniforms,
    )


def past_of(data: DrainData, stop: int, length: int) -> History:
    cut = slice(stop - length, stop)
    return History(
        outbound=jnp.asarray(data.outbound[0, cut]),
        ship_cost=jnp.asarray(data.ship_cost[0, cut]),
        available=jnp.asarray(data.available[0, cut]),
    )


SLOW = {"marks": pytest.mark.slow}
PLAIN = {"lane_heads": 0, "pair_bias": False}  # the paper's heads


@pytest.mark.parametrize(
    ("start", "changes", "tolerance"),
    [
        pytest.param(0, {}, 1e-5, id="no history"),
        pytest.param(16, {}, 1e-5, id="history", **SLOW),
        pytest.param(16, {"lane_heads": 2, "lane_steps": 1}, 1e-5, id="two heads of lanes", **SLOW),
        pytest.param(16, {"calendar": True, "dilations": (2, 3)}, 1e-5, id="calendar", **SLOW),
        pytest.param(16, PLAIN, 1e-5, id="plain", **SLOW),
        pytest.param(16, {**PLAIN, "mixing": "rnn"}, 1e-5, id="plain rnn", **SLOW),
        pytest.param(16, {"precision": "bfloat16"}, 5e-2, id="bfloat16", **SLOW),
    ],
)
def test_cached_steps_equal_the_teacher_forced_window(
    data: DrainData, start: int, changes: dict, tolerance: float
) -> None:
    """What a rollout draws, fed back as the past of a full window, gives the same heads."""
    checkpoint = perturbed(replace(TINY, joint="independent", **changes), data)
    kernel, params = bind(checkpoint, data)
    uniforms = jax.random.uniform(jax.random.key(0), (data.num_periods, kernel.num_uniforms))
    series = series_of(data, uniforms)

    @jax.jit
    def rollout() -> tuple[jax.Array, jax.Array, jax.Array]:
        exogenous = kernel.prepare(params, series)
        later = jax.tree.map(lambda x: x[start:], (exogenous, uniforms))
        stock = jnp.asarray(data.available[0, start:])

        def body(memory, now):
            available, exo, u = now
            network = kernel._network(params)
            _, past = kernel._encode(network, params, memory, available)
            nodes = network.embed(params.static, exo, past, available)
            memory, drain = kernel.drain(params, memory, available, exo, u)
            knots = network.cost(params.static, exo, nodes, drain.outbound)
            joint = network.joint(exo, nodes, available)
            return memory, (drain, joint.dist, knots)

        memory = kernel.init(params, past_of(data, start, start))
        return jax.lax.scan(body, memory, (stock, *later))[1]

    drain, dist, knots = rollout()
    whole = replace(
        data.inputs(),
        outbound=jnp.asarray(data.outbound).at[0, start:].set(drain.outbound),
        ship_cost=jnp.asarray(data.ship_cost).at[0, start:].set(drain.ship_cost),
    )
    expected, expected_knots = jax.jit(
        lambda weights, inputs: nnx.merge(checkpoint.definition, weights)(params.static, inputs)
    )(params.weights, whole)
    active = data.active[start:]
    # Rounding of a rare log probability is not that of the probability.
    for value_of in (
        lambda dist: jnp.exp(dist.log_atoms),
        lambda dist: jnp.exp(dist.log_tail),
        lambda dist: dist.tail.knots,
    ):
        a, b = value_of(dist), value_of(expected.dist)[0, start:]
        np.testing.assert_allclose(a[active], b[active], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(
        knots[active], expected_knots[0, start:][active], rtol=tolerance, atol=tolerance
    )
    assert float(drain.outbound.sum()) > 0


def test_a_drain_is_whole_feasible_and_costs_what_its_units_cost(bound, data: DrainData) -> None:
    kernel, params = bound
    uniforms = jax.random.uniform(jax.random.key(1), (data.num_periods, kernel.num_uniforms))
    series = series_of(data, uniforms)
    stock = jnp.asarray(data.available[0])

    @jax.jit
    def run(params, series):
        exogenous = kernel.prepare(params, series)
        memory = kernel.init(params, past_of(data, 0, 0))
        # All periods from the same memory: one batched step.
        _, drain = jax.vmap(kernel.drain, in_axes=(None, None, 0, 0, 0))(
            params, memory, stock, exogenous, series.drain_uniform
        )
        return exogenous, drain

    exogenous, drain = run(params, series)
    np.testing.assert_array_equal(exogenous.active, data.active)
    assert bool(jnp.all(drain.outbound == jnp.floor(drain.outbound)))
    assert bool(jnp.all((drain.outbound >= 0) & (drain.outbound <= stock)))
    assert bool(jnp.all(jnp.where(data.active, 0.0, drain.outbound) == 0))
    assert bool(jnp.all((drain.ship_cost > 0) == (drain.outbound > 0)))
    assert bool(jnp.all(drain.lost == 0))
    assert bool(jnp.all(drain.waiting == 0))


def test_gradients_reach_stock_and_are_finite_at_empty_shelves(bound, data: DrainData) -> None:
    kernel, params = bound
    u = jnp.full(kernel.num_uniforms, 0.9)
    series = series_of(data, jnp.broadcast_to(u, (data.num_periods, u.size)))

    @jax.jit
    @jax.grad
    def slope_at(stock: jax.Array) -> jax.Array:
        exogenous = jax.tree.map(lambda x: x[-1], kernel.prepare(params, series))
        memory = kernel.init(params, past_of(data, 0, 0))
        _, drain = kernel.drain(params, memory, stock, exogenous, u)
        return jnp.sum(drain.outbound + drain.ship_cost)

    for stock in (jnp.zeros(4), jnp.array([3.0, 0.0, 1.0, 40.0])):
        slope = slope_at(stock)
        assert bool(jnp.all(jnp.isfinite(slope)))
    assert slope[0] == 0.0  # it serves no customers
    assert bool(jnp.all(slope_at(jnp.array([3.0, 1.0, 1.0, 1.0]))[1:] != 0.0))


def test_other_features_than_the_checkpoints_are_named(bound, data: DrainData) -> None:
    kernel, params = bound
    series = series_of(data, jnp.zeros((data.num_periods, kernel.num_uniforms)))
    with pytest.raises(ValueError, match=r"series\.calendar has 1 features, must be 2"):
        kernel.prepare(params, replace(series, calendar=series.calendar[:, :1]))


def test_shapes_of_the_node_set_are_checked(checkpoint: Checkpoint, data: DrainData) -> None:
    with pytest.raises(ValueError, match=r"serves has shape \(3,\), must be \(4,\)"):
        LearnedDrain.bind(checkpoint, data.geography, np.ones(3, bool), np.zeros(4, int))
