"""Where nodes, arcs and regions are drawn: on a map, or from left to right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from draingym.report.geography import outline, project, project_about
from draingym.report.style import node_colours
from draingym.world.geography import centres
from draingym.world.network import Network

FloatArray = NDArray[np.float64]

_MARGIN = 0.06  # of a frame's longer side, around what it holds
_LABELS = 0.18  # above and below a graph of height 1, for names


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A network as it is drawn: ``N`` nodes, ``E`` arcs, ``Z`` regions (0 where there are none)."""

    nodes: tuple[str, ...]  # N names
    node_at: FloatArray  # [N, 2] km on a map, else any length
    upstream: tuple[bool, ...]  # N: serves no customers
    source: tuple[int, ...]  # E nodes that ship, -1 for a vendor
    target: tuple[int, ...]  # E nodes that are replenished
    regions: tuple[str, ...] = ()  # Z names
    region_at: FloatArray  # [Z, 2]
    coast: FloatArray  # [K, 2] a closed line around the land; [0, 2] for none
    is_map: bool  # both lengths are the same

    def to_dict(self) -> dict[str, Any]:
        """Return it as the page's script takes it."""
        digits = 0 if self.is_map else 3
        every = [at for at in (self.coast, self.node_at, self.region_at) if len(at)]
        shown = self.coast if len(self.coast) else np.concatenate(every)
        low, high = shown.min(axis=0), shown.max(axis=0)
        margin: Any = _MARGIN * max(float((high - low).max()), 1.0)
        if not self.is_map:
            margin = np.array([margin, _LABELS])
        # A graph has no colour to spare for what lies upstream: where a node stands says it.
        tones = node_colours([up and self.is_map for up in self.upstream])

        def points(at: FloatArray) -> list[list[float]]:
            # What lies beyond the frame (Alaska, Hawaii) stands at its edge.
            inside = np.clip(at, low - margin, high + margin)
            placed: list[list[float]] = inside.round(digits).tolist()
            return placed

        return {
            "nodes": [
                {"name": name, "at": at, "colour": tone, "upstream": up}
                for name, at, tone, up in zip(
                    self.nodes, points(self.node_at), tones, self.upstream, strict=True
                )
            ],
            "arcs": [[int(s), int(t)] for s, t in zip(self.source, self.target, strict=True)],
            "regions": [
                {"name": name, "at": at}
                for name, at in zip(self.regions, points(self.region_at), strict=True)
            ],
            "coast": self.coast.round(digits).tolist(),
            "frame": [*(low - margin).round(digits), *(high + margin).round(digits)],
            "map": self.is_map,
        }


def map_place(network: Network) -> Place:
    """Return a network on a map: of the United States where its nodes are, or about its regions."""
    node = np.stack([network.node_longitude, network.node_latitude], axis=1)
    region = np.stack([network.region_longitude, network.region_latitude], axis=1)
    us = bool(((node > (-125.0, 24.0)) & (node < (-66.0, 50.0))).all())
    if us:
        coast = np.stack(outline(), axis=1)
        at = [np.stack(project(x[:, 0], x[:, 1]), axis=1) for x in (node, region)]
    else:
        coast = np.zeros((0, 2))
        north, east = centres(
            region[:, 1], region[:, 0], network.population, np.zeros(len(region), np.int64)
        )
        centre = float(east[0]), float(north[0])
        at = [np.stack(project_about(x[:, 0], x[:, 1], centre), axis=1) for x in (node, region)]
    return Place(
        nodes=network.node_name,
        node_at=at[0],
        upstream=tuple((~network.serves_customers).tolist()),
        source=tuple(network.parent.tolist()),
        target=tuple(range(len(network.parent))),
        regions=network.region_name,
        region_at=at[1],
        coast=coast,
        is_map=True,
    )


def graph_place(
    names: Sequence[str],
    source: Sequence[int],
    target: Sequence[int],
    x: ArrayLike,
    y: ArrayLike,
) -> Place:
    """Return a network without places, drawn from left (vendors) to right.

    Args:
        names: [N] of the nodes.
        source: [E] node that ships on each arc, -1 for a vendor.
        target: [E] node that it replenishes.
        x: [N] to the right.
        y: [N] upwards.
    """
    nodes = len(names)
    at = np.stack([np.asarray(x, np.float64), np.asarray(y, np.float64)], axis=1)
    feeds = {int(s) for s in source}
    return Place(
        nodes=tuple(names),
        node_at=at.reshape(nodes, 2),
        upstream=tuple(n in feeds for n in range(nodes)),
        source=tuple(int(s) for s in source),
        target=tuple(int(t) for t in target),
        region_at=np.zeros((0, 2)),
        coast=np.zeros((0, 2)),
        is_map=False,
    )
