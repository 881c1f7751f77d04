"""Which node was chosen for a line of a log, and which it could have been."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from draingym.common.arrays import BoolArray, FloatArray, IntArray
from draingym.oracle.fitting.promise_fit import PromiseFit
from draingym.oracle.fitting.shelf_history import ShelfHistory
from draingym.world.eventlog import EventLog

LATEST = np.array([1, 2, 10**6, 10**6])  # days that an option allows, by option


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """Lines with the node that shipped their first units. ``M`` lines, ``N`` nodes."""

    basket: IntArray  # [M] lines of one basket are neighbours
    node: IntArray  # [M] chosen
    region: IntArray  # [M]
    product: IntArray  # [M]
    could: BoolArray  # [M, N] open, with stock, and in time
    stock: IntArray  # [M, N] free units just before
    units: IntArray  # [M, N] that the node could have shipped of the line, at least 1
    has_box: BoolArray  # [M, N] whether the basket had a box from the node already
    distance_km: FloatArray  # [M, N]

    @property
    def num_choices(self) -> int:
        """How many lines there are, ``M``."""
        return int(self.node.size)


def node_choices(
    log: EventLog, history: ShelfHistory, promise: PromiseFit, *, most: int, seed: int = 0
) -> Choices:
    """Return the lines of a log that more than one node could have shipped.

    Args:
        log: The log.
        history: Its views and boxes in the order of time.
        promise: Says which nodes would have been in time.
        most: Lines at most, of whole baskets that are drawn at random.
        seed: Of that draw.
    """
    first = np.ones(history.part_view.size, np.bool_)
    first[1:] = history.part_view[1:] != history.part_view[:-1]
    part = np.flatnonzero(first)
    if part.size > most:
        basket = history.basket[history.part_view[part]]
        part = part[_some_baskets(basket, most, np.random.default_rng([seed, 13]))]
    rank, node = history.part_view[part], history.part_node[part]
    row, period = history.view_row[rank], history.view_period[rank]
    region, distance = history.view_region[rank], history.distance_km(rank)
    stock = history.free_before(rank)
    late = history.hour(rank) >= promise.cutoff_hour
    taken = (history.taken_before(rank) / promise.daily_capacity).astype(np.int64)
    days = promise.transit_days(distance.T, region).T + late[:, None] + taken
    option = log.array("glance_views", "ship_option")[row]
    in_time = days <= LATEST[option][:, None]
    held = (stock > 0) & history.is_open[period]
    could = in_time & held
    could[np.arange(node.size), node] = True
    quantity = log.array("glance_views", "quantity")[row].astype(np.int64)
    several = could.sum(axis=1) > 1
    return Choices(
        basket=history.basket[rank][several],
        node=node[several],
        region=region[several],
        product=history.view_product[rank][several],
        could=could[several],
        stock=np.maximum(stock, 1)[several],
        units=np.clip(quantity[:, None], 1, np.maximum(stock, 1))[several],
        has_box=history.boxed_before(rank)[several],
        distance_km=distance[several],
    )


def _some_baskets(basket: IntArray, most: int, rng: np.random.Generator) -> BoolArray:
    """Return [M] which lines are of baskets drawn at random: of as many as have ``most`` lines."""
    _, which, lines = np.unique(basket, return_inverse=True, return_counts=True)
    order = rng.permutation(lines.size)
    drawn = np.zeros(lines.size, np.bool_)
    drawn[order] = np.cumsum(lines[order]) <= most
    drawn[order[0]] = True
    return np.asarray(drawn[which], np.bool_)
