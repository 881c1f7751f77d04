"""A fitted forecaster's word in place of the moving average that policies see otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from draingym.common.arrays import FloatArray
from draingym.forecasters import Fitted
from draingym.policies.forecasting.rolling import (
    SAMPLES,
    by_region,
    rolling_forecast,
    series_for,
)
from draingym.simulator import Market, Windows
from draingym.simulator.precision import real
from draingym.simulator.scenarios.series import units_a_view

VIEWS = "glance_views"


def forecast_market(
    market: Market,
    fitted: Fitted,
    panel: Any,
    *,
    variable: str = VIEWS,
    known_periods: int | None = None,
    periods: int | None = None,
    first: int = 1,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Market:
    """Return a market whose forecast is a fitted forecaster's, and says how much it errs.

    Period t's forecast is the mean over the coming periods, t on, as the model sees them after the
    periods before t. A model of products is shared out to regions as the forecast that it
    replaces; one of products and regions has its own. ``forecast_cv`` is that of the product's
    demand over those periods, from the same sample paths.

    Args:
        market: Leaves [P, T, ...], of the panel's products and periods.
        fitted: Of series as ``read_panel`` makes them from such a panel. What it was fitted to
            should end before the periods that a policy is judged in. In the periods that it was
            fitted to it errs less than it will.
        panel: Labelled arrays as ``draingym.world.panel.build_panel`` makes them;
            ``panel.isel(product=...)`` for some of the products.
        variable: What was forecast: views, which count as the units that they were worth, or
            units, such as "ordered_units".
        known_periods: As of ``market_from_panel``, for what a view is worth.
        periods: That the mean is over, at most the model's horizon, which it is when not given.
        first: First period that is forecast; those before keep what they had, and a cv of 0.
        samples: Joint samples of each forecast.
        seed: Of the samples.

    Returns:
        The market with another ``forecast``, and with ``forecast_cv``.

    Raises:
        ValueError: If market and panel differ in size, ``first`` is out of bounds, or as
            ``Fitted.predict`` does.
    """
    shape = tuple(market.forecast.shape)
    sizes = tuple(panel.sizes[name] for name in ("product", "period", "region"))
    if shape != sizes:
        raise ValueError(
            f"market has (products, periods, regions) {shape}, must have the panel's, {sizes}"
        )
    if not 1 <= first < shape[1]:
        raise ValueError(f"first is {first}, must be in [1, {shape[1]})")
    by_place = by_region(fitted)
    found = rolling_forecast(
        fitted,
        series_for(fitted, panel, variable),
        range(first, shape[1]),
        periods=periods,
        regions=shape[2] if by_place else 1,
        samples=samples,
        seed=seed,
    )
    before = np.asarray(market.forecast, np.float64)
    level = np.swapaxes(found.mean, 0, 1)  # [P, O, Z or 1]
    if variable == VIEWS:
        level = level * units_a_view(panel, known_periods)[:, first:, None]
    later = level if by_place else level * region_shares(before[:, first:])
    cv = np.pad(found.cv.T, ((0, 0), (first, 0)))
    forecast = np.concatenate([before[:, :first], later], axis=1)
    return replace(market, forecast=real(forecast), forecast_cv=real(cv))


def forecast_windows(windows: Windows, fitted: Fitted, panel: Any, **given: Any) -> Windows:
    """Return windows whose forecast is a fitted forecaster's; see ``forecast_market``.

    Rollouts, tuning, training and validation take them as they take any windows: the policies see
    the model's forecast, and nothing else changes.

    Args:
        windows: As ``make_windows`` made them.
        fitted: The forecaster.
        panel: Of the windows' products and periods.
        given: As of ``forecast_market``; ``first`` is the first window's start when not given.
    """
    given = {"first": max(int(np.asarray(windows.start).min()), 1)} | given
    return replace(windows, market=forecast_market(windows.market, fitted, panel, **given))


def region_shares(forecast: FloatArray) -> FloatArray:
    """Return each region's share of a forecast, [P, T, Z].

    Where nothing is forecast of a product, that of all products; evenly where nothing is at all.

    >>> region_shares(np.array([[[1.0, 3.0]], [[0.0, 0.0]]]))[:, 0].round(9).tolist()
    [[0.25, 0.75], [0.25, 0.75]]
    """
    every = forecast.sum(axis=0, keepdims=True) + 1e-12
    whole = forecast.sum(axis=2, keepdims=True)
    own = forecast / np.where(whole > 0, whole, 1.0)
    return np.where(whole > 0, own, every / every.sum(axis=2, keepdims=True))


def starts_of(windows: Windows) -> Sequence[int]:
    """Return the first period of each window."""
    return [int(start) for start in np.asarray(windows.start)]
