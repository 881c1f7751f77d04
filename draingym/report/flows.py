"""The figures of where units are and go: the map of flows, and one product over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D
from matplotlib.path import Path as Curve
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from draingym.report.geography import outline, project
from draingym.report.style import Figure, Key, Panel, Where, colour, node_colours
from draingym.report.words import name_of, tick

FloatArray = NDArray[np.float64]

_MARGIN = 90.0  # km around the outline
_SHOWN_SHARE = 0.01  # of the largest flow; thinner lines would say little and hide much


def map_figure(results: Mapping[str, Any]) -> Figure:
    """Nodes, regions by population, and the units that went from one to the other."""
    data = results["data"]
    nodes, regions = data["nodes"], data["regions"]
    flows = np.asarray(results["history"]["flows"], dtype=np.float64)
    population = np.array([region["population"] for region in regions])
    coast = outline()
    frame = [
        (float(axis.min()) - _MARGIN, float(axis.max()) + _MARGIN) for axis in coast
    ]  # east, north
    node_at = _positions(nodes)
    region_at = _positions(regions)
    inside = np.stack(
        [np.clip(region_at[:, i], *frame[i]) for i in (0, 1)], axis=1
    )  # far regions go to the edge
    outside = (inside != region_at).any(axis=1)
    tones = node_colours([node["upstream"] for node in nodes])

    def draw(where: Where) -> None:
        axes = where.subplots()
        k = float(where.bbox.width / where.dpi) / 9.6  # everything is drawn to scale
        widths = _draw_flows(axes, flows, node_at, inside, tones, k)
        axes.fill(
            *coast, facecolor=colour("land"), edgecolor=colour("coast"), linewidth=1, zorder=0
        )
        _draw_regions(axes, inside, outside, population, flows, tones, k)
        _draw_nodes(axes, nodes, node_at, tones, k)
        axes.set_aspect("equal")
        axes.set(xlim=frame[0], ylim=frame[1])
        axes.margins(0)
        axes.axis("off")
        _draw_key(axes, population, widths, k)

    far = (
        " Regions beyond the frame (Alaska, Hawaii, Puerto Rico) stand at its edge with a dashed "
        "outline."
        if outside.any()
        else ""
    )
    total = flows.sum()
    nearest = _nearest_share(flows, node_at, region_at, nodes)
    return Figure(
        name="map",
        title="Who ships to whom",
        caption=(
            f"{total:,.0f} units shipped by the historical policy. A line's width is its units, "
            "its colour the node that shipped them (flows under 1% of the largest are left out); a "
            "region's area is its population, its colour "
            "the node that shipped most of its units. The diamond is the upstream node, which "
            f"replenishes the others. {nearest:.0%} of the units came from the node nearest to "
            f"their region.{far}"
        ),
        panels=(Panel(draw=draw, size=(9.6, 6.3), narrow=(4.2, 3.3)),),
        data={
            "nodes": nodes,
            "regions": regions,
            "flows": results["history"]["flows"],
            "nearest_share": nearest,
        },
        columns=1,
    )


def _positions(places: Sequence[Mapping[str, Any]]) -> FloatArray:
    east, north = project([p["longitude"] for p in places], [p["latitude"] for p in places])
    return np.stack([east, north], axis=1)


def _nearest_share(
    flows: FloatArray,
    node_at: FloatArray,
    region_at: FloatArray,
    nodes: Sequence[Mapping[str, Any]],
) -> float:
    distance = np.linalg.norm(node_at[:, None] - region_at, axis=2)
    distance[[node["upstream"] for node in nodes]] = np.inf
    nearest = flows[distance.argmin(axis=0), np.arange(len(region_at))].sum()
    return float(nearest / max(flows.sum(), 1e-9))


def _draw_flows(
    axes: Axes,
    flows: FloatArray,
    node_at: FloatArray,
    region_at: FloatArray,
    tones: Sequence[str],
    k: float,
) -> tuple[float, float]:
    """Draw curves from nodes to regions; return the largest flow and its line width."""
    largest, thickest = float(flows.max()), 11.0 * k
    shown = np.argwhere(flows > _SHOWN_SHARE * max(largest, 1e-9))
    shown = shown[np.argsort(-flows[shown[:, 0], shown[:, 1]])]  # thin ones on top
    curves = []
    for n, z in shown:
        start, stop = node_at[n], region_at[z]
        along = stop - start
        bend = (start + stop) / 2 + 0.12 * np.array([-along[1], along[0]])
        curves.append(Curve([start, bend, stop], [Curve.MOVETO, Curve.CURVE3, Curve.CURVE3]))
    if curves:
        axes.add_collection(
            PathCollection(
                curves,
                facecolors="none",
                edgecolors=[colour(tones[n]) for n, _ in shown],
                linewidths=[max(thickest * flows[n, z] / largest, 0.35) for n, z in shown],
                alpha=0.7,
                capstyle="round",
                zorder=2,
            ),
            autolim=False,
        )
    return largest, thickest


def _draw_regions(
    axes: Axes,
    at: FloatArray,
    outside: NDArray[np.bool_],
    population: FloatArray,
    flows: FloatArray,
    tones: Sequence[str],
    k: float,
) -> None:
    area = _areas(population, population, k)
    main = [colour(tones[n]) for n in flows.argmax(axis=0)]
    axes.scatter(
        at[:, 0], at[:, 1], s=area, color=colour("surface"), linewidths=0, zorder=3, clip_on=False
    )
    for far, style in ((False, "-"), (True, (0, (2, 1.5)))):
        which = np.flatnonzero(outside == far)
        axes.scatter(
            at[which, 0],
            at[which, 1],
            s=area[which],
            facecolors=[(main[z], 0.35) for z in which],
            edgecolors=[main[z] for z in which],
            linewidths=1.2 * max(k, 0.7),
            linestyles=style,
            zorder=4,
            clip_on=False,
        )


def _areas(population: FloatArray, among: FloatArray, k: float) -> FloatArray:
    return np.asarray(820.0 * k**2 * population / max(float(among.max()), 1e-9))


def _draw_nodes(
    axes: Axes,
    nodes: Sequence[Mapping[str, Any]],
    at: FloatArray,
    tones: Sequence[str],
    k: float,
) -> None:
    big = max(k, 0.6)
    for upstream, marker, size, z in ((True, "D", 150.0, 6), (False, "s", 64.0, 7)):
        which = [n for n, node in enumerate(nodes) if node["upstream"] is upstream]
        axes.scatter(
            at[which, 0],
            at[which, 1],
            s=size * big**2,
            marker=marker,
            color=[colour("ink" if upstream else tones[n]) for n in which],
            edgecolors=colour("surface"),
            linewidths=1.4,
            zorder=z,
        )
    _draw_labels(axes, _labels(nodes, at), 9.0 if k > 0.7 else 7.0, big)


def _labels(nodes: Sequence[Mapping[str, Any]], at: FloatArray) -> list[tuple[str, FloatArray]]:
    """Name every site once: an upstream node may stand where a fulfilment node does."""
    labels: list[tuple[str, FloatArray]] = []
    serving = [n for n, node in enumerate(nodes) if not node["upstream"]]
    for n, node in enumerate(nodes):
        name = str(node["name"]).removesuffix(" (upstream)")
        shared = any(np.linalg.norm(at[n] - at[m]) < 30.0 for m in serving)
        if node["upstream"] and not shared:
            labels.append((f"{name} (upstream)", at[n]))
        elif not node["upstream"]:
            both = any(
                other["upstream"] and np.linalg.norm(at[n] - at[m]) < 30.0
                for m, other in enumerate(nodes)
            )
            labels.append((name + (" (and upstream)" if both else ""), at[n]))
    return labels


def _draw_labels(
    axes: Axes, labels: Sequence[tuple[str, FloatArray]], size: float, k: float
) -> None:
    """Write the labels above or below their sites, away from each other."""
    placed: list[FloatArray] = [at for _, at in labels]
    for text, at in labels:
        sides = [at + np.array([0.0, side]) * 130.0 / k for side in (1.0, -1.0)]
        room = [min(_apart(side, p) for p in placed if p is not at) for side in sides[:]]
        up = room[0] >= room[1] * 0.8
        placed.append(sides[0 if up else 1])
        axes.annotate(
            text,
            (float(at[0]), float(at[1])),
            xytext=(0, (10.5 if up else -10.5) * k),
            textcoords="offset points",
            ha="center",
            va="bottom" if up else "top",
            fontsize=size,
            fontweight="bold",
            bbox={
                "facecolor": colour("surface"),
                "edgecolor": "none",
                "alpha": 0.8,
                "boxstyle": "round,pad=0.15,rounding_size=0.3",
            },
            zorder=8,
        )


def _apart(a: FloatArray, b: FloatArray) -> float:
    """Distance in km, where a label's width makes east and west count less."""
    return float(np.hypot((a[0] - b[0]) / 3.0, a[1] - b[1]))


def _draw_key(axes: Axes, population: FloatArray, widths: tuple[float, float], k: float) -> None:
    largest, thickest = widths
    people = [_round_down(float(population.max()) * share) for share in (0.15, 0.6)]
    units = [_round_down(largest * share) for share in (0.15, 0.7)]
    handles: list[Any] = [
        axes.scatter(
            [],
            [],
            s=_areas(np.array([p]), population, k),
            facecolors=(colour("muted"), 0.25),
            edgecolors=colour("muted"),
            label=f"{p / 1e6:,.3g} M people",
        )
        for p in people
        if p > 0
    ]
    handles += [
        Line2D(
            [],
            [],
            color=colour("muted"),
            linewidth=max(thickest * u / max(largest, 1e-9), 0.35),
            alpha=0.7,
            label=f"{u:,.0f} units",
        )
        for u in units
        if u > 0
    ]
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.005),
        ncols=len(handles) if k > 0.7 else 2,
        columnspacing=2.0,
        handletextpad=0.8,
        labelcolor=colour("muted"),
    )


def _round_down(value: float) -> float:
    """Round to one figure: 1, 2 or 5 times a power of ten, at most ``value``."""
    if value < 1:
        return 0.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(m for m in (1, 2, 5) if m * power <= value) * power)


def trace_figure(results: Mapping[str, Any]) -> Figure:
    """Stock and drain of one product over time under each policy, in the truth."""
    data, trace = results["data"], results["trace"]
    nodes, days = data["nodes"], data["period_days"]
    tones = node_colours([node["upstream"] for node in nodes])
    moves = {
        name: {key: np.asarray(value, dtype=np.float64) for key, value in arrays.items()}
        for name, arrays in trace["policies"].items()
    }
    stock = max(float(m["on_hand"].sum(axis=1).max()) for m in moves.values())
    drain = max(float(m["outbound"].sum(axis=1).max()) for m in moves.values())
    lost = max(float(m["lost"].max()) for m in moves.values())
    first = date.fromisoformat(data["first_date"])

    def panel(name: str) -> Panel:
        def draw(where: Where) -> None:
            above, below = where.subplots(2, 1, sharex=True, height_ratios=[1.25, 1])
            move = moves[name]
            x = (trace["start"] + np.arange(len(move["lost"]))) * days
            edges = np.append(x, x[-1] + days)
            base = np.zeros(len(x))
            bottom = np.zeros(len(x))
            for n, tone in enumerate(tones):
                held, sent = base + move["on_hand"][:, n], bottom + move["outbound"][:, n]
                tint = colour(tone)
                above.stairs(held, edges, baseline=base, fill=True, color=tint, linewidth=0)
                below.stairs(sent, edges, baseline=bottom, fill=True, color=tint, linewidth=0)
                base, bottom = held, sent
            below.stairs(-move["lost"], edges, fill=True, color=colour("lost"), linewidth=0)
            below.axhline(0, color=colour("ink"), linewidth=0.8)
            sold, missed = move["outbound"].sum(), move["lost"].sum()
            above.set_title(f"{name_of(name)}: {sold:,.0f} shipped, {missed:,.0f} lost")
            above.set(ylabel="units on hand", ylim=(0, max(stock, 1.0) * 1.05))
            below.set(
                ylabel="units a period",
                ylim=(-1.15 * lost if lost else -0.05 * drain, max(drain, 1.0) * 1.05),
                xlim=(edges[0], edges[-1]),
            )
            below.yaxis.set_major_formatter(FuncFormatter(lambda y, _: tick(abs(y))))
            below.xaxis.set_major_formatter(
                FuncFormatter(lambda d, _: _day(first + timedelta(days=round(d))))
            )
            below.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 7, 10]))
            for axes in (above, below):
                axes.grid(visible=True, axis="y")
                axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))

        return Panel(draw=draw, size=(3.6, 3.7))

    return Figure(
        name="trace",
        title=f"Product {trace['product']} under each policy",
        caption=(
            "In the truth, on the held-out periods. Above: stock at the end of each period, by "
            "node. Below: units shipped by each node, and under the line the units that customers "
            "wanted and did not get."
        ),
        panels=tuple(panel(name) for name in moves),
        legend=(
            *(
                Key(label=_short(node), colour=tone, kind="fill")
                for node, tone in zip(nodes, tones, strict=True)
            ),
            Key(label="lost", colour="lost", kind="fill"),
        ),
        data=trace,
    )


def _short(node: Mapping[str, Any]) -> str:
    name = str(node["name"]).removesuffix(" (upstream)").split(",")[0]
    return f"{name}, upstream" if node["upstream"] else name


def _day(day: date) -> str:
    return f"{day:%b} {day.day}"
