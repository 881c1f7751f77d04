"""Tables that others wrote, in the schema's types wherever that loses nothing."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from draingym.world.schema import DEFAULTS, SCHEMA


def conform(name: str, table: Any) -> Any:
    """Return a table with its columns cast to the schema's types, where that loses nothing.

    Others write the same values in other types: text as large strings or dictionaries, keys in 64
    bits, or as real numbers where pandas met a null.

    Args:
        name: A table of ``SCHEMA``.
        table: A ``pyarrow.Table``.

    Returns:
        The table; columns that cannot be cast are as they were, for the checks to name.

    Raises:
        ValueError: Naming table, column, first row, value and type, where a value does not fit.
    """
    kinds = {field.name: field.type for field in SCHEMA.get(name, ())}
    kinds |= {column: kind for column, (kind, _) in DEFAULTS.get(name, {}).items()}
    for place, column_name in enumerate(table.column_names):
        values, kind = table[column_name], kinds.get(column_name)
        if kind is None or values.type == kind or table.column_names.count(column_name) > 1:
            continue
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if not _castable(values.type, kind):
            continue
        if pa.types.is_floating(values.type) and _is_nullable(name, column_name):
            values = pc.if_else(pc.is_nan(values), None, values)  # as pandas writes a null
        if pa.types.is_dictionary(kind):
            cast = values.cast(kind.value_type).dictionary_encode()
        else:
            try:
                cast = values.cast(kind)
            except pa.ArrowInvalid as error:
                row = _first_that_fails(values, kind)
                raise ValueError(
                    f"{name}.{column_name}, row {row} is {values[row].as_py()!r}, must be {kind}"
                ) from error
        table = table.set_column(place, pa.field(column_name, kind), cast)
    return table


def _is_nullable(table: str, name: str) -> bool:
    schema = SCHEMA[table]
    return name in schema.names and bool(schema.field(name).nullable)


def _castable(found: Any, kind: Any) -> bool:
    """Return whether values of one type may be those of another, written otherwise."""
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    text = types.is_string(found) or types.is_large_string(found) or found == pa.string_view()
    number = types.is_integer(found) or types.is_floating(found)
    if types.is_string(kind):
        return bool(text)
    if types.is_integer(kind) or types.is_floating(kind):
        return bool(number)
    if types.is_date(kind):
        return bool(types.is_date(found) or types.is_timestamp(found))
    if types.is_list(kind):
        inner = types.is_list(found) or types.is_large_list(found)
        return bool(inner and _castable(found.value_type, kind.value_type))
    return False


def _first_that_fails(values: Any, kind: Any) -> int:
    """Return the first row whose value does not fit a type."""
    low, high = 0, len(values)
    while high - low > 1:  # the first bad row is in [low, high)
        middle = (low + high) // 2
        try:
            values.slice(low, middle - low).cast(kind)
        except pa.ArrowInvalid:
            high = middle
        else:
            low = middle
    return low
