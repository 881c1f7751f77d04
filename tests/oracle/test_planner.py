"""Plans of batches: optimal by enumeration, feasible, and counted where there is none."""

from dataclasses import replace
from itertools import product as every

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draingym.oracle.fulfilment.planner import (
    Batch,
    ClosestPlanner,
    GreedyPlanner,
    check_plan,
    cost_of,
)
from draingym.oracle.fulfilment.planner_milp import BatchMilp, stock_prices

EXACT = BatchMilp(gap=0.0)


def make_batch(rng, lines, nodes, groups, products=2):
    return Batch(
        product=rng.integers(products, size=lines),
        units=rng.integers(1, 4, lines),
        group=rng.integers(groups, size=lines) if groups else np.arange(lines),
        in_time=rng.random((lines, nodes)) < 0.8,
        line_cost=rng.uniform(0.0, 4.0, (lines, nodes)),
        box_cost=rng.uniform(1.0, 6.0, (groups or lines, nodes)),
        distance=rng.uniform(0.0, 4.0, (lines, nodes)),
        stock=rng.integers(0, 6, (products, nodes)),
        room=rng.choice([3.0, 6.0, np.inf], nodes),
        penalty=50.0,
    )


def enumerated(batch):
    """The least cost over all assignments that keep the rules."""
    best = np.inf
    for choice in every(range(-1, batch.in_time.shape[1]), repeat=batch.num_lines):
        node = np.array(choice)
        try:
            check_plan(batch, node)
        except ValueError:
            continue
        best = min(best, cost_of(batch, node))
    return best


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    lines=st.integers(1, 5),
    nodes=st.integers(1, 3),
    groups=st.integers(0, 3),
)
def test_the_plan_is_optimal(seed, lines, nodes, groups):
    batch = make_batch(np.random.default_rng(seed), lines, nodes, groups)
    plan = EXACT.plan(batch)
    check_plan(batch, plan.node)
    assert plan.cost == pytest.approx(cost_of(batch, plan.node))
    assert plan.cost == pytest.approx(enumerated(batch), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_heuristics_keep_the_rules_and_cost_no_less(seed):
    batch = make_batch(np.random.default_rng(seed), 12, 4, 5, products=3)
    best = EXACT.plan(batch)
    for planner in (ClosestPlanner(), GreedyPlanner()):
        plan = planner.plan(batch)
        check_plan(batch, plan.node)
        assert plan.cost >= best.cost - 1e-6


ONE_NODE_HAS_BOTH = Batch(
    product=np.array([0, 1]),
    units=np.array([1, 1]),
    group=np.array([0, 0]),
    in_time=np.ones((2, 2), bool),
    line_cost=np.array([[1.0, 3.0], [9.0, 3.0]]),
    box_cost=np.array([[5.0, 5.0]]),
    distance=np.array([[1.0, 2.0], [1.0, 2.0]]),
    stock=np.array([[1, 1], [0, 1]]),
    room=np.full(2, np.inf),
)


def test_lines_of_a_group_share_a_box_worked_out_by_hand():
    # Greedily, line 0 goes from node 0 (5 + 1), then line 1 needs a box of its own: 5 + 3. One box
    # from node 1 costs 5 + 3 + 3.
    assert GreedyPlanner().plan(ONE_NODE_HAS_BOTH).cost == 14.0
    plan = EXACT.plan(ONE_NODE_HAS_BOTH)
    assert (plan.node.tolist(), plan.cost, plan.how) == ([1, 1], 11.0, "milp")
    assert ClosestPlanner().plan(ONE_NODE_HAS_BOTH).node.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("changes", "nodes"),
    [
        pytest.param({"in_time": np.array([[0, 0], [1, 1]], bool)}, [-1, 1], id="late everywhere"),
        pytest.param({"stock": np.zeros((2, 2), int)}, [-1, -1], id="no stock"),
        pytest.param({"room": np.array([0.0, 1.0])}, [-1, 1], id="room for one line"),
    ],
)
def test_a_line_without_a_plan_is_unfilled_and_counted(changes, nodes):
    batch = replace(ONE_NODE_HAS_BOTH, **changes)
    if "room" in changes:  # whichever line it is, the dearer one is left
        batch = replace(batch, line_cost=np.array([[9.0, 9.0], [9.0, 3.0]]))
    plan = EXACT.plan(batch)
    assert plan.node.tolist() == nodes
    shipped = [batch.box_cost[0, 1] + 3.0] if 1 in nodes else [0.0]
    assert plan.cost == shipped[0] + batch.penalty * nodes.count(-1)


def test_orders_of_one_line_are_planned_by_the_transport_problem():
    rng = np.random.default_rng(0)
    batch = replace(make_batch(rng, 30, 4, 0, products=4), units=np.ones(30, int))
    plan = EXACT.plan(batch)
    assert (plan.how, plan.gap) == ("lp", 0.0)
    both = replace(batch, group=np.arange(30) // 2, box_cost=batch.box_cost[:15])
    assert EXACT.plan(both).how == "milp"


def test_out_of_time_the_greedy_plan_stands():
    batch = make_batch(np.random.default_rng(1), 60, 6, 20, products=3)
    plan = BatchMilp(time_limit=1e-9).plan(batch)
    check_plan(batch, plan.node)
    assert plan.cost <= GreedyPlanner().plan(batch).cost


def test_stock_prices_are_what_one_unit_more_would_save():
    rng = np.random.default_rng(2)
    demand, cost = rng.uniform(1.0, 6.0, 4), rng.uniform(1.0, 9.0, (3, 4))
    cost[0, 1] = np.inf
    stock = np.array([2, 3, 40])

    def saved(n):
        from scipy.optimize import linprog

        def least(held):
            big = np.where(np.isfinite(cost), cost, 1e6)
            a_ub = np.kron(np.eye(3), np.ones(4))
            a_eq = np.kron(np.ones(3), np.eye(4))
            c = np.concatenate([big.ravel(), np.full(4, 20.0)])
            a_ub = np.hstack([a_ub, np.zeros((3, 4))])
            a_eq = np.hstack([a_eq, np.eye(4)])
            return linprog(c, A_ub=a_ub, b_ub=held, A_eq=a_eq, b_eq=demand).fun

        more = stock.astype(float)
        more[n] += 1e-3
        return (least(stock) - least(more)) / 1e-3

    prices = stock_prices(stock, demand, cost, 20.0)
    np.testing.assert_allclose(prices, [saved(n) for n in range(3)], atol=1e-4)
    assert prices[2] == 0.0
    assert prices[0] > 0.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"units": np.array([0, 1])}, "batch.units", id="no units"),
        pytest.param(
            {"room": np.zeros(3)}, r"batch.room has shape \(3,\), must be \(2,\)", id="room"
        ),
        pytest.param({"product": np.array([0, 2])}, "batch.product", id="product"),
        pytest.param({"stock": np.array([[1, -1], [0, 1]])}, "batch.stock", id="stock"),
        pytest.param({"box_cost": np.array([[1.0, np.nan]])}, "batch.box_cost", id="nan"),
    ],
)
def test_bad_batches_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(ONE_NODE_HAS_BOTH, **changes)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        pytest.param([0, 0], "takes 1 units of product 1 at node 0, must be at most 0", id="stock"),
        pytest.param([2, 1], "plan.node", id="node"),
        pytest.param([1], r"plan.node has shape \(1,\), must be \(2,\)", id="shape"),
    ],
)
def test_plans_that_break_a_rule_are_refused(node, message):
    with pytest.raises(ValueError, match=message):
        check_plan(ONE_NODE_HAS_BOTH, np.array(node))
