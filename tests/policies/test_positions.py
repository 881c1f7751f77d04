"""What an inventory position counts: on hand, on its way, owed to a node, and owed by it."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.policies import (
    BaseStock,
    CappedBaseStock,
    CappedParams,
    DemandProportional,
    EchelonBaseStock,
    EqualFractile,
    NeuralPlacement,
    OrderUpTo,
    ReorderPoint,
    ReorderPointParams,
    RollingHorizon,
    TransportPlacement,
    echelon_position,
)
from draingym.simulator import (
    Deterministic,
    Normal,
    batch_returns,
    serial_line,
    transshipment,
)
from tests.policies.problems import observation, small_tree

KEY = jax.random.key(0)
LOCAL, ECHELON = [10.4, 23.8, 16.65, 32.35], [83.2, 72.8, 49.0, 32.35]


def holding(simulator, **options):
    return replace(simulator, dynamics=replace(simulator.dynamics, hold_requests=True, **options))


def test_a_stage_orders_what_it_owes():
    # Levels (0, 10), lead times (1, 1), demand 5, no arrival shipped on the same day. What the
    # store orders reaches it three periods later: of 10 units ahead of demand, 20 are sold.
    simulator, params, sample = serial_line(
        lead_times=(1, 1), holding_cost=(0.5, 1.0), demand=Deterministic(pattern=(5.0,))
    )
    simulator = holding(simulator, ship_arrivals=False)
    policy = BaseStock(parent=(-1, 0))
    run = jax.jit(partial(simulator.rollout, params, policy))
    moves = run(jnp.array([0.0, 10.0]), sample(KEY, 8)).transitions
    np.testing.assert_allclose(moves.action, [[10, 10]] + [[5, 5]] * 7)
    np.testing.assert_allclose(moves.shipped[:, 1], [0, 0, 10, 5, 5, 5, 5, 5])
    np.testing.assert_allclose(moves.owed[:, 1], [10, 15, 10, 10, 10, 10, 10, 10])
    np.testing.assert_allclose(moves.waiting[:, 1], [5, 10, 15, 10, 10, 10, 10, 10])
    enough = run(jnp.array([0.0, 20.0]), sample(KEY, 8)).transitions
    np.testing.assert_allclose(enough.waiting[4:, 1], 0)
    np.testing.assert_allclose(enough.on_hand[4:], [[5, 0]] * 4)  # upstream ships them next day


@pytest.mark.parametrize("hold_requests", [False, True])
def test_local_levels_are_as_good_as_the_echelon_levels_that_they_add_up_to(hold_requests):
    simulator, params, sample = serial_line()
    if hold_requests:
        simulator = holding(simulator)
    scenario = sample(KEY, 130, 3000)

    def costs(policy, levels):
        total = batch_returns(simulator, params, policy, levels, scenario, warm_up=30)
        return -np.asarray(total, np.float64) / 100

    local = costs(BaseStock(parent=(-1, 0, 1, 2)), jnp.array(LOCAL))
    echelon = costs(EchelonBaseStock(parent=(-1, 0, 1, 2)), jnp.array(ECHELON))
    np.testing.assert_allclose(local, echelon, rtol=2e-3)
    assert abs(local.mean() - 10.7341) < 3.5 * local.std() / np.sqrt(len(local))


def test_a_warehouse_orders_for_all_its_stores():
    # Position of the warehouse: 4 + 1 on its way, less the 2 + 3 that it owes, less 5 and 0 that
    # its stores request now.
    seen = observation([4, 0, 9, 0], pipeline=[[1, 2, 0, 0], [0, 0, 0, 0]])
    seen = replace(seen, owed=jnp.array([0.0, 2, 3, 0]), waiting=jnp.array([0.0, 1, 0, 0]))
    parent = (-1, 0, 0, -1)
    levels = jnp.array([6.0, 8, 7, 1])
    request = partial(BaseStock(parent=parent).apply, observation=seen, key=KEY)
    np.testing.assert_allclose(request(levels), [11, 5, 0, 1])
    np.testing.assert_allclose(jax.jacobian(request)(levels)[0], [1, 1, 0, 0])
    capped = CappedParams(level=levels, cap=jnp.array([9.0, 3, 3, 3]))
    np.testing.assert_allclose(
        CappedBaseStock(parent=parent).apply(capped, seen, KEY), [9, 3, 0, 1]
    )
    # At or below its level a node orders up to 10 more.
    reorder = ReorderPointParams(level=levels, batch=jnp.float32(10.0))
    np.testing.assert_allclose(
        ReorderPoint(parent=parent).apply(reorder, seen, KEY), [31, 15, 0, 11]
    )


@pytest.mark.parametrize("policy", [BaseStock(), BaseStock(parent=(-1, 0))], ids=["none", "short"])
def test_levels_need_the_network(policy):
    with pytest.raises(ValueError, match=r"parent is .*, must have 4 entries"):
        policy.apply(jnp.zeros(()), observation([4, 0, 9, 0]), KEY)


def test_an_echelon_counts_what_it_is_owed_and_not_what_it_owes_itself():
    seen = replace(observation([10, 1, 2, 5]), owed=jnp.array([0.0, 3, 4, 0]))
    np.testing.assert_allclose(echelon_position(small_tree(), seen), [18, 4, 6, 5])


def suite():
    tree = small_tree()
    cost = ((9.0,) * 4, (1, 1, 6, 15), (15, 15, 1.5, 15), (15, 15, 6, 2))
    return {
        "order up to": OrderUpTo(tree=tree),
        "proportional": DemandProportional(tree=tree),
        "transport": TransportPlacement(tree=tree, unit_ship_cost=cost),
        "rolling": RollingHorizon(tree=tree, unit_ship_cost=cost, lead_time=(2, 1, 1, 1)),
        "neural": NeuralPlacement(tree=tree, num_attributes=2, heads=0, feasibility="proportional"),
    }


@pytest.mark.parametrize("name", sorted(suite()))
def test_what_is_owed_is_not_requested_again(name):
    # Nodes that are owed a part of what they want claim as much as if they were owed nothing.
    policy = suite()[name]
    params = policy.init(KEY)
    plain = observation([4000, 1, 2, 5], forecast=(10.0, 8.0, 7.0, 5.0))
    request = policy.apply(params, plain, KEY)
    owed = jnp.where(small_tree().parent >= 0, 0.25 * request, 0.0)
    assert float(owed.sum()) > 1
    again = policy.apply(params, replace(plain, owed=owed), KEY)
    np.testing.assert_allclose(again + owed, request, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_an_allotment_that_never_asks_for_too_much_is_the_same_where_requests_are_held():
    means, sds = (4.0, 6.0), (1.0, 2.0)
    problem = transshipment(demand=Normal(means=means, sds=sds))
    policy = EqualFractile(mean=tuple(3 * m for m in means), sd=tuple(1.7 * s for s in sds))
    scenario = problem[2](KEY, 40)
    moves = [
        jax.jit(partial(simulator.rollout, problem[1], policy))(jnp.float32(63.0), scenario)
        for simulator in (problem[0], holding(problem[0]))
    ]
    forgotten, held = (one.transitions for one in moves)
    np.testing.assert_allclose(held.on_hand, forgotten.on_hand, atol=1e-3)
    np.testing.assert_allclose(held.owed, 0, atol=1e-3)
    # Owed in part at the start: it gets the rest of the same allotment.
    seen = jax.tree.map(lambda leaf: leaf[20], forgotten.observation)
    asked = policy.apply(jnp.float32(63.0), seen, KEY)
    owed = jnp.array([0.0, 0.25, 0.5]) * asked
    again = policy.apply(jnp.float32(63.0), replace(seen, owed=owed), KEY)
    np.testing.assert_allclose(again + owed, asked, rtol=1e-5)
