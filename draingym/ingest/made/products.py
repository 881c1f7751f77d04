"""Price, cost and weight of a company's products, and how prices changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from draingym.common.arrays import FloatArray
from draingym.ingest.given.cells import Table
from draingym.ingest.given.mapping import Mapping
from draingym.ingest.made.keys import codes
from draingym.ingest.made.notes import Notes
from draingym.ingest.made.orders import Calendar, Lines


@dataclass(frozen=True, kw_only=True, slots=True)
class ProductFacts:
    """What is known or assumed of each product. ``P`` of them."""

    price: FloatArray  # [P] currency a unit, mean over the units sold
    unit_cost: FloatArray  # [P] currency a unit
    weight: FloatArray  # [P] in units.weight
    extras: dict[str, Any]  # further columns of ``tables.products``, by product
    price_path: dict[str, Any] | None  # rows of the log's table ``prices``; None if none change


def read_products(
    tables: dict[str, Table], lines: Lines, calendar: Calendar, mapping: Mapping, notes: Notes
) -> ProductFacts:
    """Return what tables and orders say of the products that are kept.

    A price is revenue over units sold; without one in the orders, the table's. A cost is the
    table's, or else what orders say, or else the price less ``assume.margin``.

    Raises:
        ValueError: Naming the first product that has no price, or a table's bad cell.
    """
    number = len(lines.product_id)
    told = {name: np.full(number, np.nan) for name in ("price", "unit_cost", "weight")}
    extras: dict[str, Any] = {}
    if "products" in tables:
        table = tables["products"]
        which = codes(table.text("product"), lines.product_id)
        for name in told:
            if name in table:
                values = table.number(name)
                table.require(name, ~((values < 0.0) | (values > 1e12)), values, ">= 0, <= 1e12")
                told[name][which[which >= 0]] = values[which >= 0]
        row = np.full(number, -1, np.int64)
        row[which[which >= 0]] = np.flatnonzero(which >= 0)
        extras = table.kept(row)
    sold = _mean(lines, lines.unit_price)
    price = np.where(np.isnan(sold), told["price"], sold)
    lost = np.isnan(price) | (price <= 0.0)
    if lost.any():
        if lost.all():
            raise ValueError(
                "no product has a price, must be told: orders.unit_price, orders.line_total or "
                "products.price"
            )
        notes.assume(f"{lost.sum()} products have no price: the median of the others is taken.")
        price = np.where(lost, np.median(price[~lost]), price)
    cost = np.where(np.isnan(told["unit_cost"]), _mean(lines, lines.unit_cost), told["unit_cost"])
    if np.isnan(cost).any():
        margin = mapping.assume.margin
        notes.assume(
            f"{np.isnan(cost).sum():,} of {number:,} products have no cost: their price less a "
            f"margin of {margin:.0%} is taken."
        )
        cost = np.where(np.isnan(cost), price * (1.0 - margin), cost)
    weight = np.where(told["weight"] > 0.0, told["weight"], np.nan)
    if np.isnan(weight).any():
        notes.assume(
            f"{np.isnan(weight).sum():,} of {number:,} products have no weight: "
            f"{mapping.assume.weight:g} {mapping.units.weight} is taken."
        )
        weight = np.where(np.isnan(weight), mapping.assume.weight, weight)
    return ProductFacts(
        price=price,
        unit_cost=cost,
        weight=weight,
        extras=extras,
        price_path=_price_path(lines, calendar),
    )


def _mean(lines: Lines, values: FloatArray) -> FloatArray:
    """Return [P] the mean over units of a value of lines, NaN where no line has it."""
    number, told = len(lines.product_id), ~np.isnan(values)
    units = np.bincount(lines.product[told], weights=lines.quantity[told], minlength=number)
    total = np.bincount(
        lines.product[told], weights=(lines.quantity * values)[told], minlength=number
    )
    return np.where(units > 0.0, total / np.maximum(units, 1.0), np.nan)


def _price_path(lines: Lines, calendar: Calendar) -> dict[str, Any] | None:
    """Return a row for each product and period in which its mean price is another than before."""
    told = ~np.isnan(lines.unit_price)
    shape = (len(lines.product_id), calendar.periods)
    cell = lines.product * shape[1] + np.floor(lines.time / calendar.days).astype(np.int64)
    size = shape[0] * shape[1]
    units = np.bincount(cell[told], weights=lines.quantity[told], minlength=size).reshape(shape)
    paid = np.bincount(
        cell[told], weights=(lines.quantity * lines.unit_price)[told], minlength=size
    ).reshape(shape)
    mean = np.round(paid / np.maximum(units, 1.0), 6)
    sold = (units > 0.0) & (mean > 0.0)
    last = np.maximum.accumulate(np.where(sold, np.arange(shape[1]), -1), axis=1)
    before = np.concatenate([np.full((shape[0], 1), -1), last[:, :-1]], axis=1)
    held = np.where(before >= 0, np.take_along_axis(mean, np.maximum(before, 0), axis=1), -1.0)
    change = sold & (np.abs(mean - held) > 1e-6)
    if not (change & (before >= 0)).any():
        return None
    product, period = np.nonzero(change)
    return {"period": period, "product": product, "price": mean[product, period]}
