"""Scores of forecasts that several packages use. NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import FloatArray, require_range


def crps(samples: NDArray[Any], actual: NDArray[Any], *, ordered: bool = False) -> FloatArray:
    """Return the fair continuous ranked probability score of samples.

    ``(1/M) sum |x_m - y| - 1 / (2 M (M - 1)) sum sum |x_m - x_m'|``, the double sum from sorted
    samples: ``sum_i (2 i - M - 1) x_(i)`` over the ordered ones, times ``1 / (M (M - 1))``.

    Args:
        samples: [M, ...], M at least 2.
        actual: [...].
        ordered: Whether the samples ascend already.

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
        raise ValueError(f"samples have shape {samples.shape}, must be (M, *{actual.shape})")
    values = samples if ordered else np.sort(samples, axis=0)
    rank = 2.0 * np.arange(1, number + 1) - number - 1
    score = np.zeros(actual.shape)
    # Sample by sample: nothing of the samples' size is made, and sums are in float64.
    for weight, value in zip(rank / (number * (number - 1)), values, strict=True):
        score += np.abs(value - np.asarray(actual, np.float64)) / number - weight * value
    return score
