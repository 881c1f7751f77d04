"""Dynamics: hand-computed periods, conservation, and a slow reference."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.policies import BaseStock
from draingym.policies.bounds.hindsight import hindsight_plan
from draingym.simulator import (
    Dynamics,
    Economics,
    FunctionalEnv,
    batch_last,
    batch_returns,
    make_params,
    params_from_network,
    single_store,
)
from draingym.world.network import NetworkConfig, build_network
from tests.simulator.worlds import (
    TREES,
    Requests,
    tree_scenario,
    tree_world,
)


def one_period(parent, on_hand, request, demand, lead, **costs):
    simulator, params = tree_world(parent, **costs)
    lead_time = np.eye(lead + 1)[[lead] * len(parent)]
    scenario = tree_scenario(
        parent,
        np.array([demand], np.float32),
        lead_time,
        0,
        on_hand=np.array(on_hand, np.float32),
        price=10.0,
        unit_cost=4.0,
    )
    trajectory = simulator.rollout(params, Requests([request]), jnp.zeros(()), scenario)
    return jax.tree.map(lambda leaf: np.asarray(leaf[0]), trajectory.transitions)


@pytest.mark.parametrize(
    ("parent", "on_hand", "request_", "demand", "lead", "expected"),
    [
        pytest.param(
            [-1],
            [3],
            [5],
            [4],
            0,
            {"shipped": [5], "stowed": [5], "available": [8], "outbound": [4], "on_hand": [4]},
            id="zero lead time: arrives before demand",
        ),
        pytest.param(
            [-1],
            [3],
            [5],
            [4],
            1,
            {"stowed": [0], "available": [3], "outbound": [3], "lost": [1], "on_hand": [0]},
            id="one period of lead time: too late, a unit is lost",
        ),
        pytest.param(
            [-1, 0, 0],
            [6, 0, 0],
            [0, 8, 4],
            [9, 9],
            0,
            {"shipped": [0, 4, 2], "transferred": [6, 0, 0], "outbound": [0, 4, 2]},
            id="a short parent rations in proportion",
        ),
        pytest.param(
            [-1, 0, 0],
            [6, 1, 1],
            [10, 2, 3],
            [1, 1],
            1,
            {"shipped": [10, 2, 3], "transferred": [5, 0, 0], "on_hand": [1, 0, 0]},
            id="a parent does not ship what arrives this period",
        ),
        pytest.param(
            [-1],
            [3],
            [-7],
            [1],
            0,
            {"ordered": [0], "shipped": [0], "on_hand": [2]},
            id="a negative request counts as none",
        ),
    ],
)
def test_one_period(parent, on_hand, request_, demand, lead, expected):
    got = one_period(parent, on_hand, request_, demand, lead)
    for name, value in expected.items():
        np.testing.assert_array_equal(getattr(got, name), value, err_msg=name)


def test_reward_adds_up_by_hand():
    got = one_period(
        [-1, 0], [6, 2], [3, 4], [5], 0,
        holding_cost=[0.1, 0.2], holding_rate=0.25, transfer_cost=0.3, unmet_cost=2.0,
        salvage_rate=0.5,
    )  # fmt: skip
    # Upstream: 6 - 4 + 3 = 5 left. Store: 2 + 4 = 6 available, 5 sold, 1 left. Price 10, cost 4.
    assert float(got.revenue) == 50.0
    assert float(got.purchase_cost) == 12.0
    assert float(got.transfer_cost) == pytest.approx(1.2)
    assert float(got.holding_cost) == pytest.approx(5 * (0.1 + 1.0) + 1 * (0.2 + 1.0))
    assert float(got.salvage) == 0.5 * 4 * 6
    assert float(got.reward) == pytest.approx(50 + 12 - 2.5 - 12 - 1.2 - 6.7, abs=1e-5)


def test_storage_and_transit_are_charged_by_hand():
    got = one_period(
        [-1, 0], [6, 2], [3, 4], [1], 1,
        transit_cost=[0.1, 0.2], capacity=[1, 5], capacity_price=0.5, overflow_price=2.0,
    )  # fmt: skip
    # Upstream keeps 6 - 4 = 2, one above capacity; the store 1. On their way: 3 and 4.
    assert float(got.transit_cost) == pytest.approx(0.1 * 3 + 0.2 * 4)
    assert float(got.capacity_cost) == pytest.approx(0.5 * 1 + 2.0 * 1 + 0.5 * 1)


def roll(parent, requests, lead, *, dynamics=None, series_options=None, **options):
    """Roll requests out with no demand; return the transitions."""
    simulator, params = tree_world(parent)
    simulator = replace(simulator, dynamics=dynamics or Dynamics())
    leaves = int((~np.isin(np.arange(len(parent)), parent)).sum())
    scenario = tree_scenario(
        parent,
        np.zeros((len(requests), leaves), np.float32),
        np.eye(max(lead) + 1)[lead],
        0,
        **options,
    )
    scenario = replace(scenario, series=replace(scenario.series, **(series_options or {})))
    return simulator.rollout(params, Requests(requests), jnp.zeros(()), scenario).transitions


def test_requests_that_a_parent_holds_are_shipped_when_stock_comes():
    moves = roll(
        [-1, 0, 0], [[5, 4, 2], [1, 0, 0], [0, 0, 0], [0, 0, 0]], [1, 0, 0],
        dynamics=Dynamics(hold_requests=True), on_hand=[0.0, 0, 0],
    )  # fmt: skip
    # Five units arrive in period 1 and one in period 2; each is shipped the period after.
    np.testing.assert_array_equal(moves.owed.sum(axis=1), [6, 6, 1, 0])
    np.testing.assert_array_equal(moves.shipped[:, 1:].sum(axis=1), [0, 0, 5, 1])
    np.testing.assert_array_equal(moves.on_hand[-1], [0, 4, 2])
    forgotten = roll([-1, 0, 0], [[5, 4, 2], [1, 0, 0], [0, 0, 0]], [1, 0, 0])
    assert forgotten.owed is None
    assert float(forgotten.shipped[:, 1:].sum()) == 0


def test_a_parent_that_ships_arrivals_need_not_store_them():
    moves = roll([-1, 0], [[4, 0], [0, 4], [0, 0]], [1, 0], dynamics=Dynamics(ship_arrivals=True))
    np.testing.assert_array_equal(moves.on_hand, [[0, 0], [0, 4], [0, 4]])


def test_a_shipment_arrives_in_whole_pieces_over_several_periods():
    share = jnp.broadcast_to(jnp.array([0.2, 0.5, 0.3])[None, None], (4, 1, 3))
    moves = roll(
        [-1], [[7], [0], [0], [0]], [2],
        series_options={"lead_share": share, "split_uniform": jnp.full((4, 1), 0.55)},
    )  # fmt: skip
    # Cumulated 1.4, 4.9, 7 plus 0.55, rounded down: 1, 5, 7.
    np.testing.assert_array_equal(moves.stowed[:, 0], [1, 4, 2, 0])


def test_a_source_that_accepts_a_share_cancels_the_rest():
    moves = roll(
        [-1, 0], [[8, 0], [0, 4], [0, 0]], [0, 0],
        series_options={"fill_rate": jnp.full((3, 2), 0.75)},
        dynamics=Dynamics(hold_requests=True),
    )  # fmt: skip
    np.testing.assert_array_equal(moves.shipped, [[6, 0], [0, 3], [0, 0]])
    np.testing.assert_array_equal(moves.owed, np.zeros((3, 2)))


def test_what_a_parent_accepted_and_could_not_ship_is_owed():
    moves = roll(
        [-1, 0], [[2, 4], [0, 0], [0, 0]], [0, 0],
        series_options={"fill_rate": jnp.tile(jnp.array([0.5, 0.75]), (3, 1))},
        dynamics=Dynamics(hold_requests=True),
    )  # fmt: skip
    # 1 of 2 comes from the vendor; 3 of 4 are accepted by the parent, who has 0, then 1.
    np.testing.assert_array_equal(moves.shipped, [[1, 0], [0, 1], [0, 0]])
    np.testing.assert_array_equal(moves.owed[:, 1], [3, 2, 2])
    np.testing.assert_array_equal(moves.ordered[0], [2, 4])


def test_backlog_at_the_start_is_served_first():
    simulator, params = tree_world([-1], backlog=True)
    scenario = tree_scenario(
        [-1], np.array([[2.0], [2.0]], np.float32), np.eye(1), 0, on_hand=[1.0], waiting=[3.0]
    )
    moves = simulator.rollout(params, Requests([[1], [9]]), jnp.zeros(()), scenario).transitions
    np.testing.assert_array_equal(moves.observation.waiting[:, 0], [3, 3])
    np.testing.assert_array_equal(moves.outbound[:, 0], [2, 5])


@pytest.mark.parametrize("backlog", [True, False])
def test_customers_may_wait_at_the_start_where_demand_waits_and_nowhere_else(backlog):
    # The store has 4 units on hand; the 3 owed count against them.
    simulator, params, _ = single_store(backlog=backlog, lead_time=0)
    scenario = tree_scenario(
        [-1], np.zeros((2, 1), np.float32), np.eye(1), 0, on_hand=[4.0], waiting=[3.0]
    )
    env = FunctionalEnv(
        simulator=simulator, params=params, sample=lambda key: scenario, max_action=np.ones(1)
    )
    level = jnp.float32(10.0)
    batch = batch_last(jax.tree.map(lambda leaf: leaf[None], scenario))
    ways = {
        "rollout": lambda: simulator.rollout(params, BaseStock(), level, scenario),
        "batch": lambda: batch_returns(simulator, params, BaseStock(), level, batch),
        "environment": lambda: env.reset(jax.random.key(0)),
        "hindsight": lambda: hindsight_plan(simulator, params, scenario),
    }
    for way in ways.values():
        if backlog:
            way()
            continue
        with pytest.raises(ValueError, match="waiting is given, must be None: LocalDemand loses"):
            way()
    if backlog:
        moves = ways["rollout"]().transitions
        np.testing.assert_array_equal(moves.action[:, 0], [9, 0])
        np.testing.assert_array_equal(moves.on_hand[:, 0], [10, 10])


def test_lead_times_may_differ_by_product():
    simulator, params = tree_world([-1])
    scenario = tree_scenario([-1], np.zeros((3, 1), np.float32), np.eye(3)[[0]], 0)
    shares = jnp.broadcast_to(jnp.eye(3)[:, None, None, :], (3, 3, 1, 3))

    def stowed(share):
        series = replace(scenario.series, lead_share=share)
        one = replace(scenario, series=series)
        policy = Requests([[5], [0], [0]])
        return simulator.rollout(params, policy, jnp.zeros(()), one).transitions.stowed

    np.testing.assert_array_equal(jax.vmap(stowed)(shares)[..., 0], 5 * np.eye(3))


@pytest.mark.parametrize("seed", [0, 1])
def test_values_are_equal_with_gradients_on_or_off_and_with_remat(seed):
    parent = np.array(TREES["vendor, upstream, nodes"])
    rng = np.random.default_rng(seed)
    simulator, params = tree_world(parent, holding_cost=1.0, unmet_cost=3.0)
    demand = rng.poisson(4, (5, 4)).astype(np.float32)
    scenario = tree_scenario(parent, demand, np.eye(2)[[1] * 6], seed, price=2.0)
    policy = Requests(rng.gamma(2.0, 3.0, (5, 6)))

    def rewards(scale, remat):
        class Scaled:
            def apply(self, params, observation, key):
                return params * policy.apply(None, observation, key)

        moves = simulator.rollout(params, Scaled(), scale, scenario, remat=remat).transitions
        return moves.reward.sum(), moves.reward

    plain = jax.jit(lambda s: rewards(s, False)[1])(1.3)
    (_, with_remat), slope_remat = jax.jit(
        jax.value_and_grad(lambda s: rewards(s, True), has_aux=True)
    )(1.3)
    (_, without), slope = jax.jit(jax.value_and_grad(lambda s: rewards(s, False), has_aux=True))(
        1.3
    )
    np.testing.assert_array_equal(plain, with_remat)
    np.testing.assert_array_equal(plain, without)
    np.testing.assert_allclose(slope, slope_remat, rtol=1e-6)


def test_a_node_that_is_not_open_yet_receives_nothing():
    simulator, params = tree_world([-1, 0, 0], active_from=[0, 0, 2])
    scenario = tree_scenario(
        [-1, 0, 0],
        np.zeros((4, 2), np.float32),
        np.eye(1)[[0] * 3],
        0,
        on_hand=np.array([30.0, 0, 0]),
    )
    moves = simulator.rollout(
        params, Requests([[0, 3, 3]] * 4), jnp.zeros(()), scenario
    ).transitions
    np.testing.assert_array_equal(moves.shipped[:, 2], [0, 0, 3, 3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parent": [-1, 2, 0]}, r"parent of node 1 is 2, must be in \[-1, 1\)"),
        ({"parent": [0]}, r"parent of node 0 is 0"),
        ({"parent": [-1], "holding_cost": -1.0}, "holding_cost is -1.0, must be in"),
        ({"parent": [-1], "unmet_cost": [1.0, 2.0]}, r"unmet_cost has shape \(2,\)"),
        ({"parent": [-1], "overflow_price": 1.0}, "capacity is None, must be given"),
        (
            {"parent": [-1, 0, -1], "transfer_cost": [0.0, 0.3, 0.2]},
            r"transfer_cost\[2\] is 0.2, must be 0 at a node that the vendor replenishes",
        ),
    ],
    ids=["cycle", "self", "negative cost", "shape", "price without capacity", "transfer at a root"],
)
def test_bad_parameters_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_params(kernel=None, **arguments)


def test_a_transfer_cost_for_all_is_that_of_the_nodes_that_have_one():
    for cost in (0.3, [0.0, 0.3], jnp.array([0.0, 0.3])):
        moves = one_period([-1, 0], [6, 2], [3, 4], [5], 0, transfer_cost=cost)
        assert float(moves.transfer_cost) == pytest.approx(1.2)
    traced = jax.grad(lambda c: make_params([-1, 0], None, transfer_cost=c).transfer_cost.sum())
    np.testing.assert_array_equal(traced(jnp.array([0.1, 0.3])), [1.0, 1.0])


@pytest.mark.parametrize("days", [1, 2, 7])
def test_economics_are_charged_by_the_day_whatever_the_period(days):
    network = build_network(NetworkConfig(num_nodes=2, num_regions=3, period_days=days))
    economics = Economics(holding_rate=0.002, holding_cost=0.05, transfer_cost=0.3, discount=0.99)
    params = params_from_network(network, economics, None, period_days=days)
    np.testing.assert_allclose(params.holding_rate, days * 0.002, rtol=1e-6)
    np.testing.assert_allclose(params.holding_cost, days * 0.05, rtol=1e-6)
    np.testing.assert_allclose(params.transfer_cost, 0.3, rtol=1e-6)
    assert float(params.discount) == pytest.approx(0.99**days)
    # A unit that lies for two weeks costs the same in every world.
    periods = 14 // days
    held = periods * (params.holding_cost[0] + 20.0 * params.holding_rate[0])
    assert float(held) == pytest.approx(14 * (0.05 + 20.0 * 0.002), rel=1e-6)


def test_a_period_without_length_is_refused():
    network = build_network(NetworkConfig(num_nodes=2, num_regions=3))
    with pytest.raises(ValueError, match="period_days is 0, must be finite and in"):
        params_from_network(network, Economics(), None, period_days=0)
