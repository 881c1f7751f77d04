"""The report's figures: accuracy of the drain model, learning curves, values of policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from draingym.report.check import BASELINE, MODELS
from draingym.report.style import MODEL_COLOUR, Figure, Key, Panel, Where, colour, policy_colour
from draingym.report.words import mean, name_of, tick, widest

_DASH = (0, (4, 2))


def calibration_figure(results: Mapping[str, Any]) -> Figure:
    """Nominal against actual coverage at node and network level, and PIT histograms."""
    models = results["accuracy"]["models"]

    def coverage(level: str, title: str) -> Panel:
        def draw(where: Where) -> None:
            axes = where.subplots()
            axes.plot([0, 1], [0, 1], color=colour("ink"), linewidth=1, linestyle=_DASH, zorder=1)
            for name in reversed(MODELS):
                points = models[name]["coverage"]
                axes.plot(
                    points["nominal"],
                    points[level],
                    color=colour(MODEL_COLOUR[name]),
                    marker="o",
                    markersize=3.6,
                    markeredgewidth=0,
                    linewidth=1.8,
                    zorder=3 if name == "learned" else 2,
                )
            axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="nominal coverage", title=title)
            axes.set_ylabel("actual coverage")
            axes.set_box_aspect(1)
            axes.grid(visible=True)
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
                axis.set_major_locator(MaxNLocator(5))

        return Panel(draw=draw, size=(3.6, 3.6))

    def pit(where: Where) -> None:
        rows: Sequence[Axes] = where.subplots(len(MODELS), 1, sharex=True, sharey=True)
        top = max(max(models[name]["pit"]) for name in MODELS)
        for axes, name in zip(rows, MODELS, strict=True):
            shares = models[name]["pit"]
            edges = np.linspace(0, 1, len(shares) + 1)
            axes.stairs(shares, edges, fill=True, color=colour(MODEL_COLOUR[name]))
            uniform = 1 / len(shares)
            axes.axhline(uniform, color=colour("ink"), linewidth=1, linestyle=_DASH)
            axes.set(xlim=(0, 1), ylim=(0, top * 1.12))
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        rows[0].set_title("PIT histograms, node level")
        where.supylabel("share of node-periods", fontsize=9, color=colour("muted"))
        rows[-1].set_xlabel("probability integral transform")

    return Figure(
        name="calibration",
        title="Is the drain model's uncertainty right?",
        caption=(
            "Held-out periods. Actual coverage is the share of outcomes up to the forecast's "
            "quantile of the nominal level. A calibrated forecast lies on the dashed diagonal, and "
            "its PIT histogram is flat at the dashed line."
        ),
        panels=(
            coverage("node", "Units per node"),
            coverage("total", "Units of the whole network"),
            Panel(draw=pit, size=(3.6, 3.6)),
        ),
        legend=tuple(Key(label=name, colour=MODEL_COLOUR[name]) for name in MODELS),
        data={
            name: {"coverage": models[name]["coverage"], "pit": models[name]["pit"]}
            for name in MODELS
        },
    )


def crps_figure(results: Mapping[str, Any]) -> Figure:
    """CRPS of the models, with intervals, against the noise floor."""
    models = results["accuracy"]["models"]
    measures = {
        "crps_node": ("Units per node", "CRPS, units"),
        "crps_total": ("Units of the whole network", "CRPS, units"),
        "cost_crps_node": ("Ship cost per node", "CRPS, USD"),
    }

    def panel(measure: str, title: str, unit: str) -> Panel:
        def draw(where: Where) -> None:
            axes = where.subplots()
            scores = [models[name][measure] for name in MODELS]
            low = [max(s["mean"] - s["low"], 0.0) for s in scores]
            high = [max(s["high"] - s["mean"], 0.0) for s in scores]
            axes.barh(
                range(len(MODELS)),
                [s["mean"] for s in scores],
                height=0.62,
                color=[colour(MODEL_COLOUR[name]) for name in MODELS],
                xerr=[low, high],
                error_kw={"ecolor": colour("ink"), "elinewidth": 1.2, "capsize": 3},
            )
            floor = models["noise floor"][measure]["mean"]
            axes.axvline(floor, color=colour("ink"), linewidth=1, linestyle=_DASH)
            for index, score in enumerate(scores):
                axes.annotate(
                    mean(score, like=widest(*scores)),
                    (max(score["high"], score["mean"]), index),
                    xytext=(6, 0),
                    textcoords="offset points",
                    va="center",
                    fontweight="bold",
                )
            axes.set(xlim=(0, widest(*scores) * 1.22 or 1.0), xlabel=unit, title=title)
            axes.set_yticks(range(len(MODELS)), MODELS)
            axes.invert_yaxis()
            axes.tick_params(axis="y", length=0, labelcolor=colour("ink"))
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.spines["left"].set_visible(False)
            axes.grid(visible=True, axis="x")

        return Panel(draw=draw, size=(3.6, 2.0))

    return Figure(
        name="crps",
        title="How far from the best possible?",
        caption=(
            "Continuous ranked probability score on held-out periods, less is better, with 95% "
            "bootstrap intervals over products. The dashed line is the noise floor: what the true "
            "system scores against itself on the same stock and glance views."
        ),
        panels=tuple(panel(key, *labels) for key, labels in measures.items()),
        data={name: {key: models[name][key] for key in measures} for name in MODELS},
    )


def learning_figure(results: Mapping[str, Any]) -> Figure:
    """Learning curves of the drain model, the order-up-to search and the neural policy."""
    drain, policies = results["drain"], results["policies"]
    search, neural = policies["order_up_to"], policies["neural"]
    value = f"USD per product, {policies['horizon']} periods"

    def loss(where: Where) -> None:
        axes = where.subplots()
        for key, label, tone, style in (
            ("train_curve", "training", "muted", "-"),
            ("validation_curve", "held out", "learned", "-"),
        ):
            epochs = _steps(drain.get("epoch"), drain[key])
            axes.plot(epochs, drain[key], color=colour(tone), linestyle=style, label=label)
        best = int(np.argmin(drain["validation_curve"]))
        axes.plot(
            _steps(drain.get("epoch"), drain["validation_curve"])[best],
            drain["validation_curve"][best],
            marker="o",
            color=colour("learned"),
            markersize=6,
        )
        axes.legend(loc="upper right")
        axes.set(title="Drain model", xlabel="epoch", ylabel="loss, all terms")
        _tidy(axes)

    def searched(where: Where) -> None:
        axes = where.subplots()
        generations = range(1, len(search["curve"]) + 1)
        tone = colour("orderupto")
        axes.step(generations, search["curve"], where="post", color=tone)
        axes.plot(generations, search["curve"], "o", color=tone, markersize=4)
        axes.set(title="Order-up-to: search", xlabel="generation", ylabel=value)
        _tidy(axes)

    def trained(where: Where) -> None:
        axes = where.subplots()
        axes.axhline(search["value"], color=colour("orderupto"), linestyle=_DASH, linewidth=1.6)
        axes.plot(
            neural["updates"], neural["curve"], "o-", color=colour("neural"), markersize=4, zorder=3
        )
        above = neural["curve"][-1] < search["value"]  # the label keeps off the curve's end
        axes.annotate(
            "tuned order-up-to",
            (neural["updates"][-1], search["value"]),
            xytext=(0, 5 if above else -5),
            textcoords="offset points",
            ha="right",
            va="bottom" if above else "top",
            color=colour("orderupto"),
        )
        axes.set(title="Neural policy: gradients", xlabel="update", ylabel=value)
        axes.margins(y=0.12)
        _tidy(axes)

    return Figure(
        name="learning",
        title="What was learned, and how fast",
        caption=(
            "Left: the drain model's loss on the periods it is trained on and on the last of "
            "them, held out to choose the epoch that is kept (dot). Middle: best value so far of "
            f"the search for order-up-to levels ({search['rollouts']:,} rollouts of one product). "
            f"Right: value of the neural policy ({neural['rollouts']:,} rollouts). Values are "
            "means over training windows in the simulator."
        ),
        panels=tuple(Panel(draw=d, size=(3.6, 2.9)) for d in (loss, searched, trained)),
        data={
            "drain": {k: drain[k] for k in ("train_curve", "validation_curve")},
            "order_up_to": search,
            "neural": neural,
        },
    )


def validation_figure(results: Mapping[str, Any]) -> Figure:
    """Values in the three columns, and paired differences against the baseline."""
    validation = results["validation"]
    columns, names = validation["columns"], validation["policies"]

    def panel(table: Mapping[str, Any], shown: list[str], title: str, zero: bool) -> Panel:
        def draw(where: Where) -> None:
            axes = where.subplots()
            for index, name in enumerate(shown):
                shift = 0.2 * (index - (len(shown) - 1) / 2)
                for place, column in enumerate(columns):
                    e = table[name][column]
                    tone, x = colour(policy_colour(name)), place + shift
                    axes.plot([x, x], [e["low"], e["high"]], color=tone, linewidth=2.4)
                    axes.plot(
                        x,
                        e["mean"],
                        "o",
                        color=tone,
                        markersize=7,
                        markeredgecolor=colour("surface"),
                    )
            if zero:
                axes.axhline(0, color=colour("orderupto"), linestyle=_DASH, linewidth=1.6)
            axes.set_xticks(range(len(columns)), columns)
            axes.tick_params(axis="x", length=0, labelcolor=colour("ink"))
            axes.set(title=title, xlim=(-0.5, len(columns) - 0.5))
            axes.set_ylabel(f"USD per product, {validation['horizon']} periods")
            axes.margins(y=0.1)
            axes.yaxis.set_major_formatter(FuncFormatter(tick))
            axes.grid(visible=True, axis="y")

        return Panel(draw=draw, size=(4.7, 3.0))

    others = [name for name in names if name != BASELINE]
    return Figure(
        name="validation",
        title="What is each policy worth?",
        caption=(
            f"{validation['horizon']} held-out periods, {validation['products']} products, "
            f"{validation['replications']} replications with common random numbers; 95% bootstrap "
            "intervals over products. The dashed line is the order-up-to policy; differences are "
            "paired, so that their intervals are narrower than those of the values."
        ),
        panels=(
            panel(validation["value"], names, "Value", zero=False),
            *(
                [panel(validation["difference"], others, "Against order-up-to, paired", zero=True)]
                if others
                else []
            ),
        ),
        legend=tuple(Key(label=name_of(n), colour=policy_colour(n)) for n in names),
        columns=2,
        data={key: validation[key] for key in ("value", "difference", "value_error")},
    )


def _steps(given: Sequence[float] | None, curve: Sequence[float]) -> Sequence[float]:
    return given if given is not None and len(given) == len(curve) else range(1, len(curve) + 1)


def _tidy(axes: Axes) -> None:
    axes.grid(visible=True, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(tick))
