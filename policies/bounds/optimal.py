"""Optimal policies of classic problems with backlog: exact, in plain NumPy.

Timing: order, then demand, then cost on what is left; an order with lead time L is on hand L
periods later; stock in transit is free. ``draingym.simulator.problems.classic`` sets the same
problems up.

Demand is given on a grid: ``pmf[k]`` is the probability of ``k * step`` units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray
from scipy import stats
from scipy.signal import fftconvolve

from draingym.common.arrays import FloatArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimum:
    """The best levels, and what they cost.

    >>> demand = discretise(stats.poisson(5), 1.0)
    >>> best: Optimum = base_stock_optimum(demand, 1.0, lead_time=1, holding_cost=1, unmet_cost=9)
    >>> best.levels.tolist(), round(best.cost, 2)
    ([14.0], 5.87)
    """

    levels: FloatArray  # units, upstream first
    cost: float  # currency a period


def discretise(distribution: Any, step: float) -> FloatArray:
    """Return the probabilities of ``0, step, 2 step, ...`` units, clipped at zero.

    Each value of the distribution is rounded to the nearest point of the grid.

    Args:
        distribution: A frozen distribution of ``scipy.stats``.
        step: Units, above 0.

    Returns:
        [K] probabilities that sum to one.

    Raises:
        ValueError: If the step is not positive.

    Example:
        >>> discretise(stats.norm(0, 1), 1.0)[:2].round(4).tolist()
        [0.6915, 0.2417]
    """
    if not step > 0:
        raise ValueError(f"step is {step}, must be above 0 units")
    most = int(np.ceil(distribution.isf(1e-12) / step)) + 1
    cdf = distribution.cdf((np.arange(most + 1) + 0.5) * step)
    pmf = np.diff(cdf, prepend=0.0)
    pmf[-1] += 1.0 - cdf[-1]
    return np.asarray(pmf)


def _sum_of(pmf: FloatArray, periods: int) -> FloatArray:
    """Return the probabilities of the sum of as many independent periods' demand."""
    total = np.ones(1)
    for _ in range(periods):
        total = np.maximum(fftconvolve(total, pmf), 0.0)
    normalised: FloatArray = total / total.sum()
    return normalised


def backlog_cost(net: NDArray[Any], holding_cost: float, unmet_cost: float) -> FloatArray:
    """Return what net stock at a period's end costs: what is left, or what customers wait for.

    Args:
        net: Units; below 0 they are owed.
        holding_cost: Currency a unit on hand.
        unmet_cost: Currency a unit waiting.

    Example:
        >>> backlog_cost(np.array([3, 0, -2]), 1.0, 9.0).tolist()
        [3.0, 0.0, 18.0]
    """
    cost: FloatArray = holding_cost * np.maximum(net, 0) + unmet_cost * np.maximum(-net, 0)
    return cost


def base_stock_optimum(
    pmf: FloatArray, step: float, *, lead_time: int, holding_cost: float, unmet_cost: float
) -> Optimum:
    """Return the optimal base-stock level of one store with backlog, and its cost.

    The critical fractile ``unmet / (unmet + holding)`` of demand over ``lead_time + 1`` periods.

    Args:
        pmf: [K] probability of ``k * step`` units a period.
        step: Units.
        lead_time: Periods, at least 0.
        holding_cost: Currency per unit on hand at a period's end.
        unmet_cost: Currency per unit waiting at a period's end.

    Source:
        Zipkin (2000), Foundations of Inventory Management.
    """
    total = _sum_of(pmf, lead_time + 1)
    fractile = unmet_cost / (unmet_cost + holding_cost)
    level = int(np.searchsorted(np.cumsum(total), fractile))
    left = (level - np.arange(len(total))) * step
    cost = backlog_cost(left, holding_cost, unmet_cost)
    return Optimum(levels=np.array([level * step]), cost=float(total @ cost))


def review_cost(
    pmf: FloatArray,
    step: float,
    *,
    level: float,
    review: int,
    lead_time: int,
    holding_cost: float,
    unmet_cost: float,
) -> float:
    """Return the cost per period of a store with backlog that orders up to a level at each review.

    A period k periods after a review, k in [0, review), costs what is left of the level after the
    demand of ``lead_time + 1 + k`` periods.

    Args:
        pmf: [K] probability of ``k * step`` units a period.
        step: Units.
        level: Units, a multiple of the step.
        review: Periods from one review to the next, at least 1.
        lead_time: Periods, at least 0.
        holding_cost: Currency per unit on hand at a period's end.
        unmet_cost: Currency per unit waiting at a period's end.

    Raises:
        ValueError: If there is less than a period between reviews.

    Example:
        >>> demand = discretise(stats.poisson(5), 1.0)
        >>> costs = {"holding_cost": 1.0, "unmet_cost": 9.0}
        >>> round(review_cost(demand, 1.0, level=32, review=3, lead_time=2, **costs), 3)
        12.752
    """
    if review < 1:
        raise ValueError(f"review is {review}, must be at least 1 period")
    total = 0.0
    for k in range(review):
        demand = _sum_of(pmf, lead_time + 1 + k)
        left = level - np.arange(len(demand)) * step
        cost = backlog_cost(left, holding_cost, unmet_cost)
        total += float(demand @ cost) / review
    return total


def serial_optimum(
    pmf: FloatArray,
    step: float,
    *,
    lead_times: Sequence[int],
    holding_cost: Sequence[float],
    unmet_cost: float,
    in_transit: bool = False,
) -> Optimum:
    """Return the optimal echelon base-stock levels of a serial line, and their cost.

    From the store upwards, ``C_j(y) = E[e_j (y - D_j) + G_(j-1)(y - D_j)]`` and ``G_j(x) =
    C_j(min(x, S_j))``, with echelon holding costs e, D_j the demand over the lead time of stage j
    (over L + 1 periods for the store) and ``G_0(x) = (unmet + holding) * max(-x, 0)``. Goods in
    transit, which C charges, are taken off again.

    Args:
        pmf: [K] probability of ``k * step`` units a period.
        step: Units; fine enough for a cost that is flat around its minimum.
        lead_times: Periods to each stage, upstream first, the store last.
        holding_cost: Currency per unit on hand at a period's end, by stage; local.
        unmet_cost: Currency per unit waiting at the store at a period's end.
        in_transit: A textbook's timing instead: D_j is over L periods for the store too, and goods
            on their way are charged the cost of where they come from
            (``simulator.serial_in_transit``).

    Returns:
        Echelon levels, and the cost of the whole line.

    Source:
        Clark and Scarf (1960); Chen and Zheng (1994).
    """
    periods = list(lead_times)
    if not in_transit:
        periods[-1] += 1
    local = np.asarray(holding_cost, dtype=np.float64)
    echelon = np.diff(local, prepend=0.0)
    mean = float(pmf @ np.arange(len(pmf))) * step
    sums = [_sum_of(pmf, n) for n in periods]
    # A grid that holds every level, and wide enough below for what demand may leave of it.
    top = int(sum(len(pmf) * n for n in periods) * 0.7)
    deepest = max(len(total) for total in sums)
    x = np.arange(-deepest, top) * step
    inner = (unmet_cost + local[-1]) * np.maximum(-x, 0)
    levels = np.zeros(len(periods))
    cost = 0.0
    for j in reversed(range(len(periods))):
        demand = sums[j]
        slope = inner[1] - inner[0]  # far below zero everything is linear
        below = inner[0] + slope * np.arange(-len(demand) + 1, 0)
        expected = fftconvolve(np.concatenate([below, inner]), demand, mode="valid")
        outer = expected + echelon[j] * (x - periods[j] * mean)
        best = int(np.argmin(outer))
        levels[j], cost = x[best], outer[best]
        inner = np.where(np.arange(len(x)) < best, outer, cost)
    if not in_transit:
        cost -= float(mean * np.dot(local[:-1], periods[1:]))
    return Optimum(levels=levels, cost=float(cost))


def transshipment_bound(
    mean: ArrayLike,
    sd: ArrayLike,
    *,
    correlation: float,
    warehouse_lead_time: int,
    store_lead_time: int,
    holding_cost: float,
    unmet_cost: float,
) -> Optimum:
    """Return the level of a warehouse that stores nothing, and a lower bound of its stores' cost.

    As if stock could be moved between stores at will (the balance assumption), all stores end at
    one fractile: ``(h + p) phi(z) s`` with ``s**2 = (L_s + 1) (sum sd)**2 + L_w Var(sum D)``.

    Args:
        mean: [n] units a period.
        sd: [n] units a period, of normal demand.
        correlation: Of any two stores.
        warehouse_lead_time: L_w, periods.
        store_lead_time: L_s, periods.
        holding_cost: Currency per unit on hand in a store at a period's end.
        unmet_cost: Currency per unit waiting at a period's end.

    Returns:
        The echelon level of the whole system, and the bound of the cost per store.

    Source:
        Eppen and Schrage (1981); Federgruen and Zipkin (1984).
    """
    means, sds = np.asarray(mean, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    variance = correlation * sds.sum() ** 2 + (1 - correlation) * (sds**2).sum()
    spread = np.sqrt((store_lead_time + 1) * sds.sum() ** 2 + warehouse_lead_time * variance)
    z = stats.norm.ppf(unmet_cost / (unmet_cost + holding_cost))
    level = means.sum() * (warehouse_lead_time + store_lead_time + 1) + z * spread
    cost = (holding_cost + unmet_cost) * stats.norm.pdf(z) * spread / len(means)
    return Optimum(levels=np.array([level]), cost=float(cost))
