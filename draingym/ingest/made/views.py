"""The glance views of a log: given ones linked with orders, or estimated where there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from draingym.common.arrays import BoolArray, FloatArray, IntArray
from draingym.ingest.given.cells import Table
from draingym.ingest.given.mapping import Mapping
from draingym.ingest.made.keys import codes, null
from draingym.ingest.made.notes import Notes
from draingym.ingest.made.orders import Calendar, Lines, strings
from draingym.ingest.made.where import named_places, settle, speed_labels
from draingym.world.draws import daily_orders, other_views, random_hours
from draingym.world.schema import class_of_days
from draingym.world.views import Places

OUT_OF_STOCK, NO_ORDER = "oos", "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Speeds:
    """Promise and ship option of each order line, as labels."""

    promise: Any  # [M] objects of text
    option: Any  # [M]
    labels: dict[str, float]  # days of labels that are not ours


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewRows:
    """Views that led to no order; ``V`` of them. Lines bring their own rows."""

    time: FloatArray  # [V]
    product: IntArray  # [V]
    place: IntArray  # [V]
    customer: IntArray  # [V] -1 for one who is not known
    promise: Any  # [V] labels
    row: IntArray  # [V] row of ``tables.views`` that is left of it; -1 for one estimated
    linked: IntArray  # [M] row of the view that led to each line; -1 for an order without a view
    promised: Any  # [M] labels of what that view was promised; None where it does not say
    estimated: bool


def read_speeds(
    lines: Lines, views: ViewRows, mapping: Mapping, labels: dict[str, float], notes: Notes
) -> Speeds:
    """Return what lines were promised, and what was chosen.

    What a line was promised its order says, or else the view that led to it. Promise or option, one
    that is missing is the other; where both are, ``assume.promise``. A promise slower than what
    was chosen is taken for the option.
    """
    promise = speed_labels(lines.table, "promise", mapping, labels)
    promise = np.where(nothing(promise), views.promised, promise)
    option = speed_labels(lines.table, "ship_option", mapping, labels)
    missing = nothing(promise) & nothing(option)
    if missing.any():
        if mapping.assume.promise in mapping.promises:
            labels[mapping.assume.promise] = mapping.promises[mapping.assume.promise]
        share = missing.mean()
        notes.assume(
            f"{share:.0%} of the order lines say neither promise nor ship option: "
            f"{mapping.assume.promise!r} is taken for both."
        )
    option = np.where(nothing(option), promise, option)
    option = np.where(nothing(option), mapping.assume.promise, option)
    promise = np.where(nothing(promise), option, promise)
    rank = speed_rank(labels)
    slower = np.array([rank[p] > rank[o] for p, o in zip(promise, option, strict=True)], np.bool_)
    notes.mend(
        "order lines whose option is faster than the promise, taken for the promise", slower.sum()
    )
    return Speeds(promise=np.where(slower, option, promise), option=option, labels=labels)


def nothing(cells: Any) -> BoolArray:
    """Return which entries of an array of objects are None."""
    return np.array([cell is None for cell in cells], np.bool_)


def speed_rank(labels: dict[str, float]) -> dict[str, int]:
    """Return the class of every label, an index into ``PROMISES``."""
    own = class_of_days(np.array(list(labels.values()), np.float64))
    ranks = {"1d": 0, "2d": 1, "3d+": 2, OUT_OF_STOCK: 3, NO_ORDER: 3}
    return ranks | dict(zip(labels, (int(k) for k in own), strict=True))


def read_views(
    table: Table,
    lines: Lines,
    home: IntArray,
    places: Places,
    calendar: Calendar,
    mapping: Mapping,
    labels: dict[str, float],
    notes: Notes,
) -> ViewRows:
    """Read views, find those that led to orders, and return the others.

    A line's view is the one that it names, or the last one of its product by its customer within
    ``assume.link_hours`` before it; a view leads to one line. Others are orders without a view.

    Raises:
        ValueError: Naming table, column, row and bound.
    """
    product = codes(table.text("product"), lines.product_id)
    days, has_clock = table.time("time")
    time = days - calendar.day0
    lost = null(table.text("product")) | np.isnan(days)
    notes.drop("views", "no product or no time", lost.sum())
    notes.drop("views", "of other products", (~lost & (product < 0)).sum())
    inside = (time >= 0.0) & (time < calendar.length)
    notes.drop("views", "outside of the periods", (~lost & (product >= 0) & ~inside).sum())
    keep = ~lost & (product >= 0) & inside
    table, product, time = table.take(np.flatnonzero(keep)), product[keep], time[keep]
    rng = np.random.default_rng([mapping.seed, 2])
    if not has_clock:
        notes.assume("Views have dates alone: times of the day are drawn.")
        time = np.floor(time) + random_hours(rng, time.size)
    customer = np.full(time.size, -1, np.int64)
    if "customer" in table:
        customer = codes(table.text("customer"), lines.customer_id)
        visitors = (customer < 0) & ~null(table.text("customer"))
        notes.mend(
            "views by customers who ordered nothing, counted as of unknown ones", visitors.sum()
        )
    linked = _links(table, lines, product, time, customer, mapping)
    notes.mend("order lines without a view (seen is false)", (linked < 0).sum())
    place, drawn = settle(
        named_places(table, places, mapping, notes),
        customer,
        home,
        places,
        rng,
        np.arange(time.size),
    )
    if drawn:
        notes.assume(f"{drawn:,} views name no place: theirs is drawn by population.")
    promise = speed_labels(table, "promise", mapping, labels)
    rest = np.ones(time.size, np.bool_)
    rest[linked[linked >= 0]] = False
    return ViewRows(
        time=time[rest],
        product=product[rest],
        place=place[rest],
        customer=customer[rest],
        promise=promise[rest],
        row=np.flatnonzero(keep)[rest],
        linked=np.where(linked >= 0, np.flatnonzero(keep)[np.maximum(linked, 0)], -1)
        if time.size
        else linked,
        promised=np.where(linked >= 0, promise[np.maximum(linked, 0)], None)
        if time.size
        else np.full(lines.size, None, object),
        estimated=False,
    )


def _links(
    table: Table,
    lines: Lines,
    product: IntArray,
    time: FloatArray,
    customer: IntArray,
    mapping: Mapping,
) -> IntArray:
    """Return the view that led to each line, -1 where there is none."""
    found = np.full(lines.size, -1, np.int64)
    if "view" in table and "view" in lines.table:
        ids = strings(table.text("view"))
        at = {name: k for k, name in enumerate(ids) if name is not None}
        named = np.array([at.get(x, -1) for x in strings(lines.table.text("view"))], np.int64)
        same = (
            (named >= 0) & (product[np.maximum(named, 0)] == lines.product) if ids.size else False
        )
        return _once(np.where(same, named, -1))
    if not time.size:
        return found
    # Views and lines in one order of customer, product and time, a view before a line.
    who = np.concatenate([customer, lines.customer])
    what = np.concatenate([product, lines.product])
    when = np.concatenate([time, lines.time])
    is_line = np.repeat([False, True], [time.size, lines.size])
    order = np.lexsort((is_line, when, what, who))
    place = np.arange(order.size)
    view_at = np.where(is_line[order], -1, place)
    last = np.maximum.accumulate(view_at)
    line_at = np.flatnonzero(is_line[order])
    candidate = last[line_at]
    fine = candidate >= 0
    view, line = order[np.maximum(candidate, 0)], order[line_at]
    fine &= (who[view] == who[line]) & (what[view] == what[line]) & (who[line] >= 0)
    fine &= when[line] - when[view] <= mapping.assume.link_hours / 24.0
    found[line[fine] - time.size] = view[fine]
    return _once(found)


def _once(found: IntArray) -> IntArray:
    """Return links in which each view leads to the first of its lines."""
    linked = np.flatnonzero(found >= 0)
    _, first = np.unique(found[linked], return_index=True)
    kept = np.full_like(found, -1)
    kept[linked[first]] = found[linked[first]]
    return kept


def estimate_views(
    lines: Lines,
    place: IntArray,
    places: Places,
    calendar: Calendar,
    mapping: Mapping,
    notes: Notes,
) -> ViewRows:
    """Draw the views that led to no order, where the tables have none.

    Their number by product, day and region is negative binomial with mean orders (1 - c)/c, orders
    smoothed over days, c the assumed conversion; in a region they are where its orders are.
    """
    assume = mapping.assume
    rng = np.random.default_rng([mapping.seed, 3])
    products, days = len(lines.product_id), int(calendar.length)
    counts = daily_orders(lines.product, lines.time.astype(np.int32), (products, days), None)
    seen = other_views(
        rng,
        counts,
        np.full(products, assume.conversion),
        places.region[place],
        int(places.region.max()) + 1,
        dispersion=assume.view_dispersion,
        smoothing_days=mapping.experiment.smoothing_days,
    )
    notes.assume(
        f"There are no views: {seen.product.size:,} that led to no order are drawn, so that a view "
        f"under the best promise leads to an order with probability {assume.conversion:g}."
    )
    size = seen.product.size
    return ViewRows(
        time=seen.day + random_hours(rng, size),
        product=seen.product.astype(np.int64),
        place=place[seen.customer],
        customer=np.full(size, -1, np.int64),
        promise=np.full(size, None, object),
        row=np.full(size, -1, np.int64),
        linked=np.full(lines.size, -1, np.int64),
        promised=np.full(lines.size, None, object),
        estimated=True,
    )


def shown_promises(
    views: ViewRows,
    speeds: Speeds,
    lines: Lines,
    line_place: IntArray,
    places: Places,
    in_stock: BoolArray,
    calendar: Calendar,
    notes: Notes,
) -> Any:
    """Return the promise of every view that led to no order, as labels [V].

    One that is missing is what most order lines of its region were promised, or out of stock where
    no node has the product at the end of the period, nor shipped any in it.

    Args:
        views: The views.
        speeds: What lines were promised.
        lines: The lines.
        line_place: [M] place of each line.
        places: The places.
        in_stock: [P, T] whether any node has, or shipped, the product in the period.
        calendar: The periods.
        notes: Filled.
    """
    missing = nothing(views.promise)
    if not missing.any():
        return views.promise
    labels, which = np.unique(speeds.promise.astype(str), return_inverse=True)
    regions = int(places.region.max()) + 1
    count = np.zeros((regions, labels.size), np.int64)
    np.add.at(count, (places.region[line_place], which), 1)
    usual = np.where(count.sum(axis=1) > 0, count.argmax(axis=1), count.sum(axis=0).argmax())
    shown = labels[usual][places.region[views.place]].astype(object)
    period = np.floor(views.time / calendar.days).astype(np.int64)
    shown = np.where(in_stock[views.product, period], shown, OUT_OF_STOCK)
    notes.assume(
        f"{missing.mean():.0%} of the views without an order do not say what was promised: what "
        "most orders of the region were promised, or out of stock where no node had the product."
    )
    return np.where(missing, shown, views.promise)
