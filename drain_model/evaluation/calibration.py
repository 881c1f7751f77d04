"""Whether forecasts mean what they say: slopes, PIT, coverage and discrete reliability over time.

NumPy only; samples have the leading axis ``S``.

Source: Outbound, section 6, Table 3 and Figure 2; METHODS section 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
# Entries times resamples that the draws of a slope may take: beyond, there are fewer resamples.
_SLOPE_WORK = 200_000_000
_FEWEST = 100


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

    >>> calibration_slope(np.array([2.0, 4.0, 9.0]), np.array([1.0, 2.0, 0.0]), 0.5)
    2.0
    """
    y = np.ravel(actual)
    one = np.ones((1, 1))
    return float(slope_draws(y, np.ravel(quantile), np.zeros(y.size, np.int64), level, one)[0])


def slope_draws(
    actual: NDArray[Any],
    quantile: NDArray[Any],
    product: NDArray[np.int64],
    level: float,
    drawn: FloatArray,
) -> FloatArray:
    """Return calibration slopes of bootstrap resamples of products.

    Args:
        actual: [E] what happened.
        quantile: [E] forecast quantiles, at least 0.
        product: [E] whose entry it is.
        level: tau in (0, 1).
        drawn: [B, P] how often each resample has each product.

    Returns:
        [B]; of fewer resamples, the first ones but at least 100, where entries times resamples
        are above 2e8. nan where a resample's forecasts are all 0.
    """
    some = quantile > 0
    y, q = (np.asarray(x, np.float64)[some] for x in (actual, quantile))
    order = np.argsort(y / q, kind="stable")
    ratio, q, owner = (y / q)[order], q[order], product[some][order]
    if not q.size:
        return np.full(drawn.shape[0], np.nan)
    kept = drawn[: max(_FEWEST, _SLOPE_WORK // q.size)]
    slopes = np.empty(kept.shape[0])
    for b, times in enumerate(kept):
        weight = np.cumsum(q * times[owner])
        index = int(np.searchsorted(weight, level * weight[-1]))
        slopes[b] = ratio[min(index, q.size - 1)] if weight[-1] > 0 else np.nan
    return slopes


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


def coverage(
    transforms: FloatArray, levels: tuple[float, ...], counted: NDArray[np.bool_]
) -> FloatArray:
    """Return the share of outcomes up to each forecast quantile, by period.

    Args:
        transforms: [P, T, ...] of ``pit``.
        levels: Nominal levels, ``L`` of them.
        counted: [P, T, ...] entries that count.

    Returns:
        [T, L]; a calibrated forecast has the nominal levels. nan in a period without entries.

    >>> coverage(np.array([[0.2], [0.6]]), (0.1, 0.5), np.ones((2, 1), bool)).tolist()
    [[0.0, 0.5]]
    """
    axes = (0, *range(2, transforms.ndim))
    number = counted.sum(axis=axes).astype(np.float64)
    with np.errstate(invalid="ignore"):
        shares = [(counted & (transforms <= t)).sum(axis=axes) / number for t in levels]
    return np.stack(shares, axis=-1)


def class_probabilities(samples: NDArray[Any], num_atoms: int) -> FloatArray:
    """Return ``P(O = k)`` for k < K and ``P(O >= K)``: shares of the samples, [..., K + 1].

    Args:
        samples: [S, ...] whole units.
        num_atoms: K.

    >>> class_probabilities(np.array([0, 1, 1, 7]), 2).tolist()
    [0.25, 0.5, 0.25]
    """
    shares = [(samples == k).mean(axis=0) for k in range(num_atoms)]
    return np.stack([*shares, (samples >= num_atoms).mean(axis=0)], axis=-1)


def observed_classes(actual: NDArray[Any], num_atoms: int) -> NDArray[np.bool_]:
    """Return which of 0, 1, .., K - 1 and "K or more" happened, [..., K + 1]."""
    classes = np.minimum(np.rint(actual).astype(np.int64), num_atoms)
    return np.asarray(classes[..., None] == np.arange(num_atoms + 1))


def reliability_over_time(
    probabilities: FloatArray, happened: NDArray[np.bool_], counted: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray]:
    """Return mean predicted probabilities and observed frequencies of every class, by period.

    Args:
        probabilities: [P, T, ..., K + 1].
        happened: [P, T, ..., K + 1].
        counted: [P, T, ...].

    Returns:
        Both [T, K + 1]; nan in a period without entries.

    Source: Outbound, Figure 2.
    """
    axes = (0, *range(2, counted.ndim))
    number = counted.sum(axis=axes)[:, None].astype(np.float64)
    with np.errstate(invalid="ignore"):
        predicted, observed = (
            np.where(counted[..., None], x, 0.0).sum(axis=axes) / number
            for x in (probabilities, happened)
        )
    return predicted, observed


def reliability_bins(
    probabilities: FloatArray,
    happened: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    bins: int = 10,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean prediction, observed frequency and number of entries by bin and class.

    Args:
        probabilities: [..., K + 1].
        happened: [..., K + 1].
        counted: [...].
        bins: Equal parts of [0, 1].

    Returns:
        Three arrays [bins, K + 1]; the first two nan where a bin is empty.
    """
    classes = probabilities.shape[-1]
    p = probabilities[counted]
    cell = np.minimum((p * bins).astype(np.int64), bins - 1) * classes + np.arange(classes)[None]

    def total(weights: NDArray[Any]) -> FloatArray:
        sums = np.bincount(cell.ravel(), np.ravel(weights), bins * classes)
        return np.asarray(sums.reshape(bins, classes), np.float64)

    number = total(np.ones_like(p))
    with np.errstate(invalid="ignore"):
        return total(p) / number, total(happened[counted]) / number, number
