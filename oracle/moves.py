"""What came to shelves and left them otherwise than in boxes, at the log's own times.

A log's periods may be weeks, and a shelf that is empty until its goods come on Thursday is no shelf
that had them on Monday. Where the log's shipments say when they were stowed and when they left
(``stowed_at``, ``left_at``), units count from that moment on; what has no time (adjustments, logs
without these columns) counts from its period's beginning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from draingym.common.arrays import FloatArray, IntArray
from draingym.world.eventlog import EventLog


@dataclass(frozen=True, kw_only=True, slots=True)
class Moves:
    """Units that a shelf got, or lost (below 0), after its period began. ``E`` moves, by time."""

    time: FloatArray  # [E] days, ascending
    period: IntArray  # [E]
    product: IntArray  # [E]
    node: IntArray  # [E]
    units: IntArray  # [E]

    def of(self, period: int) -> Moves:
        """Return those of a period."""
        first, last = np.searchsorted(self.period, (period, period + 1))
        here = slice(int(first), int(last))
        return Moves(
            time=self.time[here],
            period=self.period[here],
            product=self.product[here],
            node=self.node[here],
            units=self.units[here],
        )


def log_moves(log: EventLog) -> Moves:
    """Return the moves of a log within its periods; none where it has no shipments.

    Args:
        log: A valid log.
    """
    if "shipments" not in log:
        nothing = np.zeros(0, np.int64)
        return Moves(time=np.zeros(0), period=nothing, product=nothing, node=nothing, units=nothing)
    start, days = (float(log.array("calendar", name)[0]) for name in ("start", "days"))
    names = ("product", "node", "ordered_at", "arrives_at", "units", "left_at", "stowed_at")
    sent = {name: log.array("shipments", name) for name in names}
    parent = log.array("nodes", "parent")[sent["node"]]
    both = {
        "time": (sent["stowed_at"], sent["left_at"]),
        "period": (sent["arrives_at"], sent["ordered_at"]),
        "product": (sent["product"], sent["product"]),
        "node": (sent["node"], parent),
        "units": (sent["units"], -sent["units"]),
    }
    found = {name: np.concatenate(columns) for name, columns in both.items()}
    begins = start + days * found["period"]
    inside = (found["period"] >= 0) & (found["period"] < log["calendar"].num_rows)
    kept = np.flatnonzero(inside & (found["node"] >= 0) & (found["time"] > begins))
    order = kept[np.argsort(found["time"][kept], kind="stable")]
    whole = {name: values[order].astype(np.int64) for name, values in found.items()}
    return Moves(
        time=found["time"][order].astype(np.float64),
        **{name: whole[name] for name in ("period", "product", "node", "units")},
    )
