"""The four data sets as series; time-ordered, the largest series or random ones of each.

Which series sold most, and which have begun, is told from the periods before any that is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from draingym.common.arrays import FloatArray
from draingym.common.price_steps import MAX_DISCOUNT
from draingym.forecasters import Columns, Rules, SeriesData, read_frame
from draingym.forecasters.data.cleaning import forward_filled
from draingym.forecasters.data.grid import Grid, Step
from draingym.world.ta_feng import load_order_lines

HOUR = 3600
SCORED = 4  # horizons at the end: three origins that are scored, one that settings are chosen on


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """Series to forecast, and how."""

    name: str
    data: SeriesData
    horizon: int
    season: int  # periods of the seasonal naive forecast
    log_price: str | None = None  # column known ahead, where a price is set and not observed
    discount: str | None = None  # likewise, of the share off the list price

    def with_discount(self) -> Dataset:
        """Return the data with discounts off the highest price so far, and that, for the price.

        Nothing else says what the price is, so that demand answers to the discount alone.
        """
        if self.log_price is None:
            return self
        known = dict(self.data.known)
        price = known.pop(self.log_price)
        highest = np.maximum.accumulate(price, axis=1)
        known |= {
            "discount": np.clip(1.0 - np.exp(price - highest), 0.0, MAX_DISCOUNT),
            "log_list_price": highest,
        }
        data = replace(self.data, known=known)
        return replace(self, data=data, log_price=None, discount="discount")


def ta_feng(folder: Path, series: int) -> Dataset:
    """Daily units of the best-selling products, with the price paid a week before.

    That of the day itself is known only if somebody bought, and would say so.
    """
    del folder
    lines = load_order_lines()
    periods = int(lines.day.max()) + 1
    early = lines.day < periods - SCORED * 7
    sold = np.bincount(
        lines.product[early],
        weights=lines.quantity[early],
        minlength=int(lines.product.max()) + 1,
    )
    best = np.sort(np.argsort(-sold, kind="stable")[:series])
    place = np.full(len(sold), -1)
    place[best] = np.arange(len(best))
    keep = place[lines.product] >= 0
    at = (place[lines.product[keep]], lines.day[keep])
    units, paid = np.zeros((len(best), periods)), np.zeros((len(best), periods))
    np.add.at(units, at, lines.quantity[keep])
    np.add.at(paid, at, lines.quantity[keep] * lines.unit_price[keep])
    price = _carried(np.where(units > 0, paid / np.maximum(units, 1), np.nan))
    start = int(np.datetime64(lines.first_date, "s").astype(np.int64))
    data = SeriesData(
        ids=tuple(lines.product_id[p] for p in best),
        grid=Grid(start, Step("second", 24 * HOUR)),
        target=units,
        known={"price": _told_before(price, 7)},
    )
    return Dataset(name="ta-feng", data=data, horizon=7, season=7)


def online_retail(folder: Path, series: int) -> Dataset:
    """Weekly units of the best-selling articles, whole weeks, with the price four weeks before."""
    from pyarrow import parquet

    table = parquet.read_table(folder / "online_retail.parquet")
    data = read_frame(
        table,
        Columns(id="StockCode", time="InvoiceDate", target="Quantity", known=("UnitPrice",)),
        Rules(freq="W", duplicates="sum", gaps="zero", negative="zero"),
    )
    data = data.until(data.num_periods - 1)  # the last week is not over
    early = data.target[:, : data.num_periods - SCORED * 4]
    begun = ~np.isnan(early[:, : -2 * 4]).all(axis=1)
    best = np.argsort(-np.where(begun, np.nansum(early, axis=1), -1.0), kind="stable")[:series]
    data = data.take(np.sort(best))
    price = _carried(data.known["UnitPrice"][:, : data.num_periods])
    known = {"price": _told_before(price, 4)}
    found = SeriesData(ids=data.ids, grid=data.grid, target=data.target, known=known)
    return Dataset(name="online-retail", data=found, horizon=4, season=4)


def favorita(folder: Path, series: int) -> Dataset:
    """Weekly units of products in stores; some at random, the same each time."""
    with np.load(folder / "favorita_weekly.npz") as file:
        sales = file["sales"].astype(np.float64)
    products, stores, weeks = sales.shape
    chosen = np.sort(np.random.default_rng(0).permutation(products * stores)[:series])
    product, store = np.divmod(chosen, stores)
    data = SeriesData(
        ids=tuple(f"product {p}/store {s}" for p, s in zip(product, store, strict=True)),
        grid=Grid(0, Step("whole", 1)),
        target=np.maximum(sales.reshape(-1, weeks)[chosen], 0.0),
        known=_place_in_year(len(chosen), weeks),
        labels={
            "product": np.array([str(p) for p in product]),
            "store": np.array([str(s) for s in store]),
        },
    )
    return Dataset(name="favorita", data=data, horizon=8, season=52)


def orange_juice(folder: Path, series: int) -> Dataset:
    """Weekly units of brands in stores, with price, deal and advertisement known ahead."""
    from pyarrow import compute, parquet

    table = parquet.read_table(folder / "dominicks_orange_juice.parquet")
    ids = [
        f"brand {b}/store {s}"
        for b, s in zip(table["brand"].to_pylist(), table["store"].to_pylist(), strict=True)
    ]
    columns: dict[str, Any] = {
        "unique_id": ids,
        "ds": table["week"].cast("int64"),
        "y": compute.cast(table["units"], "float64"),
        "log_price": compute.ln(table["price"]),
        "deal": compute.cast(compute.greater(table["deal"], 0), "float64"),
        "feature": compute.cast(table["feature"], "float64"),
        "brand": compute.cast(table["brand"], "string"),
        "store": compute.cast(table["store"], "string"),
    }
    import pyarrow as pa

    known = ("log_price", "deal", "feature")
    data = read_frame(pa.table(columns), Columns(static=("brand", "store"), known=known))
    chosen = np.sort(np.random.default_rng(0).permutation(data.num_series)[:series])
    data = data.take(chosen)
    carried = {name: _carried(values) for name, values in data.known.items()}
    carried |= _place_in_year(data.num_series, data.num_known)
    found = SeriesData(
        ids=data.ids, grid=data.grid, target=data.target, known=carried, labels=data.labels
    )
    return Dataset(name="orange-juice", data=found, horizon=8, season=52, log_price="log_price")


DATASETS: Mapping[str, Callable[[Path, int], Dataset]] = {
    "ta-feng": ta_feng,
    "online-retail": online_retail,
    "favorita": favorita,
    "orange-juice": orange_juice,
}


def _told_before(price: FloatArray, periods: int) -> FloatArray:
    """Return the price so many periods before over the series' first one, 1 where there is none."""
    first = np.maximum(price[:, :1], 1e-6)
    return np.pad(price[:, :-periods] / first, ((0, 0), (periods, 0)), constant_values=1.0)


def _place_in_year(series: int, weeks: int) -> dict[str, FloatArray]:
    """Return sine and cosine of the place in a year of 52 weeks."""
    angle = 2 * np.pi * np.arange(weeks) / 52
    return {
        f"{name}_year": np.tile(wave(angle), (series, 1))
        for name, wave in (("sin", np.sin), ("cos", np.cos))
    }


def _carried(values: FloatArray) -> FloatArray:
    """Return the last value where one is missing, and the first before it."""
    filled = forward_filled(values)
    return forward_filled(filled[:, ::-1])[:, ::-1]
