"""The boxes of a log: which units left which node when, and at what cost."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from draingym.common.arrays import BoolArray, FloatArray, IntArray
from draingym.ingest.given.cells import Table
from draingym.ingest.given.mapping import Mapping
from draingym.ingest.made.geography import Geography
from draingym.ingest.made.keys import codes, named
from draingym.ingest.made.notes import Notes
from draingym.ingest.made.orders import Calendar, Lines, line_numbers
from draingym.oracle.rules.ship_cost import box_rate, rate_card, zone_of
from draingym.world.geography import great_circle_km


@dataclass(frozen=True, kw_only=True, slots=True)
class Boxes:
    """A row for each order line in a box; ``B`` rows."""

    box: IntArray  # [B]
    line: IntArray  # [B]
    node: IntArray  # [B]
    shipped_at: FloatArray  # [B] days since the first date
    units: IntArray  # [B] at least 1
    cost: FloatArray  # [B] currency, NaN where nobody knows
    bill: FloatArray  # [B] of the whole box where that is told in place of the cost, or NaN
    row: IntArray  # [B] row of ``tables.boxes``; -1 where orders say what was shipped


def shipping_nodes(tables: dict[str, Table]) -> frozenset[str]:
    """Return the names of the nodes that anything was shipped from."""
    names: set[str] = set()
    for table in ("orders", "boxes"):
        if table in tables and "node" in tables[table]:
            names |= set(tables[table].text("node").drop_null().unique().to_pylist())
    return frozenset(names)


def read_boxes(
    tables: dict[str, Table],
    lines: Lines,
    line_place: IntArray,
    unit_weight: FloatArray,
    geography: Geography,
    calendar: Calendar,
    mapping: Mapping,
    notes: Notes,
) -> Boxes:
    """Return what was shipped, from the table of boxes, or as order lines say.

    Units beyond those ordered are left out; a box shipped before its order is shipped with it; the
    parts of a box at several nodes are boxes of their own. A bill that nobody knows is the
    carrier's (``carrier``).

    Raises:
        ValueError: Naming table, column, row and bound.
    """
    names = geography.network.node_name
    node = _known_nodes(lines.table, names)
    if "boxes" in tables:
        found = _from_boxes(tables["boxes"], lines, node, names, calendar, notes)
    else:
        found = _from_lines(lines, node, calendar, notes)
    found = _within_orders(found, lines, notes)
    early = found.shipped_at < lines.time[found.line]
    notes.mend("boxes shipped before their order, taken for shipped with it", early.sum())
    shipped_at = np.where(early, lines.time[found.line], found.shipped_at)
    weight = unit_weight[lines.product[found.line]] * found.units
    total = np.bincount(found.box, weights=weight, minlength=1)
    share = np.round(found.bill * weight / total[found.box], 6)
    cost = np.where(np.isnan(found.cost), share, found.cost)
    pair = found.box * len(names) + found.node
    box = np.unique(pair, return_inverse=True)[1].astype(np.int64)
    notes.mend("boxes of several nodes, split", np.unique(pair).size - np.unique(found.box).size)
    found = replace(found, box=box, shipped_at=shipped_at, cost=cost)
    return _billed(found, lines, line_place, unit_weight, geography, mapping, notes)


def _known_nodes(table: Table, names: tuple[str, ...]) -> IntArray:
    """Return the node of each row, -1 where none is named.

    Raises:
        ValueError: Naming the first row whose node the table of nodes lacks.
    """
    if "node" not in table:
        return np.full(len(table), -1, np.int64)
    return named(table, "node", names, "a name of tables.nodes")


def _from_lines(lines: Lines, node: IntArray, calendar: Calendar, notes: Notes) -> Boxes:
    """Return a box for each order and node: every line that names a node was shipped whole."""
    line = np.flatnonzero(node >= 0)
    notes.mend("order lines without a node, never shipped", lines.size - line.size)
    shipped = np.full(lines.size, np.nan)
    if "shipped_at" in lines.table:
        shipped = lines.table.time("shipped_at")[0] - calendar.day0
    if np.isnan(shipped[line]).any():
        notes.assume(
            "Order lines without a time of shipment left their node when they were ordered."
        )
    shipped = np.where(np.isnan(shipped), lines.time, shipped)
    box = lines.order[line] * (int(node.max(initial=0)) + 1) + node[line]
    # A box leaves when the last of its lines is there.
    _, which = np.unique(box, return_inverse=True)
    latest = np.full(int(which.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(latest, which, shipped[line])
    return Boxes(
        box=which.astype(np.int64),
        line=line,
        node=node[line],
        shipped_at=latest[which],
        units=lines.quantity[line],
        cost=line_numbers(lines, "ship_cost")[line],
        bill=np.full(line.size, np.nan),
        row=np.full(line.size, -1, np.int64),
    )


def _from_boxes(
    table: Table,
    lines: Lines,
    line_node: IntArray,
    names: tuple[str, ...],
    calendar: Calendar,
    notes: Notes,
) -> Boxes:
    order = codes(table.text("order"), lines.order_id)
    shipped_at = table.time("shipped_at")[0] - calendar.day0
    node = _known_nodes(table, names)
    unknown = order < 0
    notes.drop("boxes", "of other orders", unknown.sum())
    notes.drop("boxes", "not shipped", (~unknown & np.isnan(shipped_at)).sum())
    row = np.flatnonzero(~unknown & ~np.isnan(shipped_at))
    table = table.take(row)
    order, shipped_at, node = order[row], shipped_at[row], node[row]
    box = _box_ids(table, order, node, shipped_at)
    if "product" in table:
        at, line = _by_product(table, lines, order, notes)
    else:
        at, line = _by_order(lines, line_node, order, box, shipped_at)
    units = np.full(at.size, np.nan)
    if "units" in table:
        told = table.whole("units")
        table.require("units", ~((told < 0.0) | (told >= 2.0**31)), told, "in [0, 2147483648)")
        units = told[at]
    units = np.where(np.isnan(units), lines.quantity[line], units)
    where = np.where(node[at] >= 0, node[at], line_node[line])
    lost = where < 0
    notes.drop("boxes", "no node in the box or its order line", lost.sum())
    cost, bill = _costs(table, box)
    found = Boxes(
        box=box[at],
        line=line,
        node=where,
        shipped_at=shipped_at[at],
        units=units.astype(np.int64),
        cost=cost[at],
        bill=bill[at],
        row=row[at],
    )
    return _kept(found, ~lost & (found.units > 0))


def _box_ids(table: Table, order: IntArray, node: IntArray, shipped_at: FloatArray) -> IntArray:
    """Return the box of each row: its own, or what left a node for an order at one time."""
    key = np.stack([order, node, np.round(shipped_at * 86_400.0)], axis=1)
    made = np.unique(key, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    if "box" not in table:
        return made
    text = table.text("box")
    ids = text.unique().drop_null().to_pylist()
    found = codes(text, ids)
    return np.where(found < 0, len(ids) + made, found)


def _by_product(
    table: Table, lines: Lines, order: IntArray, notes: Notes
) -> tuple[IntArray, IntArray]:
    """Return rows of boxes, and the order line of each: that of its order and product."""
    product = codes(table.text("product"), lines.product_id)
    number = len(lines.product_id)
    key = lines.order * number + lines.product
    by_key = np.argsort(key, kind="stable")
    wanted = np.where(product >= 0, order * number + product, -1)
    place = np.minimum(np.searchsorted(key[by_key], wanted), key.size - 1)
    line = by_key[place]
    found = key[line] == wanted
    notes.drop("boxes", "of products that the order lacks", (~found).sum())
    return np.flatnonzero(found), line[found]


def _by_order(
    lines: Lines, line_node: IntArray, order: IntArray, box: IntArray, shipped_at: FloatArray
) -> tuple[IntArray, IntArray]:
    """Return rows of boxes, and order lines, where boxes name orders alone.

    An order's lines are grouped by node; the first group is in the box shipped first, and so on,
    the last box holds all that are left.
    """
    first = np.sort(np.unique(np.stack([order, box]), axis=1, return_index=True)[1])
    ranked = first[np.lexsort((box[first], shipped_at[first], order[first]))]
    start = np.searchsorted(order[ranked], lines.order, side="left")
    boxes = np.searchsorted(order[ranked], lines.order, side="right") - start
    by_node = np.lexsort((lines.product, line_node, lines.order))
    change = np.diff(lines.order[by_node], prepend=-1) != 0
    step = (np.diff(line_node[by_node], prepend=-2) != 0) & ~change
    group = np.cumsum(step)
    group = group - np.maximum.accumulate(np.where(change, group, 0))
    rank = np.empty(lines.size, np.int64)
    rank[by_node] = group
    line = np.flatnonzero(boxes > 0)
    return ranked[(start + np.minimum(rank, boxes - 1))[line]], line


def _costs(table: Table, box: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return what each row tells of its own cost, and of its whole box's."""
    told = {}
    for role in ("cost", "box_cost"):
        values = np.full(len(table), np.nan)
        if role in table:
            values = table.number(role)
            table.require(role, ~((values < 0.0) | (values > 1e12)), values, "in [0, 1e12]")
        told[role] = values
    bill = np.full(int(box.max(initial=-1)) + 1, np.nan)
    rows = np.flatnonzero(~np.isnan(told["box_cost"]))[::-1]
    bill[box[rows]] = told["box_cost"][rows]  # the first row of a box that tells
    return told["cost"], bill[box]


def _within_orders(boxes: Boxes, lines: Lines, notes: Notes) -> Boxes:
    """Leave out the units that are more than were ordered, those shipped last first."""
    order = np.lexsort((boxes.shipped_at, boxes.line))
    line, units = boxes.line[order], boxes.units[order]
    total = np.cumsum(units)
    start = np.flatnonzero(np.diff(line, prepend=-1) != 0)
    before = np.repeat(total[start] - units[start], np.diff(np.append(start, line.size)))
    left = np.maximum(lines.quantity[line] - (total - units - before), 0)
    fits = np.minimum(units, left)
    notes.mend("units in boxes beyond those ordered, left out", int((units - fits).sum()))
    allowed = np.empty_like(units)
    allowed[order] = fits
    return _kept(replace(boxes, units=allowed), allowed > 0)


def _billed(
    boxes: Boxes,
    lines: Lines,
    line_place: IntArray,
    unit_weight: FloatArray,
    geography: Geography,
    mapping: Mapping,
    notes: Notes,
) -> Boxes:
    """Fill in bills that nobody knows with the carrier's card, shared in a box by weight."""
    unknown = np.isnan(boxes.cost)
    if not unknown.any():
        return boxes
    places, network = geography.places, geography.network
    place = line_place[boxes.line]
    weight = unit_weight[lines.product[boxes.line]] * boxes.units
    total = np.bincount(boxes.box, weights=weight)
    km = great_circle_km(
        network.node_latitude[boxes.node],
        network.node_longitude[boxes.node],
        places.latitude[place],
        places.longitude[place],
    )
    card = mapping.carrier.oracle_config(mapping.units.weight, mapping.seed)
    zone = zone_of(km, card.zone_bands_miles)
    bill = box_rate(rate_card(card), zone, total[boxes.box] * mapping.pounds)
    share = np.round(bill * weight / total[boxes.box], 4)
    if unknown.all():
        notes.assume(
            "Nobody knows what boxes cost: the card of rates in the mapping (carrier) does."
        )
    else:
        notes.assume(
            f"{unknown.mean():.0%} of the rows of boxes have no cost: the card of rates in the "
            "mapping (carrier) gives it."
        )
    return replace(boxes, cost=np.where(unknown, share, boxes.cost))


def _kept(boxes: Boxes, keep: BoolArray) -> Boxes:
    return Boxes(**{f.name: getattr(boxes, f.name)[keep] for f in fields(boxes)})
