"""Pictures of the environments: a map of the network, or its tree; matplotlib comes with `report`.

A picture keeps its figure: only what moves is changed between two frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from draingym.simulator.adapters.scene import Frame, Scene
from draingym.world.network import Network

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from draingym.report.live import Place

# Inches at 100 dots an inch: even numbers of pixels, which video codecs ask for.
_SIZE, _DPI = (7.2, 4.4), 100


class _Picture:
    """A figure that is made when it is first needed, and what all pictures have in common."""

    def __init__(self, full: float, unit: str) -> None:
        self._full = full  # units that fill a node's symbol
        self._unit = unit  # name of a period
        self._axes: Axes | None = None
        self._window = False
        self._scenes: list[Scene] = []  # of the running episode, where no window shows it
        self._before: list[Scene] = []  # of the episode before

    def paint(self, scene: Scene) -> Frame:
        """Return the scene as an image, [440, 720, 3]."""
        canvas: Any = self._updated(scene, window=False).figure.canvas
        canvas.draw()
        image: Frame = np.asarray(canvas.buffer_rgba())[..., :3].copy()
        return image

    def show(self, scene: Scene) -> None:
        """Show the scene in a window, where matplotlib has a screen; else keep it for a page."""
        canvas: Any = self._updated(scene, window=True).figure.canvas
        if type(canvas).required_interactive_framework is None:
            if self._scenes and scene.period <= self._scenes[-1].period:  # another episode
                self._before, self._scenes = self._scenes, []
            self._scenes.append(scene)
            return
        if canvas.manager is not None:
            canvas.manager.show()
        canvas.draw_idle()
        canvas.flush_events()

    def close(self) -> None:
        """Close the window, or open the last episode's page; forget the figure."""
        shown = max(self._scenes, self._before, key=len)
        self._scenes, self._before = [], []
        if shown:
            from draingym.report.live import show_scenes

            show_scenes(shown, self.place(), self._unit)
        if self._axes is not None and self._window:
            from matplotlib import pyplot

            pyplot.close(self._axes.figure)  # type: ignore[arg-type]
        self._axes = None

    def _updated(self, scene: Scene, *, window: bool) -> Axes:
        if self._axes is None:
            self._axes = self._blank(window)
            self._window = window
            self._draw(self._axes)
            self._title = self._axes.text(
                0.015, 0.97, "", transform=self._axes.transAxes, va="top", fontsize=10
            )
        lost = scene.lost.sum() + scene.waiting.sum()
        self._title.set_text(
            f"{self._unit} {scene.period}    reward {scene.reward:,.0f}    "
            f"sold {scene.outbound.sum():,.0f}    unmet {lost:,.0f}    "
            f"on hand {scene.on_hand.sum():,.0f}    in transit {scene.in_transit.sum():,.0f}"
        )
        self._update(scene)
        return self._axes

    def _blank(self, window: bool) -> Axes:
        try:
            import matplotlib  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "rendering needs matplotlib: pip install 'draingym[report]'"
            ) from error
        figure: Any
        if window:
            from matplotlib import pyplot

            figure = pyplot.figure(figsize=_SIZE, dpi=_DPI)
        else:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure

            figure = Figure(figsize=_SIZE, dpi=_DPI)
            FigureCanvasAgg(figure)
        axes: Axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        return axes

    def place(self) -> Place:
        """Return where the network is drawn, for a page of an episode."""
        raise NotImplementedError

    def _draw(self, axes: Axes) -> None:
        raise NotImplementedError

    def _update(self, scene: Scene) -> None:
        raise NotImplementedError

    def _width(self, units: NDArray[Any]) -> list[float]:
        """Return the width of a flow of units, points."""
        widths: list[float] = (0.3 + 7.0 * np.sqrt(np.minimum(units / self._full, 1.0))).tolist()
        return widths


class MapPicture(_Picture):
    """A map: stock as node size, flows as lines, regions shaded by unmet demand.

    A filled circle's area is a node's stock, the ring around it adds what is on its way there.
    Thick lines are transfers from a parent, and what a vendor sends (a short line from above).
    Thin lines are units shipped to the regions that a node is the nearest to. A region is as red
    as the share of the demand that its nearest node could not meet.

    Args:
        network: Nodes and regions.
        units_per_view: Units of demand of a page view.
        full: Units that make the largest circle.
    """

    def __init__(self, network: Network, *, units_per_view: float, full: float) -> None:
        """Draw nothing yet; see the class."""
        super().__init__(full, "day")
        self.network = network
        self._rate = units_per_view
        distance = np.where(network.serves_customers[:, None], network.distance_km, np.inf)
        self._nearest = np.argmin(distance, axis=0)

    def place(self) -> Place:
        """Return where the network is drawn, for a page of an episode."""
        from draingym.report.live import map_place

        return map_place(self.network)

    def _draw(self, axes: Axes) -> None:
        from matplotlib.collections import LineCollection

        from draingym.report.geography import outline, project
        from draingym.report.style import colour

        net = self.network
        x, y = project(net.node_longitude, net.node_latitude)
        rx, ry = project(net.region_longitude, net.region_latitude)
        axes.set_aspect("equal")
        land = outline()
        axes.fill(*land, facecolor=colour("land"), edgecolor=colour("coast"), linewidth=0.8)
        axes.set(xlim=(land[0].min() - 60, land[0].max() + 60))
        axes.set(ylim=(land[1].min() - 60, land[1].max() + 330))
        # What lies beyond the picture (Alaska, Hawaii, Puerto Rico) gets no line.
        seen = (rx > land[0].min()) & (rx < land[0].max()) & (ry > land[1].min())
        seen &= ry < land[1].max()
        ends = [(rx[z], ry[z]) if seen[z] else (x[n], y[n]) for z, n in enumerate(self._nearest)]
        self._reach = LineCollection(
            [((x[n], y[n]), ends[z]) for z, n in enumerate(self._nearest)],
            colors=colour("floor"),
            zorder=1,
        )
        above = [(x[n], y[n] + 260.0) for n in range(net.num_nodes)]
        self._flow = LineCollection(
            [(above[n] if p < 0 else (x[p], y[p]), (x[n], y[n])) for n, p in enumerate(net.parent)],
            colors=colour("orderupto"),
            alpha=0.65,
            zorder=3,
            capstyle="round",
        )
        axes.add_collection(self._reach, autolim=False)
        axes.add_collection(self._flow, autolim=False)
        area = 260 * np.sqrt(net.population / net.population.max())
        self._regions = axes.scatter(
            rx, ry, area, np.zeros(len(rx)), cmap="OrRd", vmin=0, vmax=1, zorder=2,
            edgecolors=colour("muted"), linewidths=0.6,
        )  # fmt: skip
        self._rings = axes.scatter(
            x, y, 1.0, facecolors="none", edgecolors=colour("ink"), linewidths=0.8, zorder=4
        )
        fills = [colour("learned" if s else "upstream") for s in net.serves_customers]
        self._nodes = axes.scatter(x, y, 1.0, fills, linewidths=0, alpha=0.9, zorder=5)

    def _update(self, scene: Scene) -> None:
        expected = np.bincount(
            self._nearest, scene.glance_views * self._rate, minlength=len(scene.on_hand)
        )
        unmet = (scene.lost + scene.waiting) / np.maximum(expected, 1e-9)
        self._regions.set_array(np.clip(unmet, 0.0, 1.0)[self._nearest])
        self._nodes.set_sizes(4.0 + self._area(scene.on_hand))
        self._rings.set_sizes(4.0 + self._area(scene.on_hand + scene.in_transit))
        self._flow.set_linewidth(self._width(scene.shipped))
        share = scene.glance_views * self._rate / np.maximum(expected, 1e-9)[self._nearest]
        self._reach.set_linewidth(self._width(scene.outbound[self._nearest] * share))

    def _area(self, units: NDArray[Any]) -> NDArray[Any]:
        """Return the area of a circle of units, points squared."""
        return 2200.0 * np.minimum(units / self._full, 1.0)


class GraphPicture(_Picture):
    """Nodes and arcs: stock as bars, backlog or lost demand in red, flows as lines.

    Args:
        source: [E] node that ships on each arc, -1 for a vendor.
        target: [E] node that it replenishes.
        names: [N] of the nodes.
        full: Units that fill a bar.
    """

    def __init__(
        self,
        source: Sequence[int],
        target: Sequence[int],
        names: Sequence[str],
        *,
        full: float,
    ) -> None:
        """Draw nothing yet; see the class."""
        super().__init__(full, "period")
        self._source, self._target = np.asarray(source), np.asarray(target)
        self._names = names

    def place(self) -> Place:
        """Return where the network is drawn, for a page of an episode."""
        from draingym.report.live import graph_place

        return graph_place(
            self._names, self._source.tolist(), self._target.tolist(), *self._places()
        )

    def _places(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return where each node is: how many arcs from a vendor, and how high."""
        raise NotImplementedError

    def _draw(self, axes: Axes) -> None:
        from matplotlib.collections import LineCollection

        from draingym.report.style import colour

        x, y = self._places()
        rows = len(set(y))
        self._height = 0.75 / rows  # of a bar; leaves are 1 / (rows - 1) apart
        axes.set(xlim=(-0.8, x.max() + 0.6), ylim=(-0.3, 1.55))
        start = [(-0.75, 0.5) if s < 0 else (x[s] + 0.13, y[s]) for s in self._source]
        self._flow = LineCollection(
            [(start[e], (x[n] - 0.13, y[n])) for e, n in enumerate(self._target)],
            colors=colour("orderupto"),
            capstyle="round",
        )
        axes.add_collection(self._flow, autolim=False)
        low = y - self._height / 2
        axes.bar(
            x, self._height, 0.2, low,
            edgecolor=colour("muted"), facecolor=colour("land"), linewidth=0.8,
        )  # fmt: skip
        self._stock = axes.bar(x - 0.05, 0.0, 0.1, low, color=colour("learned"))
        self._unmet = axes.bar(x + 0.05, 0.0, 0.1, low, color=colour("neural"))
        self._labels = [
            axes.text(x[n], low[n] - 0.015, "", ha="center", va="top", fontsize=8)
            for n in range(len(x))
        ]

    def _update(self, scene: Scene) -> None:
        self._flow.set_linewidth(self._width(scene.shipped))
        unmet = scene.lost + scene.waiting
        for bars, units in ((self._stock, scene.on_hand), (self._unmet, unmet)):
            for bar, height in zip(
                bars, self._height * np.minimum(units / self._full, 1), strict=True
            ):
                bar.set_height(height)
        on_way = np.bincount(self._target, scene.in_transit, minlength=len(scene.on_hand))
        for label, name, units, transit in zip(
            self._labels, self._names, scene.on_hand, on_way, strict=True
        ):
            label.set_text(f"{name}: {units:,.0f} (+{transit:,.0f})")


class TreePicture(GraphPicture):
    """A tree, the vendor on the left.

    Args:
        parent: [N] index of the replenishing node, -1 for the vendor.
        names: [N] of the nodes.
        full: Units that fill a bar.
    """

    def __init__(self, parent: Sequence[int], names: Sequence[str], *, full: float) -> None:
        """Draw nothing yet; see the class."""
        super().__init__(parent, range(len(parent)), names, full=full)

    def _places(self) -> tuple[NDArray[Any], NDArray[Any]]:
        nodes = len(self._source)
        depth, y = np.zeros(nodes), np.zeros(nodes)
        for n, p in enumerate(self._source):
            depth[n] = 0 if p < 0 else depth[p] + 1
        leaves = [n for n in range(nodes) if n not in self._source]
        y[leaves] = np.linspace(1, 0, len(leaves)) if len(leaves) > 1 else 0.5
        for n in reversed(range(nodes)):
            if n not in leaves:
                y[n] = y[self._source == n].mean()
        return depth, y
