"""The event log: what happened, as a folder of Parquet tables with one schema.

The schema is in ``draingym.world.schema``, the checks are in ``draingym.world.log_checks``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from draingym.common.atomic import atomic_folder
from draingym.common.files import kind_at, reading
from draingym.world.casts import conform
from draingym.world.log_checks import check_log
from draingym.world.network import Network
from draingym.world.orders import World
from draingym.world.schema import NO_CURRENCY, OPTIONAL, SCHEMA, WHOLE_TABLE, log_column, make_table
from draingym.world.weights import DEFAULT_UNIT, pounds_per, with_weight

__all__ = [
    "SCHEMA",
    "EventLog",
    "currency_of",
    "make_table",
    "network_tables",
    "read_log",
    "static_tables",
    "unit_of",
    "validate_log",
    "write_log",
    "write_tables",
]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class EventLog:
    """Tables by name. Making one checks nothing; ``validate_log`` does.

    >>> regions = {"region": [0], "name": ["all"], "latitude": [40.0], "longitude": [-90.0]}
    >>> log = EventLog.from_arrays({"regions": {**regions, "population": [1e6]}})
    >>> log.array("regions", "population").tolist(), log.path("regions")
    ([1000000.0], None)
    """

    tables: Mapping[str, Any]  # name -> pyarrow.Table

    @classmethod
    def from_arrays(cls, tables: Mapping[str, Any]) -> EventLog:
        """Return a log of tables given as ``pyarrow.Table`` or as arrays by column.

        Raises:
            ValueError: As ``make_table`` and ``draingym.world.casts.conform`` do.
        """
        given = dict(tables)
        if isinstance(given.get("products"), pa.Table):
            units = given.get("units")
            told = {"units": units} if isinstance(units, pa.Table) else {}
            given["products"] = with_weight(given["products"], told)
        return cls(
            tables={
                name: conform(name, table)
                if isinstance(table, pa.Table)
                else make_table(name, table)
                for name, table in given.items()
            }
        )

    def __repr__(self) -> str:
        """Return the number of rows of each table."""
        rows = ", ".join(f"{name}: {table.num_rows}" for name, table in self.tables.items())
        return f"EventLog({rows})"

    def __getitem__(self, name: str) -> Any:
        """Return a table."""
        return self.tables[name]

    def __contains__(self, name: object) -> bool:
        """Return whether the log has a table."""
        return name in self.tables

    def path(self, name: str) -> Path | None:
        """Return the file of a table that stays on disk (``open_log``); None for one in memory."""
        found: Path | None = getattr(self.tables, "paths", {}).get(name)
        return found

    def array(self, table: str, name: str) -> NDArray[Any]:
        """Return a column as a NumPy array: labels as codes, null as -1, what is left out as is."""
        return log_column(self.tables, table, name)


def unit_of(log: EventLog, measure: str, default: str) -> str:
    """Return what a measure of a log is in, such as its ``currency``; a default if it is silent.

    >>> unit_of(EventLog(tables={}), "currency", "USD")
    'USD'
    """
    if "units" not in log:
        return default
    rows = log["units"].to_pydict()
    units: dict[str, str] = dict(zip(rows["measure"], rows["unit"], strict=True))
    return units.get(measure, default)


def currency_of(log: EventLog) -> str:
    """Return what a log's money is in, such as ``EUR``, or ``currency`` where it does not say.

    >>> currency_of(EventLog(tables={}))
    'currency'
    """
    told = unit_of(log, "currency", NO_CURRENCY)
    return "currency" if told == NO_CURRENCY else told


def validate_log(log: EventLog) -> None:
    """Check a log: structure, keys, ranges, and that no unit appears from nowhere.

    Raises:
        ValueError: Naming table, column, first bad row, value and bound.
    """
    check_log(log.tables)


def write_log(log: EventLog, folder: Path) -> None:
    """Check a log and write it as one Parquet file per table, or leave no trace.

    Args:
        log: The log.
        folder: Created, or replaced as a whole once everything is written.

    Raises:
        ValueError: As ``validate_log`` does; nothing is written then.
    """
    validate_log(log)
    with atomic_folder(folder) as fresh:
        write_tables(log, fresh)


def write_tables(log: EventLog, folder: Path) -> None:
    """Write the tables of a log that was checked into a folder that is there; see ``write_log``."""
    for name, table in log.tables.items():
        path = folder / f"{name}.parquet"
        pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def read_log(folder: Path) -> EventLog:
    """Read and check a log.

    Args:
        folder: Written by ``write_log``, or by anyone in the same schema. Types may be others
            where the values fit: large strings, dictionaries, keys in 64 bits.

    Returns:
        The log.

    Raises:
        ValueError: Naming the file; if a table is missing or unreadable, and as ``validate_log``
            does. Files of ``write_log`` have checksums that find flipped bits in their data.
    """
    folder = Path(folder)
    tables: dict[str, Any] = {}
    for name in SCHEMA:
        path = folder / f"{name}.parquet"
        if kind_at(path, "table") != "file":
            if name in OPTIONAL:
                continue
            raise ValueError(f"{folder} lacks the table {name!r}, must hold {path.name}")
        with reading("table", path, WHOLE_TABLE):
            tables[name] = pq.read_table(path, page_checksum_verification=True)
            tables[name].validate(full=True)
    try:
        log = EventLog.from_arrays(tables)
        validate_log(log)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error
    return log


def static_tables(world: World) -> dict[str, Any]:
    """Return the tables of a world's log that no policy changes.

    Args:
        world: The world; its rates, latents and conversion stay out of the log.

    Returns:
        ``products``, ``nodes``, ``regions``, ``customers`` and ``calendar``.

    Example:
        >>> from draingym.world import WorldConfig, build_world
        >>> from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines
        >>> lines = synthetic_order_lines(SyntheticConfig(num_products=5, num_days=7), seed=0)
        >>> world = build_world(lines, WorldConfig(num_products=3, num_nodes=2, num_regions=4))
        >>> tables = static_tables(world)
        >>> sorted(tables), tables["nodes"].num_rows
        (['calendar', 'customers', 'nodes', 'products', 'regions'], 3)
    """
    network, places, days = world.network, world.places, world.period_days
    period = np.arange(world.num_periods)
    home = world.customer_place
    tables: dict[str, dict[str, Any]] = {
        "products": {
            "product": np.arange(world.products.num_products),
            "id": list(world.products.id),
            "price": world.products.price,
            "unit_cost": world.products.unit_cost,
            "weight": world.products.weight_lb / pounds_per(DEFAULT_UNIT),
        },
        **network_tables(network),
        "customers": {
            "customer": np.arange(home.size),
            "latitude": places.latitude[home],
            "longitude": places.longitude[home],
            "region": places.region[home],
        },
        "calendar": {
            "period": period,
            "date": [world.first_date + timedelta(days=int(t) * days) for t in period],
            "start": period * float(days),
            "days": np.full(period.size, float(days)),
            **{name: world.calendar[:, e] for e, name in enumerate(world.calendar_name)},
        },
    }
    return {name: make_table(name, columns) for name, columns in tables.items()}


def network_tables(network: Network) -> dict[str, dict[str, Any]]:
    """Return a network as the columns of a log's tables ``nodes`` and ``regions``.

    >>> from draingym.world.network import NetworkConfig, build_network
    >>> tables = network_tables(build_network(NetworkConfig(num_nodes=2, num_regions=4)))
    >>> list(tables), tables["nodes"]["parent"].tolist()
    (['nodes', 'regions'], [-1, 0, 0])
    """
    return {
        "nodes": {
            "node": np.arange(network.num_nodes),
            "name": list(network.node_name),
            "latitude": network.node_latitude,
            "longitude": network.node_longitude,
            "parent": network.parent,
            "serves_customers": network.serves_customers,
            "active_from": network.active_from,
            "daily_capacity": network.daily_capacity,
            "lead_time": network.lead_time.tolist(),
        },
        "regions": {
            "region": np.arange(network.num_regions),
            "name": list(network.region_name),
            "latitude": network.region_latitude,
            "longitude": network.region_longitude,
            "population": network.population,
        },
    }
