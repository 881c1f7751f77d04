"""Prices that change: a log's table of them, as a price of each product and period."""

from __future__ import annotations

from typing import Any

import numpy as np

from draingym.common.arrays import FloatArray
from draingym.world.eventlog import EventLog


def price_paths(log: EventLog) -> FloatArray:
    """Return the price of each product in each period, [P, T], currency per unit.

    A row of ``prices`` holds until the product's next one; before its first one, and where a log
    has no such table, the price is the product's own.
    """
    own = log.array("products", "price")
    path = np.repeat(own[:, None], log["calendar"].num_rows, axis=1)
    if "prices" not in log:
        return path
    period, product, price = (log.array("prices", n) for n in ("period", "product", "price"))
    given = np.zeros(path.shape, np.bool_)
    given[product, period] = True
    path[product, period] = price
    last = np.maximum.accumulate(np.where(given, np.arange(path.shape[1]), -1), axis=1)
    held: FloatArray = np.take_along_axis(path, np.maximum(last, 0), axis=1)
    return np.where(last >= 0, held, own[:, None])


def panel_prices(panel: Any) -> FloatArray:
    """Return the price of each product of a panel in each period, [P, T], currency per unit."""
    if "price_path" in panel:
        return np.asarray(panel["price_path"], np.float64)
    return np.repeat(np.asarray(panel["price"], np.float64)[:, None], panel.sizes["period"], axis=1)
