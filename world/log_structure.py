"""The checks of a log's tables one by one: columns, types, nulls, labels."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from draingym.common.arrays import BoolArray
from draingym.world.schema import DEFAULTS, HIDDEN, SCHEMA, VOCABULARY
from draingym.world.weights import POUNDS


def check_labels(promises: Any) -> None:
    """Check that labels of the log's own are told apart, and come fastest first."""
    labels, days = promises["label"].to_pylist(), np.asarray(promises["within_days"], np.float64)
    taken = {*VOCABULARY["glance_views", "promise"], *VOCABULARY["glance_views", "ship_option"]}
    free = np.array([x not in taken and x not in labels[:i] for i, x in enumerate(labels)], bool)
    if not free.all():
        refuse("promises", "label", promises, free, f"there once, and none of {sorted(taken)}")
    if not (days >= 0).all():
        refuse("promises", "within_days", promises, days >= 0, ">= 0")
    later = np.diff(days, prepend=days[:1]) >= 0
    if not later.all():
        refuse("promises", "within_days", promises, later, "at least that of the row before")


def check_units(units: Any) -> None:
    """Check that the unit of weight is one that we know, and that no measure is there twice."""
    measures = units["measure"].to_pylist()
    once = np.array([x not in measures[:i] for i, x in enumerate(measures)], bool)
    if not once.all():
        refuse("units", "measure", units, once, "there once")
    rows = zip(measures, units["unit"].to_pylist(), strict=True)
    known = np.array([measure != "weight" or unit in POUNDS for measure, unit in rows], bool)
    if not known.all():
        refuse("units", "unit", units, known, f"one of {', '.join(POUNDS)}, as of a weight")


def check_structure(name: str, table: Any) -> None:
    """Check columns, types, nulls and finiteness of a table; empty ones where rows must be."""
    schema = SCHEMA[name]
    for twice in (c for c in table.column_names if table.column_names.count(c) > 1):
        raise ValueError(f"{name}.{twice} is there twice, must be there once")
    for field in schema:
        if field.name not in table.column_names:
            raise ValueError(f"{name} lacks the column {field.name!r}")
        found = table.schema.field(field.name).type
        if found != field.type:
            raise ValueError(f"{name}.{field.name} is of type {found}, must be {field.type}")
    for extra, (kind, _) in DEFAULTS.get(name, {}).items():
        if extra in table.column_names and table.schema.field(extra).type != kind:
            found = table.schema.field(extra).type
            raise ValueError(f"{name}.{extra} is of type {found}, must be {kind}")
    own = {*schema.names, *DEFAULTS.get(name, {})}
    for extra in table.column_names:
        if extra in HIDDEN:
            raise ValueError(f"{name} has the column {extra!r}, must not tell what nobody saw")
    for field in table.schema:
        feature = name == "calendar" and pa.types.is_float64(field.type)
        if field.name not in own and not feature:
            continue  # the user's own
        nullable = field.name in schema.names and schema.field(field.name).nullable
        values = table[field.name]
        if values.null_count and not nullable:
            row = pc.index(values.is_null(), True).as_py()
            raise ValueError(f"{name}.{field.name}, row {row} is null, must be {field.type}")
        if pa.types.is_float64(field.type) and (name, field.name) != ("nodes", "daily_capacity"):
            finite = np.isfinite(np.asarray(values))
            if not finite.all():
                refuse(name, field.name, table, finite, "finite")
    if name in ("products", "nodes", "regions", "calendar") and not table.num_rows:
        raise ValueError(f"{name} is empty, must have at least 1 row")


def refuse(name: str, column_name: str, table: Any, ok: BoolArray, bound: str) -> NoReturn:
    """Raise for the first row of a column that is not ``ok``."""
    row = int(np.argmin(ok))
    value = table[column_name][row]
    # Python has no date beyond the year 9999.
    is_date = pa.types.is_date(value.type)
    value = np.datetime64(value.value, "D") if is_date else repr(value.as_py())
    raise ValueError(f"{name}.{column_name}, row {row} is {value}, must be {bound}")
