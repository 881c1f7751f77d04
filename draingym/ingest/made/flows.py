"""Units that came to nodes and left them otherwise than in boxes: receipts, transfers, changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from draingym.common.arrays import BoolArray, FloatArray, IntArray
from draingym.ingest.given.cells import Table
from draingym.ingest.given.mapping import Mapping
from draingym.ingest.made.keys import codes, named, null
from draingym.ingest.made.notes import Notes
from draingym.ingest.made.orders import Calendar, Lines, Returned
from draingym.world.network import Network

Shape = tuple[int, int, int]  # periods, products, nodes


@dataclass(frozen=True, kw_only=True, slots=True)
class Moves:
    """Units that came (or went, below 0) at a time."""

    time: FloatArray
    product: IntArray
    node: IntArray
    units: IntArray


def stock_rows(
    table: Table, lines: Lines, network: Network, calendar: Calendar, role: str, notes: Notes
) -> tuple[BoolArray, FloatArray, IntArray, IntArray]:
    """Return which rows are of products kept, and their times, products and nodes.

    Raises:
        ValueError: Naming the first row without a product, a node that there is, or a time.
    """
    product = codes(table.text("product"), lines.product_id)
    node = named(table, "node", network.node_name, "a name of tables.nodes")
    time = table.time(role)[0] - calendar.day0
    missing = null(table.text("product")) | (node < 0) | np.isnan(time)
    notes.drop(table.name, "no product, node or time", missing.sum())
    notes.drop(table.name, "of other products", (~missing & (product < 0)).sum())
    keep = ~missing & (product >= 0)
    return keep, time, product, node


def arrivals(
    tables: dict[str, Table],
    lines: Lines,
    network: Network,
    calendar: Calendar,
    mapping: Mapping,
    notes: Notes,
) -> tuple[Moves, Moves, dict[str, IntArray | FloatArray], Moves]:
    """Return what arrived, what left for it, the shipments of both, and transfers off the tree.

    A receipt comes from the node's parent or the vendor, ordered when it says, or the node's usual
    lead time before. A transfer from a parent is a shipment, too; one between other nodes leaves
    and comes as an adjustment.
    """
    lead = network.lead_time.argmax(axis=1)
    arrived: list[Moves] = []
    ordered: list[FloatArray] = []
    lateral: list[Moves] = []
    if "receipts" in tables:
        table = tables["receipts"]
        keep, time, product, node = stock_rows(table, lines, network, calendar, "time", notes)
        units = _units(table, low=0)
        sent = time - lead[np.maximum(node, 0)] * calendar.days
        if "ordered_at" in table:
            told = table.time("ordered_at")[0] - calendar.day0
            late = told > time
            table.require("ordered_at", ~(late & keep), told, "no later than its time")
            sent = np.where(np.isnan(told), sent, told)
        else:
            notes.assume(
                "Receipts do not say when they were ordered: their node's usual lead time before."
            )
        keep &= (units > 0) & (time >= 0.0)
        arrived.append(
            Moves(time=time[keep], product=product[keep], node=node[keep], units=units[keep])
        )
        ordered.append(sent[keep])
    if "transfers" in tables:
        table = tables["transfers"]
        keep, left, product, node = stock_rows(table, lines, network, calendar, "time", notes)
        text = table.text("source")
        source = codes(text, network.node_name)
        if (keep & (source < 0)).any():
            at = table.first(keep & (source < 0))
            table.fail("source", at, text[at].as_py(), "a name of tables.nodes")
        units = _units(table, low=0)
        arrives = left + lead[np.maximum(node, 0)] * calendar.days
        if "arrived_at" in table:
            told = table.time("arrived_at")[0] - calendar.day0
            table.require("arrived_at", ~(keep & (told < left)), told, "no earlier than it left")
            arrives = np.where(np.isnan(told), arrives, told)
        keep &= units > 0
        down = keep & (network.parent[np.maximum(node, 0)] == source)
        aside = keep & ~down
        notes.mend(
            "transfers between nodes that do not replenish each other, adjustments", aside.sum()
        )
        here = down & (arrives >= 0.0)
        arrived.append(
            Moves(time=arrives[here], product=product[here], node=node[here], units=units[here])
        )
        ordered.append(left[here])
        for when, where, sign in ((left, source, -1), (arrives, node, 1)):
            lateral.append(
                Moves(
                    time=when[aside],
                    product=product[aside],
                    node=where[aside],
                    units=sign * units[aside],
                )
            )
    moves, sent_at = _joined(arrived), np.concatenate([np.zeros(0), *ordered])
    period = np.floor(moves.time / calendar.days).astype(np.int64)
    since = np.minimum(np.floor(sent_at / calendar.days).astype(np.int64), period)
    # What left before the log, by how much does not matter, was on its way when it began.
    shipments: dict[str, IntArray | FloatArray] = {
        "product": moves.product,
        "node": moves.node,
        "ordered_at": np.maximum(since, -1),
        "arrives_at": period,
        "units": moves.units,
        "left_at": sent_at,
        "stowed_at": moves.time,
    }
    inside = shipments["ordered_at"] < calendar.periods
    parent = network.parent[moves.node]
    from_node = (parent >= 0) & (sent_at >= 0.0)
    departures = Moves(
        time=sent_at[from_node],
        product=moves.product[from_node],
        node=parent[from_node],
        units=moves.units[from_node],
    )
    inner = {k: v[inside] for k, v in shipments.items()}
    return moves, departures, inner, _joined(lateral)


def adjustments(
    tables: dict[str, Table], lines: Lines, network: Network, calendar: Calendar, notes: Notes
) -> Moves:
    """Return what was adjusted: damage, corrections and the like."""
    if "adjustments" not in tables:
        return _joined([])
    table = tables["adjustments"]
    keep, time, product, node = stock_rows(table, lines, network, calendar, "time", notes)
    units = _units(table, low=None)
    return Moves(time=time[keep], product=product[keep], node=node[keep], units=units[keep])


def returns(returned: Returned, network: Network, notes: Notes) -> Moves:
    """Return what customers sent back, where orders say to which node."""
    table = returned.table
    if "node" not in table or not len(table):
        notes.drop("orders", "returns to a node that nobody knows", len(table))
        return _joined([])
    node = codes(table.text("node"), network.node_name)
    notes.drop("orders", "returns to a node that nobody knows", (node < 0).sum())
    notes.mend("returns, put back on the shelf of the node they name", (node >= 0).sum())
    back = node >= 0
    return Moves(
        time=returned.time[back],
        product=returned.product[back],
        node=node[back],
        units=returned.units[back],
    )


def _units(table: Table, *, low: int | None) -> IntArray:
    units = table.whole("units")
    if low is not None:
        table.require("units", ~(units < low), units, f"at least {low}")
    return np.nan_to_num(units).astype(np.int64)


def _joined(moves: list[Moves]) -> Moves:
    nothing = np.zeros(0, np.int64)
    return Moves(
        time=np.concatenate([np.zeros(0), *(m.time for m in moves)]),
        product=np.concatenate([nothing, *(m.product for m in moves)]),
        node=np.concatenate([nothing, *(m.node for m in moves)]),
        units=np.concatenate([nothing, *(m.units for m in moves)]),
    )


def by_period(moves: Moves, calendar: Calendar, shape: Shape) -> IntArray:
    """Return units by period, product and node; what is outside of the periods is left out."""
    period = np.floor(moves.time / calendar.days).astype(np.int64)
    inside = (period >= 0) & (period < shape[0])
    flat = np.ravel_multi_index((period[inside], moves.product[inside], moves.node[inside]), shape)
    total = np.bincount(flat, weights=moves.units[inside], minlength=int(np.prod(shape)))
    return np.rint(total).astype(np.int64).reshape(shape)
