"""Problems of one node, or of two products at one, whose optimum is known exactly.

Fixed order costs, and a second supplier. Demand is in whole units: ``pmf[k]`` is the probability of
k. Lost sales are in ``lost_sales``, stock that ages in ``perishables``.
"""

from __future__ import annotations

import numpy as np

from draingym.common.arrays import FloatArray, IntArray
from draingym.policies.bounds.decisions import (
    Decisions,
    Happened,
    Parts,
    enumerate_decisions,
)
from draingym.policies.bounds.optimal import backlog_cost


def fixed_cost_store(
    pmf: FloatArray,
    *,
    order_fee: float,
    holding_cost: float,
    unmet_cost: float,
    lowest: int,
    highest: int,
) -> Decisions:
    """One store with backlog that pays for every order: order up to a level, demand, cost.

    Args:
        pmf: Of demand.
        order_fee: Currency an order.
        holding_cost: Currency a unit on hand at a period's end.
        unmet_cost: Currency a unit waiting at a period's end.
        lowest: Units of the lowest net stock in the table, below 0.
        highest: Of the highest.

    Returns:
        States ``net stock - lowest``; actions: the net stock after the order, less ``lowest``.

    Source:
        Scarf (1960): an (s, S) policy is optimal.
    """
    size = highest - lowest + 1

    def step(state: Parts, action: Parts, outcome: Parts) -> Happened:
        (x,), (y,), (demand,) = state, action, outcome
        left = y - demand
        cost = backlog_cost(left + lowest, holding_cost, unmet_cost)
        cost = cost + order_fee * (y > x)
        return [left], np.where(y < x, np.inf, cost), pmf[demand]

    return enumerate_decisions([size], [size], [len(pmf)], step)


def order_up_to(problem: Decisions, lowest: int, reorder: int, level: int) -> IntArray:
    """Return the actions of an (s, S) policy of a ``fixed_cost_store``, [S, 1].

    >>> from draingym.policies.bounds.decisions import solve
    >>> from scipy import stats
    >>> demand = stats.poisson(6).pmf(np.arange(25))
    >>> store = fixed_cost_store(
    ...     demand / demand.sum(), order_fee=5, holding_cost=1, unmet_cost=9, lowest=-20, highest=30
    ... )
    >>> rule = order_up_to(store, -20, reorder=4, level=10)
    >>> round(solve(store, action=rule).gain, 3), round(solve(store).gain, 3)  # the rule, the best
    (9.888, 9.272)
    """
    net = np.arange(problem.shape[0]) + lowest
    return (np.where(net <= reorder, level, net) - lowest)[:, None]


def dual_sourcing(
    pmf: FloatArray,
    *,
    regular_lead_time: int,
    holding_cost: float,
    unmet_cost: float,
    expedited_cost: float,
    most: tuple[int, int],
    lowest: int,
    highest: int,
) -> Decisions:
    """One store with backlog and two suppliers: a slow one, and one who is dear and at once.

    Args:
        pmf: Of demand.
        regular_lead_time: Periods, at least 1; the expedited one is 0.
        holding_cost: Currency a unit on hand at a period's end.
        unmet_cost: Currency a unit waiting at a period's end.
        expedited_cost: Currency a unit, above the regular one.
        most: Units of an order, regular and expedited.
        lowest: Net stock after the period's regular arrival: the lowest in the table.
        highest: The highest.

    Returns:
        States: net stock with the period's arrival, less ``lowest``; then regular orders in
        transit, the next to arrive first. Actions: regular and expedited order.

    Example:
        >>> from draingym.policies.bounds.decisions import solve
        >>> problem = dual_sourcing(
        ...     np.full(3, 1 / 3),  # 0, 1 or 2 units are wanted
        ...     regular_lead_time=1,
        ...     holding_cost=1,
        ...     unmet_cost=9,
        ...     expedited_cost=2,
        ...     most=(2, 2),
        ...     lowest=-4,
        ...     highest=6,
        ... )
        >>> solved = solve(problem)
        >>> round(solved.gain, 3), solved.action[4].tolist()  # nothing on hand: regular, expedited
        (2.0, [1, 2])
    """
    size, transit = highest - lowest + 1, regular_lead_time - 1

    def step(state: Parts, action: Parts, outcome: Parts) -> Happened:
        (regular, expedited), (demand,) = action, outcome
        left = state[0] + expedited - demand
        cost = backlog_cost(left + lowest, holding_cost, unmet_cost)
        due, *later = [*state[1:], regular]
        return [left + due, *later], cost + expedited_cost * expedited, pmf[demand]

    return enumerate_decisions(
        [size, *[most[0] + 1] * transit], [most[0] + 1, most[1] + 1], [len(pmf)], step
    )
