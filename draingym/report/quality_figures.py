"""The figures of a log's quality: units and views over time, and who shipped to whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from draingym.report.geography import project_about
from draingym.report.style import Figure, Key, Panel, Where, colour, node_colours
from draingym.report.words import tick
from draingym.world.geography import centres

_SHOWN_SHARE = 0.01  # of the largest flow; thinner lines would say little and hide much
_NAMED = 24  # nodes whose names fit


def series_figure(numbers: Mapping[str, Any]) -> Figure:
    """Units ordered and shipped, and views, by period."""
    series = numbers["series"]
    days = np.array(series["date"], "datetime64[D]")

    def lines(where: Where, names: Mapping[str, str], title: str) -> None:
        axes = where.subplots()
        for name, tone in names.items():
            axes.plot(days, series[name], color=colour(tone), linewidth=1.6)
        axes.set_title(title)
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, axis="y")
        axes.yaxis.set_major_formatter(FuncFormatter(tick))
        axes.tick_params(axis="x", rotation=30)

    return Figure(
        name="series",
        title="Orders, boxes and views over time",
        caption=(
            "By period. A gap or a step that the business did not have is a fault of the export: "
            "a missing file, a changed system, days cut off."
        ),
        panels=(
            Panel(
                draw=lambda where: lines(
                    where, {"units": "learned", "shipped": "closest"}, "Units"
                ),
                size=(4.8, 2.8),
            ),
            Panel(
                draw=lambda where: lines(where, {"views": "orderupto"}, "Views"), size=(4.8, 2.8)
            ),
        ),
        legend=(
            Key(label="ordered", colour="learned"),
            Key(label="shipped", colour="closest"),
            Key(label="views", colour="orderupto"),
        ),
        columns=2,
        data={name: series[name] for name in ("date", "units", "shipped", "views")},
    )


def places_figure(numbers: Mapping[str, Any]) -> Figure:
    """Nodes and regions where they are, and the units that went from one to the other."""
    given = numbers["map"]
    nodes, regions = given["nodes"], given["regions"]
    flows = np.asarray(given["flows"], dtype=np.float64)
    people = np.array([region["population"] for region in regions])
    lat, lon = ([region[name] for region in regions] for name in ("latitude", "longitude"))
    north, east = centres(lat, lon, people, np.zeros(len(regions), np.int64))
    centre = float(east[0]), float(north[0])

    def at(places: list[Mapping[str, Any]]) -> NDArray[np.float64]:
        lon, lat = ([place[name] for place in places] for name in ("longitude", "latitude"))
        return np.stack(project_about(lon, lat, centre), axis=1)

    node_at, region_at = at(nodes), at(regions)
    tones = node_colours([node["upstream"] for node in nodes])

    def draw(where: Where) -> None:
        axes = where.subplots()
        shown = max(float(flows.max(initial=0.0)), 1.0)
        for n, z in np.argwhere(flows > _SHOWN_SHARE * shown):
            axes.plot(
                *zip(node_at[n], region_at[z], strict=True),
                color=colour(tones[n]),
                linewidth=0.4 + 5.0 * flows[n, z] / shown,
                alpha=0.55,
                solid_capstyle="butt",
            )
        busiest = flows.argmax(axis=0)
        for z in range(len(regions)):
            tone = tones[int(busiest[z])] if flows[:, z].any() else "floor"
            size = 12.0 + 160.0 * people[z] / people.max()
            axes.scatter(
                region_at[z, 0],
                region_at[z, 1],
                s=size,
                color=colour(tone),
                alpha=0.8,
                linewidth=0,
                zorder=3,
            )
        for n, node in enumerate(nodes):
            axes.plot(
                *node_at[n],
                "D" if node["upstream"] else "s",
                color=colour(tones[n]),
                markeredgecolor=colour("ink"),
                markersize=7,
                zorder=4,
            )
            if len(nodes) <= _NAMED:
                axes.annotate(
                    node["name"],
                    node_at[n],
                    (6, 4),
                    textcoords="offset points",
                    fontsize=8,
                    zorder=5,
                )
        axes.set_aspect("equal")
        axes.margins(0.08)
        axes.axis("off")

    stand_in = (
        " Nothing has coordinates: the map shows stand-ins."
        if numbers["stand_in_coordinates"]
        else ""
    )
    return Figure(
        name="places",
        title="Who shipped to whom",
        caption=(
            "Squares are nodes, diamonds those that serve no customers, circles regions by "
            "population in the colour of the node that shipped most of their units; a line's width "
            f"is its units, those under 1% of the widest are left out.{stand_in} A node far off "
            "has wrong coordinates."
        ),
        panels=(Panel(draw=draw, size=(8.0, 6.0), narrow=(4.2, 3.4)),),
        columns=1,
        data=given,
    )
