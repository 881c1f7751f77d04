"""Reading columns of CSV, Parquet and DuckDB files that lie inside a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from draingym.common.files import kind_at, reading
from draingym.ingest.given.mapping import TableMap

CSV = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
PARQUET = (".parquet", ".pq")
DATABASE = (".duckdb", ".ddb", ".db")
_SEPARATORS = ",;\t|"


def files_of(root: Path, name: str, table: TableMap, folder: str) -> list[Path]:
    """Return the files of a table, none of which lies outside its folder.

    Args:
        root: Folder of the mapping.
        name: The table, for errors.
        table: What the mapping says of it.
        folder: The mapping's folder, where the table names none.

    Raises:
        ValueError: Naming the table and the path: if it leaves the folder, by ``..``, by a link or
            by being absolute, if it is of no kind that we read, or if nothing is there.
    """
    base = root / (table.folder or folder)
    if kind_at(base, "folder") != "folder":
        raise ValueError(f"tables.{name}: {base} is no folder, must be the folder of the tables")
    wanted = Path(table.file)
    if wanted.is_absolute() or ".." in wanted.parts:
        raise ValueError(f"tables.{name}.file is {table.file!r}, must be a path inside {base}")
    if any(sign in table.file for sign in "*?["):
        found = sorted(base.glob(table.file))
    else:
        found = [base / wanted]
    files = [path for path in found if kind_at(path, f"tables.{name}") == "file"]
    if not files:
        raise ValueError(f"tables.{name}: {base / wanted} is not there, must be a file")
    inside = base.resolve()
    for path in files:
        if not path.resolve().is_relative_to(inside):
            raise ValueError(f"tables.{name}: {path} leads outside {base}, must lie inside it")
        kind_of(path)
    return files


def kind_of(path: Path) -> str:
    """Return ``csv``, ``parquet`` or ``database``.

    Raises:
        ValueError: Naming a file of another kind.
    """
    for kind, endings in (("csv", CSV), ("parquet", PARQUET), ("database", DATABASE)):
        if path.name.lower().endswith(endings):
            return kind
    known = " ".join((*CSV, *PARQUET, *DATABASE))
    raise ValueError(f"{path} is of no kind that we read, must end in one of {known}")


def column_names(path: Path, table: TableMap) -> list[str]:
    """Return the names of a file's columns; of a database, those of the table.

    Raises:
        ValueError: Naming the file, if it cannot be read.
    """
    kind = kind_of(path)
    if kind == "csv":
        with _reading_csv(path, table):
            reader = csv.open_csv(
                path, csv.ReadOptions(encoding=table.encoding), _parsing(path, table)
            )
            return [str(name).strip() for name in reader.schema.names]
    if kind == "parquet":
        with reading("table", path, "a Parquet file"), pq.ParquetFile(path) as file:
            return [str(name) for name in file.schema_arrow.names]
    with _database(path) as connection:
        found = connection.execute(
            "SELECT column_name FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index",
            [_table_in(connection, path, table)],
        ).fetchall()
        return [str(row[0]) for row in found]


def table_names(path: Path) -> list[str]:
    """Return the names of the tables of a DuckDB database."""
    with _database(path) as connection:
        return _tables(connection)


def read_columns(path: Path, table: TableMap, columns: list[str]) -> Any:
    """Read some columns of a file; those of CSV are text.

    Args:
        path: The file.
        table: How it is written.
        columns: Names of the file's.

    Returns:
        A ``pyarrow.Table`` of these columns.

    Raises:
        ValueError: Naming the file, and the column that it lacks, or why it cannot be read.
    """
    there = column_names(path, table)
    for column in columns:
        if there.count(column) != 1:
            state = "lacks the column" if column not in there else "has more than one column"
            listed = ", ".join(there[:40])
            raise ValueError(f"{path} {state} {column!r}, must have one; its columns are: {listed}")
    kind = kind_of(path)
    if kind == "csv":
        names = there  # as they are without the blanks around them
        with _reading_csv(path, table):
            return csv.read_csv(
                path,
                csv.ReadOptions(
                    encoding=table.encoding, block_size=2**24, column_names=names, skip_rows=1
                ),
                _parsing(path, table),
                csv.ConvertOptions(
                    column_types=dict.fromkeys(columns, pa.string()),
                    include_columns=columns,
                    strings_can_be_null=False,
                ),
            )
    if kind == "parquet":
        with reading("table", path, "a Parquet file"), pq.ParquetFile(path) as file:
            return file.read(columns=columns)
    with _database(path) as connection:
        listed = ", ".join(_quoted(column) for column in columns)
        name = _quoted(_table_in(connection, path, table))
        return connection.sql(f"SELECT {listed} FROM {name}").to_arrow_table()


def sample(path: Path, table: TableMap, rows: int = 20_000) -> Any:
    """Return the first rows of a file, all columns; those of CSV are text."""
    kind = kind_of(path)
    if kind == "csv":
        with _reading_csv(path, table):
            names = column_names(path, table)
            reader = csv.open_csv(
                path,
                csv.ReadOptions(encoding=table.encoding, column_names=names, skip_rows=1),
                _parsing(path, table),
                csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
                ),
            )
            try:
                return pa.Table.from_batches([reader.read_next_batch()]).slice(0, rows)
            except StopIteration:
                return pa.table({name: pa.array([], pa.string()) for name in names})
    if kind == "parquet":
        with reading("table", path, "a Parquet file"), pq.ParquetFile(path) as file:
            batches = file.iter_batches(batch_size=rows)
            first = next(batches, None)
            return file.schema_arrow.empty_table() if first is None else pa.table(first)
    with _database(path) as connection:
        name = _quoted(_table_in(connection, path, table))
        return connection.sql(f"SELECT * FROM {name} LIMIT {int(rows)}").to_arrow_table()


def _parsing(path: Path, table: TableMap) -> Any:
    """Return how a CSV file is cut into cells: by the delimiter its first line has most of."""
    delimiter = table.delimiter
    if not delimiter:
        delimiter = "\t" if ".tsv" in path.name.lower() else _separator(path, table.encoding)
    return csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)


def _separator(path: Path, encoding: str) -> str:
    if path.name.lower().endswith(".gz"):
        return ","
    with open(path, encoding=encoding, errors="replace") as handle:
        head = handle.readline(2**16)
    return max(_SEPARATORS, key=head.count)


@contextmanager
def _reading_csv(path: Path, table: TableMap) -> Iterator[None]:
    """Name the file that cannot be read, and the remedy where its encoding is another."""
    with reading("table", path, f"a CSV file in {table.encoding}"):
        try:
            yield
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            if "UTF8" in str(error) or isinstance(error, UnicodeDecodeError):
                raise ValueError(
                    f"{error}; where it is written in another encoding, say so: encoding: latin-1"
                ) from error
            raise


@contextmanager
def _database(path: Path) -> Iterator[Any]:
    """Open a DuckDB database to read: it can reach no other file, and load nothing."""
    import duckdb

    with reading("database", path, "a DuckDB database"):
        connection = duckdb.connect(
            str(path),
            read_only=True,
            config={
                "enable_external_access": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "threads": "1",
            },
        )
        try:
            yield connection
        finally:
            connection.close()


def _tables(connection: Any) -> list[str]:
    found = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
    return [str(row[0]) for row in found]


def _table_in(connection: Any, path: Path, table: TableMap) -> str:
    """Return the table of a database that a mapping names; its only one where it names none."""
    there = _tables(connection)
    if table.table in there:
        return table.table
    if not table.table and len(there) == 1:
        return there[0]
    raise ValueError(f"table is {table.table!r}, must be one of {', '.join(there)} in {path.name}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
