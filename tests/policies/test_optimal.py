"""Exact solvers against published optima, closed forms and each other."""

import numpy as np
import pytest
from scipy import stats

from draingym.policies.bounds.lost_sales import (
    LostSales,
    best_base_stock,
    capped_base_stock,
    optimal_cost,
    policy_cost,
)
from draingym.policies.bounds.optimal import (
    base_stock_optimum,
    discretise,
    review_cost,
    serial_optimum,
    transshipment_bound,
)


def poisson_store(lead_time, unmet_cost, max_order, max_stock=30):
    units = np.arange(24)
    pmf = stats.poisson(5).pmf(units)
    pmf[-1] += stats.poisson(5).sf(23)
    return LostSales(
        pmf=pmf,
        lead_time=lead_time,
        holding_cost=1.0,
        unmet_cost=unmet_cost,
        max_order=max_order,
        max_stock=max_stock,
    )


# Poisson(5), holding 1; Zipkin's setting: the optimum, the best base-stock level and its cost.
PUBLISHED_LOST_SALES = [
    pytest.param(1, 4, 4.0407, 12, 4.1628, id="L=1 p=4"),
    pytest.param(1, 9, 5.4382, 13, 5.5475, id="L=1 p=9"),
    pytest.param(4, 4, 4.7285, 25, 5.1978, id="L=4 p=4"),
    pytest.param(4, 9, 6.8359, 28, 7.2709, id="L=4 p=9"),
]


@pytest.mark.parametrize(
    ("lead_time", "unmet_cost", "optimum", "level", "cost"), PUBLISHED_LOST_SALES
)
def test_lost_sales_store_costs_what_is_published(lead_time, unmet_cost, optimum, level, cost):
    # Orders above 9 are never optimal with four periods of transit.
    best = optimal_cost(poisson_store(lead_time, unmet_cost, 14 if lead_time == 1 else 9))
    assert best == pytest.approx(optimum, abs=1e-4)
    problem = poisson_store(lead_time, unmet_cost, 14)
    if lead_time == 1:
        found = best_base_stock(problem, start=level + 1)
        assert found == (level, pytest.approx(cost, abs=1e-4))
    else:  # many states: the published level alone
        orders = capped_base_stock(problem, level)
        assert policy_cost(problem, orders, tolerance=1e-3) == pytest.approx(cost, abs=6e-4)


def test_capped_base_stock_is_close_to_optimal():
    # Published: level 29, cap 5 costs 6.908 (a simulation); exactly, it is 6.9123.
    level, cost = best_base_stock(poisson_store(4, 9, 5), 5, start=29)
    assert level == 29
    assert cost == pytest.approx(6.908, rel=1e-3)


def test_without_demand_uncertainty_lost_sales_cost_nothing():
    # Demand of exactly 3: base stock (L + 1) * 3 has every unit arrive when it is sold.
    problem = LostSales(
        pmf=np.eye(4)[3], lead_time=2, holding_cost=1.0, unmet_cost=9.0, max_order=9, max_stock=9
    )
    # The chain is periodic in no state: what is left is the gain.
    assert policy_cost(problem, capped_base_stock(problem, 9, 3)) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("lead_time", "level", "cost"), [(1, 12.90, 3.9703), (4, 29.59, 6.2769)], ids=["L=1", "L=4"]
)
def test_backlogged_store_costs_what_is_published(lead_time, level, cost):
    best = base_stock_optimum(
        discretise(stats.norm(5, 1.6), 0.01), 0.01,
        lead_time=lead_time, holding_cost=1.0, unmet_cost=9.0,
    )  # fmt: skip
    assert best.levels[0] == pytest.approx(level, abs=0.01)
    assert best.cost == pytest.approx(cost, abs=1e-4)


def test_serial_line_costs_what_is_published():
    best = serial_optimum(
        discretise(stats.norm(5, 2), 0.05), 0.05,
        lead_times=(2, 4, 3, 4), holding_cost=(0.1, 0.2, 0.5, 1.0), unmet_cost=9.0,
    )  # fmt: skip
    np.testing.assert_allclose(best.levels, [83.2, 72.8, 49.0, 32.35], atol=0.051)
    assert best.cost == pytest.approx(10.7341, abs=5e-4)


def test_serial_line_with_goods_in_transit_costs_what_the_textbook_says():
    best = serial_optimum(
        discretise(stats.norm(5, 1), 0.01), 0.01,
        lead_times=(2, 1, 1), holding_cost=(2.0, 4.0, 7.0), unmet_cost=37.12, in_transit=True,
    )  # fmt: skip
    np.testing.assert_allclose(best.levels, [22.71, 12.02, 6.49], atol=0.011)
    assert best.cost == pytest.approx(47.66, abs=0.01)


@pytest.mark.parametrize("unmet_cost", [4.0, 19.0])
def test_a_serial_line_of_one_stage_is_a_store(unmet_cost):
    pmf = discretise(stats.norm(5, 2), 0.05)
    line = serial_optimum(pmf, 0.05, lead_times=[3], holding_cost=[1.0], unmet_cost=unmet_cost)
    store = base_stock_optimum(pmf, 0.05, lead_time=3, holding_cost=1.0, unmet_cost=unmet_cost)
    assert line.levels[0] == pytest.approx(store.levels[0], abs=0.051)
    assert line.cost == pytest.approx(store.cost, rel=1e-4)


def test_transshipment_bound_is_the_published_one():
    # Five stores as the public settings draw them: means from seed 33, deviations from seed 92.
    mean = np.random.RandomState(33).uniform(2.5, 7.5, 5).round(3)
    sd = (mean * np.random.RandomState(92).uniform(0.25, 0.5, 5)).round(3)
    bound = transshipment_bound(
        mean, sd, correlation=0.5, warehouse_lead_time=3, store_lead_time=2,
        holding_cost=1.0, unmet_cost=4.0,
    )  # fmt: skip
    assert bound.cost == pytest.approx(5.2964, abs=5e-5)


def test_a_bound_of_one_store_is_its_cost():
    bound = transshipment_bound(
        [5.0], [1.0], correlation=0.0, warehouse_lead_time=2, store_lead_time=1,
        holding_cost=1.0, unmet_cost=9.0,
    )  # fmt: skip
    store = base_stock_optimum(
        discretise(stats.norm(5, 1), 0.01), 0.01, lead_time=3, holding_cost=1.0, unmet_cost=9.0
    )
    assert bound.levels[0] == pytest.approx(store.levels[0], abs=0.02)
    assert bound.cost == pytest.approx(store.cost, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lead_time": 0}, "lead_time is 0, must be at least 1"),
        ({"pmf": np.array([0.5])}, "pmf sums to 0.5"),
        ({"max_order": 0}, "max_order is 0"),
    ],
    ids=["lead time", "pmf", "orders"],
)
def test_bad_problems_are_refused(arguments, message):
    good = {
        "pmf": np.ones(1), "lead_time": 1, "holding_cost": 1.0, "unmet_cost": 1.0,
        "max_order": 1, "max_stock": 1,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        LostSales(**(good | arguments))


def test_a_review_costs_the_mean_of_the_periods_that_its_order_serves():
    # Known by hand: demand since a review is Poisson of 15, 20 and 25 when its order arrives, and
    # in the two periods after it.
    units = np.arange(200)
    cost = np.where(units < 32, 32.0 - units, 9.0 * (units - 32))
    by_hand = np.mean([stats.poisson.pmf(units, mean) @ cost for mean in (15, 20, 25)])
    found = review_cost(
        discretise(stats.poisson(5), 1.0), 1.0,
        level=32, review=3, lead_time=2, holding_cost=1, unmet_cost=9,
    )  # fmt: skip
    assert by_hand == pytest.approx(12.752440426920375)
    assert found == pytest.approx(by_hand, rel=1e-6)
