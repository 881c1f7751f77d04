"""Where customers are: what their orders and tables say, and a draw by population where nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from draingym.common.arrays import BoolArray, IntArray
from draingym.ingest.given.cells import Table
from draingym.ingest.given.mapping import Mapping
from draingym.ingest.made.keys import codes, null
from draingym.ingest.made.notes import Notes
from draingym.ingest.made.orders import Lines, strings
from draingym.world.views import Places


def named_places(
    table: Table, places: Places, mapping: Mapping, notes: Notes, role: str = "place"
) -> IntArray:
    """Return the place of each row of a table, -1 where it has none.

    Raises:
        ValueError: Naming the first row with a place that the places table lacks, unless
            ``assume.unknown_place`` says to draw it.
    """
    if role not in table:
        return np.full(len(table), -1, np.int64)
    text = table.text(role)
    found = codes(text, places.name)
    strange = (found < 0) & ~null(text)
    if strange.any() and mapping.assume.unknown_place == "error":
        at = table.first(strange)
        bound = "a name of tables.places (or drawn by population: assume.unknown_place: draw)"
        table.fail(role, at, text[at].as_py(), bound)
    notes.mend(f"{table.name} with a place that the places table lacks, drawn", strange.sum())
    return found


def homes(
    lines: Lines,
    place: IntArray,
    tables: dict[str, Table],
    places: Places,
    mapping: Mapping,
    notes: Notes,
) -> IntArray:
    """Return the place of each customer, -1 where nothing tells.

    A customer's home is what the table of customers says, or else the place of most orders.
    """
    number, count = len(lines.customer_id), len(places.name)
    home = np.full(number, -1, np.int64)
    told = (lines.customer >= 0) & (place >= 0)
    if told.any():
        pair, times = np.unique(lines.customer[told] * count + place[told], return_counts=True)
        who, where = np.divmod(pair, count)
        by_count = np.lexsort((times, who))  # the last of each customer is the most frequent one
        home[who[by_count]] = where[by_count]
    if "customers" in tables:
        table = tables["customers"]
        who, where = (
            codes(table.text("customer"), lines.customer_id),
            named_places(table, places, mapping, notes),
        )
        known = (who >= 0) & (where >= 0)
        home[who[known]] = where[known]
    return home


def settle(
    place: IntArray,
    customer: IntArray,
    home: IntArray,
    places: Places,
    rng: np.random.Generator,
    group: IntArray,
) -> tuple[IntArray, int]:
    """Return a place for each row: its own, its customer's home, or one drawn by population.

    Args:
        place: [M] its own, -1 where it has none.
        customer: [M] -1 for one who is not known.
        home: [C] -1 where nothing tells; filled with what is drawn.
        places: The places.
        rng: Consumed.
        group: [M] rows of unknown customers that share a draw, such as those of an order.

    Returns:
        The places [M], and how many rows had theirs drawn.
    """
    share = places.population / places.population.sum()
    found = place.copy()
    known = (found < 0) & (customer >= 0)
    drawn = int((home[customer[known]] < 0).sum()) if known.any() else 0
    lost = np.unique(customer[known][home[customer[known]] < 0]) if known.any() else customer[:0]
    home[lost] = rng.choice(share.size, size=lost.size, p=share)
    found[known] = home[customer[known]]
    rest: BoolArray = found < 0
    _, which = np.unique(group[rest], return_inverse=True)
    draws = rng.choice(share.size, size=int(which.max(initial=-1)) + 1, p=share)
    found[rest] = draws[which]
    return found, drawn + int(rest.sum())


def speed_labels(table: Table, role: str, mapping: Mapping, labels: dict[str, float]) -> Any:
    """Return a column of promises or ship options as labels, None where it has none.

    Numbers are days: a label such as ``5d`` is made for each; a promise that stands for out of
    stock in the mapping is ``oos``. ``labels`` is filled with the days of labels that are not ours.

    Raises:
        ValueError: Naming the first cell that is neither a label of ours or of the mapping's
            promises, nor a number of days.
    """
    size = len(table)
    if role not in table:
        return np.full(size, None, object)
    cells = strings(table.text(role))
    known: dict[Any, str | None] = {None: None}
    none_words = ("none", "oos") if role == "promise" else ()
    for at in np.lexsort((table.row, table.file)).tolist():
        cell = cells[at]
        if cell in known:
            continue
        if cell in _OURS or cell in none_words:
            known[cell] = cell
        elif role == "promise" and cell in mapping.out_of_stock:
            known[cell] = "oos"
        elif cell in mapping.promises:
            known[cell] = cell
            labels[cell] = mapping.promises[cell]
        else:
            days = _days(cell)
            if days is None:
                listed = ", ".join((*_OURS, *mapping.promises))
                more = "more labels: promises, out_of_stock"
                table.fail(role, at, cell, f"one of {listed}, or days; {more}")
            label = f"{days:g}d"
            known[cell] = label
            if label not in _OURS:
                labels[label] = days
    return np.array([known[cell] for cell in cells], object)


_MOST_DAYS = 1e6
_OURS = ("1d", "2d", "3d+")


def _days(cell: str) -> float | None:
    try:
        days = float(cell)
    except ValueError:
        return None
    return max(days, 0.0) if days <= _MOST_DAYS else None
