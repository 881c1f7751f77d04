"""The four data sets as series; time-ordered, the largest series or random ones of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from draingym.common.arrays import FloatArray
from draingym.forecasters import Columns, Rules, SeriesData, read_frame
from draingym.forecasters.data.cleaning import forward_filled
from draingym.forecasters.data.grid import Grid, Step
from draingym.world.ta_feng import load_order_lines

HOUR = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """Series to forecast, and how."""

    name: str
    data: SeriesData
    horizon: int
    season: int  # periods of the seasonal naive forecast


def ta_feng(folder: Path, series: int) -> Dataset:
    """Daily units of the best-selling products, with the last price paid."""
    del folder
    lines = load_order_lines()
    periods = int(lines.day.max()) + 1
    sold = np.bincount(lines.product, weights=lines.quantity)
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
        known={"price": price / price.mean(axis=1, keepdims=True)},
    )
    return Dataset(name="ta-feng", data=data, horizon=7, season=7)


def online_retail(folder: Path, series: int) -> Dataset:
    """Weekly units of the best-selling articles, whole weeks, with the last mean price."""
    from pyarrow import parquet

    table = parquet.read_table(folder / "online_retail.parquet")
    data = read_frame(
        table,
        Columns(id="StockCode", time="InvoiceDate", target="Quantity", known=("UnitPrice",)),
        Rules(freq="W", duplicates="sum", gaps="zero", negative="zero"),
    )
    data = data.until(data.num_periods - 1)  # the last week is not over
    best = np.argsort(-np.nansum(data.target, axis=1), kind="stable")[:series]
    data = data.take(np.sort(best))
    price = _carried(data.known["UnitPrice"][:, : data.num_periods])
    shape = {"price": price / np.maximum(price.mean(axis=1, keepdims=True), 1e-6)}
    found = SeriesData(ids=data.ids, grid=data.grid, target=data.target, known=shape)
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
    found = SeriesData(
        ids=data.ids, grid=data.grid, target=data.target, known=carried, labels=data.labels
    )
    return Dataset(name="orange-juice", data=found, horizon=8, season=52)


DATASETS: Mapping[str, Callable[[Path, int], Dataset]] = {
    "ta-feng": ta_feng,
    "online-retail": online_retail,
    "favorita": favorita,
    "orange-juice": orange_juice,
}


def _carried(values: FloatArray) -> FloatArray:
    """Return the last value where one is missing, and the first before it."""
    filled = forward_filled(values)
    return forward_filled(filled[:, ::-1])[:, ::-1]
