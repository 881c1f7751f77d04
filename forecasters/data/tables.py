"""Tables by way of Narwhals: their columns as NumPy has them, with errors that name the series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from draingym.common.arrays import FloatArray, short


def to_native(columns: Mapping[str, Any], backend: Any) -> Any:
    """Return columns as a frame of pandas, polars or pyarrow."""
    import narwhals as nw

    return nw.from_dict(dict(columns), backend=backend).to_native()


def table_of(frame: Any) -> Any:
    """Return a frame as Narwhals has it.

    Raises:
        ValueError: If it is no frame in memory.
    """
    try:
        import narwhals as nw
    except ImportError as error:
        raise ImportError("frames need the extra: pip install draingym[forecast]") from error
    try:
        return nw.from_native(frame, eager_only=True)
    except TypeError as error:
        raise ValueError(
            f"frame is a {type(frame).__name__}, must be a frame of pandas, polars or Arrow in "
            "memory"
        ) from error


def require_column(table: Any, name: str, named_by: str | None = None) -> None:
    """Raise ``ValueError`` if a table has no such column, saying which setting names it."""
    if name not in table.columns:
        what = "" if named_by is None else f" ({named_by}={name!r})"
        raise ValueError(f"column {name!r}{what} is missing, must be one of {short(table.columns)}")


def text_of(column: Any) -> list[str]:
    """Return a column as text; "" where it is missing."""
    return ["" if value is None or value != value else str(value) for value in column.to_list()]


def ids_of(table: Any, column: str, time: str) -> list[str]:
    """Return the series of each row."""
    names = text_of(table[column])
    if "" in names:
        row = names.index("")
        raise ValueError(
            f"column {column!r} is missing in row {row} ({time!r} is "
            f"{short(table[time][row])}), must name a series"
        )
    return names


def numbers_of(column: Any, name: str, ids: list[str]) -> FloatArray:
    """Return a column as numbers, [R]; NaN where it is missing.

    Raises:
        ValueError: If it is of another type, naming the series of the first value.
    """
    import narwhals as nw

    if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
        found = next((i for i, v in enumerate(column.to_list()) if v is not None), 0)
        value = short(column.to_list()[found])
        raise ValueError(f"series {ids[found]!r}, column {name!r} is {value}, must be a number")
    values: FloatArray = column.cast(nw.Float64).to_numpy().astype(np.float64)
    return values
