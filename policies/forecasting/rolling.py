"""Forecasts of every origin in turn, each from the history before it, in short: mean and error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from draingym.common.arrays import FloatArray, require_whole
from draingym.forecasters import Fitted, SeriesData, read_panel
from draingym.forecasters.data.panels import NUMBERED

SAMPLES = 100


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rolling:
    """What was forecast of the coming periods at each origin, ``G`` groups of ``Z`` series."""

    mean: FloatArray  # [O, G, Z] units a period, of the target
    cv: FloatArray  # [O, G] of the error of a group's sum over those periods; see ``error_of``


def error_of(total: FloatArray) -> FloatArray:
    """Return how much a forecast errs beyond Poisson customers, over its mean.

    ``sqrt(max(var - mean, 0)) / mean``: demand then has the variance ``mean + (cv mean)**2``.

    Args:
        total: [samples, ...] units over some periods.

    Returns:
        [...]; 0 where nothing is forecast.

    >>> round(float(error_of(np.array([6.0, 10.0, 14.0]))), 3)  # variance 32 / 3
    0.082
    """
    mean, variance = total.mean(axis=0), total.var(axis=0)
    over = np.sqrt(np.maximum(variance - mean, 0.0))
    return np.where(mean > 0, over / np.where(mean > 0, mean, 1.0), 0.0)


def rolling_forecast(
    fitted: Fitted,
    data: SeriesData,
    origins: Sequence[int],
    *,
    periods: int | None = None,
    regions: int = 1,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Rolling:
    """Forecast from several origins, each with what was known then.

    Args:
        fitted: A fitted forecaster.
        data: ``G * Z`` series, a group's together; columns that are known ahead reach as far as
            they do: near their end the mean is over fewer periods.
        origins: First period of each forecast, from 1 to the end of what is known.
        periods: That the mean is over, at most the model's horizon, which it is when not given.
        regions: ``Z``, series of a group.
        samples: Joint samples of each forecast.
        seed: Of the samples, the same at all origins.

    Raises:
        ValueError: If the periods are out of bounds, or as ``Fitted.predict`` does.
    """
    horizon = fitted.model.horizon
    ahead = horizon if periods is None else periods
    require_whole("periods", ahead, low=1, high=horizon)
    groups = data.num_series // regions
    mean = np.zeros((len(origins), groups, regions))
    cv = np.zeros((len(origins), groups))
    needed = bool(data.known) or bool(data.known_labels)
    for o, origin in enumerate(origins):
        last = data.num_known if needed else origin + ahead
        require_whole("origin", origin, low=1, high=min(data.num_periods, last - 1))
        steps = min(ahead, last - origin)
        drawn = fitted.predict(data.until(origin), steps, samples=samples, seed=seed).samples
        paths = np.maximum(drawn.astype(np.float64), 0.0)
        by_series = paths.reshape(samples, groups, regions, steps)
        mean[o] = by_series.mean(axis=(0, 3))
        cv[o] = error_of(by_series.sum(axis=(2, 3)))
    return Rolling(mean=mean, cv=cv)


def by_region(fitted: Fitted) -> bool:
    """Return whether a forecaster is of products and regions, and not of products alone."""
    return "region" in dict(fitted.encoder.layout.labels)


def series_for(fitted: Fitted, panel: Any, variable: str) -> SeriesData:
    """Return a variable of a panel as the series that a forecaster was fitted to.

    By region, with past columns, and with dates, where those were.
    """
    layout = fitted.encoder.layout
    data = read_panel(panel, variable, by_place=by_region(fitted), past=layout.past)
    return data if layout.calendar else replace(data, grid=NUMBERED)
