"""The bound by perfect information: by hand, above every policy, and reached where it is exact."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draingym.envs.us import placement
from draingym.policies import (
    EchelonBaseStock,
    baseline_suite,
    hindsight_plan,
    hindsight_values,
    tree_of,
)
from draingym.simulator import (
    Dynamics,
    LocalDemand,
    LocalDemandParams,
    Simulator,
    make_params,
    scenario_from_views,
    serial_line,
    single_store,
)
from draingym.world.network import NetworkConfig, build_network


def line(views, *, backlog=False, on_hand=(2.0, 0.0), **costs):
    """A warehouse (lead time 1) that feeds a store (lead time 1), which serves one region."""
    kernel = LocalDemandParams(
        share=jnp.array([[0.0], [1.0]]), unit_ship_cost=jnp.array([0.0, 1.0])
    )
    params = make_params([-1, 0], kernel, **costs)
    scenario = scenario_from_views(
        np.asarray(views, np.float32)[:, None], np.eye(2)[[1, 1]], jax.random.key(0),
        on_hand=on_hand, price=10.0, unit_cost=4.0,
    )  # fmt: skip
    simulator = Simulator(kernel=LocalDemand(backlog=backlog), dynamics=Dynamics(whole_units=False))
    return simulator, params, scenario


# Demand 1, 1, 1, 1. The warehouse has 2 units; a unit from the vendor is on the warehouse's shelf
# after one period, can be shipped in the next, and be sold a period after that: of demand in
# periods 0 to 3 that of period 0 is lost, those of 1 and 2 are served from the 2 units (6 + 3 net
# of ship cost is 10 - 1 = 9 each), that of period 3 needs a unit bought in period 0 or 1, for 4.
BY_HAND = [
    pytest.param({}, 9 + 9 + (9 - 4), id="no costs"),
    # Holding 1 a unit and period. The unit for period 1 ships in 0 and is held nowhere, that for 2
    # ships in 1 and is held in 0, that for 3 is stowed and held in 1, and ships in 2.
    pytest.param({"holding_cost": 1.0}, 9 + (9 - 1) + (9 - 4 - 1), id="holding"),
    pytest.param({"transfer_cost": 2.0}, 7 + 7 + (7 - 4), id="transfer"),
    pytest.param({"unmet_cost": [0.0, 3.0]}, 23 - 3, id="lost"),
    # Buying for period 3 is not worth it at transfers of 6: 9 - 6 - 4 < 0.
    pytest.param({"transfer_cost": 6.0}, 3 + 3, id="not worth it"),
    # Nor is it with 4 paid in period 1 and 9 earned in period 3: 9 / 8 < 4 / 2.
    pytest.param({"discount": 0.5}, 9 / 2 + 9 / 4, id="discount"),
]


@pytest.mark.parametrize(("costs", "expected"), BY_HAND)
def test_a_line_solved_by_hand(costs, expected):
    found = hindsight_plan(*line([1, 1, 1, 1], **costs))
    assert found.value == pytest.approx(expected, abs=1e-5)


def test_salvage_and_storage_by_hand():
    # No demand: the 2 units stay; 4 * 0.5 each at the end, or less if storage costs more.
    assert hindsight_plan(*line([0, 0], salvage_rate=0.5)).value == pytest.approx(4.0)
    stored = line([0, 0], salvage_rate=0.5, capacity=[1.0, np.inf], overflow_price=0.4)
    # One unit above the warehouse's limit: shipped on at once, it is in transit, then stored.
    assert hindsight_plan(*stored).value == pytest.approx(4.0)
    tight = line([0, 0], salvage_rate=0.5, capacity=1.0, overflow_price=0.4, on_hand=(2.0, 1.0))
    # The store is full: the second unit may be in transit for a period, then is above its limit.
    assert hindsight_plan(*tight).value == pytest.approx(6.0 - 0.4)
    cheap = line([0], capacity=1.0, capacity_price=1.0, overflow_price=0.5)
    with pytest.raises(ValueError, match="must be at least capacity_price"):
        hindsight_plan(*cheap)


def test_backlog_waits_for_stock_by_hand():
    # Two wait from period 0, one more comes in period 1: two are served in 1, and the third by a
    # unit bought in 0, in 3. Waiting costs 1 a unit at each period's end: 2, 1, 1, 0.
    found = hindsight_plan(*line([2, 1, 0, 0], backlog=True, unmet_cost=[0.0, 1.0]))
    assert found.value == pytest.approx(9 * 3 - 4 - 4, abs=1e-5)
    np.testing.assert_allclose(found.served[:, 1], [0, 2, 0, 1], atol=1e-6)


LINES = {
    "store": single_store(backlog=False),
    "serial": serial_line(lead_times=(2, 1), holding_cost=(0.3, 1.0)),
}
HORIZON = 12


@pytest.fixture(scope="module", params=sorted(LINES))
def rollouts(request):
    simulator, params, sample = LINES[request.param]
    parent = tuple(int(p) for p in params.parent)
    policy = EchelonBaseStock(parent=parent)

    @jax.jit
    def value(levels, scenario):
        moves = simulator.rollout(params, policy, levels, scenario).transitions
        return moves.reward.sum()

    @jax.jit
    def plan_value(plan, scenario):
        prepared = simulator.prepare(params, scenario)
        state = simulator.reset(params, prepared)

        def period(state, now):
            series, action = now
            state, transition = simulator.step(params, state, action, series)
            return state, transition.reward

        return jax.lax.scan(period, state, (prepared.series, plan))[1].sum()

    draw = jax.jit(lambda key: sample(key, HORIZON))
    return simulator, params, draw, value, plan_value, len(parent)


@settings(max_examples=15)
@given(data=st.data())
def test_no_policy_beats_the_bound_and_its_plan_reaches_it(rollouts, data):
    simulator, params, draw, value, plan_value, nodes = rollouts
    scenario = draw(jax.random.key(data.draw(st.integers(0, 10_000), label="seed")))
    found = hindsight_plan(simulator, params, scenario)
    levels = data.draw(
        st.lists(st.floats(0, 60, width=32), min_size=nodes, max_size=nodes), label="levels"
    )
    earned = float(value(jnp.asarray(levels, jnp.float32), scenario))
    assert earned <= found.value + 1e-3 * (1 + abs(found.value))
    reached = float(plan_value(jnp.asarray(found.shipped, jnp.float32), scenario))
    assert reached == pytest.approx(found.value, rel=1e-4, abs=1e-2)


@pytest.fixture(scope="module")
def placed():
    env = placement(num_nodes=2, num_regions=4, horizon=10, units_per_period=6.0)
    tree = tree_of(build_network(NetworkConfig(num_nodes=2, num_regions=4)))
    scenarios = jax.jit(jax.vmap(env.sample))(jax.random.split(jax.random.key(2), 4))
    prepare = jax.jit(jax.vmap(lambda one: env.simulator.prepare(env.params, one)))
    return env, tree, prepare(scenarios)


@pytest.mark.slow
def test_no_placement_beats_the_bound_of_the_closest_node(placed):
    env, tree, scenarios = placed
    bound = hindsight_values(env.simulator, env.params, scenarios)
    for name in ("distance aware", "demand proportional"):
        policy, _ = baseline_suite(tree, programs=False)[name]

        @jax.jit
        def values(params, scenarios, policy=policy):
            def one(scenario):
                moves = env.simulator.rollout(env.params, policy, params, scenario).transitions
                return moves.reward.sum()

            return jax.vmap(one)(scenarios)

        for scale in (0.3, 1.0):
            params = jax.tree.map(lambda leaf, s=scale: s * leaf, policy.init(jax.random.key(0)))
            earned = np.asarray(values(params, scenarios))
            assert (earned <= bound + 1e-2).all(), (name, scale)
    assert (bound > 0).all()


def test_what_no_program_follows_is_refused(placed):
    env, _, scenarios = placed
    one = jax.tree.map(lambda leaf: leaf[0], scenarios)
    split = replace(one, series=replace(one.series, split_uniform=one.series.round_uniform))
    with pytest.raises(ValueError, match="split_uniform is given"):
        hindsight_plan(env.simulator, env.params, split)
    with pytest.raises(TypeError, match="must be LocalDemand or ClosestNode"):
        hindsight_plan(Simulator(kernel=object()), env.params, one)
