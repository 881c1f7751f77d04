"""A rule of thumb as a baseline: the next period looks like the last ones.

The total follows recent totals times the growth of page views; each node gets its share of the
recent drain among the nodes with stock. How far back "recent" goes, and how uncertain total and
shares are, is tuned. Not from the paper.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.scores import crps
from draingym.drain_model.data.dataset import DrainData

FloatArray = NDArray[np.float64]
_PERIODS = (1, 2, 4, 8, 16)
_DISPERSIONS = (0.0, 0.03, 0.1, 0.2, 0.4, 0.8)
_CONCENTRATIONS = (3.0, 10.0, 30.0, 100.0, np.inf)
_ROUNDS = 3  # how often units that a node cannot ship are split among the others
# The past counts as if it held this many units more, split as those of all products are.
_PRIOR_UNITS = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LastShare:
    """What the rule is tuned to, and what it knows of all products."""

    periods: int  # k
    dispersion: float  # variance of the total: mean + dispersion mean^2
    concentration: float  # of the Dirichlet of the shares; infinite for fixed shares
    share: FloatArray  # [N] of all units drained in training
    units_per_view: float  # over the conversion attribute
    unit_cost: FloatArray  # [N] currency a unit in training
    log_cost_scale: float  # standard deviation of the log cost of a unit, given what it is expected
    conversion_column: int


def fit_last_share(
    data: DrainData, *, conversion_column: int = 2, num_samples: int = 32, seed: int = 0
) -> LastShare:
    """Tune the rule on training periods by node-level CRPS.

    How many periods count as recent and the dispersion of the total first, then the dispersion of
    the shares and that of the total again.

    Args:
        data: Training periods.
        conversion_column: Attribute that is the log of units per view.
        num_samples: For each CRPS.
        seed: Of the samples.

    Returns:
        The tuned rule.

    Raises:
        ValueError: If no unit was shipped.
    """
    units = data.outbound.sum(axis=(0, 1), dtype=np.float64)
    if units.sum() <= 0.0:
        raise ValueError(f"data.outbound sums to {units.sum()}, must be above 0 to fit a baseline")
    conversion = np.exp(data.attributes[:, conversion_column].astype(np.float64))
    expected = float((data.glance_views.sum(axis=(1, 2)) * conversion).sum())
    cost = data.ship_cost.sum(axis=(0, 1), dtype=np.float64)
    average = float(cost.sum() / units.sum())
    rule = LastShare(
        periods=4,
        dispersion=0.1,
        concentration=np.inf,
        share=(units + 1e-3 * data.active.any(axis=0)) / (units.sum() + 1e-3),
        units_per_view=float(units.sum() / max(expected, 1e-9)),
        unit_cost=np.where(units > 0, cost / np.maximum(units, 1.0), average),
        log_cost_scale=0.0,
        conversion_column=conversion_column,
    )
    some = data.outbound > 0
    paid = data.ship_cost[some] / data.outbound[some]
    known = _unit_cost(rule, data, (0, data.num_periods))[some]
    ratio = np.log(np.maximum(paid, 1e-9) / known)
    rule = replace(rule, log_cost_scale=float(np.std(ratio)))
    counted = np.broadcast_to(data.active, data.outbound.shape) & (data.available > 0)
    first = min(max(_PERIODS), data.num_periods // 2)  # periods with a past

    def score(candidate: LastShare) -> float:
        drawn = _units(candidate, data, (first, data.num_periods), num_samples, seed)
        return float(crps(drawn, data.outbound[:, first:])[counted[:, first:]].mean())

    def best(candidates: list[LastShare]) -> LastShare:
        return candidates[int(np.argmin([score(candidate) for candidate in candidates]))]

    rule = best(
        [
            replace(rule, periods=k, dispersion=a)
            for k, a in product(_PERIODS, _DISPERSIONS[::2])
            if k <= first or k == 1
        ]
    )
    rule = best([replace(rule, concentration=c) for c in _CONCENTRATIONS])
    return best([replace(rule, dispersion=a) for a in _DISPERSIONS])


def sample_last_share(
    rule: LastShare, data: DrainData, periods: tuple[int, int], num_samples: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw outbound and cost of every product, period and node on the actual stock and past.

    Total: gamma-Poisson. Shares: Dirichlet. Units that a node cannot ship go to the others with
    stock, by share. Cost: units times the recent cost of a unit, log-normal.

    Args:
        rule: Of ``fit_last_share``.
        data: Panel from its first period on.
        periods: First period and the one after the last.
        num_samples: ``S``.
        seed: Of the samples.

    Returns:
        Outbound units and cost [S, P, T', N].

    Raises:
        ValueError: If the periods are not in the data, or ``num_samples`` is below 1.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples is {num_samples}, must be at least 1")
    data.periods(*periods)
    units = _units(rule, data, periods, num_samples, seed)
    random = np.random.default_rng([seed, 1])
    spread = rule.log_cost_scale * random.standard_normal(units.shape, np.float32)
    # Mean one, so that the expected cost is the recent one.
    factor = np.exp(spread - np.float32(0.5 * rule.log_cost_scale**2))
    cost = units * _unit_cost(rule, data, periods) * factor
    return units.astype(np.float32), cost.astype(np.float32)


def _recent(values: NDArray[Any], periods: tuple[int, int], k: int) -> FloatArray:
    """Return sums over the k periods before each of some periods: [P, T', ...]."""
    total = np.cumsum(values, axis=1, dtype=np.float64)
    total = np.concatenate([np.zeros_like(total[:, :1]), total], axis=1)
    stop = np.arange(*periods)
    return np.asarray(total[:, stop] - total[:, np.maximum(stop - k, 0)])


def _units(
    rule: LastShare, data: DrainData, periods: tuple[int, int], num_samples: int, seed: int
) -> NDArray[np.int64]:
    random = np.random.default_rng([seed, 0])
    part = slice(*periods)
    drained = _recent(data.outbound, periods, rule.periods)
    views = data.glance_views.sum(axis=-1, dtype=np.float64)
    rate = np.exp(data.attributes[:, rule.conversion_column].astype(np.float64))
    rate = np.maximum(rate * rule.units_per_view, 1e-9)[:, None]
    past = (drained.sum(axis=-1) + _PRIOR_UNITS) / (
        _recent(views, periods, rule.periods) + _PRIOR_UNITS / rate
    )
    mean = views[:, part] * past
    if rule.dispersion > 0.0:
        shape = 1.0 / rule.dispersion
        mean = random.gamma(shape, 1.0 / shape, (num_samples, *mean.shape)) * mean
    else:
        mean = np.broadcast_to(mean, (num_samples, *mean.shape))
    left = random.poisson(mean)
    stock = np.floor(data.available[:, part] * data.active[part]).astype(np.int64)
    weight = drained + _PRIOR_UNITS * rule.share
    share = np.broadcast_to(weight, (num_samples, *weight.shape))
    if np.isfinite(rule.concentration):
        even = rule.concentration * weight / weight.sum(axis=-1, keepdims=True)
        share = random.standard_gamma(even, share.shape) + 1e-12
    shipped = np.zeros((num_samples, *stock.shape), np.int64)
    for _ in range(_ROUNDS):
        open_share = np.where(shipped < stock, share, 0.0)
        sums = open_share.sum(axis=-1, keepdims=True)
        able = sums[..., 0] > 0.0
        chance = np.where(sums > 0.0, open_share / np.where(sums > 0.0, sums, 1.0), 0.0)
        chance[..., 0] += ~able  # nobody can ship: nothing is left to split
        split = random.multinomial(np.where(able, left, 0), chance)
        taken = np.minimum(split, stock - shipped)
        shipped, left = shipped + taken, left - taken.sum(axis=-1)
    return shipped


def _unit_cost(rule: LastShare, data: DrainData, periods: tuple[int, int]) -> FloatArray:
    """Return the expected cost of a unit: of the recent ones, with two more at training's mean."""
    long = 4 * rule.periods
    units, cost = (_recent(x, periods, long) for x in (data.outbound, data.ship_cost))
    # How dear the product is, wherever it ships from.
    dear = (cost.sum(axis=-1) + 5.0 * rule.unit_cost.mean()) / (
        (units * rule.unit_cost).sum(axis=-1) + 5.0 * rule.unit_cost.mean()
    )
    prior = dear[..., None] * rule.unit_cost
    found = (cost + _PRIOR_UNITS * prior) / (units + _PRIOR_UNITS)
    return np.asarray(np.maximum(found, 1e-6))
