"""A log of what a company's tables say happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from draingym.common.arrays import IntArray
from draingym.ingest.given.cells import Table
from draingym.ingest.given.mapping import Mapping
from draingym.ingest.given.roles import KEPT
from draingym.ingest.made.balance import Stock
from draingym.ingest.made.boxes import Boxes, read_boxes, shipping_nodes
from draingym.ingest.made.geography import Geography, read_geography
from draingym.ingest.made.notes import Notes
from draingym.ingest.made.orders import Calendar, Lines, Returned
from draingym.ingest.made.products import ProductFacts, read_products
from draingym.ingest.made.static import calendar_table, static, units_table
from draingym.ingest.made.stock import read_stock
from draingym.ingest.made.views import (
    NO_ORDER,
    Speeds,
    ViewRows,
    estimate_views,
    read_speeds,
    read_views,
    shown_promises,
)
from draingym.ingest.made.where import homes, named_places, settle
from draingym.world.eventlog import EventLog
from draingym.world.schema import SCHEMA


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A log, and what the page needs besides."""

    log: EventLog
    calendar: Calendar
    stock: Stock | None  # None for a world that was built
    stand_in: bool  # whether coordinates are no places on earth
    views_estimated: bool


def make_log(
    tables: dict[str, Table],
    lines: Lines,
    returned: Returned,
    calendar: Calendar,
    mapping: Mapping,
    notes: Notes,
) -> Made:
    """Put views, orders, boxes and stock of a company together as an event log.

    Args:
        tables: Those of the mapping, read.
        lines: Order lines, cleaned.
        returned: What customers sent back.
        calendar: The periods.
        mapping: The mapping.
        notes: Filled.

    Raises:
        ValueError: Naming table, column, row and bound; if no table says which node shipped.
    """
    serving = shipping_nodes(tables)
    if not serving:
        raise ValueError(
            "no table says which node shipped (orders.node or boxes.node), must be told for "
            "build: log; build: world makes a world to experiment in from orders alone"
        )
    geography = read_geography(tables, mapping, serving, calendar.day0, notes)
    facts = read_products(tables, lines, calendar, mapping, notes)
    places = geography.places
    told = named_places(lines.table, places, mapping, notes)
    home = homes(lines, told, tables, places, mapping, notes)
    rng = np.random.default_rng([mapping.seed, 4])
    place, drawn = settle(told, lines.customer, home, places, rng, lines.order)
    if drawn:
        notes.assume(
            f"{drawn:,} of {lines.size:,} order lines say no place: their customer's home, or else "
            "their place, is drawn by population."
        )
    labels: dict[str, float] = {}
    views = _views(tables, lines, place, home, geography, calendar, mapping, labels, notes)
    speeds = read_speeds(lines, views, mapping, labels, notes)
    boxes = read_boxes(tables, lines, place, facts.weight, geography, calendar, mapping, notes)
    _require_open(tables, boxes, geography, calendar)
    stock = read_stock(tables, lines, returned, boxes, geography.network, calendar, mapping, notes)
    in_stock = (stock.available.sum(axis=2) > 0).T
    shown = shown_promises(views, speeds, lines, place, places, in_stock, calendar, notes)
    return Made(
        log=_tables(
            tables,
            lines,
            place,
            speeds,
            views,
            shown,
            boxes,
            stock,
            geography,
            facts,
            calendar,
            mapping,
        ),
        calendar=calendar,
        stock=stock,
        stand_in=geography.stand_in,
        views_estimated=views.estimated,
    )


def _require_open(
    tables: dict[str, Table], boxes: Boxes, geography: Geography, calendar: Calendar
) -> None:
    """Raise where a box left a node before the node opened."""
    network = geography.network
    left = np.floor(boxes.shipped_at / calendar.days)
    early = np.flatnonzero(left < network.active_from[boxes.node])
    if early.size and "active_from" in tables["nodes"]:
        first = early[np.argmin(boxes.shipped_at[early])]
        name = network.node_name[int(boxes.node[first])]
        nodes = tables["nodes"]
        day = calendar.first_date + timedelta(days=int(boxes.shipped_at[first]))
        at = nodes.text("node").to_pylist().index(name)
        opened = np.datetime64(int(nodes.time("active_from")[0][at]), "D")
        nodes.fail("active_from", at, str(opened), f"no later than a box left {name!r}, {day}")


def _views(
    tables: dict[str, Table],
    lines: Lines,
    place: IntArray,
    home: IntArray,
    geography: Geography,
    calendar: Calendar,
    mapping: Mapping,
    labels: dict[str, float],
    notes: Notes,
) -> ViewRows:
    if "views" not in tables:
        return estimate_views(lines, place, geography.places, calendar, mapping, notes)
    return read_views(
        tables["views"], lines, home, geography.places, calendar, mapping, labels, notes
    )


def _tables(
    given: dict[str, Table],
    lines: Lines,
    place: IntArray,
    speeds: Speeds,
    views: ViewRows,
    shown: Any,
    boxes: Boxes,
    stock: Stock,
    geography: Geography,
    facts: ProductFacts,
    calendar: Calendar,
    mapping: Mapping,
) -> EventLog:
    """Return the log's tables: a view for each order line, and those that led to none, by time."""
    size, network, places = lines.size, geography.network, geography.places
    time = np.concatenate([lines.time, views.time])
    order = np.argsort(time, kind="stable")  # lines of an order stay together
    at = np.empty(order.size, np.int64)
    at[order] = np.arange(order.size)

    def rows(of_lines: Any, of_views: Any) -> Any:
        return np.concatenate([of_lines, of_views])[order]

    nothing = np.full(views.time.size, -1, np.int64)
    where = rows(place, views.place)
    who = rows(lines.customer, views.customer)
    customer, customers = _customers(who, where, lines, geography)
    seen = rows(
        np.ones(size, np.bool_) if views.estimated else views.linked >= 0,
        np.ones(views.time.size, np.bool_),
    )
    filled = np.bincount(boxes.line, weights=boxes.units, minlength=size).astype(np.int64)
    tables: dict[str, Any] = {
        **static(given, network, facts, lines.product_id, mapping),
        "customers": customers,
        "calendar": calendar_table(calendar, mapping),
        "glance_views": {
            "view": np.arange(order.size),
            "time": time[order],
            "period": np.floor(time[order] / calendar.days).astype(np.int64),
            "product": rows(lines.product, views.product),
            "region": places.region[where],
            "promise": rows(speeds.promise, shown),
            "ship_option": rows(speeds.option, np.full(views.time.size, NO_ORDER, object)),
            "quantity": rows(lines.quantity, np.zeros(views.time.size, np.int64)),
            "customer": customer,
            "order": rows(lines.order, nothing),
            **({} if seen.all() else {"seen": seen}),
            **_kept("views", given, rows(views.linked, views.row)),
        },
        "order_lines": {
            "order_line": np.arange(size),
            "order": lines.order,
            "view": at[:size],
            "product": lines.product,
            "quantity": lines.quantity,
            "filled": filled,
            **_order_ids(lines),
            **lines.table.kept(np.arange(size)),
        },
        "boxes": _box_table(given, boxes),
        **_stock_tables(stock),
    }
    if facts.price_path is not None:
        tables["prices"] = facts.price_path
    if speeds.labels:
        labels = sorted(speeds.labels.items(), key=lambda entry: (entry[1], entry[0]))
        tables["promises"] = {
            "label": [name for name, _ in labels],
            "within_days": [days for _, days in labels],
        }
    tables["units"] = units_table(mapping)
    return EventLog.from_arrays(tables)


def _customers(
    who: IntArray, where: IntArray, lines: Lines, geography: Geography
) -> tuple[IntArray, dict[str, Any]]:
    """Return the customer of each view, and their table: one who buys in two places is two."""
    places = geography.places
    known = who >= 0
    pair = who * len(places.name) + where
    found, which = np.unique(pair[known], return_inverse=True)
    number, place = np.divmod(found, len(places.name))
    customer = np.full(who.size, -1, np.int64)
    customer[known] = which
    return customer, {
        "customer": np.arange(found.size),
        "latitude": places.latitude[place],
        "longitude": places.longitude[place],
        "region": places.region[place],
        "id": pa.array([lines.customer_id[k] for k in number], pa.string()),
    }


def _order_ids(lines: Lines) -> dict[str, Any]:
    """Return the ids of orders as the company has them."""
    if not lines.order_id:
        return {}
    ids = pa.array(lines.order_id, pa.string())
    return {"order_id": ids.take(pa.array(lines.order))}


def _kept(name: str, given: dict[str, Table], row: IntArray) -> dict[str, Any]:
    """Return further columns of a table, by the row that each of ours comes from; null for -1."""
    if name not in given:
        return {}
    return given[name].kept(row)


def _box_table(given: dict[str, Table], boxes: Boxes) -> dict[str, Any]:
    order = np.lexsort((boxes.line, boxes.box, boxes.shipped_at))
    return {
        "box": boxes.box[order],
        "order_line": boxes.line[order],
        "node": boxes.node[order],
        "shipped_at": boxes.shipped_at[order],
        "units": boxes.units[order],
        "cost_share": boxes.cost[order],
        **_kept("boxes", given, boxes.row[order]),
    }


def _stock_tables(stock: Stock) -> dict[str, Any]:
    period, product, node = (axis.ravel() for axis in np.indices(stock.on_hand.shape))
    names = ("on_hand", "stowed", "transferred", "available")
    columns = {name: getattr(stock, name).ravel() for name in names}
    if stock.adjusted.any():
        columns["adjusted"] = stock.adjusted.ravel()
    return {
        "inventory": {"period": period, "product": product, "node": node, **columns},
        "shipments": stock.shipments,
    }


def check_kept(given: dict[str, Table]) -> None:
    """Check that no column that is kept has the name of one of the log's.

    Raises:
        ValueError: Naming the first that has.
    """
    for name, table in given.items():
        for column in table.mapping.keep:
            if name not in KEPT:
                raise ValueError(
                    f"tables.{name}.keep names {column!r}, must be empty: it has no log table"
                )
            if column in SCHEMA[KEPT[name]].names or column == "order_id":
                raise ValueError(
                    f"tables.{name}.keep names {column!r}, must be no column of the log's own; "
                    "rename it in the file"
                )
