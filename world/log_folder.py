"""An event log that stays on disk: its tables are read when they are asked for, or not at all.

A panel needs products, nodes, regions and calendar in memory; views, orders, boxes and stock it
needs summed, which ``draingym.world.panel.build_panel`` has done where they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from draingym.common.arrays import BoolArray
from draingym.common.files import kind_at, reading
from draingym.world.eventlog import EventLog
from draingym.world.log_checks import MAX_LEAD
from draingym.world.log_structure import check_units
from draingym.world.schema import FORMERLY, OPTIONAL, SCHEMA, WHOLE_TABLE
from draingym.world.weights import with_weight

_MOST = {"units": 2.0**53, "cost_share": 1e12}
_LEAST = {"units": 1.0, "cost_share": 0.0, "quantity": 0.0}


class TablesOnDisk(Mapping[str, Any]):
    """Tables by name, each read from its Parquet file when it is asked for, and kept then.

    >>> from draingym.world.eventlog import make_table
    >>> columns = {"region": [0], "name": ["all"], "latitude": [40.0], "longitude": [-90.0]}
    >>> path = getfixture("tmp_path") / "regions.parquet"
    >>> pq.write_table(make_table("regions", {**columns, "population": [1e6]}), path)
    >>> tables = TablesOnDisk({"regions": path})
    >>> list(tables), tables["regions"].num_rows
    (['regions'], 1)
    """

    def __init__(self, paths: Mapping[str, Path]) -> None:
        """Take the files by table."""
        self.paths = dict(paths)
        self._read: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """Return a table.

        Raises:
            ValueError: Naming the file, if it cannot be read.
        """
        if name not in self._read:
            path = self.paths[name]
            with reading("table", path, WHOLE_TABLE):
                table = pq.read_table(path, page_checksum_verification=True)
            self._read[name] = with_weight(table, self) if name == "products" else table
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        """Return the names."""
        return iter(self.paths)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.paths)


def open_log(folder: Path) -> EventLog:
    """Open a log, of any size, without reading it.

    Checked are what a panel rests on: tables, columns and types, that keys are in their ranges and
    numbers in their bounds, and that views are in the periods of their times. Whether orders and
    boxes fit together, unit by unit, ``draingym.world.eventlog.read_log`` checks, in memory; that
    units are conserved, ``build_panel`` does.

    Args:
        folder: As ``write_log`` writes it.

    Returns:
        The log; a table that is asked for is read.

    Raises:
        ValueError: Naming file or folder, table, column, row, value and bound.
    """
    folder, paths = Path(folder), {}
    for name in SCHEMA:
        path = folder / f"{name}.parquet"
        if kind_at(path, "table") == "file":
            paths[name] = path
        elif name not in OPTIONAL:
            raise ValueError(f"{folder} lacks the table {name!r}, must hold {path.name}")
    log = EventLog(tables=TablesOnDisk(paths))
    try:
        for name, path in paths.items():
            with reading("table", path, WHOLE_TABLE):
                found = pq.read_schema(path)
            _require_columns(name, found)
        if "units" in paths:
            check_units(log["units"])
        _check_values(log, paths)
    except (ValueError, OSError) as error:
        raise ValueError(f"{folder}: {error}") from error
    return log


def _require_columns(table: str, found: Any) -> None:
    for field in SCHEMA[table]:
        name, former = field.name, FORMERLY.get((table, field.name))
        if name not in found.names and former in found.names:
            name = former
        if name not in found.names:
            raise ValueError(f"{table} lacks the column {field.name!r}")
        kind = found.field(name).type
        text = pa.types.is_dictionary(field.type) and pa.types.is_string(kind)
        if kind != field.type and not text:
            raise ValueError(f"{table}.{field.name} is of type {kind}, must be {field.type}")


def _check_values(log: EventLog, paths: Mapping[str, Path]) -> None:
    keys = {"product": "products", "node": "nodes", "region": "regions", "customer": "customers"}
    keys["period"] = "calendar"
    size = {key: pq.read_metadata(paths[table]).num_rows for key, table in keys.items()}
    for key, table in keys.items():
        if not size[key]:
            raise ValueError(f"{table} is empty, must have at least 1 row")
        if table != "customers":
            own = log.array(table, key)
            _require(table, key, own, own == np.arange(own.size), "its row number", 0)
    start, days = (float(log.array("calendar", name)[0]) for name in ("start", "days"))
    for table in ("glance_views", "order_lines", "boxes", "inventory", "shipments"):
        if table not in paths:
            continue
        file = pq.ParquetFile(paths[table])
        for field in SCHEMA[table]:
            bounds = _bounds(table, field, size)
            if bounds is not None:
                _within(file, table, field, *bounds)
        if table == "glance_views":
            first = 0
            for batch in file.iter_batches(batch_size=2**20, columns=["time", "period"]):
                time, period = (batch.column(name).to_numpy() for name in ("time", "period"))
                fine = np.floor((time - start) / days) == period
                _require(table, "period", period, fine, "the period of its time", first)
                first += batch.num_rows


def _bounds(table: str, field: Any, size: Mapping[str, int]) -> tuple[float, float] | None:
    """Return the least and the greatest value of a column; none where the sums do not need it."""
    name = field.name
    if name in size:
        return 0, size[name] - 1
    if name == "ordered_at":
        return -MAX_LEAD, size["period"] - 1
    if name == "arrives_at":
        return 0, size["period"] - 1 + MAX_LEAD
    if name in _LEAST or table == "inventory":
        return _LEAST.get(name, 0.0), _MOST.get(name, 2.0**53)
    if name == "shipped_at":
        return -(2.0**53), 2.0**53
    plain = pa.types.is_integer(field.type) and not field.nullable
    return (-(2.0**63), 2.0**63) if plain else None


def _within(file: Any, table: str, field: Any, low: float, high: float) -> None:
    """Check that a column is in [low, high], by the statistics of its parts where they suffice."""
    column = file.schema_arrow.names.index(field.name)
    first = 0
    for group in range(file.metadata.num_row_groups):
        part = file.metadata.row_group(group)
        known = part.column(column).statistics
        whole = known is not None and known.has_min_max and known.has_null_count
        sure = whole and not pa.types.is_floating(field.type)  # statistics do not tell of NaN
        if not (sure and known.null_count == 0 and low <= known.min and known.max <= high):
            values = file.read_row_group(group, columns=[field.name])[field.name]
            if values.null_count:
                row = int(np.argmax(values.is_null().to_numpy()))
                raise ValueError(f"{table}.{field.name}, row {first + row} is null, must not be")
            array = values.to_numpy()
            fine = (array >= low) & (array <= high)
            _require(table, field.name, array, fine, f"in [{low:g}, {high:g}]", first)
        first += part.num_rows


def _require(
    table: str, name: str, values: NDArray[Any], fine: BoolArray, bound: str, first: int
) -> None:
    if not fine.all():
        row = int(np.argmin(fine))
        value = values[row]
        shown = repr(value.item() if isinstance(value, np.generic) else value)
        raise ValueError(f"{table}.{name}, row {first + row} is {shown}, must be {bound}")
