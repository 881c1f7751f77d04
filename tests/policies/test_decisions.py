"""Small decision problems: by hand, against published numbers, and against other solvers."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.optima import _worst, of_the_cases, of_the_literature
from draingym.policies.bounds.decisions import enumerate_decisions, solve
from draingym.policies.bounds.one_node import dual_sourcing, fixed_cost_store, order_up_to
from draingym.policies.bounds.optimal import base_stock_optimum, discretise, review_cost
from draingym.policies.bounds.perishables import perishable_store, platelets, substituted_products

CASES = Path(__file__).parents[2] / ".." / "shared" / "cases"


def machine(discount):
    """It works (0) or is broken (1) and costs 4 then; it breaks every other time, or is mended."""

    def step(state, action, outcome):
        mended = (action[0] == 1) | (state[0] == 0)
        following = np.where(mended, outcome[0], 1)
        return [following], 4.0 * (state[0] == 1) + 3.0 * (action[0] == 1), np.full((1, 1, 1), 0.5)

    return enumerate_decisions([2], [2], [2], step, discount=discount)


def test_a_machine_is_mended_by_hand():
    solved = solve(machine(1.0))
    assert solved.action.tolist() == [[0], [1]]
    # Half of the time it is broken, for 4 + 3.
    assert solved.gain == pytest.approx(3.5)
    assert solved.value[1] - solved.value[0] == pytest.approx(7)
    left = solve(machine(1.0), action=np.zeros((2, 1), int))
    assert left.gain == pytest.approx(4)  # broken for ever


def test_a_discounted_machine_is_mended_by_hand():
    solved = solve(machine(0.5))
    # v0 = 0.25 (v0 + v1); v1 = min(4 / 0.5, 7 + 0.25 (v0 + v1)).
    assert solved.action.tolist() == [[0], [0]]
    np.testing.assert_allclose(solved.value, [8 / 3, 8])
    assert np.isnan(solved.gain)


def test_bad_problems_are_refused():
    with pytest.raises(ValueError, match=r"discount is 2.0, must be in"):
        machine(2.0)

    def step(state, action, outcome):
        return [state[0]], np.zeros(1), np.full((1, 1, 1), 0.4)

    with pytest.raises(ValueError, match=r"probabilities sum to 0.8 to 0.8, must be 1"):
        enumerate_decisions([2], [1], [2], step)


@pytest.mark.parametrize("row", of_the_literature(), ids=lambda row: row["optimum"])
def test_published_numbers(row):
    assert row["apart"] < 5e-5


def test_the_best_policy_with_an_order_fee_has_two_levels():
    store = fixed_cost_store(
        discretise(stats.poisson(6), 1.0), order_fee=5, holding_cost=1, unmet_cost=4,
        lowest=-40, highest=40,
    )  # fmt: skip
    action = solve(store).action
    reached = slice(20, 51)  # -20 to 10
    np.testing.assert_array_equal(action[reached], order_up_to(store, -40, 4, 10)[reached])


def test_a_review_in_every_period_is_a_base_stock():
    demand = discretise(stats.poisson(5), 1.0)
    best = base_stock_optimum(demand, 1.0, lead_time=2, holding_cost=1, unmet_cost=9)
    cost = review_cost(
        demand, 1.0, level=best.levels[0], review=1, lead_time=2, holding_cost=1, unmet_cost=9
    )
    assert cost == pytest.approx(best.cost)
    with pytest.raises(ValueError, match="review is 0, must be at least 1 period"):
        review_cost(demand, 1.0, level=9, review=0, lead_time=2, holding_cost=1, unmet_cost=9)


def test_two_suppliers():
    solved = solve(
        dual_sourcing(
            np.full(5, 0.2), regular_lead_time=2, holding_cost=5, unmet_cost=495,
            expedited_cost=20, most=(4, 9), lowest=-5, highest=17,
        )
    )  # fmt: skip
    assert solved.gain == pytest.approx(323 / 14)
    assert solved.action[5 - 2, 3].tolist() == [2, 6]  # 2 wait, 3 are under way
    assert solved.action[5 + 7, 0].tolist() == [2, 0]


def perishable(life, lead_time, *, lifo):
    gamma = stats.gamma(4, scale=1)
    pmf = np.diff(gamma.cdf(np.arange(31) + 0.5), prepend=0.0)
    pmf[-1] += 1 - pmf.sum()
    return solve(
        perishable_store(
            pmf, shelf_life=life, lead_time=lead_time, lifo=lifo, order_cost=3, unmet_cost=5,
            waste_cost=7, holding_cost=1, max_order=10 if life + lead_time < 4 else 6,
            discount=0.99,
        )
    )  # fmt: skip


def test_stock_that_ages():
    last_in = perishable(2, 1, lifo=True)
    assert last_in.value[0, 0] == pytest.approx(1603.5974266618775)
    assert last_in.action[:, 0, 0].tolist() == [3, 3, 3, 2, 1, 0, 0, 0, 0, 0, 0]
    first_in = perishable(2, 1, lifo=False)
    assert first_in.value[0, 0] < last_in.value[0, 0]  # the oldest first wastes less
    assert perishable(2, 2, lifo=False).value[0, 0, 0] > first_in.value[0, 0]


def test_a_product_that_others_take_is_ordered_more():
    options = {
        "prices": (1.0, 1.0), "order_costs": (0.5, 0.5), "max_orders": (4, 4), "discount": 0.95
    }  # fmt: skip
    swapped = solve(substituted_products((2, 2), accepts=0.5, **options))
    alone = solve(substituted_products((2, 2), accepts=0.0, **options))
    # Another solver, which cuts demand off, gives 26.5435.
    assert -swapped.value[0, 0, 0, 0] == pytest.approx(26.5435, rel=2e-4)
    assert swapped.action[0, 0, 0, 0].tolist() == [3, 2]
    assert alone.action[0, 0, 0, 0, 0] == alone.action[0, 0, 0, 0, 1]
    assert swapped.value[0, 0, 0, 0] < alone.value[0, 0, 0, 0]


def test_what_an_action_of_a_table_loses_by_hand():
    problem = machine(0.5)
    solved = solve(problem)
    assert _worst(problem, solved, {(0,): 0, (1,): 0}) == pytest.approx(0)
    # To mend is 7 + (v0 + v1) / 4 = 29 / 3, where 8 is the value, and the largest.
    assert _worst(problem, solved, {(0,): 0, (1,): 1}) == pytest.approx((29 / 3 - 8) / 8)


@pytest.mark.parametrize(("level", "cost", "apart"), [(2, 2.0, [0, 0]), (1, 2.5, [0, 0.2])])
def test_a_case_by_hand_is_solved(tmp_path, level, cost, apart):
    # A unit is sold every other period. Filled up to S when empty, the store holds S, ..., 1 for
    # two periods each: 4 / (2 S) + S / 2 a period, 2.5 for one unit and 2, the least, for two.
    parameters = {
        "nodes": {"1": {"holding_cost": 1, "stockout_cost": 10}},
        "demand_pmf": [0.5, 0.5],
        "fixed_order_cost_not_charged_in_the_trajectory": 4,
        "optimum": {"s": 0, "S": level, "expected_cost_per_period_incl_fixed": cost},
    }
    case = {"peer": "stockpyl", "problem": "SingleSS", "case": "A", "parameters": parameters}
    (tmp_path / "case.json").write_text(json.dumps(case))
    assert [row["apart"] for row in of_the_cases(tmp_path)] == pytest.approx(apart, abs=1e-6)


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not there")
def test_the_optima_of_other_solvers():
    rows = of_the_cases(CASES)
    assert len(rows) >= 8
    for row in rows:
        assert row["apart"] < 1e-4, row
        assert row["worst action"] < 1e-5, row


def test_a_day_of_platelets_whose_demand_is_no_distribution_is_named():
    rest = dict(order_fee=1.0, unmet_cost=1.0, waste_cost=1.0, holding_cost=1.0, discount=0.9)
    demand = np.array([[0.5, 0.5], [0.5, 0.4]])
    with pytest.raises(ValueError, match=r"sum of demand\[1\] is 0.9, must be"):
        platelets(demand, logits=((0.0, 0.0), (0.0, 0.0)), max_order=2, **rest)
