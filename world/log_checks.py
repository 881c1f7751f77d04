"""The checks of an event log. Errors name table, column, first bad row, value and bound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import BoolArray, IntArray
from draingym.world.log_structure import check_labels, check_structure, check_units, refuse
from draingym.world.schema import (
    DEFAULTS,
    OPTIONAL,
    PERIOD_OF,
    SCHEMA,
    VOCABULARY,
    label_classes,
    log_column,
)
from draingym.world.views import SHIP_OPTIONS

Tables = Mapping[str, Any]

MAX_LATE = 3660.0  # days from the log's end to its last box
MAX_LEAD = 3660  # periods from order to arrival: ten years of days


def check_log(tables: Tables) -> None:
    """Check the tables of an event log; see ``draingym.world.eventlog.validate_log``.

    In this order: tables, columns and types; nulls; keys and ranges; views, orders and boxes
    against each other; stock.

    Raises:
        ValueError: At the first thing that is wrong.
    """
    for name in tables:
        if name not in SCHEMA:
            raise ValueError(f"log has the unknown table {name!r}, must be one of {list(SCHEMA)}")
    for name in SCHEMA:
        if name in tables:
            check_structure(name, tables[name])
        elif name not in OPTIONAL:
            raise ValueError(f"log lacks the table {name!r}")
    if "promises" in tables:
        check_labels(tables["promises"])
    if "units" in tables:
        check_units(tables["units"])
    data = {
        name: {
            c: log_column(tables, name, c) for c in (*SCHEMA[name].names, *DEFAULTS.get(name, {}))
        }
        for name in tables
    }
    checks = _Checks(tables, data)
    checks.keys_and_ranges()
    checks.views()
    checks.order_lines()
    checks.boxes()
    checks.inventory()
    if "shipments" in data:
        checks.shipments()
    if "prices" in data:
        checks.prices()


class _Checks:
    """The checks behind ``check_log``, on columns as arrays."""

    def __init__(self, tables: Tables, data: dict[str, dict[str, NDArray[Any]]]) -> None:
        self.tables = tables
        self.data = data
        self.num = {
            "product": data["products"]["product"].size,
            "node": data["nodes"]["node"].size,
            "region": data["regions"]["region"].size,
            "customer": data["customers"]["customer"].size,
            "period": data["calendar"]["period"].size,
        }
        self.start = float(data["calendar"]["start"][0])
        self.days = float(data["calendar"]["days"][0])

    def require(self, table: str, name: str, ok: BoolArray, bound: str) -> None:
        """Raise for the first row of a column that is not ``ok``."""
        if not bool(ok.all()):
            refuse(table, name, self.tables[table], ok, bound)

    def period_of(self, time: NDArray[np.float64]) -> IntArray:
        """Return the period of each moment; a huge number for one far outside the log."""
        with np.errstate(over="ignore"):
            period = np.floor((time - self.start) / self.days)
        return np.clip(period, -(2.0**53), 2.0**53).astype(np.int64)

    def null(self, table: str, name: str) -> BoolArray:
        """Return which rows of a column are null."""
        return np.asarray(self.tables[table][name].is_null().to_numpy(), np.bool_)

    def keys_and_ranges(self) -> None:
        """Check own keys, foreign keys, signs and coordinates of all tables."""
        for table, key in (
            ("products", "product"),
            ("nodes", "node"),
            ("regions", "region"),
            ("customers", "customer"),
            ("calendar", "period"),
        ):
            values = self.data[table][key]
            self.require(table, key, values == np.arange(values.size), "its row number")
        for table, columns in self.data.items():
            for name, values in columns.items():
                if name in self.num and table not in ("shipments",):
                    bound = self.num[name]
                    inside = (values >= 0) & (values < bound)
                    if not inside.all():
                        inside |= self.null(table, name)
                    self.require(table, name, inside, f"in [0, {bound})")
                elif name in ("latitude", "longitude"):
                    limit = 90.0 if name == "latitude" else 180.0
                    self.require(table, name, np.abs(values) <= limit, f"in [-{limit}, {limit}]")
                elif name in _NOT_NEGATIVE:
                    self.require(table, name, values >= 0, ">= 0")
                elif name in _POSITIVE:
                    self.require(table, name, values > 0, "> 0")
                if name in _AT_MOST:
                    limit = _AT_MOST[name]
                    self.require(table, name, values <= limit, f"at most {limit:g}")
        parent = self.data["nodes"]["parent"]
        earlier = (parent >= -1) & (parent < np.arange(parent.size))
        self.require("nodes", "parent", earlier, "-1 or an earlier node")
        shares = [np.asarray(share, dtype=np.float64) for share in self.data["nodes"]["lead_time"]]
        fine = np.array([s.size > 0 and bool(((s >= 0) & (s <= 1)).all()) for s in shares])
        self.require("nodes", "lead_time", fine, "probabilities in [0, 1]")
        fine = np.array([abs(s.sum() - 1.0) < 1e-9 for s in shares])
        self.require("nodes", "lead_time", fine, "probabilities that sum to 1")
        fine = np.array([s.size - 1 <= MAX_LEAD for s in shares])
        self.require("nodes", "lead_time", fine, f"of at most {MAX_LEAD} periods")
        calendar = self.data["calendar"]
        date = calendar["date"].astype("datetime64[D]")
        year = date.astype("datetime64[Y]").astype(np.int64) + 1970
        self.require(
            "calendar", "date", (year >= 1700) & (year < 2200), "in the years 1700 to 2199"
        )
        self.require("calendar", "days", calendar["days"] == self.days, f"{self.days} as in row 0")
        with np.errstate(over="ignore"):
            start = self.start + self.days * np.arange(self.num["period"])
        self.require("calendar", "start", calendar["start"] == start, "the end of the last period")
        covered = calendar["covered"]
        if "covered" in self.tables["calendar"].column_names:
            fine = (covered > 0) & (covered <= self.days)
            self.require("calendar", "covered", fine, f"in (0, {self.days}]")

    def views(self) -> None:
        """Check that promises, options, quantities and orders of the views go together."""
        views = self.data["glance_views"]
        promise, option, order = views["promise"], views["ship_option"], views["order"]
        self.ascending("glance_views", "view")
        own = tuple(label_classes(self.tables))
        for name, values in (("promise", promise), ("ship_option", option)):
            words = (*VOCABULARY["glance_views", name], *own)
            self.require("glance_views", name, values >= 0, f"one of {words}")
        self.require("glance_views", "ship_option", option >= promise, "no faster than the promise")
        period = self.period_of(views["time"])
        self.require("glance_views", "period", views["period"] == period, "the period of its time")
        region, known = views["region"], views["customer"] >= 0
        home = region.copy()
        home[known] = self.data["customers"]["region"][views["customer"][known]]
        self.require("glance_views", "region", region == home, "its customer's region")
        ordered = option < SHIP_OPTIONS.index("none")
        self.require(
            "glance_views",
            "order",
            (order >= 0) == ordered,
            "an order when an option was chosen, and null when none was",
        )
        units = views["quantity"]
        fine = np.where(ordered, units >= 1, units == 0)
        self.require("glance_views", "quantity", fine, ">= 1 with an order, 0 without")
        if "seen" in self.tables["glance_views"].column_names:
            fine = views["seen"] | ordered
            self.require("glance_views", "seen", fine, "true without an order")

    def order_lines(self) -> None:
        """Check that order lines and the views with an order are the same, one to one."""
        views, lines = self.data["glance_views"], self.data["order_lines"]
        self.ascending("order_lines", "order_line")
        row = self.find("order_lines", "view", views["view"], "a view of the log")
        for name in ("order", "product", "quantity"):
            same = lines[name] == views[name][row]
            self.require("order_lines", name, same, f"the {name} of its view")
        count = np.bincount(row, minlength=views["view"].size)
        ordered = views["order"] >= 0
        self.require("glance_views", "order", count == ordered, "in order_lines exactly once")
        fine = lines["filled"] <= lines["quantity"]
        self.require("order_lines", "filled", fine, "at most the quantity ordered")

    def boxes(self) -> None:
        """Check that what was filled is what the boxes hold, shipped by a node that may."""
        views, lines, boxes = (self.data[t] for t in ("glance_views", "order_lines", "boxes"))
        nodes = self.data["nodes"]
        row = self.find("boxes", "order_line", lines["order_line"], "an order line of the log")
        packed = np.bincount(row, weights=boxes["units"], minlength=lines["order_line"].size)
        self.require("order_lines", "filled", lines["filled"] == packed, "the units in its boxes")
        serves = nodes["serves_customers"][boxes["node"]]
        self.require("boxes", "node", serves, "a node that serves customers")
        time = views["time"][np.searchsorted(views["view"], lines["view"])][row]
        self.require(
            "boxes", "shipped_at", boxes["shipped_at"] >= time, "no earlier than its order"
        )
        limit = self.start + self.days * self.num["period"] + MAX_LATE
        soon = boxes["shipped_at"] < limit
        self.require("boxes", "shipped_at", soon, f"before {limit:g}, ten years after the log")
        period = self.period_of(boxes["shipped_at"])
        exists = period >= nodes["active_from"][boxes["node"]]
        self.require("boxes", "node", exists, "a node that exists when the box is shipped")
        order = np.argsort(boxes["box"], kind="stable")
        same_box = np.diff(boxes["box"][order]) == 0
        other = np.flatnonzero(same_box & (np.diff(boxes["node"][order]) != 0))
        fine = np.ones(order.size, dtype=np.bool_)
        fine[order[other + 1]] = False
        self.require("boxes", "node", fine, "one node for a box")

    def inventory(self) -> None:
        """Check that every unit on hand came from somewhere and went somewhere."""
        table = self.data["inventory"]
        shape = (self.num["period"], self.num["product"], self.num["node"])
        flat = np.ravel_multi_index((table["period"], table["product"], table["node"]), shape)
        count = np.bincount(flat, minlength=int(np.prod(shape)))
        self.require(
            "inventory", "period", count[flat] == 1, "one row per period, product and node"
        )
        if flat.size != count.size:
            t, i, n = np.unravel_index(int(np.argmin(count)), shape)
            raise ValueError(f"inventory lacks the row of period {t}, product {i}, node {n}")
        rows = np.empty(flat.size, dtype=np.int64)
        rows[flat] = np.arange(flat.size)
        stock = {
            name: table[name][rows].reshape(shape)
            for name in ("on_hand", "stowed", "transferred", "available", "adjusted")
        }
        boxes, lines = self.data["boxes"], self.data["order_lines"]
        product = lines["product"][np.searchsorted(lines["order_line"], boxes["order_line"])]
        left = self.period_of(boxes["shipped_at"])
        inside = left < shape[0]  # later boxes are on the shelf when the log ends
        keys = tuple(x[inside] for x in (left, product, boxes["node"]))
        shipped = self.sum_units(keys, boxes["units"][inside], shape)
        self.balance(
            "on_hand", stock["on_hand"], stock["available"] - shipped, "available - units in boxes"
        )
        change = stock["stowed"] - stock["transferred"] + stock["adjusted"]
        plus = " + adjusted" if "adjusted" in self.tables["inventory"].column_names else ""
        self.balance(
            "available",
            stock["available"][1:],
            stock["on_hand"][:-1] + change[1:],
            f"on_hand of the period before + stowed - transferred{plus}",
            first=1,
        )
        opening = stock["available"][0] - change[0]
        self.balance(
            "available",
            np.minimum(opening, 0)[None],
            np.zeros_like(opening)[None],
            f"at least stowed - transferred{plus}, or the log began with less than nothing",
        )

    def shipments(self) -> None:
        """Check that what was stowed was shipped, and what was shipped left its parent."""
        table, inventory = self.data["shipments"], self.data["inventory"]
        for name in ("product", "node"):
            bound = self.num[name]
            inside = (table[name] >= 0) & (table[name] < bound)
            self.require("shipments", name, inside, f"in [0, {bound})")
        self.require("shipments", "arrives_at", table["arrives_at"] >= 0, ">= 0")
        fine = table["arrives_at"] >= table["ordered_at"]
        self.require("shipments", "arrives_at", fine, "no earlier than ordered_at")
        fine = table["ordered_at"] < self.num["period"]
        self.require("shipments", "ordered_at", fine, f"< {self.num['period']}")
        lead = table["arrives_at"].astype(np.int64) - table["ordered_at"]
        soon = f"at most {MAX_LEAD} periods after ordered_at"
        self.require("shipments", "arrives_at", lead <= MAX_LEAD, soon)
        for name, period in PERIOD_OF.items():
            if name in self.tables["shipments"].column_names:
                fine = self.period_of(table[name]) == table[period]
                fine |= table[period] < 0  # before the log
                self.require("shipments", name, fine, f"within the period {period}")
        shape = (self.num["period"], self.num["product"], self.num["node"])
        keys = (inventory["period"], inventory["product"], inventory["node"])
        stowed = self.sum_units(keys, inventory["stowed"], shape)
        here = table["arrives_at"] < shape[0]
        arrived = self.sum_units(
            tuple(table[c][here] for c in ("arrives_at", "product", "node")),
            table["units"][here],
            shape,
        )
        self.balance("stowed", stowed, arrived, "the units of the shipments that arrive")
        transferred = self.sum_units(keys, inventory["transferred"], shape)
        parent = self.data["nodes"]["parent"][table["node"]]
        here = (table["ordered_at"] >= 0) & (parent >= 0)
        left = self.sum_units(
            (table["ordered_at"][here], table["product"][here], parent[here]),
            table["units"][here],
            shape,
        )
        self.balance("transferred", transferred, left, "the units of the shipments to its children")

    def prices(self) -> None:
        """Check that a product has one price a period."""
        table = self.data["prices"]
        key = table["period"].astype(np.int64) * self.num["product"] + table["product"]
        _, first = np.unique(key, return_index=True)
        once = np.zeros(key.size, dtype=np.bool_)
        once[first] = True
        self.require("prices", "price", once, "the only one of its product and period")

    def ascending(self, table: str, name: str) -> None:
        """Require a key to rise from row to row."""
        values = self.data[table][name]
        rises = np.ones(values.size, dtype=np.bool_)
        rises[1:] = values[1:] > values[:-1]
        self.require(table, name, rises, "more than in the row before")

    def find(self, table: str, name: str, keys: NDArray[Any], bound: str) -> IntArray:
        """Return the row of each foreign key among ascending ``keys``."""
        values = self.data[table][name]
        row = np.minimum(np.searchsorted(keys, values), max(keys.size - 1, 0)).astype(np.int64)
        known = keys[row] == values if keys.size else np.zeros(values.size, dtype=np.bool_)
        self.require(table, name, known, bound)
        return row

    @staticmethod
    def sum_units(
        keys: tuple[NDArray[Any], ...], units: NDArray[Any], shape: tuple[int, int, int]
    ) -> IntArray:
        """Return units summed by period, product and node."""
        flat = np.ravel_multi_index(keys, shape)
        total = np.bincount(flat, weights=units, minlength=int(np.prod(shape)))
        return total.astype(np.int64).reshape(shape)

    def balance(
        self, name: str, found: IntArray, due: IntArray, rule: str, *, first: int = 0
    ) -> None:
        """Raise where a column of ``inventory`` is not what the flows say."""
        if np.array_equal(found, due):
            return
        t, i, n = (int(k) for k in np.argwhere(found != due)[0])
        table = self.data["inventory"]
        row = np.flatnonzero(
            (table["period"] == t + first) & (table["product"] == i) & (table["node"] == n)
        )[0]
        value, excess = int(table[name][row]), int(found[t, i, n] - due[t, i, n])
        raise ValueError(
            f"inventory.{name}, row {row} (period {t + first}, product {i}, node {n}): "
            f"{value} is off by {excess}, must be {rule}"
        )


_NOT_NEGATIVE = frozenset(
    {
        *("unit_cost", "active_from", "quantity", "filled", "cost_share"),
        *("on_hand", "stowed", "transferred", "available"),
    }
)
_POSITIVE = frozenset(["price", "weight", "daily_capacity", "population", "days", "units"])
# Beyond these, sums are no longer exact, or overflow in single precision.
_AT_MOST: dict[str, float] = {
    **dict.fromkeys(("price", "unit_cost", "cost_share", "weight", "population"), 1e12),
    **dict.fromkeys(("on_hand", "stowed", "transferred", "available", "units"), 2.0**53),
}
