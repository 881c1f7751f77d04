"""Whole units are counted exactly, whatever a policy asks for: nothing is held above a bound."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draingym.policies import echelon_position
from draingym.policies.tree import Tree, descendants
from draingym.simulator import (
    MOST_UNITS,
    Dynamics,
    FunctionalEnv,
    check_stock,
    initial_from_panel,
    single_store,
)
from tests.simulator.worlds import Requests, tree_scenario, tree_world


def store(on_hand, periods=10, demand=1.0, whole_units=True, waiting_units=0.0):
    """A store that starts with some units on hand, and some on their way."""
    simulator, params = tree_world([-1], whole_units=whole_units)
    views = np.full((periods, 1), demand, np.float32)
    scenario = tree_scenario(
        [-1], views, np.eye(2)[[1]], 0, on_hand=[on_hand], pipeline=[[waiting_units]]
    )
    return simulator, params, scenario


def rollout(simulator, params, scenario, table):
    return simulator.rollout(params, Requests(table), jnp.zeros(()), scenario).transitions


def test_a_full_network_loses_exactly_what_it_sells():
    moves = rollout(*store(MOST_UNITS), np.zeros((10, 1)))
    np.testing.assert_array_equal(moves.on_hand[:, 0], MOST_UNITS - np.arange(1, 11))


@pytest.mark.parametrize(("on_hand", "waiting_units"), [(2.0**25, 0.0), (MOST_UNITS - 3.0, 4.0)])
def test_more_than_can_be_counted_is_refused(on_hand, waiting_units):
    simulator, params, scenario = store(on_hand, waiting_units=waiting_units)
    with pytest.raises(ValueError, match=r"initial holds \d+ units, must be at most 8388608"):
        simulator.rollout(params, Requests(np.zeros((10, 1))), jnp.zeros(()), scenario)
    # Nothing can be raised where the number is not known: it is NaN from the start.
    state = jax.jit(simulator.reset)(params, scenario)
    assert np.isnan(state.on_hand).all()
    real, params, scenario = store(on_hand, whole_units=False)  # reals are rounded, not counted
    np.testing.assert_array_equal(real.reset(params, scenario).on_hand, [on_hand])


def test_of_many_products_the_fullest_is_named():
    on_hand = np.array([[1.0, 2.0], [MOST_UNITS, 0.0]])
    check_stock(on_hand, np.zeros((2, 1, 2)))
    with pytest.raises(ValueError, match="initial holds 8388609 units of product 1, must be at"):
        check_stock(on_hand, np.array([[[0.0, 0.0]], [[0.0, 1.0]]]))
    panel = {"on_hand": on_hand[:, None].repeat(2, axis=1)}
    with pytest.raises(ValueError, match="of product 1"):
        initial_from_panel(panel, 1, np.array([[[0.0, 0.0]], [[0.0, 1.0]]]))


def test_orders_are_cut_to_what_is_left_in_proportion():
    simulator, params = tree_world([-1, -1, 0])
    scenario = tree_scenario(
        [-1, -1, 0], np.zeros((2, 2), np.float32), np.eye(2)[[1, 1, 1]], 0,
        on_hand=[MOST_UNITS - 90.0, 20, 10], pipeline=[[10, 0, 10]],
    )  # fmt: skip
    # 40 are left of the bound: 120 and 40 are asked for, so 30 and 10 come. Moves inside count not.
    moves = rollout(simulator, params, scenario, [[120, 40, 7], [9, 0, 0]])
    np.testing.assert_array_equal(moves.shipped, [[30, 10, 7], [0, 0, 0]])
    np.testing.assert_array_equal(moves.ordered, [[120, 40, 7], [9, 0, 0]])
    np.testing.assert_array_equal(moves.on_hand[-1], [MOST_UNITS - 90 + 10 - 7 + 30, 30, 27])


TREES = {"roots": (-1, -1, -1), "deep": (-1, -1, 0, 0, 2)}


@cache
def runner(name, hold_requests):
    parent = TREES[name]
    simulator, params = tree_world(parent)
    simulator = replace(simulator, dynamics=Dynamics(hold_requests=hold_requests))

    @jax.jit
    def run(table, scenario):
        class Policy:
            def apply(self, params, observation, key):
                return Requests(table).apply(params, observation, key)

        return simulator.rollout(params, Policy(), jnp.zeros(()), scenario)

    return run


@pytest.mark.parametrize("hold_requests", [False, True])
@pytest.mark.parametrize("name", sorted(TREES))
@settings(max_examples=20)
@given(seed=st.integers(0, 2**16))
def test_units_are_conserved_and_countable_whatever_is_asked_for(name, hold_requests, seed):
    parent, periods = np.array(TREES[name]), 8
    nodes, rng = len(parent), np.random.default_rng(seed)
    leaves = ~np.isin(np.arange(nodes), parent)
    demand = rng.choice([0.0, 1.0, 3.0, 1e6], (periods, leaves.sum())).astype(np.float32)
    scenario = tree_scenario(
        parent, demand, np.eye(3)[rng.integers(0, 3, nodes)], seed,
        on_hand=rng.integers(0, MOST_UNITS // (2 * nodes), nodes),
        pipeline=rng.integers(0, MOST_UNITS // (4 * nodes), (2, nodes)),
    )  # fmt: skip
    sizes = [0.0, 0.5, 7.0, 1e5, 3e6 + 0.3, 2.0**24 + 1, 1e12, np.inf]
    table = rng.choice(sizes, (periods, nodes)).astype(np.float32)
    trajectory = runner(name, hold_requests)(jnp.asarray(table), scenario)
    moves = jax.tree.map(lambda x: np.asarray(x, np.float64), trajectory.transitions)
    for field in ("shipped", "transferred", "stowed", "outbound", "on_hand"):
        values = getattr(moves, field)
        np.testing.assert_array_equal(values, np.rint(values), err_msg=field)
        assert (values >= 0).all(), field
    before = np.vstack([scenario.initial.on_hand, moves.on_hand[:-1]])
    np.testing.assert_array_equal(
        moves.on_hand, before + moves.stowed - moves.transferred - moves.outbound
    )
    fed = parent[None, :] == np.arange(nodes)[:, None]
    np.testing.assert_array_equal(moves.transferred, moves.shipped @ fed.T)
    # What the network holds is what it held, plus what was bought, less what was sold.
    way = np.asarray(trajectory.transitions.observation.pipeline, np.float64).sum(axis=1)
    held = moves.observation.on_hand.sum(axis=1) + way.sum(axis=1)
    change = (moves.shipped * (parent < 0)).sum(axis=1) - moves.outbound.sum(axis=1)
    np.testing.assert_array_equal(held[1:], held[:-1] + change[:-1])
    assert held.max() <= MOST_UNITS
    # Positions are sums of float32, and exact.
    tree = Tree(
        parent=jnp.asarray(parent), descends=jnp.asarray(descendants(parent)),
        serves=jnp.asarray(leaves), distance=jnp.zeros((nodes, 1)), population=jnp.ones(1),
    )  # fmt: skip
    seen = replace(trajectory.transitions.observation, owed=None)
    found = jax.vmap(lambda one: echelon_position(tree, one))(seen)
    exact = (moves.observation.on_hand + way) @ descendants(parent).T
    np.testing.assert_array_equal(found, exact)
    if hold_requests:
        assert moves.owed.max() <= MOST_UNITS


@pytest.mark.parametrize(
    ("request_", "slope"), [(30.0, 1.0), (50.0, 0.0), (1e9, 0.0)], ids=["within", "cut", "far"]
)
def test_the_derivative_of_an_order_is_that_of_what_is_shipped(request_, slope):
    simulator, params, scenario = store(MOST_UNITS - 40.0)
    state = simulator.reset(params, scenario)
    now = jax.tree.map(lambda x: x[0], simulator.prepare(params, scenario).series)

    def shipped(request, on_hand):
        held = replace(state, on_hand=on_hand)
        return simulator.step(params, held, request, now)[1].shipped[0]

    by_request, by_stock = jax.grad(shipped, argnums=(0, 1))(jnp.array([request_]), state.on_hand)
    assert float(by_request[0]) == pytest.approx(slope, abs=1e-6)
    # A unit more in stock is a unit less of room.
    assert float(by_stock[0]) == pytest.approx(slope - 1.0, abs=1e-6)


def test_actions_that_would_be_cut_are_refused():
    simulator, params = tree_world([-1])
    scenario = store(1.0)[2]

    def make(simulator, most):
        return FunctionalEnv(
            simulator=simulator, params=params, sample=lambda key: scenario,
            max_action=np.array([most]),
        )  # fmt: skip

    make(simulator, MOST_UNITS)
    with pytest.raises(ValueError, match="max_action is 8388609, must be at most 8388608 where"):
        make(simulator, MOST_UNITS + 1)
    make(single_store()[0], MOST_UNITS + 1)  # real units
