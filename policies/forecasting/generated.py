"""Scenarios that a fitted forecaster draws: what customers may look at next, jointly over time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from draingym.common.arrays import FloatArray, require_seed, require_whole
from draingym.forecasters import Fitted, SeriesData
from draingym.policies.forecasting.observed import VIEWS, region_shares, starts_of
from draingym.policies.forecasting.rolling import (
    SAMPLES,
    by_region,
    rolling_forecast,
    series_for,
)
from draingym.simulator import HISTORY_LENGTH, Market, Params, Simulator, Windows
from draingym.simulator.precision import real
from draingym.simulator.scenarios.forecasts import smoothed
from draingym.simulator.scenarios.series import units_a_view
from draingym.simulator.scenarios.windows import prepared


def generated_windows(
    simulator: Simulator,
    params: Params,
    windows: Windows,
    fitted: Fitted,
    panel: Any,
    horizon: int,
    *,
    paths: int = 4,
    known_periods: int | None = None,
    half_life: float | None = None,
    periods: int | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Windows:
    """Return windows that begin as those of a log, and go on as a forecaster says they might.

    From each window's start, every product's views are ``paths`` joint sample paths of the model,
    rounded at random to whole views, each of which falls on a region by the regions' shares of the
    market's forecast at the start. A policy sees what it would: at each period the model's
    forecast, and its cv, from the log up to the start and the path before the period. Prices and
    calendar are the log's.

    A product, a start and a path make a product of the new windows, which have one start. The
    kernel sees as many periods before it as the earliest window has, at most ``HISTORY_LENGTH``.

    Args:
        simulator: Whose kernel prepares what no action changes.
        params: Its parameters.
        windows: Of the log: where rollouts may begin, and from which stock.
        fitted: A forecaster of the products' views, ``read_panel(panel, "glance_views")``, with a
            horizon at least as long.
        panel: Of the windows' products and periods.
        horizon: Periods of a rollout.
        paths: Of each product and start.
        known_periods: As of ``market_from_panel``, for what a view is worth.
        half_life: Policies see the moving average of ``market_from_panel`` along each path in place
            of the model's forecast, and no cv, as the one that wrote a log did; periods.
        periods: That the forecast which policies see is the mean over, at most the model's
            horizon, which it is when not given.
        samples: Joint samples of each such forecast.
        seed: Of paths, rounding, regions and samples.

    Returns:
        Windows of ``products * starts * paths`` products and ``horizon`` periods, for ``window``,
        ``WindowTask`` and ``tune``.

    Raises:
        ValueError: If the horizon is longer than the model's or a window, a number is out of its
            bounds, or windows and panel differ in size.
    """
    require_whole("paths", paths, low=1, high=10_000)
    require_seed(seed)
    require_whole("horizon", horizon, low=1, high=fitted.model.horizon)
    starts = starts_of(windows)
    longest = windows.market.period.shape[1] - max(starts)
    require_whole("horizon", horizon, low=1, high=longest)
    if by_region(fitted):
        raise ValueError("fitted is of products and regions, must be of products")
    if fitted.encoder.layout.past:
        raise ValueError(
            f"fitted sees {', '.join(fitted.encoder.layout.past)} of the past, must see views "
            "alone: a path says nothing else"
        )
    data = series_for(fitted, panel, VIEWS)
    if data.num_series != windows.num_products:
        raise ValueError(
            f"panel has {data.num_series} products, must have the windows', {windows.num_products}"
        )
    worth = units_a_view(panel, known_periods)
    viewed = np.asarray(panel[VIEWS], np.float64)
    random = np.random.default_rng(seed)
    before = min(*starts, HISTORY_LENGTH)
    plain = replace(windows.market, exogenous=None)
    shares = region_shares(np.asarray(plain.forecast, np.float64)[:, starts])
    parts = []
    for s, start in enumerate(starts):
        drawn = fitted.predict(data.until(start), horizon, samples=max(paths, 2), seed=seed + s)
        span = slice(start - before, start + horizon)
        for path in _whole(drawn.samples[:paths], random):
            part = jax.tree.map(lambda leaf, span=span: np.array(leaf[:, span]), plain)
            views = random.multinomial(path, shares[:, s, None, :])
            if half_life is None:
                said = rolling_forecast(
                    fitted,
                    _followed(data, start, path),
                    range(start, start + horizon),
                    periods=periods,
                    samples=samples,
                    seed=seed,
                )
                level = np.swapaxes(said.mean, 0, 1) * shares[:, s, None, :]
                cv: FloatArray | None = said.cv.T
            else:
                seen = np.concatenate([viewed[:, :start], views], axis=1)
                first: ArrayLike = 0.0 if known_periods is None else viewed[:, 0]
                level, cv = smoothed(seen, half_life, first)[:, start:], None
            parts.append(_with(part, before, views, level * worth[:, start, None, None], cv))
    market: Market = jax.tree.map(lambda *leaves: real(np.concatenate(leaves)), *parts)
    market = replace(market, period=market.period.astype(plain.period.dtype))
    market = replace(market, last=market.last.astype(bool))
    initial = jax.tree.map(
        lambda leaf: np.repeat(leaf, paths, axis=0).reshape(1, -1, *leaf.shape[2:]),
        windows.initial,
    )
    kernel = simulator.kernel
    exogenous = prepared(kernel, params.kernel, market, windows.lead_time, jax.random.key(seed))
    return replace(
        windows,
        market=replace(market, exogenous=exogenous),
        initial=initial,
        start=jnp.array([before], jnp.int32),
    )


def _whole(paths: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.int64]:
    """Return paths in whole views, each rounded up with the probability of its fraction."""
    views = np.maximum(paths.astype(np.float64), 0.0)
    return np.floor(views + random.random(views.shape)).astype(np.int64)


def _followed(data: SeriesData, start: int, path: NDArray[np.int64]) -> SeriesData:
    """Return series up to a start, and a path after it."""
    target = np.concatenate([data.target[:, :start], path], axis=1)
    return replace(data, target=target)


def _with(
    market: Market, before: int, views: NDArray[Any], forecast: FloatArray, cv: FloatArray | None
) -> Market:
    """Put what was drawn after the first periods of a market's leaves, on the host."""
    drawn: dict[str, Any] = {
        "glance_views": np.concatenate([market.glance_views[:, :before], views], axis=1),
        "forecast": np.concatenate([market.forecast[:, :before], forecast], axis=1),
        "forecast_cv": None,
    }
    if cv is not None:
        own = np.zeros(market.period.shape) if market.forecast_cv is None else market.forecast_cv
        drawn["forecast_cv"] = np.concatenate([own[:, :before], cv], axis=1)
    return replace(market, **drawn)
