"""Pictures of a network: nodes from left to right by their distance from a vendor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from draingym.common.atomic import atomic_file, require_writable
from draingym.envs.rendering import GraphPicture
from draingym.networks.flows import order_of_nodes
from draingym.networks.plan import Plan
from draingym.networks.tables import most
from draingym.simulator.adapters.scene import Frame, Scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("png", "jpg", "jpeg", "webp", "tiff", "svg", "pdf")


class NetworkPicture(GraphPicture):
    """A network of arcs: stock as bars, unmet demand in red, flows as lines."""

    def __init__(self, network: Plan) -> None:
        """Draw nothing yet; see the class."""
        self.plan = network
        names = [node.name for node in network.nodes]
        index = network.index
        super().__init__(
            source=[-1 if arc.source is None else index[arc.source] for arc in network.arcs],
            target=[index[arc.target] for arc in network.arcs],
            names=names,
            full=max(float(np.max(most(network))), *(node.on_hand for node in network.nodes)),
        )
        depth = order_of_nodes(names, network.arcs)
        self._depth = [depth[name] for name in names]

    def _places(self) -> tuple[NDArray[Any], NDArray[Any]]:
        depth = np.array(self._depth, float)
        y = np.full(len(depth), 0.5)
        for level in set(self._depth):
            here = np.flatnonzero(depth == level)
            if len(here) > 1:
                y[here] = np.linspace(1, 0, len(here))
        return depth, y


def picture(network: Plan, path: str | Path | None = None) -> Frame:
    """Return a network at its start as an image, [440, 720, 3]; write it where a path is given."""
    nodes, arcs = len(network.nodes), len(network.arcs)
    none = np.zeros(nodes, np.float32)
    transit = np.array([sum(arc.in_transit) for arc in network.arcs], np.float32)
    scene = Scene(
        period=0,
        reward=0.0,
        on_hand=np.array([node.on_hand for node in network.nodes], np.float32),
        in_transit=transit,
        waiting=np.array([node.waiting for node in network.nodes], np.float32),
        shipped=np.zeros(arcs, np.float32),
        outbound=none,
        lost=none,
        glance_views=none,
    )
    painter = NetworkPicture(network)
    image = painter.paint(scene)
    painter.close()
    if path is not None:
        from matplotlib import image as files

        kind = image_format(path)
        with atomic_file(Path(path)) as fresh:
            files.imsave(fresh, image, format=kind)
    return image


def image_format(path: str | Path) -> str:
    """Return the format of an image, which its suffix names.

    Raises:
        ValueError: If it names none that is written here, or the path may not be written.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise ValueError(f"{path} must end in one of {', '.join(f'.{name}' for name in FORMATS)}")
    require_writable(Path(path), "file")
    return kind
