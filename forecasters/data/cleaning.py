"""Sales that were not recorded: fake zeros, and the last value carried forward."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from draingym.common.arrays import BoolArray, FloatArray, require_range, require_whole
from draingym.forecasters.data.grid import DAY, Step
from draingym.forecasters.data.series import SeriesData

_HALF_YEAR_DAYS = 183


def half_year(step: Step) -> int:
    """Return the periods of six months; 26 where periods are whole numbers."""
    if step.unit == "whole":
        return 26
    if step.unit == "month":
        return max(1, 6 // step.size)
    return max(1, _HALF_YEAR_DAYS * DAY // step.size)


def fake_zeros(target: FloatArray, threshold: float, window: int) -> BoolArray:
    """Return the zeros that are no sales of zero but missing records.

    A zero is fake where the least sale above zero of the last ``window`` periods, its own included,
    is above a threshold: an item that never sells less than ten does not sell nothing for a day.

    Args:
        target: [S, T] units; NaN where missing.
        threshold: Units, at least 0.
        window: Periods, six months in the paper.

    Returns:
        [S, T]; what comes later has no say in it.

    Raises:
        ValueError: If a number is out of its bounds.

    Source: paper on LSTM, section 4.1.

    >>> fake_zeros(np.array([[20.0, 0.0, 30.0, 2.0, 0.0]]), 10.0, 4).tolist()
    [[False, True, False, False, False]]
    """
    require_range("threshold", threshold, low=0.0)
    require_whole("window", window, low=1)
    sold = np.where(target > 0, target, np.inf)
    padded = np.pad(sold, ((0, 0), (window - 1, 0)), constant_values=np.inf)
    least = sliding_window_view(padded, window, axis=1).min(axis=2)
    found: BoolArray = (target == 0) & (least > threshold) & np.isfinite(least)
    return found


def without_fake_zeros(data: SeriesData, threshold: float | None) -> SeriesData:
    """Return series whose fake zeros are missing; as they are where no threshold is given."""
    if threshold is None:
        return data
    fake = fake_zeros(data.target, threshold, half_year(data.grid.step))
    return replace(data, target=np.where(fake, np.nan, data.target))


def forward_filled(target: FloatArray) -> FloatArray:
    """Return series with the last value in place of those missing; NaN before the first.

    Source: paper on LSTM, section 4.2.

    >>> forward_filled(np.array([[np.nan, 3.0, np.nan]])).tolist()
    [[nan, 3.0, 3.0]]
    """
    period = np.arange(target.shape[1])
    last = np.maximum.accumulate(np.where(np.isnan(target), -1, period), axis=1)
    filled = np.take_along_axis(target, np.maximum(last, 0), axis=1)
    return np.where(last >= 0, filled, np.nan)
