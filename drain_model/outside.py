"""What lies beyond what a drain model was trained on: attributes of products, and places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from draingym.drain_model.data.dataset import DrainData
from draingym.drain_model.data.statistics import Statistics
from draingym.world.views import ATTRIBUTES

Kind = Literal["product", "node", "region"]

# What a model makes of what it was trained on none like.
_TAKEN: dict[Kind, str] = {
    "product": "have attributes beyond those that the drain model was trained on, which takes them "
    "for such at the edge",
    "node": "lie outside of the geography that the drain model was trained on, which has seen no "
    "place like them",
}
_TAKEN["region"] = _TAKEN["node"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outside:
    """A figure of a product, a node or a region beyond those that a model was trained on."""

    kind: Kind
    name: str  # its id or name, quoted, or its index
    attribute: str
    value: float
    low: float  # the range trained on
    high: float

    def __str__(self) -> str:
        """Return what a message says of it."""
        return (
            f"{self.attribute} of {self.kind} {self.name} is {self.value:g}, trained on from "
            f"{self.low:g} to {self.high:g}"
        )


def outside(statistics: Statistics, data: DrainData) -> tuple[Outside, ...]:
    """Return every attribute of a product, and coordinate of a place, beyond those trained on.

    The geography trained on is the span of latitudes and longitudes of its nodes and regions.

    Args:
        statistics: Of the data that a model was trained on; they have the ranges.
        data: Of any products, nodes and regions.

    Returns:
        Products first, then nodes, then regions, each in its order.
    """
    columns = data.attributes.shape[-1]
    names = ATTRIBUTES if len(ATTRIBUTES) == columns else tuple(map(str, range(columns)))
    ranges = tuple(np.asarray(x) for x in (statistics.attributes_low, statistics.attributes_high))
    span = tuple(np.asarray(x) for x in (statistics.places_low, statistics.places_high))
    places = data.geography
    axes = ("latitude", "longitude")
    return (
        *_beyond("product", data.name_of, names, data.attributes, *ranges),
        *_beyond("node", data.node_of, axes, np.asarray(places.node_coordinates), *span),
        *_beyond("region", data.region_of, axes, np.asarray(places.region_coordinates), *span),
    )


def _beyond(
    kind: Kind,
    name_of: Callable[[int], str],
    attributes: Sequence[str],
    values: NDArray[np.float32],
    low: NDArray[np.float32],
    high: NDArray[np.float32],
) -> Iterator[Outside]:
    for row, column in np.argwhere((values < low) | (values > high)):
        yield Outside(
            kind=kind,
            name=name_of(int(row)),
            attribute=attributes[column],
            value=float(values[row, column]),
            low=float(low[column]),
            high=float(high[column]),
        )


def outside_notes(found: Sequence[Outside], data: DrainData, most: int = 5) -> tuple[str, ...]:
    """Return what a report must say of what lies beyond: how many, which, and how far.

    Args:
        found: What ``outside`` returned for the data.
        data: Says how many products, nodes and regions there are in all.
        most: How many of a kind are named.

    Returns:
        One sentence for each kind; nothing where nothing lies beyond.
    """
    sizes: dict[Kind, int] = {
        "product": data.num_products,
        "node": data.num_nodes,
        "region": data.glance_views.shape[-1],
    }
    notes = []
    for kind, total in sizes.items():
        beyond = [x for x in found if x.kind == kind]
        if beyond:
            count = len({x.name for x in beyond})
            more = [f"{len(beyond) - most} more"] if len(beyond) > most else []
            named = "; ".join([*map(str, beyond[:most]), *more])
            notes.append(f"{count} of {total} {kind}s {_TAKEN[kind]}: {named}.")
    return tuple(notes)
