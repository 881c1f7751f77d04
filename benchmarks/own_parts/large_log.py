"""A valid event log of any number of views, written a period at a time: memory holds one of them.

Popularity of products and sizes of regions are lognormal. A view orders with probability 0.05; an
order is one line in one box. Nodes are stocked with what they ship, and a little more.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from draingym.world.schema import SCHEMA, make_table

PRODUCTS, NODES, REGIONS, PERIODS, CUSTOMERS = 2_000, 10, 100, 52, 500_000
DAYS = 7.0
CONVERSION, ON_HAND = 0.05, 5
_NONE = 3  # code of the ship option of a view without an order


def write_large_log(folder: Path, views: int, seed: int = 0) -> None:
    """Write the log.

    Args:
        folder: Made, if it is not there.
        views: About how many; exactly, if ``PERIODS`` divides them.
        seed: Of everything.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    region_of = _share(random, REGIONS, 0.8).astype(np.float64)
    home = random.choice(REGIONS, CUSTOMERS, p=region_of).astype(np.int32)
    popular = np.cumsum(_share(random, PRODUCTS, 0.5))
    near = np.argsort(random.random((REGIONS, NODES)), axis=1)
    for name, columns in _static(random, region_of, home).items():
        pq.write_table(make_table(name, columns), folder / f"{name}.parquet", compression="zstd")
    counts = np.diff(np.linspace(0, views, PERIODS + 1).astype(np.int64))
    done = lines = 0
    with ExitStack() as stack:
        writers: dict[str, Any] = {}
        for name in ("glance_views", "order_lines", "boxes", "inventory"):
            path = folder / f"{name}.parquet"
            writer = pq.ParquetWriter(path, SCHEMA[name], compression="zstd")
            writers[name] = stack.enter_context(writer)
        for period, count in enumerate(counts):
            tables = _period(random, period, int(count), done, lines, home, popular, near)
            for name, columns in tables.items():
                writers[name].write_table(make_table(name, columns), row_group_size=2**20)
            done, lines = done + int(count), lines + len(tables["order_lines"]["view"])


def _share(random: np.random.Generator, size: int, spread: float) -> NDArray[np.float64]:
    weights = random.lognormal(0.0, spread, size)
    return np.asarray(weights / weights.sum())


def _period(
    random: np.random.Generator,
    period: int,
    count: int,
    done: int,
    lines: int,
    home: NDArray[np.int32],
    popular: NDArray[np.float64],
    near: NDArray[np.int64],
) -> dict[str, dict[str, NDArray[Any]]]:
    """Return the tables of one period, after so many views and order lines."""
    begins = period * DAYS
    time = np.minimum(begins + DAYS * np.sort(random.random(count)), begins + DAYS - 1e-6)
    product = np.searchsorted(popular, random.random(count) * popular[-1]).astype(np.int32)
    customer = random.integers(0, CUSTOMERS, count, np.int32)
    region = home[customer]
    promise = random.integers(0, 3, count, np.int8)
    ordered = random.random(count) < CONVERSION
    line = np.where(ordered, lines + np.cumsum(ordered) - 1, -1)
    quantity = np.where(ordered, 1 + (random.random(count) < 0.2), 0).astype(np.int32)
    view = done + np.arange(count)
    bought, units = product[ordered], quantity[ordered]
    rank = np.minimum(random.geometric(0.6, bought.size) - 1, NODES - 1)
    node = near[region[ordered], rank].astype(np.int32)
    shipped = np.bincount(bought * NODES + node, weights=units, minlength=PRODUCTS * NODES)
    shipped = shipped.astype(np.int64)
    at_product, at_node = (axis.ravel() for axis in np.indices((PRODUCTS, NODES)))
    return {
        "glance_views": {
            "view": view,
            "time": time,
            "period": np.full(count, period),
            "product": product,
            "region": region,
            "promise": promise,
            "ship_option": np.where(ordered, promise, _NONE),
            "quantity": quantity,
            "customer": customer,
            "order": line,
        },
        "order_lines": {
            "order_line": line[ordered],
            "order": line[ordered],
            "view": view[ordered],
            "product": bought,
            "quantity": units,
            "filled": units,
        },
        "boxes": {
            "box": line[ordered],
            "order_line": line[ordered],
            "node": node,
            "shipped_at": time[ordered],
            "units": units,
            "cost_share": np.round(random.lognormal(1.6, 0.4, bought.size), 2),
        },
        "inventory": {
            "period": np.full(at_product.size, period),
            "product": at_product,
            "node": at_node,
            "on_hand": np.full(at_product.size, ON_HAND),
            "stowed": shipped + (ON_HAND if period == 0 else 0),
            "transferred": np.zeros(at_product.size, np.int64),
            "available": shipped + ON_HAND,
        },
    }


def _static(
    random: np.random.Generator, share: NDArray[np.float64], home: NDArray[np.int32]
) -> dict[str, dict[str, Any]]:
    places = {
        name: (random.uniform(30, 48, n), random.uniform(-120, -75, n))
        for name, n in (("node", NODES), ("region", REGIONS))
    }
    price = random.lognormal(3.0, 0.6, PRODUCTS)
    first = date(2024, 1, 1)
    return {
        "products": {
            "product": np.arange(PRODUCTS),
            "id": [f"item {i}" for i in range(PRODUCTS)],
            "price": price,
            "unit_cost": 0.6 * price,
            "weight": random.lognormal(0.5, 0.5, PRODUCTS),
        },
        "nodes": {
            "node": np.arange(NODES),
            "name": [f"node {n}" for n in range(NODES)],
            "latitude": places["node"][0],
            "longitude": places["node"][1],
            "parent": np.full(NODES, -1),
            "serves_customers": np.ones(NODES, bool),
            "active_from": np.zeros(NODES, np.int64),
            "daily_capacity": np.full(NODES, np.inf),
            "lead_time": [[0.0, 1.0]] * NODES,
        },
        "regions": {
            "region": np.arange(REGIONS),
            "name": [f"region {z}" for z in range(REGIONS)],
            "latitude": places["region"][0],
            "longitude": places["region"][1],
            "population": 1e8 * share,
        },
        "customers": {
            "customer": np.arange(home.size),
            "latitude": places["region"][0][home],
            "longitude": places["region"][1][home],
            "region": home,
        },
        "calendar": {
            "period": np.arange(PERIODS),
            "date": [first + timedelta(days=int(DAYS) * t) for t in range(PERIODS)],
            "start": DAYS * np.arange(PERIODS),
            "days": np.full(PERIODS, DAYS),
        },
    }
