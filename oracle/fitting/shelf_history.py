"""What lay on the shelves at every moment of a log, as far as boxes and inventory tell.

A unit is free at a node if it was available in the period and no earlier order had it reserved: an
order reserves when it is placed, and its box may leave later. Units that were stowed in the period
count from the moment that the log says, or else from the period's beginning
(``draingym.oracle.moves``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from draingym.common.arrays import BoolArray, FloatArray, IntArray
from draingym.oracle.moves import Moves, log_moves
from draingym.world.eventlog import EventLog
from draingym.world.geography import great_circle_km
from draingym.world.homes import in_order, view_homes


@dataclass(frozen=True, kw_only=True, slots=True)
class ShelfHistory:
    """Views and parts of order lines in the order in which they were served.

    ``V`` views, ``S`` parts (units of a line in one box), ``N`` nodes. A view is known by its rank:
    its position in time; views of one basket are neighbours.
    """

    view_row: IntArray  # [V] row of ``glance_views``
    view_time: FloatArray  # [V] days
    view_period: IntArray  # [V]
    view_product: IntArray  # [V]
    view_region: IntArray  # [V]
    view_place: FloatArray  # [2, V] latitude and longitude of the customer, degrees
    basket: IntArray  # [V] views of one customer at one time; ascending
    part_view: IntArray  # [S] rank of the view that ordered; ascending
    part_product: IntArray  # [S]
    part_node: IntArray  # [S]
    part_units: IntArray  # [S]
    part_box: IntArray  # [S] id of the box
    part_cost: FloatArray  # [S] currency
    shipped_at: FloatArray  # [S] days
    node_place: FloatArray  # [2, N] latitude and longitude, degrees
    available: IntArray  # [T, P, N] units that customers could buy in a period
    shipped_before: IntArray  # [T, P, N] units shipped in earlier periods
    is_open: BoolArray  # [T, N] nodes that serve customers in a period
    moves: Moves  # of the shelves, after their period began

    @property
    def num_views(self) -> int:
        """How many views there are, ``V``."""
        return int(self.view_row.size)

    @property
    def num_nodes(self) -> int:
        """How many nodes there are, ``N``."""
        return int(self.available.shape[2])

    def hour(self, rank: IntArray) -> FloatArray:
        """Return [M] the hour of the day of each view, in [0, 24)."""
        time = self.view_time[rank]
        return np.asarray((time - np.floor(time)) * 24.0, np.float64)

    def distance_km(self, rank: IntArray) -> FloatArray:
        """Return [M, N] km from each node to the customer of each view."""
        return great_circle_km(*self.node_place, *self.view_place[:, rank, None])

    def free_before(self, rank: IntArray) -> IntArray:
        """Return [M, N] free units of each view's product just before it, closed nodes included.

        Below 0 where the log ships what it does not have in the period; see the module.
        """
        product, period = self.view_product[rank], self.view_period[rank]
        order = np.lexsort((self.part_view, self.part_product))
        size = self.num_views + 1
        key = self.part_product[order] * size + self.part_view[order]
        total = self._running(order)
        first, last = (np.searchsorted(key, product * size + r) for r in (0, rank))
        reserved = total[last] - total[first] - self.shipped_before[period, product]
        return np.asarray(
            self.available[period, product] - reserved - self._to_come(rank), np.int64
        )

    def _to_come(self, rank: IntArray) -> IntArray:
        """Return [M, N] units that come to a view's shelves in its period, but after it."""
        moves = self.moves
        by_period = np.zeros(self.available.shape, np.int64)
        np.add.at(by_period, (moves.period, moves.product, moves.node), moves.units)
        product, period = self.view_product[rank], self.view_period[rank]
        due = np.cumsum(by_period, axis=0)[period, product]
        # A move comes before the view at its own time: before how many views, that is.
        place = np.searchsorted(self.view_time, moves.time, side="left")
        order = np.lexsort((place, moves.product))
        size = self.num_views + 1
        key = moves.product[order] * size + place[order]
        total = np.zeros((order.size + 1, self.num_nodes), np.int64)
        total[np.arange(order.size) + 1, moves.node[order]] = moves.units[order]
        total = np.cumsum(total, axis=0)
        first = np.searchsorted(key, product * size)
        last = np.searchsorted(key, product * size + rank, side="right")
        return np.asarray(due - (total[last] - total[first]), np.int64)

    def taken_before(self, rank: IntArray) -> IntArray:
        """Return [M, N] units that orders of the same day had reserved before each view."""
        day = np.floor(self.view_time)
        total = self._running(np.arange(self.part_view.size))
        first = np.searchsorted(day[self.part_view], day[rank])
        last = np.searchsorted(self.part_view, rank)
        return np.asarray(total[last] - total[first], np.int64)

    def boxed_before(self, rank: IntArray) -> BoolArray:
        """Return [M, N] whether the view's basket had a box from a node before it."""
        total = self._running(np.arange(self.part_view.size))
        start = np.searchsorted(self.basket, self.basket[rank])
        first, last = (np.searchsorted(self.part_view, r) for r in (start, rank))
        return np.asarray(total[last] > total[first], np.bool_)

    def _running(self, order: IntArray) -> IntArray:
        """Return [S+1, N] units by node over the parts so far, in an order of theirs."""
        total = np.zeros((order.size + 1, self.num_nodes), np.int64)
        total[np.arange(order.size) + 1, self.part_node[order]] = self.part_units[order]
        return np.cumsum(total, axis=0)


def shelf_history(log: EventLog, *, stop: int | None = None) -> ShelfHistory:
    """Put a log's views and boxes in the order of time.

    Args:
        log: A valid log.
        stop: Views of this period and of later ones, and their boxes, are left out; none when not
            given.
    """
    periods, products = log["calendar"].num_rows, log["products"].num_rows
    nodes = log["nodes"].num_rows
    stop = periods if stop is None else stop
    names = ("view", "time", "period", "product", "region")
    view = {name: log.array("glance_views", name) for name in names}
    homes = view_homes(log)  # customers who are not known have a number and a place, too
    order = in_order(log, homes)
    order = order[view["period"][order] < stop]
    rank = np.full(view["view"].size, -1, np.int64)
    rank[order] = np.arange(order.size)
    time, customer = view["time"][order], homes.customer[order]
    change = np.ones(order.size, np.bool_)
    change[1:] = (time[1:] != time[:-1]) | (customer[1:] != customer[:-1])

    columns = ("box", "order_line", "node", "shipped_at", "units", "cost_share")
    box = {name: log.array("boxes", name) for name in columns}
    line = np.searchsorted(log.array("order_lines", "order_line"), box["order_line"])
    row = np.searchsorted(view["view"], log.array("order_lines", "view")[line])
    by = rank[row]
    part = np.argsort(by, kind="stable")
    part = part[by[part] >= 0]
    product = view["product"][row].astype(np.int64)

    start, days = (float(log.array("calendar", name)[0]) for name in ("start", "days"))
    left = np.floor((box["shipped_at"] - start) / days).astype(np.int64)
    shape = (periods, products, nodes)
    shipped = np.zeros(shape, np.int64)
    inside = (left >= 0) & (left < periods)  # a box may leave after the last day
    np.add.at(shipped, (left[inside], product[inside], box["node"][inside]), box["units"][inside])
    shipped_before = np.cumsum(shipped, axis=0) - shipped
    available = np.zeros(shape, np.int64)
    keys = tuple(log.array("inventory", name) for name in ("period", "product", "node"))
    available[keys] = log.array("inventory", "available")
    serves = log.array("nodes", "serves_customers")
    opens = log.array("nodes", "active_from") <= np.arange(periods)[:, None]
    return ShelfHistory(
        view_row=order,
        view_time=time,
        view_period=view["period"][order].astype(np.int64),
        view_product=view["product"][order].astype(np.int64),
        view_region=view["region"][order].astype(np.int64),
        view_place=np.stack([homes.latitude, homes.longitude])[:, order],
        basket=np.cumsum(change),
        part_view=by[part],
        part_product=product[part],
        part_node=box["node"][part].astype(np.int64),
        part_units=box["units"][part].astype(np.int64),
        part_box=box["box"][part],
        part_cost=box["cost_share"][part],
        shipped_at=box["shipped_at"][part],
        node_place=np.stack([log.array("nodes", name) for name in ("latitude", "longitude")]),
        available=available,
        shipped_before=shipped_before,
        is_open=np.asarray(serves & opens, np.bool_),
        moves=log_moves(log),
    )
