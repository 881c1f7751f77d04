"""The stock of a log: counts, receipts, transfers and adjustments, so that no unit is unexplained.

What a count finds and flows do not explain is an adjustment, and is told on the page.
"""

from __future__ import annotations

import numpy as np

from draingym.ingest.given.cells import Table
from draingym.ingest.given.mapping import Mapping
from draingym.ingest.made.balance import Stock, balanced
from draingym.ingest.made.boxes import Boxes
from draingym.ingest.made.counts import counts, presence
from draingym.ingest.made.flows import Moves, adjustments, arrivals, by_period, returns
from draingym.ingest.made.notes import Notes
from draingym.ingest.made.orders import Calendar, Lines, Returned
from draingym.ingest.made.stock_estimate import estimated
from draingym.world.network import Network

MOST_CELLS = 2 * 10**8  # of periods, products and nodes, in memory


def read_stock(
    tables: dict[str, Table],
    lines: Lines,
    returned: Returned,
    boxes: Boxes,
    network: Network,
    calendar: Calendar,
    mapping: Mapping,
    notes: Notes,
) -> Stock:
    """Return stock that adds up: ``available = on_hand before + stowed - transferred + adjusted``.

    A count holds at its own time: what left or came after it in its period is added. Where stock
    is not counted, a node has what it sells in the next ``assume.stock_cover_days``.

    Raises:
        ValueError: Naming table, column, row and bound.
    """
    shape = (calendar.periods, len(lines.product_id), network.num_nodes)
    cells = int(np.prod([float(n) for n in shape]))
    if cells > MOST_CELLS:
        raise ValueError(
            f"{shape[0]} periods of {shape[1]} products at {shape[2]} nodes are {cells} cells, "
            f"must be at most {MOST_CELLS}: num_products and periods.days make them fewer"
        )
    outbound = Moves(
        time=boxes.shipped_at,
        product=lines.product[boxes.line],
        node=boxes.node,
        units=boxes.units,
    )
    receipts, departures, shipments, lateral = arrivals(
        tables, lines, network, calendar, mapping, notes
    )
    others = [lateral, adjustments(tables, lines, network, calendar, notes)]
    others.append(returns(returned, network, notes))
    out = by_period(outbound, calendar, shape)
    came = by_period(receipts, calendar, shape)
    other = sum((by_period(moves, calendar, shape) for moves in others), np.zeros(shape, np.int64))
    left = by_period(departures, calendar, shape)
    if "stock" in tables and "on_hand" in tables["stock"]:
        table = tables["stock"]
        flows = [(outbound, -1), (departures, -1), (receipts, 1), *((m, 1) for m in others)]
        counted, known, opening = counts(
            table, lines, network, calendar, flows, shape, mapping, notes
        )
        return balanced(counted, known, opening, came, left, other, out, shipments, notes)
    if "receipts" in tables:
        notes.assume(
            "Stock is not counted: it is what flows say, from the least that never falls short."
        )
        never, unknown = np.zeros(shape, np.bool_), np.full(shape[1:], np.nan)
        return balanced(0 * out, never, unknown, came, left, other, out, shipments, notes)
    present = None
    if "stock" in tables:
        present = presence(tables["stock"], lines, network, calendar, shape, notes)
    return estimated(out, other, present, calendar, network, mapping, notes)
