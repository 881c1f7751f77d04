"""Ids of any kind as row numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from draingym.common.arrays import BoolArray, IntArray
from draingym.ingest.given.cells import Table


def distinct(text: Any) -> tuple[str, ...]:
    """Return the distinct ids of a column of text in order, null apart."""
    found = pc.unique(text).drop_null()
    return tuple(sorted(found.to_pylist()))


def codes(text: Any, ids: Sequence[str]) -> IntArray:
    """Return the position of each id, -1 for null and for one that is not there.

    >>> codes(pa.array(["b", None, "a", "x"]), ("a", "b")).tolist()
    [1, -1, 0, -1]
    """
    place = pc.index_in(text, value_set=pa.array(ids, pa.string()), skip_nulls=True)
    return np.asarray(pc.fill_null(place, -1).to_numpy(zero_copy_only=False), np.int64)


def named(table: Table, role: str, ids: Sequence[str], bound: str) -> IntArray:
    """Return the position of the id in each row of a column, -1 for null.

    Raises:
        ValueError: Naming the first row whose id is not there; ``bound`` says what it must be.
    """
    text = table.text(role)
    found = codes(text, ids)
    strange = (found < 0) & ~null(text)
    if strange.any():
        at = table.first(strange)
        table.fail(role, at, text[at].as_py(), bound)
    return found


def null(text: Any) -> BoolArray:
    """Return which cells of a column are null."""
    return np.asarray(text.is_null().to_numpy(zero_copy_only=False), np.bool_)
