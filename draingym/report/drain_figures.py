"""Figures of the drain model's evaluation, each drawn into axes: the paper's 2 and 3, and more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from draingym.drain_model.data.dataset import DrainData
from draingym.drain_model.evaluation.comparison import Comparison
from draingym.drain_model.evaluation.entry_scores import TABLE_LEVELS
from draingym.drain_model.evaluation.evaluate import Evaluation
from draingym.report.geography import outline, project
from draingym.report.style import NODE_COLOURS, colour

_DASH = (0, (4, 2))
_MARGIN = 90.0  # km around the outline


def quantiles_over_time(axes: Axes, evaluation: Evaluation, level: str = "node") -> None:
    """Draw the share of outcomes up to each forecast quantile, by period (Figure 2, quantiles).

    Args:
        axes: Where to draw.
        evaluation: Of one model.
        level: "node" or "total".
    """
    shares = evaluation.coverage_over_time[level]
    periods = np.arange(1, len(shares) + 1)
    for j, (nominal, tone) in enumerate(zip(TABLE_LEVELS, _tones(3), strict=True)):
        axes.axhline(nominal, color=tone, linewidth=1, linestyle=_DASH)
        axes.plot(periods, shares[:, j], color=tone, marker="o", markersize=3)
        axes.annotate(
            f"p{round(100 * nominal)}",
            (periods[-1], shares[-1, j]),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=tone,
        )
    axes.set(ylim=(0, 1), xlabel="held-out period", ylabel="share of outcomes below")
    axes.set_title(f"{evaluation.name}: quantiles, {level}")
    _shares(axes)


def classes_over_time(axes: Axes, evaluation: Evaluation) -> None:
    """Draw mean probabilities and frequencies of 0, 1, .. units, by period (Figure 2, discrete).

    Lines are predicted, dots observed.
    """
    predicted, observed = evaluation.predicted_over_time, evaluation.observed_over_time
    periods, classes = np.arange(1, len(predicted) + 1), predicted.shape[1]
    for k, tone in enumerate(_tones(classes)):
        label = f"{k}" if k < classes - 1 else f"{k} or more"
        axes.plot(periods, predicted[:, k], color=tone, linewidth=1.6, label=label)
        axes.plot(periods, observed[:, k], "o", color=tone, markersize=3.5)
    axes.set(xlabel="held-out period", ylabel="share of node-periods")
    axes.set_title(f"{evaluation.name}: units, predicted (line) and observed (dot)")
    axes.set_ylim(0, 1.3 * float(np.nanmax([predicted, observed])))
    axes.legend(ncols=4, title="units", loc="upper center")
    _shares(axes)


def reliability_diagram(axes: Axes, evaluation: Evaluation) -> None:
    """Draw observed frequencies against predicted probabilities of 0, 1, .. units."""
    predicted, observed, number = evaluation.reliability
    classes = predicted.shape[1]
    axes.plot([0, 1], [0, 1], color=colour("ink"), linewidth=1, linestyle=_DASH)
    for k, tone in enumerate(_tones(classes)):
        some = number[:, k] > 0
        size = 6.0 + 60.0 * number[some, k] / max(float(number.max()), 1.0)
        label = f"{k}" if k < classes - 1 else f"{k} or more"
        axes.scatter(predicted[some, k], observed[some, k], s=size, color=tone, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="predicted", ylabel="observed")
    axes.set_title(f"{evaluation.name}: probabilities of units")
    axes.legend(title="units")
    _shares(axes)


def pit_histogram(axes: Axes, evaluation: Evaluation, level: str = "node") -> None:
    """Draw the PIT histogram at "node" or "total" level; a calibrated forecast's is flat."""
    shares = evaluation.pit[level]
    edges = np.linspace(0, 1, len(shares) + 1)
    axes.stairs(shares, edges, fill=True, color=colour("learned"))
    axes.axhline(1 / len(shares), color=colour("ink"), linewidth=1, linestyle=_DASH)
    axes.set(xlim=(0, 1), xlabel="probability integral transform", ylabel="share")
    axes.set_title(f"{evaluation.name}: PIT, {level}")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def ratio_bars(
    axes: Axes, compared: Mapping[str, Mapping[str, Comparison]], scores: Sequence[str]
) -> None:
    """Draw scores relative to the noise floor with paired intervals, one bar a model.

    Args:
        axes: Where to draw.
        compared: By model: what ``compare`` returned.
        scores: Such as ``("crps_total", "crps_regional", "crps_node")``, a group of bars each.
    """
    height = 0.8 / max(len(compared), 1)
    for m, (name, found) in enumerate(compared.items()):
        ratios = [found[score].to_floor for score in scores]
        values = np.array([r.value for r in ratios])
        error = np.abs(np.array([[r.low, r.high] for r in ratios]).T - values)
        axes.barh(
            np.arange(len(scores)) + (m - (len(compared) - 1) / 2) * height,
            values,
            height=0.9 * height,
            color=colour(f"node{m % NODE_COLOURS}"),
            label=name,
            xerr=error,
            error_kw={"ecolor": colour("ink"), "elinewidth": 1.2, "capsize": 2},
        )
    axes.axvline(1.0, color=colour("ink"), linewidth=1, linestyle=_DASH)
    axes.set_yticks(range(len(scores)), [score.replace("_", " ") for score in scores])
    axes.invert_yaxis()
    axes.set(xlabel="score relative to the noise floor; 1 is the best possible", xlim=(0, None))
    axes.legend()
    axes.grid(visible=True, axis="x")


def drain_map(axes: Axes, data: DrainData, share: NDArray[np.float64], title: str) -> None:
    """Draw each node's share of the drain as a disc on the map of the United States (Figure 3).

    Args:
        axes: Where to draw.
        data: For where nodes are.
        share: [N] of the units, such as ``actual_share(data)`` or ``evaluation.node_share``.
        title: Above the map.
    """
    coast = outline()
    axes.fill(*coast, facecolor=colour("land"), edgecolor=colour("coast"), linewidth=1, zorder=0)
    frame = [(float(line.min()) - _MARGIN, float(line.max()) + _MARGIN) for line in coast]
    at = np.asarray(data.geography.node_coordinates, np.float64)
    east, north = (np.clip(x, *f) for x, f in zip(project(at[:, 1], at[:, 0]), frame, strict=True))
    serving = data.active.any(axis=0)
    tones = [colour(f"node{n % NODE_COLOURS}") for n in range(len(share))]
    for n in np.flatnonzero(serving):
        axes.scatter(
            east[n], north[n], s=1400.0 * float(share[n]), color=tones[n], alpha=0.8, zorder=2
        )
        axes.annotate(
            f"{share[n]:.0%}",
            (east[n], north[n]),
            xytext=(0, -float(np.sqrt(1400.0 * share[n] / np.pi)) - 2),
            textcoords="offset points",
            ha="center",
            va="top",
            zorder=3,
        )
    axes.set_aspect("equal")
    axes.set(xlim=frame[0], ylim=frame[1], title=title)
    axes.axis("off")


def actual_share(data: DrainData) -> NDArray[np.float64]:
    """Return every node's share of the units shipped, [N]."""
    units = data.outbound.sum(axis=(0, 1), dtype=np.float64)
    return np.asarray(units / max(float(units.sum()), 1e-12))


def _tones(number: int) -> list[str]:
    return [colour(f"node{j % NODE_COLOURS}") for j in range(number)]


def _shares(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.grid(visible=True, axis="y")
