"""Placement baselines: requests worked out by hand, programs against their optimum, the suite."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from draingym.policies import (
    CappedCoverParams,
    CappedOrderUpTo,
    CoverReorder,
    DemandProportional,
    DistanceAware,
    DistanceParams,
    Newsvendor,
    NewsvendorParams,
    OrderUpToPerNode,
    PerNodeParams,
    ProportionalParams,
    ReorderParams,
    ReorderPoint,
    ReorderPointParams,
    RollingHorizon,
    RollingParams,
    TabularOrders,
    TransportParams,
    TransportPlacement,
    TuneConfig,
    baseline_suite,
    serial_suite,
    store_suite,
    tune,
)
from draingym.policies.bounds.lost_sales import LostSales, optimal_cost, optimal_orders, policy_cost
from draingym.policies.rules.suite import mean_lead_time
from tests.policies.problems import observation, small_tree, store_task

KEY = jax.random.key(0)
# Nearest nodes: region 0 and 1 -> node 1, region 2 -> node 2, region 3 -> node 3.
SEEN = observation([20, 4, 30, 0], forecast=(4.0, 3.0, 2.0, 1.0))
LEAD = np.eye(3)[[2, 1, 1, 1]]


def f32(**values):
    return {name: jnp.float32(value) for name, value in values.items()}


# Demands 10 (upstream), 7, 2, 1; positions 54 (echelon), 4, 30, 0.
BY_HAND = [
    pytest.param(
        OrderUpToPerNode(tree=small_tree()),
        PerNodeParams(cover=jnp.array([6.0, 2.0, 1.0, 3.0]), safety=jnp.float32(0.0)),
        [6, 10, 0, 3],
        id="per node",
    ),
    # Upstream places half of 20; the pool of 10 + 34 by 7 : 2 : 1 is 30.8, 8.8, 4.4.
    pytest.param(
        DemandProportional(tree=small_tree()),
        ProportionalParams(**f32(buy_cover=6.0, safety=0.0, push=0.5)),
        [6, 26.8, 0, 4.4],
        id="proportional",
    ),
    pytest.param(
        DistanceAware(tree=small_tree()),
        DistanceParams(**f32(buy_cover=6.0, place_cover=2.0, safety=0.0, reach=1e-3)),
        [6, 10, 0, 2],
        id="distance, nearest",
    ),
    # Gaps 6, 10, 0, 2 and caps of a period's demand 10, 7, 2, 1.
    pytest.param(
        CappedOrderUpTo(tree=small_tree()),
        CappedCoverParams(**f32(buy_cover=6.0, place_cover=2.0, safety=0.0, cap=1.0)),
        [6, 7, 0, 1],
        id="capped",
    ),
    # s = 50, 7, 2, 1: upstream has more; the others order up to s + 2 periods.
    pytest.param(
        CoverReorder(tree=small_tree()),
        ReorderParams(**f32(buy_cover=5.0, place_cover=1.0, safety=0.0, batch=2.0)),
        [0, 17, 0, 3],
        id="(s, S)",
    ),
    # All gain the same net of ship costs, nearest first: 14, 4, 2 for two periods' demand. What is
    # placed moves 10 to node 1 and 2 to node 3; node 2's 30 are far from both.
    pytest.param(
        TransportPlacement(
            tree=small_tree(),
            unit_ship_cost=((9.0,) * 4, (1, 1, 6, 15), (15, 15, 1, 15), (15, 15, 6, 1)),
            transfer_cost=0.25,
        ),
        TransportParams(**f32(buy_cover=6.0, place_cover=2.0, safety=0.0)),
        [6, 10, 0, 2],
        id="transport",
    ),
]


@pytest.mark.parametrize(("policy", "params", "expected"), BY_HAND)
def test_requests_by_hand(policy, params, expected):
    np.testing.assert_allclose(policy.apply(params, SEEN, KEY), expected, atol=2e-3)


def test_a_wide_reach_shares_demand_evenly():
    params = DistanceParams(**f32(buy_cover=1.0, place_cover=3.0, safety=0.0, reach=1e3))
    empty = replace(SEEN, on_hand=jnp.zeros(4))
    request = DistanceAware(tree=small_tree()).apply(params, empty, KEY)
    np.testing.assert_allclose(request, [10, 10, 10, 10], rtol=5e-3)


@pytest.mark.parametrize("fractile", [0.5, 0.9, 0.99])
def test_newsvendor_target_is_the_quantile(fractile):
    params = NewsvendorParams(
        **f32(
            buy_cover=4.0, place_cover=4.0, buy_fractile=fractile, place_fractile=fractile, cv=0.3
        )
    )
    empty = replace(SEEN, on_hand=jnp.zeros(4))
    request = Newsvendor(tree=small_tree()).apply(params, empty, KEY)
    mean = 4.0 * np.array([10.0, 7.0, 2.0, 1.0])
    shape = mean / (1 + 0.09 * mean)
    np.testing.assert_allclose(
        request, stats.gamma(shape, scale=mean / shape).ppf(fractile), rtol=0.02
    )


def test_reorder_point_waits_then_fills_up():
    params = ReorderPointParams(level=jnp.float32(5.0), batch=jnp.float32(10.0))
    seen = observation([6, 5, 0, 1], pipeline=[[0, 0, 7, 0], [0, 0, 0, 2]])
    np.testing.assert_allclose(
        ReorderPoint(parent=(-1,) * 4).apply(params, seen, KEY), [0, 10, 0, 12]
    )


def rolling(**settings):
    return RollingHorizon(
        tree=small_tree(),
        # All different, so that a plan is the only best one.
        unit_ship_cost=((9.0,) * 4, (1, 1, 6, 15), (15, 15, 1.5, 15), (15, 15, 6, 2)),
        lead_time=(2, 1, 1, 1),
        **settings,
    )


def test_rolling_horizon_buys_and_places_just_in_time():
    # Certain demand of 7, 2, 1 a period; node 2 has enough. What is bought now arrives in period
    # 2, is placed in 3 and sold in 4: the demand of 4 at nodes 1 and 3. Until then there are 20
    # upstream for the 21 that node 1 sells in periods 1 to 3; node 3, which costs more, gets none.
    params = RollingParams(uplift=jnp.float32(1.0), stock_value=jnp.float32(0.5))
    request = rolling(periods=8).apply(params, SEEN, KEY)
    np.testing.assert_allclose(request, [8, 7, 0, 0], atol=1e-4)
    # With enough upstream both get their next period's demand, and nothing is bought for it.
    rich = replace(SEEN, on_hand=jnp.array([100.0, 4, 30, 0]))
    np.testing.assert_allclose(rolling(periods=8).apply(params, rich, KEY), [0, 7, 0, 1], atol=1e-4)


def test_programs_run_under_vmap_and_jit_as_one_by_one():
    policy = rolling(periods=6)
    params = policy.init(KEY)
    scale = jnp.arange(1.0, 20.0)  # more than one chunk of programs

    def act(factor):
        return policy.apply(params, replace(SEEN, forecast=factor * SEEN.forecast), KEY)

    together = jax.jit(jax.vmap(act))(scale)
    np.testing.assert_allclose(together[4], act(scale[4]), atol=1e-3)
    with pytest.raises(ValueError, match="callbacks do not support JVP"):
        jax.grad(lambda factor: act(factor).sum())(1.0)


def test_a_plan_too_short_for_its_lead_times_is_refused():
    with pytest.raises(ValueError, match="periods is 2, must be above the longest lead time, 2"):
        rolling(periods=2)


def test_a_closed_node_gets_nothing_from_any_baseline():
    closed = replace(
        SEEN, active=jnp.array([True, True, False, True]), on_hand=jnp.array([50.0, 0, 0, 0])
    )
    for name, (policy, bounds) in baseline_suite(small_tree(), lead_time=LEAD).items():
        params = policy.init(KEY)
        request = np.asarray(policy.apply(params, closed, KEY))
        assert request[2] == pytest.approx(0.0, abs=2e-3), name
        assert (request >= 0).all(), name
        assert request[1] > 0, name
        fields = {jax.tree_util.keystr(p).lstrip(".") for p, _ in jax.tree.leaves_with_path(params)}
        assert set(bounds) == fields, name


def test_lead_times_are_rounded_means():
    assert mean_lead_time([[0, 0.4, 0.6], [1, 0, 0], [0.5, 0.5, 0]]) == (2, 0, 1)


def store_problem():
    units = np.arange(16)
    pmf = stats.poisson(3).pmf(units)
    return LostSales(
        pmf=pmf / pmf.sum(), lead_time=2, holding_cost=1.0, unmet_cost=4.0, max_order=9,
        max_stock=20,
    )  # fmt: skip


def test_the_optimal_table_costs_the_optimum_and_acts_by_its_state():
    problem = store_problem()
    orders = optimal_orders(problem)
    assert policy_cost(problem, orders) == pytest.approx(optimal_cost(problem), abs=2e-4)
    policy = TabularOrders(table=orders)
    seen = observation([3.0], pipeline=[[2.0], [4.0]])
    request = policy.apply(policy.init(KEY), seen, KEY)
    np.testing.assert_array_equal(request, [orders[5, 4]])
    far = observation([99.0], pipeline=[[0.0], [99.0]])
    np.testing.assert_array_equal(policy.apply(policy.init(KEY), far, KEY), [orders[-1, -1]])


@pytest.mark.parametrize("table", [np.zeros(0), np.array([-1]), np.array([0.5])], ids=str)
def test_bad_tables_are_refused(table):
    with pytest.raises(ValueError, match="table"):
        TabularOrders(table=table)


@pytest.mark.slow
def test_tuning_finds_a_vector_of_levels_within_its_bounds_and_budget():
    policy, _ = serial_suite((-1,), most=40.0)["base stock, per node"]
    bounds = {"": (np.array([0.0]), np.array([40.0]))}  # from 0: no logarithm
    config = TuneConfig(rollouts=16 * 90)
    found = tune(store_task(products=16, periods=60), policy, bounds, config)
    assert found.rollouts <= 16 * 90
    assert found.params.shape == (1,)
    assert float(found.params[0]) == pytest.approx(12.9, abs=0.6)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (TuneConfig(rollouts=30), "rollouts is 30, must be at least 40"),
        (None, "shapes"),
    ],
    ids=["budget", "shape"],
)
def test_bad_tuning_is_refused(config, message):
    policy, bounds = store_suite(most=40.0)["base stock"]
    wrong = bounds if config else {"": (np.zeros(3), np.ones(3))}
    with pytest.raises(ValueError, match=message):
        tune(store_task(products=4, periods=10), policy, wrong, config)
