"""Stock that adds up: counts hold, and what flows do not explain is adjusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from draingym.common.arrays import BoolArray, FloatArray, IntArray
from draingym.ingest.made.notes import Notes


@dataclass(frozen=True, kw_only=True, slots=True)
class Stock:
    """Units by period, product and node, [T, P, N] each, and what was on its way."""

    on_hand: IntArray
    stowed: IntArray
    transferred: IntArray
    available: IntArray
    adjusted: IntArray
    unexplained: IntArray  # of ``adjusted``: what nobody says where it came from or went
    shipments: dict[str, IntArray | FloatArray]  # columns of the log's table
    counted: bool  # whether stock was counted


def balanced(
    counted: IntArray,
    known: BoolArray,
    opening: FloatArray,
    came: IntArray,
    left: IntArray,
    other: IntArray,
    out: IntArray,
    shipments: dict[str, IntArray | FloatArray],
    notes: Notes,
) -> Stock:
    """Walk through the periods: counts hold, what flows do not explain is adjusted.

    The opening stock is what was counted before the log, or else what flows to the first count,
    or up to it without ever being short, say.
    """
    change = came - left + other - out
    flow = np.cumsum(change, axis=0)
    first = np.where(known.any(axis=0), known.argmax(axis=0), change.shape[0])
    until = np.arange(change.shape[0])[:, None, None] <= first
    at = np.minimum(first, change.shape[0] - 1)[None]
    told = np.take_along_axis(counted - flow, at, axis=0)[0]
    enough = np.maximum(-np.where(until, flow, 0).min(axis=0), 0)
    start = np.where(known.any(axis=0), np.maximum(told, 0), enough)
    start = np.where(np.isnan(opening), start, np.nan_to_num(opening)).astype(np.int64)
    on_hand, unexplained = np.empty_like(change), np.zeros_like(change)
    held = start
    for t in range(change.shape[0]):
        due = held + change[t]
        held = np.where(known[t], counted[t], np.maximum(due, 0))
        on_hand[t], unexplained[t] = held, held - due
    off = int(np.abs(unexplained).sum())
    notes.mend("units that counts found or missed, unexplained by flows (adjusted)", off)
    adjusted = other + unexplained
    return Stock(
        on_hand=on_hand,
        stowed=came,
        transferred=left,
        available=on_hand + out,
        adjusted=adjusted,
        unexplained=unexplained,
        shipments=shipments,
        counted=True,
    )
