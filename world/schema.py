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

# The values that a column of labels may take, fastest first.
VOCABULARY: dict[tuple[str, str], tuple[str, ...]] = {
    ("glance_views", "promise"): PROMISES,
    ("glance_views", "ship_option"): SHIP_OPTIONS,
}


def _schema(*columns: tuple[str, Any], nullable: tuple[str, ...] = ()) -> Any:
    return pa.schema([pa.field(name, kind, name in nullable) for name, kind in columns])


# Keys of products, nodes, regions, customers and periods are 0, 1, 2, ... in row order. Times are
# days; the period of a moment is floor((time - calendar.start[0]) / calendar.days[0]).
SCHEMA: dict[str, Any] = {
    "products": _schema(
        ("product", pa.int32()),
        ("id", pa.string()),
        ("price", pa.float64()),  # currency per unit
        ("unit_cost", pa.float64()),  # currency per unit
        ("weight_lb", pa.float64()),
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
    # May hold further float64 columns: the calendar's features.
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
        ("customer", pa.int32()),
        ("order", pa.int64()),  # null without an order; the lines of a basket share one
        nullable=("order",),
    ),
    "order_lines": _schema(
        ("order_line", pa.int64()),  # ascending
        ("order", pa.int64()),
        ("view", pa.int64()),
        ("product", pa.int32()),
        ("quantity", pa.int32()),  # units ordered
        ("filled", pa.int32()),  # units shipped, over all boxes
    ),
    # One row per order line in a box. Units leave the stock of the node at ``shipped_at``.
    "boxes": _schema(
        ("box", pa.int64()),
        ("order_line", pa.int64()),
        ("node", pa.int32()),
        ("shipped_at", pa.float64()),
        ("units", pa.int32()),
        ("cost_share", pa.float64()),  # currency; the shares of a box sum to its bill
    ),
    # One row per period, product and node:
    # available = on_hand of the period before + stowed - transferred, and
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
}
OPTIONAL = frozenset({"shipments"})


def make_table(name: str, columns: Mapping[str, Any]) -> Any:
    """Return a table of the event log made from arrays, in the schema's types and order.

    Columns of labels take codes (indices into ``PROMISES`` or ``SHIP_OPTIONS``) or strings.
    A nullable column takes -1 for null. Casts that would lose information are refused.

    Args:
        name: A table of ``SCHEMA``.
        columns: One array or list for each column; ``calendar`` may have further ones.

    Returns:
        A ``pyarrow.Table``.

    Raises:
        ValueError: Naming the table and the missing, unknown or unusable column.
    """
    if name not in SCHEMA:
        raise ValueError(f"table {name!r}, must be one of {sorted(SCHEMA)}")
    schema = SCHEMA[name]
    missing = [column for column in schema.names if column not in columns]
    if missing:
        raise ValueError(f"{name} lacks the column {missing[0]!r}")
    extra = [column for column in columns if column not in schema.names]
    if extra and name != "calendar":
        raise ValueError(f"{name} has the unknown column {extra[0]!r}")
    fields = [*schema, *(pa.field(column, pa.float64(), False) for column in extra)]
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


def _array(table: str, field: Any, values: Any) -> Any:
    if pa.types.is_dictionary(field.type):
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
        null = values < 0 if field.nullable else None
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
