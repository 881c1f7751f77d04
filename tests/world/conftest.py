"""A small world, and a log of it made by the plainest possible replay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from draingym.world.eventlog import EventLog, static_tables
from draingym.world.orders import World, WorldConfig, build_world
from draingym.world.panel import build_panel
from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines
from draingym.world.views import SHIP_OPTIONS


def small_world(seed: int = 0, *, period_days: int = 1, num_days: int = 12) -> World:
    """Return a world of 3 products, 2 + 1 nodes and 4 regions."""
    lines = synthetic_order_lines(
        SyntheticConfig(num_products=5, num_customers=60, num_days=num_days, lines_per_day=12.0),
        seed,
    )
    config = WorldConfig(
        num_products=3, num_nodes=2, num_regions=4, period_days=period_days, seed=seed
    )
    return build_world(lines, config)


def simple_log(world: World, seed: int = 0) -> EventLog:
    """Replay a world: random orders to the nodes, random promises, random shipping nodes."""
    rng = np.random.default_rng(seed)
    network, views, days = world.network, world.views, float(world.period_days)
    P, N, T = world.products.num_products, network.num_nodes, world.num_periods
    stock = rng.integers(0, 12, (P, N))
    rows: dict[str, Any] = {
        name: defaultdict(list)
        for name in ("glance_views", "order_lines", "boxes", "inventory", "shipments")
    }

    def add(table: str, **values: Any) -> None:
        for name, value in values.items():
            rows[table][name].append(value)

    coming: defaultdict[tuple[int, int, int], int] = defaultdict(int)

    def send(product: int, node: int, ordered_at: int, lead: int, units: int) -> None:
        if units:
            add(
                "shipments",
                product=product,
                node=node,
                ordered_at=ordered_at,
                arrives_at=ordered_at + lead,
                units=units,
            )
            coming[ordered_at + lead, product, node] += units

    def lead_of(node: int) -> int:
        return int(rng.choice(network.lead_time.shape[1], p=network.lead_time[node]))

    for product in range(P):
        for node in range(N):
            send(product, node, -1, 1 + max(0, lead_of(node) - 1), int(rng.integers(0, 6)))
    cumulative = world.rates.cumulative
    order_of: dict[int, int] = {}
    for t in range(T):
        transferred = np.zeros((P, N), dtype=np.int64)
        for product in range(P):
            for node in range(N):
                parent, units = int(network.parent[node]), int(rng.integers(0, 8))
                if parent >= 0:
                    free = stock[product, parent] - transferred[product, parent]
                    units = min(units, int(free))
                    transferred[product, parent] += units
                send(product, node, t, lead_of(node), units)
        stowed = np.array([[coming[t, i, n] for n in range(N)] for i in range(P)])
        stock += stowed - transferred
        available = stock.copy()
        for v in range(int(views.offsets[t]), int(views.offsets[t + 1])):
            product = int(views.product[v])
            promise = int(rng.integers(0, 4))
            option = int(np.searchsorted(cumulative[product, promise], views.latent[v]))
            ordered = option < SHIP_OPTIONS.index("none")
            order, quantity = -1, 0
            if ordered:
                quantity = int(views.quantity[v])
                order = order_of.setdefault(int(views.session[v]), len(order_of))
                line, left = len(rows["order_lines"]["order_line"]), quantity
                for node in rng.permutation(np.flatnonzero(network.serves_customers)):
                    units = min(left, int(stock[product, node]))
                    if units:
                        stock[product, node] -= units
                        left -= units
                        add(
                            "boxes",
                            box=order * N + node,
                            order_line=line,
                            node=node,
                            shipped_at=min(views.time[v] + 0.1, (t + 1) * days - 1e-6),
                            units=units,
                            cost_share=float(rng.uniform(3.0, 9.0)),
                        )
                add(
                    "order_lines",
                    order_line=line,
                    order=order,
                    view=v,
                    product=product,
                    quantity=quantity,
                    filled=quantity - left,
                )
            add(
                "glance_views",
                view=v,
                time=views.time[v],
                period=t,
                product=product,
                region=views.region[v],
                promise=promise,
                ship_option=option,
                quantity=quantity,
                customer=views.customer[v],
                order=order,
            )
        for product in range(P):
            for node in range(N):
                add(
                    "inventory",
                    period=t,
                    product=product,
                    node=node,
                    on_hand=stock[product, node],
                    stowed=stowed[product, node],
                    transferred=transferred[product, node],
                    available=available[product, node],
                )
    arrays = {
        table: {name: np.array(values) for name, values in columns.items()}
        for table, columns in rows.items()
    }
    return EventLog.from_arrays({**static_tables(world), **arrays})


@pytest.fixture(scope="session")
def make_world() -> Callable[..., World]:
    return small_world


@pytest.fixture(scope="session")
def make_log() -> Callable[..., EventLog]:
    return simple_log


@pytest.fixture(scope="session")
def world() -> World:
    return small_world()


@pytest.fixture(scope="session")
def log(world: World) -> EventLog:
    return simple_log(world)


@pytest.fixture(scope="session")
def panel(log: EventLog) -> xr.Dataset:
    return build_panel(log)
