"""A table as a company gave it, and its cells as text, numbers and times.

Errors name file, table, column, row (of the file's data rows, from 0), value and bound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from draingym.common.arrays import BoolArray, FloatArray, IntArray
from draingym.ingest.given.mapping import TableMap
from draingym.ingest.given.sources import files_of, read_columns

_TRUE, _FALSE = ("true", "yes", "y", "1", "t"), ("false", "no", "n", "0", "f")
_MICROSECONDS = 86_400 * 10**6  # a day
# Days since 1970 of the years that a log's calendar may have.
_FIRST_DAY, _LAST_DAY = (
    int(np.datetime64(f"{year}-01-01").astype(np.int64)) for year in (1700, 2200)
)
_YEARS = "in the years 1700 to 2199"


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Some columns of a company's table, and the rows that its mapping takes."""

    name: str
    mapping: TableMap
    data: Any  # pyarrow.Table, columns by the file's names
    row: IntArray  # [M] number of each row in its file
    file: IntArray  # [M] which file
    files: tuple[str, ...]
    read: int  # rows of the files, with those that the mapping leaves out

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.row.size)

    def __contains__(self, role: object) -> bool:
        """Return whether the mapping names a column."""
        return role in self.mapping.columns

    def take(self, index: IntArray) -> Table:
        """Return some rows, in the order of ``index``."""
        data = self.data.take(pa.array(index))
        return replace(self, data=data, row=self.row[index], file=self.file[index])

    def fail(self, role: str, at: int, value: Any, bound: str) -> NoReturn:
        """Raise for a cell.

        Raises:
            ValueError: Always.
        """
        column = self.mapping.columns.get(role, role)
        raise ValueError(
            f"{self.files[int(self.file[at])]}: {self.name}.{role} (column {str(column)!r}), row "
            f"{int(self.row[at])} is {value!r}, must be {bound}"
        )

    def first(self, bad: BoolArray) -> int:
        """Return which of some rows comes first in the files."""
        rows = np.flatnonzero(bad)
        return int(rows[np.lexsort((self.row[rows], self.file[rows]))[0]])

    def require(self, role: str, ok: BoolArray, values: NDArray[Any], bound: str) -> None:
        """Raise for the first row that is not ``ok`` [M].

        Raises:
            ValueError: Naming it.
        """
        if not bool(ok.all()):
            at = self.first(~ok)
            value = values[at]
            self.fail(role, at, value.item() if isinstance(value, np.generic) else value, bound)

    def text(self, role: str) -> Any:
        """Return a column as text, a ``pyarrow.Array``; empty and missing cells are null."""
        return self._text(str(self.mapping.columns[role]))

    def kept(self, row: IntArray) -> dict[str, Any]:
        """Return the further columns that are kept, at some rows; null at -1."""
        index = pa.array(row, mask=row < 0)
        return {name: self.data[name].combine_chunks().take(index) for name in self.mapping.keep}

    def number(self, role: str) -> FloatArray:
        """Return a column of numbers, NaN for missing ones.

        Raises:
            ValueError: Naming the first cell that is no finite number.
        """
        values = self._plain(str(self.mapping.columns[role]))
        kind = values.type
        if pa.types.is_boolean(kind) or pa.types.is_temporal(kind):
            self.fail(role, 0, values[0].as_py() if len(values) else None, "a number")
        if not _is_text(kind):
            found = np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
            self.require(role, ~np.isinf(found), found, "finite")
            return found
        text = self._text(str(self.mapping.columns[role]))
        clean = text
        if self.mapping.decimal == ",":
            clean = pc.replace_substring(pc.replace_substring(text, ".", ""), ",", ".")
        try:
            found = clean.cast(pa.float64())
        except pa.ArrowInvalid:
            at = next((k for k, x in enumerate(clean.to_pylist()) if not _is_number(x)), 0)
            hint = " (is the decimal sign a comma? decimal: ',')" if "," in text[at].as_py() else ""
            self.fail(role, at, text[at].as_py(), f"a number{hint}")
        numbers = np.asarray(found.to_numpy(zero_copy_only=False), np.float64)
        null = np.asarray(found.is_null().to_numpy(zero_copy_only=False))
        self.require(role, np.isfinite(numbers) | null, numbers, "a finite number")
        return numbers

    def whole(self, role: str) -> FloatArray:
        """Return a column of whole numbers, NaN for missing ones.

        Raises:
            ValueError: Naming the first cell that is none, or has more than 53 bits.
        """
        numbers = self.number(role)
        fine = np.isnan(numbers) | ((numbers == np.floor(numbers)) & (np.abs(numbers) < 2.0**53))
        self.require(role, fine, numbers, "a whole number of units")
        return numbers

    def flag(self, role: str, default: bool) -> BoolArray:
        """Return a column of yes and no.

        Raises:
            ValueError: Naming the first cell that is neither.
        """
        values = ["" if x is None else x.lower() for x in self.text(role).to_pylist()]
        known = {"": default, **dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}
        fine = np.array([x in known for x in values], np.bool_)
        self.require(role, fine, np.array(values, object), "yes or no")
        return np.array([known[x] for x in values], np.bool_)

    def time(self, role: str) -> tuple[FloatArray, bool]:
        """Return times in days since 1970, NaN for missing ones, and whether any has an hour.

        Raises:
            ValueError: Naming the first cell that is no time.
        """
        values = self._plain(str(self.mapping.columns[role]))
        if pa.types.is_temporal(values.type):
            stamp = values.cast(pa.timestamp("us"), safe=False)
        elif pa.types.is_boolean(values.type) or pa.types.is_floating(values.type):
            self.fail(role, 0, values[0].as_py() if len(values) else None, "a time")
        else:
            stamp = self._stamps(role)
        micro = stamp.cast(pa.int64())
        null = np.asarray(micro.is_null().to_numpy(zero_copy_only=False))
        whole = np.asarray(pc.fill_null(micro, 0).to_numpy(zero_copy_only=False), np.int64)
        days = np.where(null, np.nan, whole / _MICROSECONDS)
        fine = null | ((days >= _FIRST_DAY) & (days < _LAST_DAY))
        if not fine.all():
            self.require(role, fine, whole.astype("datetime64[us]").astype(str), _YEARS)
        return days, bool((whole[~null] % _MICROSECONDS != 0).any())

    def _stamps(self, role: str) -> Any:
        text, form = self.text(role), self.mapping.time_format
        if form:
            found = pc.strptime(text, format=form, unit="us", error_is_null=True)
            if clock := re.match(r"(.*?)[ T,]+%[HI]", form):  # dates alone, as in ISO 8601
                dates = pc.strptime(text, format=clock[1], unit="us", error_is_null=True)
                found = pc.coalesce(found, dates)
            bad = pc.and_(text.is_valid(), found.is_null())
            if pc.any(bad).as_py():
                at = int(pc.index(bad, True).as_py())
                self.fail(role, at, text[at].as_py(), f"a time as in {form!r}")
            return found
        try:
            return text.cast(pa.timestamp("us"))
        except pa.ArrowInvalid:
            at = next((k for k in range(len(text)) if not _is_stamp(text[k])), 0)
            bound = (
                "a local time as in ISO 8601, without a zone, or as time_format says (time_format: "
                "'%m/%d/%Y %H:%M')"
            )
            self.fail(role, at, text[at].as_py(), bound)

    def _plain(self, column: str) -> Any:
        """Return a column as one array, dictionaries decoded."""
        values = self.data[column].combine_chunks()
        if isinstance(values, pa.ChunkedArray):
            values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], "str")
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        return values

    def _text(self, column: str) -> Any:
        values = self._plain(column)
        if pa.types.is_floating(values.type):  # keys where pandas met a null
            values = pc.if_else(pc.is_nan(values), None, values)
            if pc.all(pc.equal(values, pc.floor(values)), min_count=0).as_py():
                values = values.cast(pa.int64())
        text = values if values.type == pa.string() else values.cast(pa.string())
        text = pc.utf8_trim_whitespace(text)
        nothing = pa.array(["", *self.mapping.missing], pa.string())
        return pc.if_else(pc.is_in(text, value_set=nothing), None, text)


def read_table(root: Path, folder: str, name: str, table: TableMap) -> Table:
    """Read what a mapping names of a table.

    Args:
        root: Folder of the mapping.
        folder: The mapping's folder, where the table names none.
        name: The table.
        table: What the mapping says of it.

    Returns:
        The rows that ``where`` takes and ``drop`` does not leave.

    Raises:
        ValueError: Naming the table or the file: as ``files_of`` and ``read_columns`` do.
    """
    columns = list(
        dict.fromkeys(
            (
                *(str(column) for column in table.columns.values()),
                *table.keep,
                *table.where,
                *table.drop,
            )
        )
    )
    files = files_of(root, name, table, folder)
    parts = [read_columns(path, table, columns) for path in files]
    counts = [part.num_rows for part in parts]
    try:
        data = pa.concat_tables(parts, promote_options="default")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"tables.{name}: {files[0]} and the others differ ({error})") from error
    found = Table(
        name=name,
        mapping=table,
        data=data,
        row=np.concatenate([np.arange(n, dtype=np.int64) for n in counts]),
        file=np.repeat(np.arange(len(files)), counts),
        files=tuple(str(path) for path in files),
        read=data.num_rows,
    )
    keep = np.ones(len(found), np.bool_)
    for wanted, rules in ((True, table.where), (False, table.drop)):
        for column, values in rules.items():
            listed = [str(x) for x in (values if isinstance(values, list) else [values])]
            match = pc.is_in(found._text(column), value_set=pa.array(listed, pa.string()))
            keep &= np.asarray(match.to_numpy(zero_copy_only=False), np.bool_) == wanted
    return found if bool(keep.all()) else found.take(np.flatnonzero(keep))


def _is_text(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or kind == pa.string_view())


def _is_number(cell: str | None) -> bool:
    try:
        float(cell or 0)
    except ValueError:
        return False
    return True


def _is_stamp(cell: Any) -> bool:
    try:
        cell.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return False
    return True
