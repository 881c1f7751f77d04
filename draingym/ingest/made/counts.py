"""Counted stock: units at the end of periods, or only whether there were any."""

from __future__ import annotations

import numpy as np

from draingym.common.arrays import BoolArray, FloatArray, IntArray
from draingym.ingest.given.cells import Table
from draingym.ingest.given.mapping import Mapping
from draingym.ingest.made.flows import Moves, Shape, stock_rows
from draingym.ingest.made.notes import Notes
from draingym.ingest.made.orders import Calendar, Lines
from draingym.world.network import Network


def counts(
    table: Table,
    lines: Lines,
    network: Network,
    calendar: Calendar,
    flows: list[tuple[Moves, int]],
    shape: Shape,
    mapping: Mapping,
    notes: Notes,
) -> tuple[IntArray, BoolArray, FloatArray]:
    """Return stock at the end of each period, whether it was counted in it, and the opening stock.

    Returns:
        [T, P, N] units and flags; [P, N] units counted last before the log, NaN where none were.
    """
    keep, time, product, node = stock_rows(table, lines, network, calendar, "time", notes)
    told = table.whole("on_hand")
    table.require("on_hand", ~(keep & (told < 0.0)), told, "at least 0 units")
    keep &= ~np.isnan(told)
    if not table.time("time")[1]:
        time = time + 1.0  # a date is the end of that day
    time, product, node = time[keep], product[keep], node[keep]
    units = told[keep].astype(np.int64)
    if mapping.assume.absent_stock == "zero":
        time, product, node, units = _with_zeros(time, product, node, units, shape)
    period = np.ceil(time / calendar.days).astype(np.int64) - 1  # a count at the end is of it
    opening = np.full(shape[1:], np.nan)
    order = np.lexsort((time,))
    early = order[period[order] < 0]
    opening[product[early], node[early]] = units[early]  # the last one stays
    inside = order[(period[order] >= 0) & (period[order] < shape[0])]
    when = np.full(shape, -np.inf)
    counted = np.zeros(shape, np.int64)
    cell = (period[inside], product[inside], node[inside])
    counted[cell], when[cell] = units[inside], time[inside]
    for moves, sign in flows:  # what moved after the count, in its period
        at = np.floor(moves.time / calendar.days).astype(np.int64)
        row = np.flatnonzero((at >= 0) & (at < shape[0]))
        where = (at[row], moves.product[row], moves.node[row])
        later = (moves.time[row] >= when[where]) & np.isfinite(when[where])
        np.add.at(counted, tuple(k[later] for k in where), sign * moves.units[row][later])
    known = np.isfinite(when)
    below = known & (counted < 0)
    notes.mend("counts that later boxes of the period exceed, taken for those boxes", below.sum())
    return np.maximum(counted, 0), known, opening


def _with_zeros(
    time: FloatArray,
    product: IntArray,
    node: IntArray,
    units: IntArray,
    shape: Shape,
) -> tuple[FloatArray, IntArray, IntArray, IntArray]:
    """Add a count of 0 for what has no row at a node and time where others were counted."""
    pairs, at = np.unique(np.stack([node, time], axis=1), axis=0, return_inverse=True)
    there = np.zeros((len(pairs), shape[1]), np.bool_)
    there[at.reshape(-1), product] = True
    row, absent = np.nonzero(~there)
    return (
        np.concatenate([time, pairs[row, 1]]),
        np.concatenate([product, absent]),
        np.concatenate([node, pairs[row, 0].astype(np.int64)]),
        np.concatenate([units, np.zeros(row.size, np.int64)]),
    )


def presence(
    table: Table,
    lines: Lines,
    network: Network,
    calendar: Calendar,
    shape: Shape,
    notes: Notes,
) -> BoolArray:
    """Return whether a row says that a product was in stock at the end of a period, [T, P, N]."""
    keep, time, product, node = stock_rows(table, lines, network, calendar, "time", notes)
    period = np.floor(time / calendar.days)
    last = np.floor(time) == (period + 1) * calendar.days - 1  # of the period's last day
    keep &= last & (period >= 0) & (period < shape[0])
    present = np.zeros(shape, np.bool_)
    present[period[keep].astype(np.int64), product[keep], node[keep]] = True
    return present
