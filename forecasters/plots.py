"""A forecast as a planner looks at it: history, a fan of quantiles, and what drove it.

It needs the extra ``report``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from draingym.common.arrays import FloatArray, require_whole
from draingym.forecasters.attribution import Drivers
from draingym.forecasters.data.series import SeriesData
from draingym.forecasters.monotone_transformer.price import PriceCurves
from draingym.forecasters.plotting import COLOUR, INK, MUTED, OTHER, new_figure, plain
from draingym.forecasters.results.forecast import Forecast
from draingym.forecasters.tft_mtl.explain import Insight

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BARS = 8  # things that are shown, the heaviest


def plot_forecast(
    data: SeriesData,
    forecast: Forecast,
    why: Drivers | PriceCurves | Insight | None = None,
    *,
    series: str | None = None,
    actual: FloatArray | None = None,
    most: int | None = None,
) -> Figure:
    """Draw a series' history and its forecast as a fan, and beside it what drove the forecast.

    Args:
        data: The history, up to the origin.
        forecast: Of its series.
        why: What is drawn beside it: units owed to each thing (``drivers``), demand over the
            discount (``price_curves``), or weights of variables and attention to past periods
            (``explain``); nothing when not given.
        series: Id; the series with the highest sum over what is shown when not given.
        actual: [B, H] what came, drawn as points; NaN where it is missing.
        most: Periods of history that are shown; four horizons, at least 24, when not given.

    Raises:
        ValueError: If there is no such series, or ``most`` is below 1.
    """
    shown = _shown(forecast, most)
    require_whole("most", shown, low=1)
    ids = forecast.ids
    if series is None:
        series = ids[int(np.nansum(data.target[:, -shown:], axis=1).argmax())]
    for what, known in (("history", data.ids), ("forecast", ids)):
        if series not in known:
            raise ValueError(f"series {series!r} has no {what}, must have one")
    panels = {type(None): 1, Drivers: 2, PriceCurves: 2, Insight: 3}[type(why)]
    figure = new_figure((1.2 + 3.6 * panels, 3.0))
    every = np.atleast_1d(figure.subplots(1, panels, width_ratios=[1.4, *[1.0] * (panels - 1)]))
    draw_fan(every[0], data, forecast, series, actual=actual, most=shown)
    every[0].set(ylabel="units", ylim=(0, None))
    every[0].legend(frameon=False, fontsize=8, loc="best")
    if isinstance(why, Drivers):
        _bars(every[1], why.names, why.units[why.ids.index(series)], "units over the horizon")
        every[1].set_title("What the forecast owes to each")
    elif isinstance(why, PriceCurves):
        _price(every[1], why, series)
    elif isinstance(why, Insight):
        s = why.ids.index(series)
        seen = why.observed[s]
        past = why.past[s][seen].mean(axis=0)
        names = [f"{n} (past)" for n in why.past_variables] + list(why.future_variables)
        _bars(every[1], names, np.concatenate([past, why.future[s].mean(axis=0)]), "weight")
        every[1].set_title("Variables")
        attention = why.attention[s][:, : len(why.past_times)].mean(axis=0)
        every[2].plot(np.arange(-len(attention), 0), attention, color=COLOUR)
        every[2].set(xlabel="periods before the origin", ylim=(0, None), title="Attention")
    for axes in every:
        plain(axes)
    return figure


def draw_fan(
    axes: Any,
    data: SeriesData,
    forecast: Forecast,
    series: str,
    *,
    actual: FloatArray | None = None,
    most: int | None = None,
) -> None:
    """Draw a series' history, and median, central 50% and 90% of its forecast.

    Args:
        axes: Where.
        data: As of ``plot_forecast``, and so are the others.
        forecast: Of its series.
        series: Id.
        actual: What came.
        most: Periods of history.
    """
    row, s = data.ids.index(series), forecast.ids.index(series)
    first = max(data.num_periods - _shown(forecast, most), 0)
    past = data.grid.times(first, data.num_periods)
    axes.plot(past, data.target[row, first:], color=INK, linewidth=1.2, label="history")
    fan = forecast.quantiles((0.05, 0.25, 0.5, 0.75, 0.95))[:, s]
    for low, high, alpha in ((0, 4, 0.22), (1, 3, 0.4)):
        axes.fill_between(
            forecast.times, fan[low], fan[high], color=COLOUR, alpha=alpha, linewidth=0
        )
    axes.plot(forecast.times, fan[2], color=COLOUR, linewidth=1.8, label="median; 50% and 90%")
    if actual is not None:
        axes.plot(forecast.times, actual[s], ".", color=OTHER, label="what came")
    axes.set_title(series[:40])
    axes.tick_params(axis="x", rotation=30)


def _shown(forecast: Forecast, most: int | None) -> int:
    return max(4 * forecast.horizon, 24) if most is None else most


def _bars(axes: Any, names: Any, values: FloatArray, unit: str) -> None:
    heaviest = np.argsort(-np.abs(values), kind="stable")[:_BARS]
    chosen = values[heaviest]
    colours = [COLOUR if value >= 0 else OTHER for value in chosen]
    axes.barh([names[i] for i in heaviest], chosen, color=colours)
    axes.axvline(0.0, color=MUTED, linewidth=0.8)
    axes.invert_yaxis()
    axes.set_xlabel(unit)


def _price(axes: Any, curves: PriceCurves, series: str) -> None:
    discounts = np.linspace(0.0, 0.7, 29)
    demand = curves.grid(discounts.tolist())[curves.ids.index(series)].mean(axis=0)
    axes.plot(100 * discounts, demand, color=COLOUR)
    axes.set(
        xlabel="discount, %", ylabel="units a period", ylim=(0, None), title="Demand over the price"
    )
