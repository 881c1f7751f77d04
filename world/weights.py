"""Units of weight: a log's weights are in its own, the systems and the models go by pounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from draingym.common.arrays import FloatArray
from draingym.world.schema import FORMERLY, column

POUNDS = {"kg": 2.20462262, "g": 0.00220462262, "t": 2204.62262, "lb": 1.0, "oz": 0.0625}
DEFAULT_UNIT = "lb"  # of a log that does not say, as those of our own worlds


def pounds_per(unit: str, name: str = "unit of weight") -> float:
    """Return how many pounds a unit of weight has.

    Args:
        unit: One of ``POUNDS``.
        name: What an error calls it.

    Raises:
        ValueError: Naming the unit, and those that are known.

    >>> pounds_per("oz")
    0.0625
    """
    if unit not in POUNDS:
        raise ValueError(f"{name} is {unit!r}, must be one of {', '.join(POUNDS)}")
    return POUNDS[unit]


def weight_unit(tables: Mapping[str, Any]) -> str:
    """Return what the weights of a log's tables are in, as its table ``units`` says.

    >>> weight_unit({})
    'lb'
    """
    table = tables.get("units")
    if table is None or not {"measure", "unit"} <= set(table.column_names):
        return DEFAULT_UNIT
    told = dict(zip(table["measure"].to_pylist(), table["unit"].to_pylist(), strict=True))
    return str(told.get("weight", DEFAULT_UNIT))


def product_pounds(tables: Mapping[str, Any]) -> FloatArray:
    """Return [P] the pounds of a unit of each product of a log's tables.

    Raises:
        ValueError: As ``pounds_per`` does.
    """
    weight = np.asarray(column(tables["products"], "weight"), np.float64)
    return weight * pounds_per(weight_unit(tables))


def in_unit(products: Any, pounds: str, unit: str) -> Any:
    """Return a log's products with the column ``weight`` in a unit, of one that holds pounds.

    Args:
        products: A ``pyarrow.Table``.
        pounds: The column that holds pounds; ``weight`` takes its place.
        unit: Of the new column.

    Raises:
        ValueError: As ``pounds_per`` does.
    """
    values = products[pounds]
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        values = pc.divide(values.cast(pa.float64()), pounds_per(unit))
    at = products.column_names.index(pounds)
    return products.set_column(at, "weight", values)


def with_weight(products: Any, tables: Mapping[str, Any]) -> Any:
    """Return the products of a log; one of before has ``weight_lb``, in pounds, for ``weight``.

    Args:
        products: A ``pyarrow.Table``.
        tables: Of the same log, for its unit of weight.

    Raises:
        ValueError: As ``pounds_per`` does.
    """
    former, names = FORMERLY["products", "weight"], products.column_names
    if "weight" in names or names.count(former) != 1:
        return products
    return in_unit(products, former, weight_unit(tables))
