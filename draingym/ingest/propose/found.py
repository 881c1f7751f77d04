"""What is in a folder: files, their columns and first rows, and how they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from draingym.common.files import kind_at
from draingym.ingest.given.mapping import TableMap
from draingym.ingest.given.sources import CSV, DATABASE, PARQUET, kind_of, sample, table_names

MOST_FILES = 200
_FORMATS = (
    *("%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S"),
    *("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y"),
    *("%Y/%m/%d %H:%M:%S", "%Y/%m/%d", "%d-%m-%Y %H:%M", "%d-%m-%Y", "%Y%m%d"),
)
_NOTHING = ("-", "NA", "N/A", "n/a", "NULL", "null", "None", "nan", "?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A table in a folder."""

    file: str  # inside the folder
    table: str  # of a database, or ""
    encoding: str
    columns: tuple[str, ...]
    rows: Any  # the first ones, a ``pyarrow.Table``

    def cells(self, column: str) -> list[str]:
        """Return the first cells of a column as text, without empty ones."""
        values = self.rows[column].combine_chunks()
        if isinstance(values, pa.ChunkedArray):
            values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], "str")
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        text = [str(x).strip() for x in values.to_pylist() if x is not None]
        return [cell for cell in text if cell]

    def is_text(self, column: str) -> bool:
        """Return whether a column is written as text."""
        kind = self.rows.schema.field(column).type
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def plain(name: str) -> str:
    """Return a name in lower case, letters and digits alone.

    >>> plain("Invoice No.")
    'invoiceno'
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def find_tables(path: Path) -> tuple[Path, list[Found]]:
    """Return the folder of a path and the tables in it, by name; of a file, that one alone.

    Raises:
        ValueError: If nothing is there that we read, or a file cannot be read.
    """
    kind = kind_at(path, "export")
    if kind is None:
        raise ValueError(f"{path} is not there, must be a folder of tables, or one of them")
    folder = path if kind == "folder" else path.parent
    endings = (*CSV, *PARQUET, *DATABASE)
    if kind == "file":
        files = [path]
        kind_of(path)
    else:
        files = [p for p in sorted(path.rglob("*")) if p.name.lower().endswith(endings)]
        files = [p for p in files if p.is_file() and p.resolve().is_relative_to(path.resolve())]
    if not files or len(files) > MOST_FILES:
        raise ValueError(
            f"{path} holds {len(files)} tables, must hold from 1 to {MOST_FILES}: files that end "
            f"in one of {' '.join(endings)}"
        )
    found = []
    for file in files:
        name = file.relative_to(folder).as_posix()
        tables = table_names(file) if kind_of(file) == "database" else [""]
        for table in tables:
            encoding = _encoding(file) if kind_of(file) == "csv" else "utf-8"
            rows = sample(file, TableMap(file=name, table=table, encoding=encoding))
            found.append(
                Found(
                    file=name,
                    table=table,
                    encoding=encoding,
                    columns=tuple(rows.column_names),
                    rows=rows,
                )
            )
    return folder, found


def time_formats(cells: list[str]) -> list[str]:
    """Return the formats that fit times; none where ISO 8601 does, or nothing that we know.

    >>> time_formats(["12/1/2010 8:26", "12/31/2010 9:00"]), time_formats(["2010-12-01"])
    (['%m/%d/%Y %H:%M'], [])
    """
    text = pa.array(cells, pa.string())
    try:
        text.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        fits = []
        for form in _FORMATS:
            parsed = pc.strptime(text, format=form, unit="us", error_is_null=True)
            if not parsed.null_count:
                fits.append(form)
        return fits
    return []


def missing_words(cells: list[str]) -> list[str]:
    """Return the cells that stand for nothing."""
    there = set(cells)
    return [word for word in _NOTHING if word in there]


def has_decimal_commas(cells: list[str]) -> bool:
    """Return whether numbers are written as 1,50."""
    return any(re.fullmatch(r"-?[\d.]*\d,\d+", cell) for cell in cells) and not any(
        re.fullmatch(r"-?\d+\.\d+", cell) for cell in cells
    )


def _encoding(path: Path) -> str:
    if path.name.lower().endswith(".gz"):
        return "utf-8"
    with open(path, encoding="utf-8") as handle:
        try:
            while handle.read(2**22):
                pass
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"
