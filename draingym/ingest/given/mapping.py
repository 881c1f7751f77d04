"""The mapping file: which tables there are, what their columns are, and what to assume."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from draingym.common.arrays import require_range, require_seed, require_whole, short
from draingym.common.config import read_config, require_fields
from draingym.common.files import kind_at
from draingym.common.yaml_files import read_yaml
from draingym.ingest.given.roles import TABLES, UNKNOWN
from draingym.oracle.config import OracleConfig
from draingym.oracle.rules.ship_cost import KM_PER_MILE
from draingym.world.schema import NO_CURRENCY, VOCABULARY
from draingym.world.weights import pounds_per

MOST_BYTES = 2**20  # of a mapping file
_MOST_CURRENCY = 16


def require_path(name: str, value: str) -> None:
    """Raise where text can be no path.

    Raises:
        ValueError: Naming it.
    """
    if "\0" in value:
        raise ValueError(f"{name} is {value!r}, must be a path without a NUL")


@dataclass(frozen=True, kw_only=True, slots=True)
class TableMap:
    """Where a table is, and which of its columns is what.

    Raises:
        ValueError: If a field is out of its bounds.
    """

    file: str  # inside the folder; * and ? for several files of the same columns
    folder: str = ""  # the mapping's when empty
    table: str = ""  # of a DuckDB database
    columns: dict[str, Any] = field(default_factory=dict)  # ours -> the file's
    keep: tuple[str, ...] = ()  # further columns of the file, kept in the log
    missing: tuple[str, ...] = ()  # cells that stand for nothing, besides empty ones
    where: dict[str, Any] = field(default_factory=dict)  # column -> the values of rows to take
    drop: dict[str, Any] = field(default_factory=dict)  # column -> the values of rows to leave
    time_format: str = ""  # of all its times, as strptime has it; ISO 8601 when empty
    decimal: Literal[".", ","] = "."
    delimiter: str = ""  # found out when empty
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        require_fields(self)
        if not self.file:
            raise ValueError("file is '', must name a file")
        require_path("file", self.file)
        require_path("folder", self.folder)
        for name in ("columns", "where", "drop"):
            for key, value in getattr(self, name).items():
                entries = value if isinstance(value, list) and name != "columns" else [value]
                for entry in (key, *entries):
                    if not isinstance(entry, str | int | float) or isinstance(entry, bool):
                        raise ValueError(
                            f"{name}.{key} is {short(value)}, must be text (in quotes, where YAML "
                            "takes it for something else)"
                        )
        if len(self.delimiter) > 1:
            raise ValueError(f"delimiter is {self.delimiter!r}, must be one character")


@dataclass(frozen=True, kw_only=True, slots=True)
class Units:
    """What the tables' numbers are in.

    Raises:
        ValueError: If the currency has no name, or a long one, or the unit of weight is unknown.
    """

    currency: str = NO_CURRENCY  # ISO 4217
    weight: str = "kg"  # one of ``draingym.world.weights.POUNDS``

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        require_fields(self)
        if not 1 <= len(self.currency.strip()) <= _MOST_CURRENCY:
            raise ValueError(
                f"currency is {short(self.currency)}, must have 1 to {_MOST_CURRENCY} characters, "
                "such as EUR"
            )
        pounds_per(self.weight, "weight")


@dataclass(frozen=True, kw_only=True, slots=True)
class Periods:
    """How time is cut.

    Raises:
        ValueError: If a field is out of its bounds.
    """

    days: int = 7
    first_date: date | None = None  # of the first period; the day of the first order when not given
    last_date: date | None = None  # the day of the last order when not given
    incomplete: Literal["drop", "keep"] = "drop"  # a last period that the data ends in

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        require_fields(self)
        require_whole("days", self.days, low=1, high=366)
        for name in ("first_date", "last_date"):
            if isinstance(getattr(self, name), datetime):
                raise ValueError(f"{name} is {getattr(self, name)}, must be a date without a time")
        if self.first_date and self.last_date and self.last_date < self.first_date:
            raise ValueError(
                f"last_date is {self.last_date}, must be no earlier than {self.first_date}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumed:
    """What stands in for what the tables do not say. Each use is counted and told on the page.

    Raises:
        ValueError: If a field is out of its bounds.
    """

    conversion: float = 0.12  # orders a view under the best promise, where there are no views
    view_dispersion: float = 20.0  # size of the negative binomial of views without an order
    margin: float = 0.35  # 1 - unit cost / price, where there is no cost
    weight: float = 0.5  # of a unit, in units.weight
    promise: str = "3d+"  # where neither promise nor ship option is known
    link_hours: float = 24.0  # a view of the same customer so long before an order led to it
    stock_cover_days: float = 14.0  # where stock is not counted: what a node sells in so many days
    unknown_place: Literal["error", "draw"] = "error"  # a place of an order that no table names
    absent_stock: Literal["unknown", "zero"] = (
        "unknown"  # no row where others were counted that day
    )
    vendor_lead_days: float = 4.0
    transfer_lead_days: float = 2.0

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        require_fields(self)
        for name in ("conversion", "margin"):
            value = getattr(self, name)
            require_range(name, value, low=0.0, high=1.0, open_low=True, open_high=True)
        for name in ("view_dispersion", "weight", "stock_cover_days"):
            require_range(name, getattr(self, name), low=0.0, high=1e9, open_low=True)
        for name in ("vendor_lead_days", "transfer_lead_days"):
            require_range(name, getattr(self, name), low=0.0, high=366.0)
        require_range("link_hours", self.link_hours, low=0.0, high=8784.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Carrier:
    """What a box costs, and how long it takes: a card of rates and bands, in the user's units.

    A box of weight w to zone k costs ``box + weight w + (zone + weight_zone w) k``; a place is in
    zone 1, and one higher for each of ``zone_bands_km`` that it is beyond.

    Raises:
        ValueError: If a field is out of its bounds.
    """

    box: float = 3.0  # currency
    weight: float = 0.4  # currency per unit of weight
    zone: float = 0.5  # currency per zone
    weight_zone: float = 0.1  # currency per unit of weight and zone
    zone_bands_km: tuple[float, ...] = (80.0, 240.0, 480.0, 960.0)
    transit_bands_km: tuple[float, ...] = (400.0, 970.0, 1600.0, 2900.0)  # of 1, 2, ... days
    cutoff_hour: float = 16.0  # orders after it leave a day later
    processing_days: int = 0
    opportunity_cost: float = 2.0  # currency a unit, where the last one is sold
    lane_effect_sd: float = 0.25  # of the logarithm of a lane's price level
    cost_noise_sd: float = 0.35  # of the logarithm of a box's bill

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        require_fields(self)
        for name in ("box", "weight", "zone", "weight_zone"):
            require_range(name, getattr(self, name), low=0.0, high=1e6)
        for name in ("zone_bands_km", "transit_bands_km"):
            bands = getattr(self, name)
            if not all(a < b for a, b in pairwise((0.0, *bands))):
                raise ValueError(f"{name} is {short(list(bands))}, must be above 0 and increase")
        self.oracle_config("kg", 0)

    def oracle_config(self, weight_unit: str, seed: int) -> OracleConfig:
        """Return the card as the emulated systems have it, in their units."""
        pounds = pounds_per(weight_unit)
        return OracleConfig(
            box_cost=self.box,
            box_cost_per_lb=self.weight / pounds,
            box_cost_per_zone=self.zone,
            box_cost_per_lb_zone=self.weight_zone / pounds,
            zone_bands_miles=tuple(km / KM_PER_MILE for km in self.zone_bands_km),
            rate_scale=1.0,
            transit_bands_km=self.transit_bands_km,
            cutoff_hour=self.cutoff_hour,
            processing_days=self.processing_days,
            opportunity_cost=self.opportunity_cost,
            lane_effect_sd=self.lane_effect_sd,
            cost_noise_sd=self.cost_noise_sd,
            seed=seed,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """The world that is built where nobody knows which node shipped: the policy of its history.

    Raises:
        ValueError: If a field is out of its bounds.
    """

    # What nodes order up to, in days of the forecast; null for twice what lead times and a period
    # take, from the parent (place) and from the vendor (buy).
    buy_cover_days: float | None = None
    place_cover_days: float | None = None
    num_regions: int = 0  # places are merged to so many, where they name no regions; 0 for up to 30
    smoothing_days: int = 7  # over which views that did not convert follow orders

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        require_fields(self)
        require_whole("num_regions", self.num_regions, low=0, high=10_000)
        require_whole("smoothing_days", self.smoothing_days, low=1, high=366)
        for name in ("buy_cover_days", "place_cover_days"):
            if getattr(self, name) is not None:
                require_range(name, getattr(self, name), low=0.0, high=3660.0, open_low=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mapping:
    """A mapping file; see ``docs/own_data.md``.

    Raises:
        ValueError: If a field is out of its bounds.
    """

    draingym: int = 1  # version of this form
    source: str = "own data"  # what pages call it
    folder: str = "."  # of the tables, from where the mapping is
    build: Literal["log", "world"] = "log"
    seed: int = 0  # of every draw
    num_products: int = 0  # the best sellers by units; 0 for all
    max_line_quantity: int = 0  # lines of more units are wholesale and left out; 0 for no limit
    notes: tuple[str, ...] = ()  # said on the page
    units: Units = field(default_factory=Units)
    periods: Periods = field(default_factory=Periods)
    tables: dict[str, TableMap] = field(default_factory=dict)
    promises: dict[str, float] = field(default_factory=dict)  # label -> days, fastest first
    out_of_stock: tuple[str, ...] = ()  # labels of views whose product could not be had
    events: dict[str, Any] = field(default_factory=dict)  # name -> dates, or "yearly"
    assume: Assumed = field(default_factory=Assumed)
    carrier: Carrier = field(default_factory=Carrier)
    experiment: Experiment = field(default_factory=Experiment)

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        require_fields(self)
        require_path("folder", self.folder)
        require_seed(self.seed)
        if self.draingym != 1:
            raise ValueError(f"draingym is {self.draingym}, must be 1, the form that we know")
        require_whole("num_products", self.num_products, low=0, high=10**7)
        require_whole("max_line_quantity", self.max_line_quantity, low=0, high=2**31 - 1)
        if "orders" not in self.tables:
            raise ValueError("tables.orders is missing, must be given")
        days = list(self.promises.values())
        for label, within in self.promises.items():
            require_range(f"promises.{label}", within, low=0.0, high=1e6)
            if label in KNOWN_LABELS:
                raise ValueError(f"promises.{label} is a label of ours, must be another")
            if label in self.out_of_stock:
                raise ValueError(
                    f"promises.{label} is out_of_stock as well, must be one of the two"
                )
        if days != sorted(days):
            raise ValueError(f"promises is {short(self.promises)}, must come fastest first")
        if self.assume.promise not in (*KNOWN_LABELS[:3], *self.promises):
            raise ValueError(
                f"assume.promise is {self.assume.promise!r}, must be one of "
                f"{', '.join((*KNOWN_LABELS[:3], *self.promises))}"
            )

    @property
    def pounds(self) -> float:
        """Pounds in a unit of weight, for the emulated systems, whose rates are by the pound."""
        return pounds_per(self.units.weight)


# Of promises and options, without the mapping's own.
KNOWN_LABELS = (*VOCABULARY["glance_views", "promise"], "none")


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file, YAML of plain values alone.

    Args:
        path: The file.

    Raises:
        ImportError: If PyYAML is not there.
        ValueError: Naming the file, the field, its value and the bound.
    """
    kind = kind_at(path, "mapping")
    if kind != "file":
        hint = f"; draingym ingest --init {path} proposes one" if kind == "folder" else ""
        raise ValueError(f"{path} is no file, must be a mapping file{hint}")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size} bytes, must have at most {MOST_BYTES}")
    values = read_yaml(path, "mapping")
    if not isinstance(values, dict):
        raise ValueError(f"{path} holds {short(values)}, must hold fields by name")
    tables = values.get("tables")
    if not isinstance(tables, dict):
        raise ValueError(f"{path}: tables is {short(tables)}, must hold tables by name")
    read = {}
    for name, table in tables.items():
        where = f"{path}: tables.{name}"
        if name not in TABLES:
            raise ValueError(f"{where} is no table, must be one of {', '.join(TABLES)}")
        read[name] = read_config(TableMap, table, where)
        check_columns(where, name, read[name])
    made = {**values, "tables": read}
    if isinstance(made.get("promises"), dict):
        made["promises"] = {str(k): _days(path, k, v) for k, v in made["promises"].items()}
    mapping: Mapping = read_config(Mapping, made, str(path))
    return mapping


def check_columns(where: str, name: str, table: TableMap) -> None:
    """Check that a table names columns that we know, and those that we need.

    Raises:
        ValueError: Naming the first that is not so.
    """
    for column in table.columns:
        if column not in TABLES[name]:
            raise ValueError(
                f"{where}.columns.{column} is no column, must be one of {', '.join(TABLES[name])}"
            )
    for column, role in TABLES[name].items():
        if table.columns.get(column) == UNKNOWN:
            raise ValueError(
                f"{where}.columns.{column} is {UNKNOWN!r}, must name a column of {table.file}: "
                f"{role.what}"
            )
        if role.needed and column not in table.columns:
            raise ValueError(f"{where}.columns.{column} is missing, must name the {role.what}")


def _days(path: Path, label: Any, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{path}: promises.{label} is {short(value)}, must be a number of days")
    return float(value)
