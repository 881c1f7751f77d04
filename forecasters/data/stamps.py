"""Time stamps of a column: whole numbers, dates, text; with a time zone or without."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from draingym.common.arrays import IntArray, short
from draingym.forecasters.data.grid import DAY

_ZONE = re.compile(r"\s*(Z|UTC|[+-]\d{2}:?\d{2}(?::\d{2})?)$")


def read_stamps(column: Any, name: str, ids: list[str]) -> tuple[IntArray, bool]:
    """Return a column's stamps as whole numbers, and whether that is what they are.

    Dates become seconds since 1970. Stamps of a column that has a time zone are taken as wall time
    where all are at midnight (a day is a day of that zone), and as UTC otherwise (no hour is met
    twice). Text is read as ISO 8601; text with an offset is taken as wall time.

    Args:
        column: [R] a Narwhals series.
        name: What it is called in errors.
        ids: [R] the series of each row.

    Raises:
        ValueError: If a stamp is missing or is none, or a series has stamps of two zones; naming
            series, column and value.
    """
    import narwhals as nw

    missing = np.asarray(column.is_null().to_numpy(), bool)
    if missing.any():
        row = int(np.argmax(missing))
        raise ValueError(f"series {ids[row]!r}, column {name!r} is missing, must be a time stamp")
    kind = column.dtype
    if kind.is_integer():
        return np.asarray(column.to_numpy(), np.int64), True
    if kind == nw.Date:
        return _seconds(column.cast(nw.Datetime("us"))), False
    if isinstance(kind, nw.Datetime):
        if kind.time_zone is None:
            return _seconds(column), False
        wall = _seconds(column.dt.replace_time_zone(None))
        if (wall % DAY == 0).all():
            return wall, False
        utc = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return _seconds(utc), False
    values = column.to_list()
    if kind.is_float() or isinstance(values[0], bool | float):
        raise ValueError(
            f"series {ids[0]!r}, column {name!r} is {short(values[0])}, must be a date or a whole "
            "number"
        )
    return _of_text([str(value) for value in values], name, ids), False


def _seconds(column: Any) -> IntArray:
    return np.asarray(column.to_numpy()).astype("datetime64[s]").astype(np.int64)


def _of_text(texts: list[str], name: str, ids: list[str]) -> IntArray:
    """Read stamps one by one, each text once."""
    known = {text: _read(text) for text in set(texts)}
    zones: dict[str, tuple[str, str]] = {}
    for series, text in zip(ids, texts, strict=True):
        seconds, zone = known[text]
        if seconds is None:
            raise ValueError(
                f"series {series!r}, column {name!r} is {short(text)}, must be a date and time as "
                "in ISO 8601, such as 2024-01-31 or 2024-01-31 18:30, or a whole number"
            )
        first, there = zones.setdefault(series, (zone, text))
        if zone != first:
            raise ValueError(
                f"series {series!r}, column {name!r} is in two time zones, {there} and {text}, "
                "must be in one: convert it, or give a column of times with a named zone"
            )
    return np.array([known[text][0] for text in texts], np.int64)


def _read(text: str) -> tuple[int | None, str]:
    """Return a stamp's seconds, None where it is none, and its offset."""
    match = _ZONE.search(text) if "T" in text or ":" in text else None
    wall, zone = (text[: match.start()], match.group(1)) if match else (text, "")
    try:
        stamp = np.datetime64(wall.strip().replace(" ", "T"))
    except ValueError:
        return None, zone
    if np.isnat(stamp):
        return None, zone
    return int(stamp.astype("datetime64[s]").astype(np.int64)), zone
