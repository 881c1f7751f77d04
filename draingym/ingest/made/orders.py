"""Order lines as a company gives them: cleaned, cut to periods and products, ids as numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from draingym.common.arrays import BoolArray, FloatArray, IntArray
from draingym.ingest.given.cells import Table
from draingym.ingest.given.mapping import Mapping
from draingym.ingest.made.keys import codes, distinct, null
from draingym.ingest.made.notes import Notes
from draingym.world.draws import random_hours

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Calendar:
    """How a company's time is cut to periods."""

    first_date: date
    days: int  # of a period
    periods: int
    covered: FloatArray  # [T] days of each period that the data covers

    @property
    def day0(self) -> float:
        """The first day, since 1970."""
        return float((self.first_date - EPOCH).days)

    @property
    def length(self) -> float:
        """Days of all periods."""
        return float(self.days * self.periods)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lines:
    """Order lines by time; ``M`` of them. -1 and NaN stand for what nobody knows."""

    table: Table  # the rows they come from, one each
    time: FloatArray  # [M] days since the calendar's first date
    order: IntArray  # [M] 0, 1, 2, ...
    product: IntArray  # [M] index into ``product_id``
    quantity: IntArray  # [M] units, at least 1
    customer: IntArray  # [M] index into ``customer_id``
    unit_price: FloatArray  # [M] currency, above 0
    unit_cost: FloatArray  # [M] currency
    product_id: tuple[str, ...]
    customer_id: tuple[str, ...]
    order_id: tuple[str, ...]  # empty where the tables name none

    @property
    def size(self) -> int:
        """How many lines there are."""
        return int(self.time.size)

    def take(self, index: IntArray) -> Lines:
        """Return some lines, in the order of ``index``."""
        columns = {
            f.name: getattr(self, f.name)[index]
            for f in fields(self)
            if isinstance(getattr(self, f.name), np.ndarray)
        }
        return replace(self, table=self.table.take(index), **columns)


@dataclass(frozen=True, kw_only=True, slots=True)
class Returned:
    """Units that customers sent back."""

    table: Table
    time: FloatArray  # [R] days since the calendar's first date
    product: IntArray  # [R]
    units: IntArray  # [R] at least 1


def read_lines(table: Table, mapping: Mapping, notes: Notes) -> tuple[Lines, Returned, Calendar]:
    """Clean order lines.

    In this order: rows without product, time or quantity are left out; units below 0 are returns;
    days outside the calendar, wholesale, and products that are no best sellers are left out; lines
    of one order and product become one.

    Args:
        table: ``tables.orders``.
        mapping: The mapping.
        notes: Filled.

    Returns:
        The lines by time; what was returned, of the same products and periods; the calendar.

    Raises:
        ValueError: Naming table, column, row and bound; if nothing is left.
    """
    product = table.text("product")
    days, has_clock = table.time("time")
    quantity = table.whole("quantity")
    usable = ~null(product) & ~np.isnan(days) & ~np.isnan(quantity) & (quantity != 0.0)
    notes.drop("orders", "no product, no time, or no units", (~usable).sum())
    table.require(
        "quantity", ~usable | (np.abs(quantity) < 2.0**31), quantity, "below 2147483648 units"
    )
    if not usable.any():
        raise ValueError(f"{table.files[0]}: orders has no usable row, must have at least 1")
    calendar = make_calendar(days[usable & (quantity > 0)], mapping)
    time = days - calendar.day0
    inside = (time >= 0.0) & (time < calendar.length)
    notes.drop("orders", "outside of the periods", (usable & ~inside).sum())
    usable &= inside
    retail = np.ones(len(table), np.bool_)
    if mapping.max_line_quantity:
        retail = np.abs(quantity) <= mapping.max_line_quantity
        notes.drop("orders", f"over {mapping.max_line_quantity} units", (usable & ~retail).sum())
    usable &= retail
    sold = usable & (quantity > 0)
    ids = _best_sellers(product, quantity, sold, mapping)
    which = codes(product, ids)
    known = which >= 0
    notes.drop("orders", "of other products", (sold & ~known).sum())
    back = usable & (quantity < 0) & known
    notes.drop("orders", "returns of other products", (usable & (quantity < 0) & ~known).sum())
    returned = Returned(
        table=table.take(np.flatnonzero(back)),
        time=time[back],
        product=which[back],
        units=-quantity[back].astype(np.int64),
    )
    sold &= known
    if not sold.any():
        raise ValueError(f"{table.files[0]}: orders has no line left, must have at least 1")
    if not has_clock:
        notes.assume("Orders have dates alone: times of the day are drawn, one for each order.")
    taken = table.take(np.flatnonzero(sold))
    lines = _lines(taken, mapping, ids, which[sold], time[sold], quantity[sold], notes)
    return _timed(lines, has_clock, mapping.seed), returned, calendar


def make_calendar(days: FloatArray, mapping: Mapping) -> Calendar:
    """Return the periods that days of orders fill.

    Raises:
        ValueError: If they fill none.
    """
    asked = mapping.periods
    first = asked.first_date or EPOCH + timedelta(days=math.floor(days.min()))
    last = asked.last_date or EPOCH + timedelta(days=math.floor(days.max()))
    covered = (last - first).days + 1
    whole = covered // asked.days
    keep = asked.incomplete == "keep" and covered % asked.days > 0
    if covered < 1 or whole + keep < 1:
        raise ValueError(
            f"orders cover {max(covered, 0)} days from {first} to {last}, must cover a whole "
            f"period of {asked.days} (periods.days), or: periods.incomplete: keep"
        )
    length = np.full(whole + keep, float(asked.days))
    if keep:
        length[-1] = covered % asked.days
    return Calendar(first_date=first, days=asked.days, periods=whole + keep, covered=length)


def _best_sellers(
    product: Any, quantity: FloatArray, sold: BoolArray, mapping: Mapping
) -> tuple[str, ...]:
    """Return the products that are kept, the best seller by units first."""
    ids = distinct(product.filter(pa.array(sold)))
    units = np.bincount(codes(product, ids)[sold], weights=quantity[sold], minlength=len(ids))
    most = mapping.num_products or len(ids)
    if most > len(ids):
        raise ValueError(
            f"num_products is {most}, must be at most {len(ids)}, the products that were sold"
        )
    return tuple(ids[k] for k in np.argsort(-units, kind="stable")[:most])


def _lines(
    table: Table,
    mapping: Mapping,
    ids: tuple[str, ...],
    product: IntArray,
    time: FloatArray,
    quantity: FloatArray,
    notes: Notes,
) -> Lines:
    size = len(table)
    customers: tuple[str, ...] = ()
    customer = np.full(size, -1, np.int64)
    if "customer" in table:
        text = table.text("customer")
        customers = distinct(text)
        customer = codes(text, customers)
    orders: tuple[str, ...] = ()
    if "order" in table:
        text = table.text("order")
        orders = distinct(text)
        order = codes(text, orders)
        if (order < 0).any():
            notes.mend(
                "order lines without an order, taken for orders of their own", (order < 0).sum()
            )
            order = np.where(order < 0, len(orders) + np.arange(size), order)
    elif customers:
        notes.assume("Orders have no ids: the lines of a customer at one time are an order.")
        own = np.where(customer < 0, len(customers) + np.arange(size), customer)
        order = np.unique(np.stack([own, time], axis=1), axis=0, return_inverse=True)[1].reshape(-1)
    else:
        notes.assume("Orders have neither ids nor customers: each line is an order of its own.")
        order = np.arange(size)
    price, cost = _money(table, quantity, "price"), _money(table, quantity, "cost")
    free = price == 0.0
    notes.mend("lines sold for nothing, counted at their product's mean price", free.sum())
    return _merged(
        Lines(
            table=table,
            time=time,
            order=order.astype(np.int64),
            product=product,
            quantity=quantity.astype(np.int64),
            customer=customer,
            unit_price=np.where(free, np.nan, price),
            unit_cost=cost,
            product_id=ids,
            customer_id=customers,
            order_id=orders,
        ),
        notes,
    )


def _money(table: Table, quantity: FloatArray, what: str) -> FloatArray:
    """Return currency a unit, of a column of it or of one for all units of the line."""
    total = "line_total" if what == "price" else "line_cost"
    for role, units in ((f"unit_{what}", np.ones(len(table))), (total, quantity)):
        if role in table:
            values = table.number(role)
            table.require(role, ~(values < 0.0), values, "at least 0")
            table.require(role, ~(values > 1e12), values, "at most 1e12")
            return values / units
    return np.full(len(table), np.nan)


def _merged(lines: Lines, notes: Notes) -> Lines:
    """Return one line for each order and product: units summed, the rest of the first."""
    key = lines.order * len(lines.product_id) + lines.product
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    more = lines.size - first.size
    if not more:
        return lines
    notes.mend("order lines of the same order and product, made one", more)
    units = np.bincount(which, weights=lines.quantity).astype(np.int64)
    priced = np.where(np.isnan(lines.unit_price), 0.0, lines.quantity)
    paid = np.bincount(which, weights=priced * np.nan_to_num(lines.unit_price))
    weight = np.bincount(which, weights=priced)
    with np.errstate(invalid="ignore", divide="ignore"):
        price = paid / weight
    return replace(lines.take(first), quantity=units, unit_price=price)


def _timed(lines: Lines, has_clock: bool, seed: int) -> Lines:
    """Return lines by time, all of an order at the time of its first, hours drawn where unknown."""
    start = np.full(int(lines.order.max()) + 1, np.inf)
    np.minimum.at(start, lines.order, lines.time)
    if not has_clock:
        rng = np.random.default_rng([seed, 1])
        start = np.floor(start) + random_hours(rng, start.size)
    time = start[lines.order]
    # Orders are numbered in order of time, lines of one stay together in the order of the file.
    by_time = np.lexsort((np.arange(lines.size), lines.order, time))
    found = replace(lines, time=time).take(by_time)
    change = np.diff(found.order, prepend=-1) != 0
    ids: tuple[str, ...] = ()
    if lines.order_id:
        names = lines.order_id
        ids = tuple(names[k] if k < len(names) else "" for k in found.order[change])
    return replace(found, order=np.cumsum(change) - 1, order_id=ids)


def line_numbers(lines: Lines, role: str) -> FloatArray:
    """Return a column of numbers of the lines' table, NaN where it has none."""
    return lines.table.number(role) if role in lines.table else np.full(lines.size, np.nan)


def line_codes(lines: Lines, role: str, names: tuple[str, ...]) -> IntArray:
    """Return a column of names of the lines' table as indices, -1 where it has none."""
    if role not in lines.table:
        return np.full(lines.size, -1, np.int64)
    return codes(lines.table.text(role), names)


def strings(values: Any) -> NDArray[Any]:
    """Return a column of text as an array of objects."""
    return np.array(values.to_pylist(), object)
