"""Proof of differentiability, environment by environment; ``docs/differentiability.md`` explains.

Real units: a path's cost is piecewise linear in what a policy orders, so its derivative exists
almost everywhere. It is compared path by path with central differences in float64, where a step is
so small that it meets no kink. Whole units: a path is a step function, and what is compared is the
mean over paths, within a bias that the tests state.
"""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.drain_model import ClosestNode, ClosestNodeParams
from draingym.policies import (
    BaseStock,
    CappedBaseStock,
    CappedParams,
    EchelonBaseStock,
    EqualFractile,
    OrderUpTo,
    OrderUpToParams,
    Tree,
)
from draingym.simulator import (
    Dynamics,
    LocalDemand,
    Normal,
    Poisson,
    Simulator,
    batch_last,
    batch_returns,
    make_params,
    sample_supply,
    scenario_from_views,
    serial_in_transit,
    serial_line,
    single_store,
    transshipment,
)
from tests.simulator.worlds import tree_world

BATCH, PERIODS = 48, 30


def store(**options):
    return (*single_store(lead_time=3, **options), BaseStock(), jnp.float32(21.37))


def capped():
    problem = single_store(lead_time=3, backlog=False, demand=Poisson(rate=5.0))
    return (
        *problem,
        CappedBaseStock(),
        CappedParams(level=jnp.float32(22.3), cap=jnp.float32(5.6)),
    )


def line(make, levels):
    policy = EchelonBaseStock(parent=tuple(range(-1, len(levels) - 1)))
    return (*make(), policy, jnp.array(levels))


def one_warehouse():
    means, sds = (4.0, 5.0, 6.0), (1.2, 2.0, 1.5)
    problem = transshipment(demand=Normal(means=means, sds=sds, correlation=0.5, clip=False))
    policy = EqualFractile(mean=tuple(3 * m for m in means), sd=tuple(1.7 * s for s in sds))
    return (*problem, policy, jnp.float32(91.3))


def everything(whole_units=False, ties="demand"):
    """A tree of depth 3 with every option on."""
    parent = [-1, -1, 0, 0, 1, 2]
    simulator, params = tree_world(
        parent, whole_units=whole_units, holding_cost=0.3, holding_rate=0.02, transfer_cost=0.2,
        unmet_cost=4.0, transit_cost=0.1, capacity=7.5, capacity_price=0.1, overflow_price=0.7,
        salvage_rate=0.5, discount=0.99,
    )  # fmt: skip
    dynamics = Dynamics(whole_units=whole_units, hold_requests=True, ship_arrivals=True)
    kernel = LocalDemand(backlog=True, ties=ties)
    simulator = replace(simulator, kernel=kernel, dynamics=dynamics)
    lead = np.tile([0.3, 0.5, 0.2], (6, 1))

    def sample(key, periods, batch):
        def one(key):
            key_views, key_noise, key_supply = jax.random.split(key, 3)
            views = jax.random.gamma(key_views, 4.0, (periods, 3))
            if whole_units:
                views = jnp.floor(views)
            made = scenario_from_views(views, lead, key_noise, price=6.0, unit_cost=2.0)
            supply = sample_supply(made.series, lead, key_supply, concentration=3.0, fill_mean=0.9)
            return replace(made, series=supply)

        return batch_last(jax.vmap(one)(jax.random.split(key, batch)))

    levels = jnp.array([24.3, 12.2, 13.1, 9.7, 10.1, 8.3])
    return simulator, params, sample, EchelonBaseStock(parent=tuple(parent)), levels


def closest_node(whole_units=False):
    """About three orders a period; each goes to the nearest node with stock."""
    x, z = np.array([0.0, 0.1, 1.0, 2.1]), np.array([0.0, 0.8, 1.7])
    distance = jnp.asarray(1000 * np.abs(x[:, None] - z[None, :]), jnp.float32)
    serves = jnp.array([False, True, True, True])
    kernel = ClosestNode(max_orders=12, num_nodes=4, choices=2 if whole_units else 4)
    kernel_params = ClosestNodeParams(
        distance_km=distance, serves=serves, active_from=jnp.zeros(4, jnp.int32),
        temperature=jnp.float32(0.003 if whole_units else 1e3), rate_scale=jnp.float32(1.0),
        cost_fixed=jnp.float32(4.0), cost_per_km=jnp.float32(0.004),
    )  # fmt: skip
    params = make_params(
        [-1, 0, 0, 0], kernel_params, holding_cost=0.3, transfer_cost=0.2, salvage_rate=0.7
    )
    tree = Tree(
        parent=params.parent,
        descends=jnp.eye(4, dtype=bool).at[0].set(True),
        serves=serves,
        distance=distance / 1000,
        population=jnp.full(3, 1 / 3),
    )

    def sample(key, periods, batch):
        def one(key):
            key_views, key_noise = jax.random.split(key)
            views = jax.random.poisson(key_views, 9.0, (periods, 3)).astype(jnp.float32)
            made = scenario_from_views(
                views, np.eye(2)[[1, 1, 1, 1]], key_noise, num_uniforms=kernel.num_uniforms,
                price=40.0, unit_cost=10.0, on_hand=[6.0, 2.0, 2.0, 2.0],
            )  # fmt: skip
            attributes = jnp.full((periods, 3), jnp.log(0.1))
            forecast = jnp.full((periods, 3), 0.9)
            return replace(
                made, series=replace(made.series, attributes=attributes, forecast=forecast)
            )

        return batch_last(jax.vmap(one)(jax.random.split(key, batch)))

    covers = OrderUpToParams(
        buy_cover=jnp.float32(2.6), place_cover=jnp.float32(1.13), safety=jnp.float32(0.37)
    )
    simulator = Simulator(kernel=kernel, dynamics=Dynamics(whole_units=whole_units))
    return simulator, params, sample, OrderUpTo(tree=tree), covers


ENVIRONMENTS = {
    "A: lost sales, Poisson": lambda: store(backlog=False, demand=Poisson(rate=5.0)),
    "A: lost sales, capped": capped,
    "B: backlog, normal": store,
    "C: serial line": lambda: line(serial_line, [80.1, 70.3, 48.2, 31.1]),
    "D: one warehouse": one_warehouse,
    "E: serial line, transit": lambda: line(serial_in_transit, [22.1, 11.9, 6.3]),
    "tree, every option": everything,
    "closest node, reals": closest_node,
}


@functools.cache
def environment(name):
    """Return ``returns(theta, scenario, remat)`` [B], theta, and a batch of scenarios."""
    simulator, params, sample, policy, theta = ENVIRONMENTS[name]()
    scenario = jax.jit(lambda key: sample(key, PERIODS, BATCH))(jax.random.key(0))

    def returns(theta, scenario, remat=True):
        return batch_returns(simulator, widen(theta, params), policy, theta, scenario, remat=remat)

    return returns, theta, scenario


def widen(like, tree):
    """Return the tree with reals of the same width as ``like``."""
    width = jax.tree.leaves(like)[0].dtype
    return jax.tree.map(
        lambda leaf: leaf.astype(width) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, tree
    )


def directions(theta):
    leaves, structure = jax.tree.flatten(theta)
    rng = np.random.default_rng(0)
    return [
        jax.tree.unflatten(
            structure,
            [jnp.asarray(rng.choice([-1.0, 1.0], leaf.shape), leaf.dtype) for leaf in leaves],
        )
        for _ in range(2)
    ]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow)
        if name[:2] in ("C:", "D:", "E:") or "reals" in name
        else name
        for name in sorted(ENVIRONMENTS)
    ],
)
def test_derivative_is_exact_path_by_path_and_the_same_in_both_modes(name):
    returns, theta, scenario = environment(name)
    with jax.enable_x64(True):
        wide = jnp.zeros((), jnp.float64)
        theta, scenario = widen(wide, theta), widen(wide, scenario)
        step = 1e-6

        @jax.jit
        def compare(direction):
            def along(h):
                return returns(jax.tree.map(lambda a, d: a + h * d, theta, direction), scenario)

            central = (along(step) - along(-step)) / (2 * step)
            _, forward = jax.jvp(along, (wide,), (wide + 1.0,))
            reverse = jax.grad(lambda t: returns(t, scenario).sum())(theta)
            inner = sum(
                jnp.sum(g * d)
                for g, d in zip(jax.tree.leaves(reverse), jax.tree.leaves(direction), strict=True)
            )
            return central, forward, inner

        for direction in directions(theta):
            central, forward, reverse = map(np.asarray, compare(direction))
            assert central.dtype == np.float64
            assert np.abs(central).max() > 0.1
            np.testing.assert_allclose(forward, central, rtol=1e-5, atol=1e-5)
            assert reverse == pytest.approx(forward.sum(), rel=1e-9, abs=1e-8)


# The chosen ones cover every branch of the dynamics and both kernels. The slow ones are the same
# bit for bit only as users compile them, which `make test` does not.
@pytest.mark.parametrize(
    "name",
    [
        "A: lost sales, Poisson",
        "C: serial line",
        pytest.param("tree, every option", marks=pytest.mark.slow),
        pytest.param("closest node, reals", marks=pytest.mark.slow),
    ],
)
def test_values_do_not_depend_on_gradients_nor_gradients_on_remat(name):
    returns, theta, scenario = environment(name)

    def loss(theta, scenario, remat):
        paths = returns(theta, scenario, remat)
        return paths.mean(), paths

    plain = jax.jit(lambda t: returns(t, scenario))(theta)
    slopes = {}
    for remat in (False, True):
        (_, paths), slopes[remat] = jax.jit(
            jax.value_and_grad(functools.partial(loss, remat=remat), has_aux=True)
        )(theta, scenario)
        np.testing.assert_array_equal(paths, plain)
    close = functools.partial(np.testing.assert_allclose, rtol=2e-5, atol=1e-3)
    jax.tree.map(close, slopes[True], slopes[False])


@pytest.mark.parametrize("name", ["A: lost sales, Poisson"])
def test_the_variance_of_the_gradient_does_not_grow_with_the_horizon(name):
    # Of the cost per period. If what happens now mattered for ever, it would.
    simulator, params, sample, policy, theta = ENVIRONMENTS[name]()

    @functools.partial(jax.jit, static_argnums=1)
    def spread(key, periods):
        scenario = sample(key, periods, 128)

        def along(h):
            moved = jax.tree.map(lambda leaf: leaf + h, theta)
            total = batch_returns(simulator, params, policy, moved, scenario, warm_up=20)
            return total / (periods - 20)

        return jax.jvp(along, (jnp.float32(0),), (jnp.float32(1),))[1].std()

    short, long = (float(spread(jax.random.key(3), 20 + periods)) for periods in (20, 80))
    assert 0 < long < 0.8 * short


# Whole units: the derivative of the mean, and how far it may be off. Rounding is straight through,
# and whole stock meets whole demand at its kink all the time, where one side is taken.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "paths", "periods", "bound"),
    [
        (everything, 1000, 20, 0.15),
        (functools.partial(everything, ties="split"), 1000, 20, 0.05),
        (functools.partial(everything, ties="by path"), 1000, 20, 0.05),
        (closest_node, 600, 12, 0.15),
    ],
    ids=["local demand", "local demand, split ties", "local demand, a path's side", "closest node"],
)
def test_with_whole_units_the_mean_derivative_is_biased_within_a_bound(make, paths, periods, bound):
    simulator, params, sample, policy, theta = make(whole_units=True)
    step = 0.03  # of every parameter

    @jax.jit
    def compare(key):
        scenario = sample(key, periods, paths)

        def along(h):
            moved = jax.tree.map(lambda leaf: leaf * (1 + h), theta)
            return batch_returns(simulator, params, policy, moved, scenario)

        slope = jax.jvp(along, (jnp.float32(0),), (jnp.float32(1),))[1]
        return slope, (along(step) - along(-step)) / (2 * step)

    slope, central = map(np.asarray, compare(jax.random.key(0)))
    error = (slope - central).std(ddof=1) / np.sqrt(paths)
    target = abs(central.mean())
    assert error < 0.05 * target
    assert abs(slope.mean() - central.mean()) < bound * target
