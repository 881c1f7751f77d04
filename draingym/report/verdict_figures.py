"""Figures of a validation over many policies: agreement, errors, drift, one step ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from draingym.report.style import Figure, Panel, Where, colour, policy_colour
from draingym.report.words import money, tick

_DASH = (0, (4, 2))
_ROW = 0.21  # inches of a bar


def verdict_figures(verdict: Mapping[str, Any]) -> list[Figure]:
    """Return the figures of ``policies.validation.verdict.Verdict.to_dict`` with its values."""
    figures = [agreement_figure(verdict), drift_figure(verdict)]
    return [*figures, one_step_figure(verdict)] if verdict["one_step"] else figures


def agreement_figure(verdict: Mapping[str, Any], before: bool = False) -> Figure:
    """Values in the simulator against the oracle's, and the error of every policy.

    Args:
        verdict: What the figure shows.
        before: Whether a round of fine-tuning followed, with a verdict of its own.
    """
    names, table = verdict["policies"], verdict["value"]
    found = verdict["agreements"][0]

    def scatter(where: Where) -> None:
        axes = where.subplots()
        cells = [(table[n]["oracle"], table[n]["simulator"]) for n in names]
        means = np.array([[x["mean"], y["mean"]] for x, y in cells])
        low, high = float(means.min()), float(means.max())
        room = 0.06 * max(high - low, 1e-9)
        ends = (low - room, high + room)
        axes.plot(ends, ends, color=colour("ink"), linewidth=1, linestyle=_DASH)
        for name, (x, y) in zip(names, means, strict=True):
            axes.plot(x, y, "o", color=colour(policy_colour(name)), markersize=6)
        for name in dict.fromkeys((found["chosen"], found["best"])):
            x, y = means[names.index(name)]
            axes.annotate(
                name,
                (x, y),
                xytext=(-7, -2),
                textcoords="offset points",
                ha="right",
                va="top",
                fontsize=8,
                color=colour("muted"),
            )
        axes.set(xlim=ends, ylim=ends, title=f"Value, {money(verdict)} per product")
        axes.set(xlabel="in the oracle", ylabel="promised by the simulator")
        axes.set_box_aspect(1)
        axes.grid(visible=True)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(tick))
            axis.set_major_locator(MaxNLocator(4))

    ranked = sorted(names, key=lambda n: table[n]["oracle"]["mean"])

    def errors(where: Where) -> None:
        axes = where.subplots()
        for row, name in enumerate(ranked):
            e = found["error"][name]
            tone = colour(policy_colour(name))
            axes.plot([e["low"], e["high"]], [row, row], color=tone, linewidth=2)
            axes.plot(e["mean"], row, "o", color=tone, markersize=5)
        axes.axvline(0, color=colour("ink"), linewidth=1, linestyle=_DASH)
        _names(axes, ranked)
        axes.set_title("Error of the promise, best policy on top")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))

    return Figure(
        name="agreement_before" if before else "agreement",
        title=f"{'Before fine-tuning: does' if before else 'Does'} the simulator value policies as "
        "the oracle does?",
        caption=(
            f"{len(names)} policies, {verdict['products']} products, {verdict['horizon']} periods "
            f"from period {verdict['start']}, common random numbers; 95% intervals over products "
            "and replications. On the dashed line promise and oracle agree; right of it, and of "
            "zero, the simulator promises too much."
        ),
        panels=(
            Panel(draw=scatter, size=(4.2, 4.0)),
            Panel(draw=errors, size=(5.2, max(4.0, _ROW * len(names) + 0.8))),
        ),
        columns=2,
        data={"value": table, "error": found["error"]},
    )


def drift_figure(verdict: Mapping[str, Any]) -> Figure:
    """Errors of return and stock by period."""
    names, worst = verdict["policies"], verdict["agreements"][0]["worst"]

    def panel(key: str, title: str) -> Panel:
        def draw(where: Where) -> None:
            axes = where.subplots()
            for name, line in zip(names, verdict["drift"][key], strict=True):
                known = policy_colour(name) != "floor"
                tone = colour(policy_colour(name) if name != worst or known else "lost")
                wide = 2.0 if known or name == worst else 0.8
                periods = np.arange(1, len(line) + 1)
                axes.plot(periods, line, color=tone, linewidth=wide)
                if name == worst:
                    axes.annotate(
                        name,
                        (periods[-1], line[-1]),
                        xytext=(-2, 4),
                        textcoords="offset points",
                        ha="right",
                        fontsize=8,
                        color=colour("muted"),
                    )
            axes.axhline(0, color=colour("ink"), linewidth=1, linestyle=_DASH)
            axes.set(xlabel="periods", title=title)
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            axes.grid(visible=True, axis="y")

        return Panel(draw=draw, size=(4.7, 3.0))

    return Figure(
        name="drift",
        title="How do errors grow with the horizon?",
        caption=(
            "One line a policy. Left: error of the return so far, in per cent of the oracle's "
            "whole return. Right: difference of mean stock, summed over nodes without sign, in per "
            "cent of the oracle's stock. Lines that level off are safe to extend."
        ),
        panels=(panel("value", "Return so far"), panel("stock", "Stock by node")),
        columns=2,
        data=verdict["drift"],
    )


def one_step_figure(verdict: Mapping[str, Any]) -> Figure:
    """CRPS of the drain model on visited states over that on the log's, by policy."""
    ratio = verdict["one_step"]
    ranked = sorted(ratio, key=lambda name: ratio[name])

    def draw(where: Where) -> None:
        axes = where.subplots()
        tones = [colour(policy_colour(name)) for name in ranked]
        axes.barh(range(len(ranked)), [ratio[name] for name in ranked], height=0.7, color=tones)
        axes.axvline(1, color=colour("ink"), linewidth=1, linestyle=_DASH)
        _names(axes, ranked)
        axes.set_xlabel("CRPS a unit shipped, over that on the log's own states")

    return Figure(
        name="one_step",
        title="Is the drain model right where policies go?",
        caption=(
            "The drain model predicts one period ahead on the stock that each policy kept in the "
            "oracle. At the dashed line it does as well as on the stock of the log in the same "
            "periods; far right of it the log shows too little of such stock."
        ),
        panels=(Panel(draw=draw, size=(7.0, max(3.0, _ROW * len(ranked) + 0.9))),),
        columns=1,
        data={"ratio": ratio},
    )


def _names(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.margins(y=0.02)
    axes.grid(visible=True, axis="x")
