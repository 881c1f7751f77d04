"""Optima that are known as numbers, and what our own solvers find.

Two numbers stand here, with where they are from; the others are in trajectories of other simulators
(``[optimum as numbers]`` in the folder's README), where that folder is there. The continuous-review
optimum of ``stockpyl SingleRQ`` is none of a problem in periods, and is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from draingym.policies.bounds.decisions import Decisions, Solved, solve
from draingym.policies.bounds.lost_sales import LostSales, optimal_cost
from draingym.policies.bounds.one_node import dual_sourcing, fixed_cost_store, order_up_to
from draingym.policies.bounds.optimal import base_stock_optimum, discretise, review_cost
from draingym.policies.bounds.perishables import perishable_store, platelets, substituted_products

Numbers = NDArray[np.float64]
LOWEST, HIGHEST = -60, 60  # net stock in the table of a store with fixed costs


def row(what: str, ours: float, theirs: float, worst_action: float = 0.0) -> dict[str, Any]:
    """Return a row of the table.

    Args:
        what: Name.
        ours: Our number.
        theirs: The known one.
        worst_action: The most that an action of the known table costs beyond the best, relative.
    """
    apart = abs(ours - theirs) / abs(theirs)
    return {
        "optimum": what,
        "ours": ours,
        "known": theirs,
        "apart": apart,
        "worst action": worst_action,
    }


def of_the_literature() -> list[dict[str, Any]]:
    """Return the rows of an (s, S) policy and of a periodic review.

    Source:
        8.0341: Snyder and Shen, "Fundamentals of Supply Chain Theory", 2nd ed., 2019, example 4.7,
        by Zheng and Federgruen (1991), "Finding optimal (s, S) policies is about as simple as
        evaluating a single policy"; as ``stockpyl.ss.s_s_cost_discrete`` documents it,
        8.034111561471642. 12.752 is of no publication that we know: it is the mean cost over the
        periods 3, 4 and 5 after an order of demand that is Poisson of 15, 20 and 25,
        12.752440, which SciPy's Poisson gives in a line (``tests/policies/test_optimal.py``).
    """
    store = fixed_cost_store(
        discretise(stats.poisson(6), 1.0),
        order_fee=5,
        holding_cost=1,
        unmet_cost=4,
        lowest=LOWEST,
        highest=HIGHEST,
    )
    played = solve(store, action=order_up_to(store, LOWEST, 4, 10)).gain
    review = review_cost(
        discretise(stats.poisson(5), 1.0),
        1.0,
        level=32,
        review=3,
        lead_time=2,
        holding_cost=1,
        unmet_cost=9,
    )
    return [
        row("(4, 10), Poisson 6, K 5: cost of the policy", played, 8.0341),
        row("(4, 10), Poisson 6, K 5: least cost", solve(store).gain, 8.0341),
        row("review every 3, level 32, Poisson 5", review, 12.752),
    ]


def of_the_cases(folder: Path) -> list[dict[str, Any]]:
    """Return a row for each file of a folder whose optimum we solve."""
    rows = []
    for path in sorted(folder.glob("*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        solver = SOLVERS.get(f"{case['peer']} {case['problem']}")
        parameters = case["parameters"]
        if solver and any("optim" in name or name == "policy_table" for name in parameters):
            rows += solver(f"{case['peer']} {case['problem']} {case['case']}", parameters)
    return rows


def _key(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split(","))


def _worst(problem: Decisions, solved: Solved, table: dict[tuple[int, ...], Any]) -> float:
    """Return the most that an action of a table loses at once, over the size of the value."""
    ahead = problem.cost + problem.discount * (problem.move @ solved.value.ravel()).reshape(
        problem.cost.shape
    )
    by_state = ahead.reshape(*problem.shape, *problem.actions)
    size = abs(solved.gain) if problem.discount == 1 else float(np.abs(solved.value).max())
    lost = [
        by_state[(*state, *np.atleast_1d(action))] - by_state[state].min()
        for state, action in table.items()
    ]
    return float(max(lost)) / size


def _discounted(
    what: str, problem: Decisions, values: dict[str, float], table: dict[str, Any], sign: float
) -> list[dict[str, Any]]:
    """Return the row of a value table: where the two are furthest apart."""
    solved = solve(problem)
    pairs = [(sign * float(solved.value[_key(name)]), value) for name, value in values.items()]
    ours, theirs = max(pairs, key=lambda pair: abs(pair[0] / pair[1] - 1))
    actions = {_key(name): action for name, action in table.items()}
    return [row(what, ours, theirs, _worst(problem, solved, actions))]


def _terms(p: dict[str, Any]) -> dict[str, Any]:
    """Return costs, bound and discount of one product that ages."""
    return {
        "unmet_cost": p["shortage_cost"],
        "waste_cost": p["wastage_cost"],
        "holding_cost": p["holding_cost"],
        "max_order": p["max_order_quantity"],
        "discount": p["optimum"]["gamma"],
    }


def _aged(what: str, problem: Decisions, known: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the row of one product that ages."""
    values = known["expected_discounted_cost_by_state"]
    return _discounted(what, problem, values, known["optimal_order_by_state"], 1.0)


def _lost_sales(what: str, p: dict[str, Any]) -> list[dict[str, Any]]:
    pmf = np.asarray(p["demand_pmf"])
    problem = LostSales(
        pmf=pmf / pmf.sum(),
        lead_time=p["lead_time"],
        holding_cost=p["holding_cost"],
        unmet_cost=p["penalty_per_lost_unit"],
        max_order=p["max_order_size"],
        max_stock=2 * p["max_system_inventory"],
    )
    ours = optimal_cost(problem, tolerance=1e-9)
    return [row(what, ours, p["optimum"]["average_cost_per_period"])]


def _uniform(p: dict[str, Any]) -> Numbers:
    low, high = p["demand"]["low"], p["demand"]["high"]
    return np.where(np.arange(high + 1) < low, 0.0, 1.0 / (high - low + 1))


def _single(what: str, p: dict[str, Any]) -> list[dict[str, Any]]:
    best = base_stock_optimum(
        _uniform(p),
        1.0,
        lead_time=p["lead_time"],
        holding_cost=p["holding_cost"],
        unmet_cost=p["shortage_cost"],
    )
    return [row(f"{what}: level", float(best.levels[0]), p["peer_optimal_base_stock_level"])]


def _dual(what: str, p: dict[str, Any]) -> list[dict[str, Any]]:
    table = {_key(name): orders for name, orders in p["policy_table"]["table"].items()}
    orders = np.array(list(table.values()))
    lowest = min(state[0] for state in table)
    problem = dual_sourcing(
        _uniform(p),
        regular_lead_time=p["regular_lead_time"],
        holding_cost=p["holding_cost"],
        unmet_cost=p["shortage_cost"],
        expedited_cost=p["expedited_order_cost"] - p["regular_order_cost"],
        most=(p["demand"]["high"], int(orders[:, 1].max())),
        lowest=lowest,
        highest=max(state[0] for state in table),
    )
    solved = solve(problem)
    shifted = {(state[0] - lowest, *state[1:]): action for state, action in table.items()}
    known = p["expected_average_cost_per_period"]["own_optimal"]
    return [row(what, solved.gain, known, _worst(problem, solved, shifted))]


def _perishable(what: str, p: dict[str, Any]) -> list[dict[str, Any]]:
    units = np.arange(p["max_demand"] + 1)
    shape = 1 / p["demand_gamma_cov"] ** 2
    gamma = stats.gamma(shape, scale=p["demand_gamma_mean"] / shape)
    pmf = np.diff(gamma.cdf(units + 0.5), prepend=0.0)
    pmf[-1] += 1 - pmf.sum()
    problem = perishable_store(
        pmf,
        shelf_life=p["max_useful_life"],
        lead_time=p["lead_time"],
        lifo=p["issue_policy"] == "lifo",
        order_cost=p["variable_order_cost"],
        **_terms(p),
    )
    return _aged(what, problem, p["optimum"])


def _substituted(what: str, p: dict[str, Any]) -> list[dict[str, Any]]:
    known = p["optimum"]
    problem = substituted_products(
        (p["demand_poisson_mean_a"], p["demand_poisson_mean_b"]),
        accepts=p["substitution_probability"],
        prices=(p["sales_price_a"], p["sales_price_b"]),
        order_costs=(p["variable_order_cost_a"], p["variable_order_cost_b"]),
        max_orders=(p["max_order_quantity_a"], p["max_order_quantity_b"]),
        discount=known["gamma"],
    )
    values = known["expected_discounted_reward_by_state"]
    return _discounted(what, problem, values, known["optimal_orders_by_state"], -1.0)


def _platelets(what: str, p: dict[str, Any]) -> list[dict[str, Any]]:
    n, mean = (np.asarray(p[f"weekday_demand_negbin_{name}"])[:, None] for name in ("n", "delta"))
    demand = stats.nbinom.pmf(np.arange(p["max_demand"] + 1), n, n / (n + mean))
    demand[:, -1] += 1 - demand.sum(axis=1)
    problem = platelets(
        demand,
        logits=(
            p["useful_life_at_arrival_distribution_c_0"],
            p["useful_life_at_arrival_distribution_c_1"],
        ),
        order_fee=p["fixed_order_cost"],
        **_terms(p),
    )
    return _aged(what, problem, p["optimum"])


def _fixed_cost(what: str, p: dict[str, Any]) -> list[dict[str, Any]]:
    (node,) = p["nodes"].values()
    pmf = np.asarray(p["demand_pmf"])
    store = fixed_cost_store(
        pmf / pmf.sum(),
        order_fee=p["fixed_order_cost_not_charged_in_the_trajectory"],
        holding_cost=node["holding_cost"],
        unmet_cost=node["stockout_cost"],
        lowest=LOWEST,
        highest=HIGHEST,
    )
    known = p["optimum"]
    played = solve(store, action=order_up_to(store, LOWEST, known["s"], known["S"])).gain
    cost = known["expected_cost_per_period_incl_fixed"]
    return [
        row(f"{what}: cost of its policy", played, cost),
        row(f"{what}: least cost", solve(store).gain, cost),
    ]


SOLVERS: dict[str, Callable[[str, dict[str, Any]], list[dict[str, Any]]]] = {
    "dynaplex LostSales": _lost_sales,
    "idinn SingleSourcing": _single,
    "idinn DualSourcing": _dual,
    "mdpax DeMoorPerishable": _perishable,
    "mdpax HendrixTwoProduct": _substituted,
    "mdpax MirjaliliPlatelet": _platelets,
    "stockpyl SingleSS": _fixed_cost,
}
