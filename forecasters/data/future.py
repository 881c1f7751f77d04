"""What is known ahead of the periods to forecast: from a second frame, and whether all is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.forecasters.data.frames import Columns
from draingym.forecasters.data.series import SeriesData
from draingym.forecasters.data.stamps import read_stamps
from draingym.forecasters.data.tables import ids_of, numbers_of, require_column, table_of, text_of


def with_future(data: SeriesData, frame: Any, columns: Columns, horizon: int) -> SeriesData:
    """Return series with what a frame says about the periods after the last target.

    Args:
        data: ``S`` series over ``T`` periods.
        frame: Rows of every series and of each of the ``horizon`` periods, with the columns that
            are known ahead; further rows are left alone.
        columns: What its columns are.
        horizon: Periods.

    Raises:
        ValueError: If a column, a series or a period is missing; naming series, column, time and
            bound.

    Example:
        >>> import pandas as pd
        >>> from draingym.forecasters import Columns, read_frame
        >>> columns = Columns(known=("price",))
        >>> seen = {"ds": [1, 2], "y": [3.0, 4.0], "price": [9.0, 9.0]}
        >>> sales = pd.DataFrame({"unique_id": "a"} | seen)
        >>> to_come = pd.DataFrame({"unique_id": "a", "ds": [3], "price": [7.0]})
        >>> with_future(read_frame(sales, columns), to_come, columns, 1).known["price"].tolist()
        [[9.0, 9.0, 7.0]]
    """
    table = table_of(frame)
    for name in (columns.id, columns.time, *columns.known):
        require_column(table, name, columns.setting(name))
    names = ids_of(table, columns.id, columns.time)
    stamps, whole = read_stamps(table[columns.time], columns.time, names)
    if whole != (data.grid.step.unit == "whole"):
        kind = "whole numbers" if data.grid.step.unit == "whole" else "dates"
        raise ValueError(f"future column {columns.time!r} must hold {kind}, as the history does")
    index = {name: i for i, name in enumerate(data.ids)}
    period, exact = data.grid.index(stamps)
    first, stop = data.num_periods, data.num_periods + horizon
    series = np.array([index.get(name, -1) for name in names], np.int64)
    row = np.full((data.num_series, horizon), -1)
    use = exact & (series >= 0) & (period >= first) & (period < stop)
    for r in np.flatnonzero(use):
        here = (series[r], period[r] - first)
        if row[here] >= 0:
            raise ValueError(
                f"series {names[r]!r}, column {columns.time!r}, {data.grid.shown(int(period[r]))} "
                "is met twice in future, must be met once"
            )
        row[here] = r
    if (row < 0).any():
        s, ahead = np.argwhere(row < 0)[0]
        column = columns.known[0] if columns.known else columns.time
        raise ValueError(
            f"{data.where(int(s), column, first + int(ahead))} is missing in future, must be given "
            f"for {horizon} periods from {data.grid.shown(first)} on"
        )

    def joined(name: str, old: NDArray[Any], number: bool) -> NDArray[Any]:
        column = table[name]
        new = (
            numbers_of(column, name, names)[row]
            if number
            else np.array(text_of(column), dtype=np.str_)[row]
        )
        return np.concatenate([old[:, :first], new], axis=1)

    return replace(
        data,
        known={name: joined(name, old, True) for name, old in data.known.items()},
        known_labels={name: joined(name, old, False) for name, old in data.known_labels.items()},
    )


def require_known(data: SeriesData, horizon: int) -> None:
    """Raise unless what is known ahead is known for a horizon.

    Raises:
        ValueError: Naming series, column and time of the first that is not.
    """
    first, stop = data.num_periods, data.num_periods + horizon
    for name, values in (dict(data.known) | dict(data.known_labels)).items():
        for t in range(first, stop):
            if t >= data.num_known:
                raise ValueError(
                    f"{data.where(0, name, t)} is not given, must be known for {horizon} periods "
                    f"from {data.grid.shown(first)} on: give future"
                )
            part = values[:, t]
            bad = np.isnan(part) if part.dtype.kind == "f" else part == ""
            if bad.any():
                raise ValueError(
                    f"{data.where(int(np.argmax(bad)), name, t)} is missing, must be known for "
                    f"{horizon} periods from {data.grid.shown(first)} on"
                )
