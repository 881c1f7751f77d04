"""How good forecasts are: quantile losses, CRPS, calibration slopes, PIT, bootstrap.

NumPy only; samples have the leading axis ``S``. "Total" metrics sum each *joint* sample over
nodes first: ``crps(samples.sum(-1), actual.sum(-1))``.

Source: Outbound, section 6; METHODS section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from world.arrays import require_range

FloatArray = NDArray[np.float64]


def quantile_loss(actual: NDArray[Any], quantile: NDArray[Any], level: float) -> FloatArray:
    """Return ``max(tau (y - q), (tau - 1)(y - q))``.

    Args:
        actual: [...] what happened.
        quantile: [...] the forecast quantile.
        level: tau in (0, 1).

    Returns:
        [...], in the unit of ``actual``.

    >>> quantile_loss(np.array([3.0, 1.0]), np.array([2.0, 2.0]), 0.9).round(2).tolist()
    [0.9, 0.1]
    """
    error = np.asarray(actual, dtype=np.float64) - quantile
    loss: FloatArray = np.maximum(level * error, (level - 1.0) * error)
    return loss


def sample_quantile(samples: NDArray[Any], level: float) -> FloatArray:
    """Return the smallest sample that at least a share ``level`` of the samples [S, ...] reach.

    The inverse of the empirical distribution: whole units stay whole.
    """
    quantile: FloatArray = np.quantile(
        np.asarray(samples, dtype=np.float64), level, axis=0, method="inverted_cdf"
    )
    return quantile


def scaled_quantile_loss(actual: NDArray[Any], quantile: NDArray[Any], level: float) -> float:
    """Return the sum of quantile losses over the sum of what happened.

    Raises:
        ValueError: If nothing happened.
    """
    total = float(np.sum(actual))
    if total <= 0.0:
        raise ValueError(f"actual sums to {total}: must be above 0 to scale a loss by it")
    return float(np.sum(quantile_loss(actual, quantile, level))) / total


def crps(samples: NDArray[Any], actual: NDArray[Any]) -> FloatArray:
    """Return the fair continuous ranked probability score of samples.

    ``(1/M) sum |x_m - y| - 1 / (2 M (M - 1)) sum sum |x_m - x_m'|``, the double sum from sorted
    samples: ``sum_i (2 i - M - 1) x_(i)`` over the ordered ones, times ``1 / (M (M - 1))``.

    Args:
        samples: [M, ...], M at least 2.
        actual: [...].

    Returns:
        [...], in the unit of ``actual``; its mean is that of the underlying distribution.

    Raises:
        ValueError: If there are fewer than 2 samples, or shapes disagree.

    >>> crps(np.array([[1.0], [3.0]]), np.array([2.0])).tolist()
    [0.0]
    """
    number = samples.shape[0]
    require_range("len(samples)", number, low=2)
    if samples.shape[1:] != actual.shape:
        raise ValueError(f"samples have shape {samples.shape}: must be (M, *{actual.shape})")
    ordered = np.sort(np.asarray(samples, dtype=np.float64), axis=0)
    rank = 2.0 * np.arange(1, number + 1) - number - 1
    spread = np.tensordot(rank, ordered, axes=1) / (number * (number - 1))
    score: FloatArray = np.abs(ordered - actual).mean(axis=0) - spread
    return score


def calibration_slope(actual: NDArray[Any], quantile: NDArray[Any], level: float) -> float:
    """Return the factor on a forecast quantile that fits what happened best.

    ``argmin_beta sum rho_tau(y, beta q)`` without intercept: the tau-quantile of ``y / q`` with
    the weights q, exactly. 1 is calibrated; above 1 the quantile is too low.

    Args:
        actual: [...].
        quantile: [...] at least 0; entries that are 0 do not depend on the slope.
        level: tau in (0, 1).

    Returns:
        The slope; nan if all forecasts are 0.
    """
    y, q = np.ravel(actual).astype(np.float64), np.ravel(quantile).astype(np.float64)
    y, q = y[q > 0], q[q > 0]
    if not q.size:
        return float("nan")
    ratio = y / q
    order = np.argsort(ratio, kind="stable")
    weight = np.cumsum(q[order])
    index = int(np.searchsorted(weight, level * weight[-1]))
    return float(ratio[order][min(index, ratio.size - 1)])


def ols_slope(actual: NDArray[Any], forecast: NDArray[Any]) -> float:
    """Return ``sum y f / sum f^2``: the regression of what happened on the mean forecast.

    nan if all forecasts are 0.
    """
    square = float(np.sum(np.square(forecast, dtype=np.float64)))
    return float(np.sum(np.asarray(actual, np.float64) * forecast)) / square if square else np.nan


def pit(samples: NDArray[Any], actual: NDArray[Any], seed: int = 0) -> FloatArray:
    """Return randomised probability integral transforms: uniform if the forecast is calibrated.

    ``(#{x < y} + v (#{x = y} + 1)) / (M + 1)``, v uniform: the rank of what happened among the
    samples, ties broken at random.

    Args:
        samples: [M, ...].
        actual: [...].
        seed: Of v.

    Returns:
        [...] in [0, 1).
    """
    below = np.sum(samples < actual, axis=0)
    equal = np.sum(samples == actual, axis=0)
    v = np.random.default_rng(seed).random(actual.shape)
    value: FloatArray = (below + v * (equal + 1)) / (samples.shape[0] + 1)
    return value


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """An estimate with a bootstrap interval."""

    value: float
    low: float
    high: float


def bootstrap(
    numerator: NDArray[Any],
    denominator: NDArray[Any],
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return ``sum a / sum b`` with an interval from resampled products.

    Two models are compared with ``a`` the difference of their scores, or with one seed.

    Args:
        numerator: [P] a of every product.
        denominator: [P] b, such as the number of entries, or the other model's scores.
        level: Of the interval, in (0, 1).
        resamples: Bootstrap samples of products, with replacement.
        seed: At least 0.

    Returns:
        The ratio, and percentiles of its bootstrap distribution.

    Raises:
        ValueError: If shapes disagree or a setting is out of its bounds.
    """
    require_range("level", level, low=0.0, high=1.0, open_low=True, open_high=True)
    require_range("resamples", resamples, low=1)
    a, b = (np.asarray(x, dtype=np.float64) for x in (numerator, denominator))
    if a.ndim != 1 or a.shape != b.shape or not a.size:
        raise ValueError(f"numerator has shape {a.shape}: must be (P,) as {b.shape}, P >= 1")
    index = np.random.default_rng(seed).integers(a.size, size=(resamples, a.size))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = a[index].sum(axis=1) / b[index].sum(axis=1)
        value = float(a.sum() / b.sum())
    low, high = np.nanquantile(ratio, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value=value, low=float(low), high=float(high))


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """One row of the paper's tables, at one level of aggregation."""

    crps: float  # units
    quantile_loss: dict[float, float]  # by level: sum of losses over the sum of actual units
    slope: dict[float, float]  # by level: calibration slope
    ols_slope: float
    crps_by_product: FloatArray  # [P] sum over the product's entries
    entries_by_product: FloatArray  # [P]


def score(
    samples: NDArray[Any],
    actual: NDArray[Any],
    mask: NDArray[np.bool_] | None = None,
    levels: tuple[float, ...] = (0.1, 0.5, 0.9),
) -> Scores:
    """Score joint samples.

    Args:
        samples: [S, P, ...].
        actual: [P, ...].
        mask: [P, ...] entries that count; all when not given.
        levels: Of the quantiles.

    Returns:
        The scores; ``bootstrap(s.crps_by_product, s.entries_by_product)`` is the CRPS with its
        interval over products.

    Raises:
        ValueError: If no entry counts, or nothing happened in those that do.
    """
    counted = np.ones(actual.shape, bool) if mask is None else np.broadcast_to(mask, actual.shape)
    if not counted.any():
        raise ValueError("mask is false everywhere: must be true for at least 1 entry")
    points = np.where(counted, crps(samples, actual), 0.0)
    axes = tuple(range(1, actual.ndim))
    drawn, y = samples[:, counted], actual[counted]
    quantiles = {level: sample_quantile(drawn, level) for level in levels}
    return Scores(
        crps=float(points.sum() / counted.sum()),
        quantile_loss={t: scaled_quantile_loss(y, q, t) for t, q in quantiles.items()},
        slope={t: calibration_slope(y, q, t) for t, q in quantiles.items()},
        ols_slope=ols_slope(y, drawn.mean(axis=0, dtype=np.float64)),
        crps_by_product=points.sum(axis=axes),
        entries_by_product=counted.sum(axis=axes).astype(np.float64),
    )
