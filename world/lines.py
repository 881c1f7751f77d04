"""Order lines of a retailer: the raw material of a world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import BoolArray, FloatArray, Int32Array, require, require_shape


def _whole(field: str, values: NDArray[Any]) -> Int32Array:
    """Return whole numbers of 32 bits, whatever type they come in."""
    if values.dtype.kind not in "iuf":
        raise ValueError(f"{field} has dtype {values.dtype}, must be whole numbers")
    fits = (values == np.floor(values)) & (np.abs(values.astype(np.float64)) < 2**31)
    require(fits, field, values, "a whole number of 32 bits")
    return values.astype(np.int32, copy=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderLines:
    """Order lines of a retailer, real or synthetic, in order of day and customer.

    The lines of one customer on one day are one basket.

    Raises:
        ValueError: If shapes disagree, or a value is out of its bounds.

    Example:
        >>> from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines
        >>> lines = synthetic_order_lines(SyntheticConfig(num_products=5, num_days=7), seed=0)
        >>> small = lines.select(lines.quantity == 1)
        >>> lines.num_days, len(lines.product_id), small.num_lines < lines.num_lines
        (7, 5, True)
    """

    source: str  # where they come from, for reports
    first_date: date  # the date of day 0
    num_customers: int
    product_id: tuple[str, ...]
    day: Int32Array  # [M] days since ``first_date``, ascending
    customer: Int32Array  # [M] in [0, num_customers)
    product: Int32Array  # [M] index into ``product_id``
    quantity: Int32Array  # [M] units, >= 1
    unit_price: FloatArray  # [M] currency per unit, > 0
    unit_cost: FloatArray  # [M] currency per unit, >= 0
    hour: FloatArray | None = None  # [M] share of the day, in [0, 1); None where nobody knows

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        if self.day.ndim != 1 or not self.day.size:
            raise ValueError(f"order_lines.day has shape {self.day.shape}, must be (M,), M >= 1")
        for name in ("customer", "product", "quantity", "unit_price", "unit_cost"):
            require_shape(f"order_lines.{name}", getattr(self, name), self.day.shape)
        for name in ("day", "customer", "product", "quantity"):
            object.__setattr__(self, name, _whole(f"order_lines.{name}", getattr(self, name)))
        require(self.day >= 0, "order_lines.day", self.day, ">= 0")
        later = np.diff(self.day, prepend=self.day[:1]) >= 0
        require(later, "order_lines.day", self.day, "ascending")
        bounds = (("customer", self.num_customers), ("product", len(self.product_id)))
        for name, bound in bounds:
            values = getattr(self, name)
            inside = (values >= 0) & (values < bound)
            require(inside, f"order_lines.{name}", values, f"in [0, {bound})")
        require(self.quantity >= 1, "order_lines.quantity", self.quantity, ">= 1")
        positive = np.isfinite(self.unit_price) & (self.unit_price > 0.0)
        require(positive, "order_lines.unit_price", self.unit_price, "finite and > 0")
        positive = np.isfinite(self.unit_cost) & (self.unit_cost >= 0.0)
        require(positive, "order_lines.unit_cost", self.unit_cost, "finite and >= 0")
        if self.hour is not None:
            require_shape("order_lines.hour", self.hour, self.day.shape)
            inside = (self.hour >= 0.0) & (self.hour < 1.0)
            require(inside, "order_lines.hour", self.hour, "in [0, 1)")

    @property
    def num_lines(self) -> int:
        """How many order lines there are, ``M``."""
        return int(self.day.size)

    @property
    def num_days(self) -> int:
        """How many days they cover."""
        return int(self.day[-1]) + 1

    def select(self, keep: BoolArray) -> OrderLines:
        """Return the lines where ``keep`` [M] holds, in order of day and customer."""
        require_shape("keep", keep, self.day.shape)
        index = np.flatnonzero(keep)
        index = index[np.lexsort((self.customer[index], self.day[index]))]
        return replace(
            self,
            day=self.day[index],
            customer=self.customer[index],
            product=self.product[index],
            quantity=self.quantity[index],
            unit_price=self.unit_price[index],
            unit_cost=self.unit_cost[index],
            hour=None if self.hour is None else self.hour[index],
        )
