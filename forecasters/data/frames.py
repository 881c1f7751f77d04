"""Long frames as forecasting people know them: ``unique_id, ds, y`` and more columns.

Any of pandas, polars and Arrow will do; Narwhals (extra ``forecast``) reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import FloatArray, IntArray, short
from draingym.common.config import require_fields
from draingym.forecasters.data.grid import Grid, Step, shown_stamp
from draingym.forecasters.data.series import SeriesData
from draingym.forecasters.data.stamps import read_stamps
from draingym.forecasters.data.tables import ids_of, numbers_of, require_column, table_of, text_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """What the columns of a long frame are. Text, and truth values that are static, are labels.

    Raises:
        ValueError: If a column has two roles.
    """

    id: str = "unique_id"
    time: str = "ds"
    target: str = "y"
    static: tuple[str, ...] = ()  # one value a series
    past: tuple[str, ...] = ()  # numbers, known once a period is over
    known: tuple[str, ...] = ()  # known ahead, such as prices and events

    def __post_init__(self) -> None:
        """Check the names; see the class."""
        require_fields(self, "columns")
        for name in self.names:
            if self.names.count(name) > 1:
                raise ValueError(f"column {name!r} has two roles, must have one")

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (self.id, self.time, self.target, *self.static, *self.past, *self.known)

    def setting(self, name: str) -> str | None:
        """Return the field that names a column alone; None where there is none."""
        return {self.id: "id", self.time: "time", self.target: "target"}.get(name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What is done with what is wrong, or missing, in the data.

    Raises:
        ValueError: If a field is none of its choices.

    Example:
        >>> Rules(freq="D", gaps="zero", negative="zero").duplicates
        'error'
    """

    # Length of a period, such as "D"; told from the stamps when not given.
    freq: str | int | None = None
    # A period between a series' first row and the end of the data that has no row.
    gaps: Literal["missing", "zero", "error"] = "missing"
    # Rows of one series and one period; "sum" adds targets up, takes the mean of other numbers and
    # the last of labels, and brings stamps to the beginning of their period where freq is given.
    duplicates: Literal["error", "sum"] = "error"
    # Targets below 0, such as returns.
    negative: Literal["error", "zero", "missing", "keep"] = "error"

    def __post_init__(self) -> None:
        """Check the choices; see the class."""
        require_fields(self, "rules")
        if self.freq is not None:
            Step.parse(self.freq)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a frame, by series and period."""

    ids: tuple[str, ...]
    grid: Grid
    series: IntArray  # [R]
    period: IntArray  # [R]
    order: IntArray  # [R] rows of the frame, ascending by series and period


def read_frame(
    frame: Any, columns: Columns | None = None, rules: Rules | None = None
) -> SeriesData:
    """Return the series of a long frame.

    All series share a grid, from the first to the last time stamp of all; where a series has no
    row, its target is missing, or 0 (see ``Rules.gaps``). Rows beyond the last target of all, whose
    target is missing, are periods that are known ahead.

    Args:
        frame: pandas, polars or Arrow, in memory.
        columns: What its columns are.
        rules: What is done with what is wrong in it.

    Raises:
        ValueError: If a column is missing or of a type that does not fit, there is no row, or a
            value breaks a rule; naming series, column, time and bound.

    Example:
        >>> import pandas as pd
        >>> ids, periods = ["a", "a", "b"], [1, 2, 2]
        >>> sales = pd.DataFrame({"unique_id": ids, "ds": periods, "y": [3.0, 4.0, 5.0]})
        >>> data = read_frame(sales, rules=Rules(gaps="zero"))
        >>> data.ids, data.target.tolist()  # before its first sale a series is not there
        (('a', 'b'), [[3.0, 4.0], [nan, 5.0]])
    """
    import narwhals as nw

    columns = Columns() if columns is None else columns
    rules = Rules() if rules is None else rules
    table = table_of(frame)
    for name in columns.names:
        require_column(table, name, columns.setting(name))
    if len(table) == 0:
        raise ValueError("the frame has no rows, must have at least 1")
    names = ids_of(table, columns.id, columns.time)
    target = numbers_of(table[columns.target], columns.target, names)
    stamps, whole = read_stamps(table[columns.time], columns.time, names)
    step = None if rules.freq is None else Step.parse(rules.freq)
    if rules.duplicates == "sum" and step is not None and not whole:
        stamps = step.floor(stamps)
    rows = _rows(names, stamps, whole, step, columns.time)
    _require_once(rows, rules)
    target = _negative(target[rows.order], rows, columns.target, rules)
    total = int(rows.period.max()) + 1
    there = ~np.isnan(target)
    if not there.any():
        raise ValueError(f"column {columns.target!r} has no value, must have at least 1")
    periods = int(rows.period[there].max()) + 1
    wide = _dense(rows, target, total, add=True)[:, :periods]
    if rules.gaps != "missing":
        wide = _filled(wide, rows, columns.target, rules)

    def values_of(name: str) -> tuple[bool, NDArray[Any]]:
        column = table[name]
        if isinstance(column.dtype, nw.String | nw.Categorical | nw.Enum | nw.Object):
            return False, np.array(text_of(column), dtype=object)[rows.order]
        return True, numbers_of(column, name, names)[rows.order]

    past, ahead, words, static, labels = {}, {}, {}, {}, {}
    for name in columns.past:
        number, values = values_of(name)
        if not number:
            raise ValueError(f"column {name!r} is of text, must be of numbers in columns.past")
        past[name] = _dense(rows, values, total)[:, :periods]
    for name in columns.known:
        number, values = values_of(name)
        if number:
            ahead[name] = _dense(rows, values, total)
        else:
            words[name] = _dense_labels(rows, values, total)
    for name in columns.static:
        number, values = values_of(name)
        once = _static(rows, values, name, number)
        if number and table[name].dtype != nw.Boolean:
            static[name] = np.asarray(once, np.float64)
        else:
            labels[name] = np.array([str(value) for value in once], dtype=np.str_)
    return SeriesData(
        ids=rows.ids,
        grid=rows.grid,
        target=wide,
        past=past,
        known=ahead,
        known_labels=words,
        static=static,
        labels=labels,
    )


def series_of(data: Any, columns: Columns, rules: Rules) -> SeriesData:
    """Return what a user gives, a long frame or series, as series.

    Raises:
        ValueError: As ``read_frame`` does.
    """
    return data if isinstance(data, SeriesData) else read_frame(data, columns, rules)


def _rows(names: list[str], stamps: IntArray, whole: bool, step: Step | None, time: str) -> _Rows:
    ids, series = np.unique(np.array(names, dtype=np.str_), return_inverse=True)
    order = np.lexsort((stamps, series))
    series, stamps = series[order].astype(np.int64), stamps[order]
    grid = Grid.of(series, stamps, whole=whole, step=step)
    period, exact = grid.index(stamps)
    if not exact.all():
        r = int(np.argmin(exact))
        raise ValueError(
            f"series {str(ids[series[r]])!r}, column {time!r} is "
            f"{shown_stamp(int(stamps[r]), whole)}, must be a multiple of {grid.step} from "
            f"{grid.shown(0)} on (freq; duplicates='sum' takes it to the beginning of its period)"
        )
    return _Rows(tuple(str(name) for name in ids), grid, series, period, order)


def _require_once(rows: _Rows, rules: Rules) -> None:
    twice = (np.diff(rows.series) == 0) & (np.diff(rows.period) == 0)
    if rules.duplicates == "error" and twice.any():
        r = int(np.argmax(twice))
        raise ValueError(
            f"series {rows.ids[rows.series[r]]!r} has two rows for "
            f"{rows.grid.shown(int(rows.period[r]))}, must have one (duplicates='sum' adds them up)"
        )


def _negative(target: FloatArray, rows: _Rows, name: str, rules: Rules) -> FloatArray:
    """Apply the rule to rows; what rows of one period add up to is checked, not each."""
    if rules.negative == "keep" or not (target < 0).any():
        return target
    if rules.duplicates == "sum":  # a return may be taken off a sale of the same period
        key = rows.series * (int(rows.period.max()) + 1) + rows.period
        _, first, group = np.unique(key, return_index=True, return_inverse=True)
        total = np.bincount(group, weights=np.nan_to_num(target))
        total[np.bincount(group, weights=~np.isnan(target)) == 0] = np.nan
        target = np.full_like(target, np.nan)
        target[first] = total
    bad = target < 0
    if rules.negative == "error" and bad.any():
        r = int(np.argmax(bad))
        raise ValueError(
            f"series {rows.ids[rows.series[r]]!r}, column {name!r}, "
            f"{rows.grid.shown(int(rows.period[r]))} is {target[r]:g}, must be at least 0 "
            "(negative='zero', 'missing' or 'keep' says what to do)"
        )
    return np.where(bad, 0.0 if rules.negative == "zero" else np.nan, target)


def _dense(rows: _Rows, values: FloatArray, periods: int, *, add: bool = False) -> FloatArray:
    """Return rows as [S, T]: sums, or means, of the rows of a period; NaN where there is none."""
    shape = (len(rows.ids), periods)
    there = ~np.isnan(values)
    total, count = np.zeros(shape), np.zeros(shape)
    at = (rows.series[there], rows.period[there])
    np.add.at(total, at, values[there])
    np.add.at(count, at, 1.0)
    return np.where(count > 0, total / (1.0 if add else np.maximum(count, 1.0)), np.nan)


def _dense_labels(rows: _Rows, values: NDArray[Any], periods: int) -> NDArray[Any]:
    wide = np.full((len(rows.ids), periods), "", dtype=object)
    wide[rows.series, rows.period] = values
    return wide.astype(np.str_)


def _filled(target: FloatArray, rows: _Rows, name: str, rules: Rules) -> FloatArray:
    """Fill, or refuse, periods without a row after the first row of a series."""
    periods = target.shape[1]
    row = np.zeros((len(rows.ids), periods), bool)
    inside = rows.period < periods
    row[rows.series[inside], rows.period[inside]] = True
    gap = np.logical_or.accumulate(row, axis=1) & ~row
    if rules.gaps == "error" and gap.any():
        s, t = np.argwhere(gap)[0]
        raise ValueError(
            f"series {rows.ids[s]!r}, column {name!r}, {rows.grid.shown(int(t))} has no row, must "
            "have one in every period from the first on (gaps='missing' or 'zero' says what to do)"
        )
    return np.where(gap, 0.0, target)


def _static(rows: _Rows, values: NDArray[Any], name: str, number: bool) -> NDArray[Any]:
    """Return a series' one value."""
    first = np.searchsorted(rows.series, np.arange(len(rows.ids)))
    once = values[first]
    same = values == once[rows.series]
    if number:
        same |= np.isnan(values) & np.isnan(once[rows.series])
    if not same.all():
        r = int(np.argmin(same))
        s = rows.series[r]
        raise ValueError(
            f"series {rows.ids[s]!r}, column {name!r}, {rows.grid.shown(int(rows.period[r]))} is "
            f"{short(values[r])}, must be {short(once[s])} throughout: it is static"
        )
    return once
