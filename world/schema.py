"""The event log's tables: names, columns, types, and how to make them from arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from draingym.world.views import PROMISES, SHIP_OPTIONS

_LABEL = pa.dictionary(pa.int32(), pa.string())

# The values that a column of labels may take, fastest first. A log with a table ``promises`` has
# labels of its own besides.
VOCABULARY: dict[tuple[str, str], tuple[str, ...]] = {
    ("glance_views", "promise"): PROMISES,
    ("glance_views", "ship_option"): SHIP_OPTIONS,
}


def _schema(*columns: tuple[str, Any], nullable: tuple[str, ...] = ()) -> Any:
    return pa.schema([pa.field(name, kind, name in nullable) for name, kind in columns])


# Keys of products, nodes, regions, customers and periods are 0, 1, 2, ... in row order. Times are
# days; the period of a moment is floor((time - calendar.start[0]) / calendar.days[0]). Every table
# may hold further columns of any type, which are kept; ``docs/own_data.md`` has an example row of
# each table.
SCHEMA: dict[str, Any] = {
    "products": _schema(
        ("product", pa.int32()),
        ("id", pa.string()),
        ("price", pa.float64()),  # currency per unit
        ("unit_cost", pa.float64()),  # currency per unit
        ("weight", pa.float64()),  # of a unit, in what ``units`` says; pounds if it does not
    ),
    "nodes": _schema(
        ("node", pa.int32()),
        ("name", pa.string()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("parent", pa.int32()),  # an earlier node, or -1 for the vendor
        ("serves_customers", pa.bool_()),
        ("active_from", pa.int32()),  # first period in which the node exists
        ("daily_capacity", pa.float64()),  # units per day over all products; inf for none
        ("lead_time", pa.list_(pa.float64())),  # probability of k periods from the parent
    ),
    "regions": _schema(
        ("region", pa.int32()),
        ("name", pa.string()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("population", pa.float64()),
    ),
    "customers": _schema(
        ("customer", pa.int32()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("region", pa.int32()),
    ),
    # Its further float64 columns are the calendar's features.
    "calendar": _schema(
        ("period", pa.int32()),
        ("date", pa.date32()),  # of the period's first day
        ("start", pa.float64()),  # days
        ("days", pa.float64()),  # length, the same for all periods
    ),
    "glance_views": _schema(
        ("view", pa.int64()),  # ascending
        ("time", pa.float64()),
        ("period", pa.int32()),
        ("product", pa.int32()),
        ("region", pa.int32()),
        ("promise", _LABEL),
        ("ship_option", _LABEL),
        ("quantity", pa.int32()),  # units ordered; 0 without an order
        ("customer", pa.int32()),  # null for one who is not known
        ("order", pa.int64()),  # null without an order; the lines of a basket share one
        nullable=("customer", "order"),
    ),
    "order_lines": _schema(
        ("order_line", pa.int64()),  # ascending
        ("order", pa.int64()),
        ("view", pa.int64()),
        ("product", pa.int32()),
        ("quantity", pa.int32()),  # units ordered
        ("filled", pa.int32()),  # units shipped, over all boxes
    ),
    # One row per order line in a box. Units leave the stock of the node at ``shipped_at``, which
    # may be after the log's last day.
    "boxes": _schema(
        ("box", pa.int64()),
        ("order_line", pa.int64()),
        ("node", pa.int32()),
        ("shipped_at", pa.float64()),
        ("units", pa.int32()),
        ("cost_share", pa.float64()),  # currency; the shares of a box sum to its bill
    ),
    # One row per period, product and node:
    # available = on_hand of the period before + stowed - transferred + adjusted, and
    # on_hand = available - units in the boxes shipped.
    "inventory": _schema(
        ("period", pa.int32()),
        ("product", pa.int32()),
        ("node", pa.int32()),
        ("on_hand", pa.int64()),  # units at the period's end
        ("stowed", pa.int64()),  # units that arrived
        ("transferred", pa.int64()),  # units that left for the node's children
        ("available", pa.int64()),  # units that customers could buy
    ),
    # Units from the parent (or vendor) to a node. What was on its way when the log began has a
    # negative ``ordered_at``.
    "shipments": _schema(
        ("product", pa.int32()),
        ("node", pa.int32()),
        ("ordered_at", pa.int32()),  # period
        ("arrives_at", pa.int32()),  # period, from 0
        ("units", pa.int64()),
    ),
    # Prices that change: from this period on, until the product's next row. Before the first one
    # the product's price in ``products`` holds.
    "prices": _schema(
        ("period", pa.int32()),
        ("product", pa.int32()),
        ("price", pa.float64()),  # currency per unit
    ),
    # Labels of promises and ship options other than those of ``VOCABULARY``, fastest first.
    "promises": _schema(
        ("label", pa.string()),
        ("within_days", pa.float64()),  # from order to door
    ),
    # What the log's numbers are in: rows such as (currency, GBP), or NO_CURRENCY, and (weight, kg),
    # one of ``draingym.world.weights.POUNDS``.
    "units": _schema(
        ("measure", pa.string()),
        ("unit", pa.string()),
    ),
}
# What a file of a log must be; what to do where it is not.
WHOLE_TABLE = "a Parquet file; restore it, or make the log anew by draingym ingest"
NO_CURRENCY = "XXX"  # ISO 4217, for prices and costs of which nobody said what they are in
OPTIONAL = frozenset({"shipments", "prices", "promises", "units"})

# Columns that a table may lack, each with what it then holds in every row.
DEFAULTS: dict[str, dict[str, tuple[Any, Any]]] = {
    # False for an order that came without a view, such as by phone: its row is the request.
    "glance_views": {"seen": (pa.bool_(), True)},
    # Units that came and went otherwise: returns, damage, corrections by a count; may be negative.
    "inventory": {"adjusted": (pa.int64(), 0)},
    # Days of the period that the data covers: fewer than ``days`` where it ends early.
    "calendar": {"covered": (pa.float64(), None)},
    # Days: when they left the parent, and when they could be sold at the node; when these periods
    # (``PERIOD_OF``) began where missing.
    "shipments": {"left_at": (pa.float64(), None), "stowed_at": (pa.float64(), None)},
}
PERIOD_OF = {"left_at": "ordered_at", "stowed_at": "arrives_at"}  # in ``shipments``
# What a column was called in files of before, by table and column.
FORMERLY = {("products", "weight"): "weight_lb"}  # pounds, whatever ``units`` said
# What a log must not tell: the hidden truth of an emulated world.
HIDDEN = frozenset({"latent"})


def features(calendar: Any) -> list[str]:
    """Return the names of the calendar's features, the columns of real numbers besides its own."""
    own = {*SCHEMA["calendar"].names, *DEFAULTS["calendar"]}
    return [f.name for f in calendar.schema if f.name not in own and pa.types.is_float64(f.type)]


def class_of_days(days: NDArray[Any]) -> NDArray[np.int32]:
    """Return the class of a promise of so many days, an index into ``PROMISES``.

    >>> class_of_days(np.array([0.0, 1.0, 1.5, 2.0, 3.0, 9.0])).tolist()
    [0, 0, 1, 1, 2, 2]
    """
    return np.searchsorted(np.array([1.0, 2.0]), np.asarray(days), side="left").astype(np.int32)


def label_classes(tables: Mapping[str, Any]) -> dict[str, int]:
    """Return the class of each label of a log's own, an index into ``PROMISES``.

    The systems know three classes of speed: labels of one day or less, of two, and the others.
    """
    if "promises" not in tables:
        return {}
    own = tables["promises"]
    classes = class_of_days(np.asarray(own["within_days"].to_numpy(), np.float64))
    return dict(zip(own["label"].to_pylist(), classes.tolist(), strict=True))


def make_table(name: str, columns: Mapping[str, Any]) -> Any:
    """Return a table of the event log made from arrays, in the schema's types and order.

    Columns of labels take codes (indices into ``PROMISES`` or ``SHIP_OPTIONS``) or strings.
    A nullable column takes -1 for null. Casts that would lose information are refused.

    Args:
        name: A table of ``SCHEMA``.
        columns: One array or list for each column; further ones are kept as they are.

    Returns:
        A ``pyarrow.Table``.

    Raises:
        ValueError: Naming the table and the missing or unusable column.

    Example:
        >>> money = {"price": [9.0, 5.0], "unit_cost": [6.0, 3.0]}
        >>> columns = {"product": [0, 1], "id": ["a", "b"], "weight": [1.0, 2.5], **money}
        >>> table = make_table("products", columns)
        >>> table.num_rows, table.column_names
        (2, ['product', 'id', 'price', 'unit_cost', 'weight'])
    """
    if name not in SCHEMA:
        raise ValueError(f"table {name!r}, must be one of {sorted(SCHEMA)}")
    schema, optional = SCHEMA[name], DEFAULTS.get(name, {})
    missing = [column for column in schema.names if column not in columns]
    if missing:
        raise ValueError(f"{name} lacks the column {missing[0]!r}")
    fields = list(schema)
    for extra in (column for column in columns if column not in schema.names):
        if extra in optional:
            fields.append(pa.field(extra, optional[extra][0], False))
        else:
            fields.append(pa.field(extra, _extra_type(name, extra, columns[extra])))
    arrays = []
    for field in fields:
        try:
            arrays.append(_array(name, field, columns[field.name]))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise ValueError(f"{name}.{field.name}, must be {field.type} ({error})") from error
    lengths = {field.name: len(a) for field, a in zip(fields, arrays, strict=True)}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{name} has columns of different lengths: {lengths}")
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _extra_type(table: str, name: str, values: Any) -> Any:
    """Return the type that a column of the user's own is kept in."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values.type
    if table == "calendar" and np.asarray(values).dtype.kind in "iuf":
        return pa.float64()  # a feature
    return pa.array(values).type


def _array(table: str, field: Any, values: Any) -> Any:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.Array):
        return values.cast(field.type)
    if (table, field.name) in VOCABULARY:
        allowed = VOCABULARY[table, field.name]
        codes = np.asarray(values)
        if codes.dtype.kind not in "iu":
            return pa.array(values, type=pa.string()).dictionary_encode()
        bad = np.flatnonzero((codes < 0) | (codes >= len(allowed)))
        if bad.size:
            raise ValueError(
                f"{table}.{field.name}, row {bad[0]} is code {codes[bad[0]]}, must be in "
                f"[0, {len(allowed)})"
            )
        return pa.DictionaryArray.from_arrays(
            pa.array(codes.astype(np.int32)), pa.array(allowed, type=pa.string())
        )
    if isinstance(values, np.ndarray):
        whole = field.nullable and values.dtype.kind in "iuf" and field.name in SCHEMA[table].names
        null = values < 0 if whole else None
        return pa.array(np.ascontiguousarray(values), mask=null).cast(field.type)
    return pa.array(values, type=field.type)


def column(table: Any, name: str, vocabulary: tuple[str, ...] | None = None) -> NDArray[Any]:
    """Return a column as a NumPy array.

    Args:
        table: A table of the event log.
        name: The column.
        vocabulary: For a column of labels: what they may be. Labels become indices into it, -1
            for one that is not in it.

    Returns:
        [rows] values; null becomes -1 in a column of integers.
    """
    values = table[name].combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    if vocabulary is not None:
        allowed = pa.array(vocabulary, type=pa.string())
        place = pc.fill_null(pc.index_in(values.dictionary, value_set=allowed), -1)
        codes: NDArray[Any] = np.asarray(place, dtype=np.int32)[values.indices.to_numpy()]
        return codes
    if pa.types.is_integer(values.type) and values.null_count:
        values = pc.fill_null(values, -1)
    return np.asarray(values.to_numpy(zero_copy_only=False))


def log_column(tables: Mapping[str, Any], table: str, name: str) -> NDArray[Any]:
    """Return a column of a log as a NumPy array; one with a default may be missing.

    Labels become classes, indices into ``PROMISES`` or ``SHIP_OPTIONS``: of the log's own labels,
    the class of their days (``label_classes``).
    """
    if name in DEFAULTS.get(table, {}) and name not in tables[table].column_names:
        default = DEFAULTS[table][name][1]
        if table == "calendar":
            return column(tables[table], "days")
        if table == "shipments":
            period = column(tables[table], PERIOD_OF[name])
            start, days = (float(tables["calendar"][c][0].as_py()) for c in ("start", "days"))
            return np.asarray(start + days * period, np.float64)
        return np.full(tables[table].num_rows, default)
    vocabulary = VOCABULARY.get((table, name))
    own = label_classes(tables) if vocabulary is not None else {}
    if vocabulary is None or not own:
        return column(tables[table], name, vocabulary)
    codes = column(tables[table], name, (*vocabulary, *own))
    classes = np.array([*range(len(vocabulary)), *own.values(), -1], np.int32)
    return np.asarray(classes[codes])
