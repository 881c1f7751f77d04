from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from draingym.common.scores import crps
from draingym.drain_model import (
    ClosestNode,
    ClosestNodeParams,
    fit_closest_node,
    max_orders_for,
    sample_closest_node,
)
from draingym.drain_model.closest_node.kernel import draw_orders, fill_orders
from draingym.simulator import History, Series

NODES, REGIONS, MOST = 4, 3, 12


def make_params(seed: int = 0, temperature: float = 0.004) -> ClosestNodeParams:
    distance = np.random.default_rng(seed).uniform(10, 900, (NODES, REGIONS))
    return ClosestNodeParams(
        distance_km=jnp.asarray(distance, jnp.float32),
        serves=jnp.array([False, True, True, True]),
        active_from=jnp.array([0, 0, 0, 2]),
        temperature=jnp.asarray(temperature),
        rate_scale=jnp.asarray(1.0),
        cost_fixed=jnp.asarray(4.0),
        cost_per_km=jnp.asarray(0.01),
    )


def slow_fill(
    params: ClosestNodeParams,
    region: np.ndarray,
    active: np.ndarray,
    stock: np.ndarray,
    uniforms: np.ndarray,
    choices: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An independent reading of the rule, order by order, in float64."""
    distance = np.asarray(params.distance_km, np.float64)
    left = np.where(active, stock, 0).astype(np.float64)
    shipped, cost, lost = (np.zeros(left.size) for _ in range(3))
    for z, u in zip(region, uniforms.astype(np.float64), strict=True):
        if z < 0:
            continue
        remaining, tried = 1.0, set()
        for _ in range(choices):
            nodes = [n for n in range(left.size) if left[n] > 0 and n not in tried]
            if not nodes or remaining <= 0:
                break
            score = -float(params.temperature) * distance[nodes, z]
            weight = np.exp(score - score.max())
            edges = np.concatenate([[0.0], np.cumsum(weight)]) / weight.sum()
            j = min(int(np.searchsorted(edges[1:], u, side="right")), len(nodes) - 1)
            u = (u - edges[j]) / (edges[j + 1] - edges[j])
            take = min(remaining, left[nodes[j]])
            left[nodes[j]] -= take
            shipped[nodes[j]] += take
            cost[nodes[j]] += take * (4.0 + 0.01 * distance[nodes[j], z])
            remaining -= take
            tried.add(nodes[j])
        if active.any():
            lost[np.argmin(np.where(active, distance[:, z], np.inf))] += remaining
    return shipped, cost, lost


fill = jax.jit(fill_orders, static_argnames="choices")


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), whole=st.booleans())
def test_filling_equals_a_slow_reading_and_conserves(seed: int, whole: bool) -> None:
    random = np.random.default_rng(seed)
    params = make_params()
    region = np.sort(random.integers(-1, REGIONS, MOST))[::-1].copy()
    active = random.random(NODES) < 0.8
    stock = random.integers(0, 5, NODES).astype(float)
    stock = stock if whole else stock + random.random(NODES)
    u = random.random(MOST).astype(np.float32)
    found = fill(
        params,
        jnp.asarray(region),
        jnp.asarray(active),
        jnp.asarray(stock, jnp.float32),
        jnp.asarray(u),
        choices=NODES,
    )
    expected = slow_fill(params, region, active, stock, u, NODES)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    shipped, _, lost = found
    assert bool(jnp.all(shipped <= jnp.asarray(stock, jnp.float32) * active + 1e-6))
    orders = (region >= 0).sum() if active.any() else 0
    np.testing.assert_allclose(shipped.sum() + lost.sum(), orders, atol=1e-4)


def test_whole_orders_are_filled_alike_alone_in_batches_and_with_derivatives() -> None:
    random = np.random.default_rng(0)
    region = jnp.asarray(np.sort(random.integers(-1, REGIONS, (9, MOST)), axis=1)[:, ::-1].copy())
    active = jnp.array([False, True, True, True])
    stock = jnp.asarray(random.integers(0, 5, (9, NODES)), jnp.float32)
    u = jnp.asarray(random.random((9, MOST)), jnp.float32)

    def one(params: ClosestNodeParams, *now: jax.Array) -> tuple[jax.Array, ...]:
        stock, region, u = now
        return fill_orders(params, region, active, stock, u, choices=2)

    def moved(params: ClosestNodeParams, *now: jax.Array) -> tuple[jax.Array, ...]:
        stock, *rest = now
        return jax.jvp(lambda stock: one(params, stock, *rest), (stock,), (stock,))[0]

    params, now = make_params(), (stock, region, u)
    axes = (None, 0, 0, 0)
    batch = jax.jit(jax.vmap(one, axes))(params, *now)
    for found, with_slope in zip(batch, jax.jit(jax.vmap(moved, axes))(params, *now), strict=True):
        np.testing.assert_array_equal(found, with_slope)
    # Batches of batches, and of parameters.
    twice = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), (params, *now))
    again = jax.jit(jax.vmap(jax.vmap(one, axes)))(*twice)
    for found, whole in zip(batch, again, strict=True):
        np.testing.assert_allclose(whole[1], found, rtol=1e-6)
    for i in range(9):
        every = fill(params, region[i], active, stock[i], u[i], choices=NODES)
        for found, alone in zip(batch, every, strict=True):
            np.testing.assert_allclose(found[i], alone, rtol=1e-6)


def test_fractions_of_units_are_shipped_once_where_orders_take_one_node() -> None:
    region = jnp.zeros(6, jnp.int32)
    stock = jnp.array([5.0, 0.25, 1.5, 0.125])
    active = jnp.array([False, True, True, True])
    uniforms = jnp.linspace(0.05, 0.95, 6)
    shipped, _, lost = fill_orders(make_params(), region, active, stock, uniforms, choices=1)
    np.testing.assert_array_equal(shipped, jnp.where(active, stock, 0.0))  # no more, no less
    assert float(lost.sum()) == 6 - 1.875


def test_a_large_temperature_is_the_closest_node_with_stock() -> None:
    params = replace(make_params(), temperature=jnp.asarray(1e4))
    params = replace(params, distance_km=jnp.array([[1.0] * 3, [20.0] * 3, [10.0] * 3, [30.0] * 3]))
    active = jnp.array([False, True, True, True])
    stock = jnp.array([9.0, 5.0, 2.0, 5.0])
    shipped, cost, lost = fill(
        params, jnp.zeros(MOST, int), active, stock, jnp.full(MOST, 0.5), choices=1
    )
    np.testing.assert_array_equal(shipped, [0, 5, 2, 5])
    assert lost.sum() == 0
    np.testing.assert_allclose(cost, [0.0, 5 * 4.2, 2 * 4.1, 5 * 4.3], rtol=1e-6)


def test_orders_have_the_law_of_appendix_e() -> None:
    """Totals are binomial, and so are the orders of every region."""
    views, rate = jnp.array([3.0, 0.0, 20.0]), jnp.asarray(0.2)
    u = jax.random.uniform(jax.random.key(0), (20_000, 1 + 24))
    region, overflow = jax.jit(jax.vmap(draw_orders, in_axes=(None, None, 0)))(views, rate, u)
    assert int(overflow.sum()) == 0
    for z, number in enumerate((3, 0, 20)):
        count = np.sum(np.asarray(region) == z, axis=1)
        exact = binom(number, 0.2).pmf(np.arange(10))
        found = np.bincount(count, minlength=25)[:10] / count.size
        np.testing.assert_allclose(found, exact, atol=0.012)
    # Shuffled: the first order comes from a region by its share of views.
    first = np.asarray(region)[:, 0]
    np.testing.assert_allclose(np.mean(first[first >= 0] == 0), 3 / 23, atol=0.01)


def test_the_total_is_exact_for_many_views() -> None:
    views = jnp.array([4e5, 6e5, 0.0])
    u = jnp.concatenate([jnp.array([0.5]), jnp.full(140, 0.1)])
    region, overflow = draw_orders(views, jnp.asarray(1e-4), u)
    assert int(jnp.sum(region >= 0)) == binom(1_000_000, 1e-4).ppf(0.5)
    assert int(overflow) == 0


def series_of(views: jax.Array, uniforms: jax.Array, rate: float) -> Series:
    periods = views.shape[0]
    return Series(
        period=jnp.arange(periods),
        glance_views=views,
        forecast=jnp.zeros_like(views),
        price=jnp.ones(periods),
        unit_cost=jnp.ones(periods),
        attributes=jnp.broadcast_to(jnp.array([0.0, 0.0, np.log(rate)]), (periods, 3)),
        calendar=jnp.zeros((periods, 0)),
        lead_share=jnp.zeros((periods, NODES, 2)),
        last=jnp.arange(periods) == periods - 1,
        round_uniform=jnp.zeros((periods, NODES)),
        drain_uniform=uniforms,
    )


def test_the_kernel_drains_whole_units_and_nodes_open_by_the_calendar() -> None:
    kernel = ClosestNode(max_orders=MOST, num_nodes=NODES)
    params = make_params(temperature=0.0)
    u = jax.random.uniform(jax.random.key(1), (3, kernel.num_uniforms))
    exogenous = kernel.prepare(params, series_of(jnp.full((3, 3), 6.0), u, 0.3))
    none = jnp.zeros((0, NODES))
    memory = kernel.init(params, History(outbound=none, ship_cost=none, available=none))
    stock = jnp.array([5.0, 1.0, 2.0, 1.0])
    total = 0.0
    for t in range(3):
        now = jax.tree.map(lambda x, t=t: x[t], exogenous)
        _, drain = kernel.drain(params, memory, stock, now, u[t])
        assert drain.outbound[0] == 0
        assert t >= 2 or drain.outbound[3] == 0
        assert bool(jnp.all(drain.outbound <= stock))
        assert drain.outbound.sum() + drain.lost.sum() == (now.region >= 0).sum()
        total += float(drain.lost.sum())
    assert total > 0


@pytest.mark.slow
def test_too_many_orders_raise_outside_jit_and_are_counted_inside() -> None:
    kernel = ClosestNode(max_orders=3, num_nodes=NODES)
    series = series_of(
        jnp.array([[1.0, 0, 0], [90.0, 5, 5]]), jnp.full((2, kernel.num_uniforms), 0.5), 0.5
    )
    with pytest.raises(ValueError, match="period 1 has more than max_orders 3"):
        kernel.prepare(make_params(), series)
    orders = jax.jit(kernel.prepare)(make_params(), series)
    np.testing.assert_array_equal(orders.overflow, [0, 1])
    assert int(jnp.sum(orders.region[1] >= 0)) == 3


def test_the_derivative_is_that_of_one_unit_less() -> None:
    """Two orders, one node each way: the last unit of the first choice spills to the second."""
    params = replace(make_params(), temperature=jnp.asarray(10.0))
    params = replace(params, distance_km=jnp.array([[1.0] * 3, [10.0] * 3, [20.0] * 3, [30.0] * 3]))
    active = jnp.array([False, True, True, True])

    def shipped(stock: jax.Array, choices: int = 2) -> jax.Array:
        region = jnp.array([0, 0, -1])
        return fill_orders(params, region, active, stock, jnp.full(3, 0.5), choices=choices)[0]

    # Tie at node 1 (two units, two orders): a unit less there is a unit more at node 2.
    found = jax.jacobian(shipped)(jnp.array([0.0, 2.0, 5.0, 5.0]))
    expected = np.zeros((4, 4))
    expected[1, 1], expected[2, 1] = 1.0, -1.0
    np.testing.assert_array_equal(found, expected)
    # Stock to spare: nothing changes.
    np.testing.assert_array_equal(jax.jacobian(shipped)(jnp.full(4, 9.0)), np.zeros((4, 4)))
    # A chain: node 1 gives its only unit, node 2 its only unit, the rest is node 3's.
    found = jax.jacobian(shipped)(jnp.array([0.0, 1.0, 1.0, 5.0]))
    np.testing.assert_array_equal(found[:, 1], [0, 1, 0, -1])
    np.testing.assert_array_equal(found[:, 2], [0, 0, 1, -1])


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_the_derivative_is_the_one_sided_slope_of_the_path(seed: int) -> None:
    """At whole stock, towards less: the path is linear there until another order spills."""
    random = np.random.default_rng(seed)
    params = make_params()
    region = jnp.asarray(random.integers(0, REGIONS, MOST))
    active = jnp.array([False, True, True, True])
    stock = jnp.asarray(random.integers(1, 6, NODES), jnp.float32)
    u = jnp.asarray(random.random(MOST), jnp.float32)

    def shipped(stock: jax.Array) -> jax.Array:
        return fill(params, region, active, stock, u, choices=NODES)[0]

    n, step = int(random.integers(1, NODES)), 1.0 / 64.0
    below = stock.at[n].add(-step)
    tangent = jax.jvp(shipped, (stock,), (jnp.zeros(NODES).at[n].set(1.0),))[1]
    found = (shipped(stock) - shipped(below)) / step
    np.testing.assert_allclose(tangent, found, atol=1e-3)


def test_fitting_finds_the_conversion_costs_and_a_useful_temperature(processes) -> None:
    process = processes(num_products=12, num_periods=30, seed=3)
    data = process.data
    params = fit_closest_node(data, num_samples=8)
    assert 0.9 < float(params.rate_scale) < 1.15
    assert 1.0 < float(params.cost_fixed) < 9.0
    assert float(params.cost_per_km) > 0.0
    assert max_orders_for(data, params) > data.outbound.sum(axis=-1).max()
    active = np.broadcast_to(data.active, data.outbound.shape)

    def node_crps(candidate: ClosestNodeParams) -> float:
        drawn, _ = sample_closest_node(candidate, data, (0, 30), 16, jax.random.key(0))
        return float(crps(drawn, data.outbound)[active].mean())

    tuned = node_crps(params)
    drawn, cost = sample_closest_node(params, data, (20, 30), 16, jax.random.key(1))
    assert drawn.shape == cost.shape == (16, 12, 10, 4)
    assert np.all(drawn <= data.available[:, 20:30])
    assert np.all(drawn == np.floor(drawn))
    assert np.all((cost > 0) == (drawn > 0))
    hard = node_crps(replace(params, temperature=jnp.asarray(1.0)))
    flat = node_crps(replace(params, temperature=jnp.asarray(0.0)))
    assert tuned < min(hard, flat)


def test_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match="max_orders is 0, must be at least 1"):
        ClosestNode(max_orders=0, num_nodes=2)
