"""Plots of what drove a forecast: variables' weights, and attention over past periods.

They need the extra ``report``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from draingym.common.arrays import FloatArray, require_whole
from draingym.forecasters.plotting import COLOUR, MUTED, new_figure, plain
from draingym.forecasters.tft_mtl.explain import Insight

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_selection(insight: Insight, *, most: int = 12) -> Figure:
    """Draw the mean weight of the variables of the past and of the future, heaviest first.

    Bars are means over series, whiskers go from the 10th to the 90th percentile of them.

    Args:
        insight: What ``explain`` returned.
        most: Variables that are shown of each part.

    Raises:
        ValueError: If ``most`` is below 1.
    """
    require_whole("most", most, low=1)
    table = insight.selection_table()
    parts = {
        part: {
            name: table["weight"][(table["part"] == part) & (table["variable"] == name)]
            for name in variables
        }
        for part, variables in (
            ("past", insight.past_variables),
            ("future", insight.future_variables),
        )
    }
    figure = new_figure((8.0, 1.2 + 0.28 * min(most, len(insight.past_variables))))
    for axes, (part, weights) in zip(figure.subplots(1, 2), parts.items(), strict=True):
        middle = {name: float(np.nanmean(values)) for name, values in weights.items()}
        names = sorted(middle, key=lambda name: -middle[name])[:most]
        ends = np.array([np.nanquantile(weights[name], (0.1, 0.9)) for name in names])
        means = np.array([middle[name] for name in names])
        error = np.maximum(np.stack([means - ends[:, 0], ends[:, 1] - means]), 0.0)
        axes.barh(names, means, color=COLOUR, xerr=error, ecolor=MUTED, error_kw={"lw": 1})
        axes.invert_yaxis()
        axes.set(xlim=(0, None), xlabel="weight", title=f"Variables of the {part}")
        plain(axes)
    return figure


def plot_attention(insight: Insight, step: int | None = None) -> Figure:
    """Draw the attention that forecasts pay to each period before the origin.

    The line is the mean over series, the band goes from the 10th to the 90th percentile of them.

    Args:
        insight: What ``explain`` returned.
        step: The period of the horizon that is forecast, from 1; their mean when not given.

    Raises:
        ValueError: If there is no such step.
    """
    length, horizon = insight.observed.shape[1], len(insight.times)
    if step is not None:
        require_whole("step", step, low=1, high=horizon)
    weight: FloatArray = insight.attention[:, :, :length]
    chosen = weight.mean(axis=1) if step is None else weight[:, step - 1]
    low, high = np.quantile(chosen, (0.1, 0.9), axis=0)
    before = np.arange(-length, 0)
    figure = new_figure((8.0, 3.0))
    axes = figure.subplots()
    axes.fill_between(before, low, high, color=COLOUR, alpha=0.2, linewidth=0)
    axes.plot(before, chosen.mean(axis=0), color=COLOUR)
    what = "all steps" if step is None else f"step {step}"
    axes.set(
        xlabel="periods from the first that is forecast",
        ylabel="attention",
        ylim=(0, None),
        title=f"Where the forecast looks ({what})",
    )
    plain(axes)
    return figure
