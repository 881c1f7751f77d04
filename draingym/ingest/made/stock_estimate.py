"""Stock where nobody counted it: what boxes needed."""

from __future__ import annotations

import numpy as np

from draingym.common.arrays import BoolArray, IntArray
from draingym.ingest.given.mapping import Mapping
from draingym.ingest.made.balance import Stock
from draingym.ingest.made.notes import Notes
from draingym.ingest.made.orders import Calendar
from draingym.world.network import Network


def estimated(
    out: IntArray,
    other: IntArray,
    present: BoolArray | None,
    calendar: Calendar,
    network: Network,
    mapping: Mapping,
    notes: Notes,
) -> Stock:
    """Make stock up: what a node ships in the next days, and one unit where it was in stock."""
    cover = max(1, round(mapping.assume.stock_cover_days / calendar.days))
    told = "nobody counted it" if present is None else "it is known only whether there was any"
    notes.assume(
        f"Stock is made up, since {told}: a node holds what it ships in the next "
        f"{cover * calendar.days} days. Stock-outs of this log mean nothing more than that, and "
        "deliveries are what this stock needs."
    )
    periods = out.shape[0]
    total = np.concatenate([np.zeros_like(out[:1]), np.cumsum(out, axis=0)])
    ahead = np.stack(
        [total[min(t + 1 + cover, periods)] - total[t + 1] for t in range(periods)]
    )  # shipped in the next periods
    serves = network.serves_customers[None, :]
    there = np.ones(out.shape, np.bool_) if present is None else present
    target = np.where(there & serves, np.maximum(ahead, 1 if present is not None else 0), 0)
    on_hand, stowed = np.empty_like(out), np.empty_like(out)
    gone = np.zeros_like(out)
    held = out[0] + target[0] - np.minimum(other[0], 0)  # the opening stock
    for t in range(periods):
        here = held + other[t]
        short = np.maximum(out[t] + target[t] - here, 0) if t else np.zeros_like(here)
        stowed[t] = short
        rest = here + short - out[t]
        drop = np.where(there[t], 0, np.maximum(rest, 0)) if present is not None else 0 * rest
        on_hand[t] = np.maximum(rest - drop, 0)
        gone[t] = on_hand[t] - rest
        held = on_hand[t]
    adjusted = other + gone
    stowed, sent = _by_tree(stowed, network)
    period, product, node = np.nonzero(stowed)
    lead = network.lead_time.argmax(axis=1)
    return Stock(
        on_hand=on_hand,
        stowed=stowed,
        transferred=sent,
        available=on_hand + out,
        adjusted=adjusted,
        unexplained=gone,
        shipments={
            "product": product,
            "node": node,
            "ordered_at": np.maximum(period - lead[node], -1),
            "arrives_at": period,
            "units": stowed[period, product, node],
        },
        counted=False,
    )


def _by_tree(stowed: IntArray, network: Network) -> tuple[IntArray, IntArray]:
    """Let parents pass on what their children get: what they send, and what they get for it."""
    stowed, sent = stowed.copy(), np.zeros_like(stowed)
    lead = network.lead_time.argmax(axis=1)
    for child in range(network.num_nodes - 1, -1, -1):
        parent = network.parent[child]
        if parent >= 0:
            periods = stowed.shape[0] - lead[child]
            passed = stowed[lead[child] :, :, child][: max(periods, 0)]
            sent[: len(passed), :, parent] += passed
            stowed[: len(passed), :, parent] += passed
    return stowed, sent
