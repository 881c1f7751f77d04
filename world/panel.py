"""The panel: the event log aggregated to periods, dense and labelled.

Dimensions: ``product``, ``period``, ``node``, ``region``, ``feature`` (of the calendar), ``lead``
(periods between order and arrival) and ``ahead`` (periods until arrival, from 0).
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from draingym.common.arrays import FloatArray, IntArray
from draingym.common.atomic import atomic_folder
from draingym.world.eventlog import EventLog
from draingym.world.geography import great_circle_km

CONVERSION_PRIOR = 50.0  # views at the mean rate of all products that smooth a product's own

_FLOW = ("product", "period", "node")
_DEMAND = ("product", "period", "region")


def build_panel(log: EventLog, *, known_periods: int | None = None) -> xr.Dataset:
    """Aggregate a log to periods and check that units are conserved.

    The sums are Ibis expressions, run here by DuckDB in the process on one thread, so that sums
    of costs come out the same every time.

    Args:
        log: A valid log; ``validate_log`` or ``read_log`` says whether it is.
        known_periods: Products' attributes are estimated from the views before this period, so
            that later periods can be held out; from all views when not given.

    Returns:
        A dataset with

        - [product, period, node]: ``outbound``, ``stowed``, ``transferred``, ``on_hand``,
          ``available`` and ``in_transit`` (units, int64; ``in_transit`` to the node at the end of
          the period), ``ship_cost`` (currency), ``active`` (bool);
        - [product, period, region]: ``glance_views``, ``orders`` (order lines) and
          ``ordered_units`` (units, filled or not), int64;
        - [product, period, node, lead]: ``shipped``, units sent to the node in the period that
          arrive ``lead`` periods on; [product, ahead, node]: ``initial_pipeline``, units on their
          way when the log began that arrive in period ``ahead``; both and ``in_transit`` only
          where the log has shipments;
        - [product]: ``price``, ``unit_cost``, ``weight_lb``, ``conversion``, orders over views
          under the fastest promise, and ``units_per_order``, both smoothed towards all products';
        - [period, feature]: ``calendar``; [period]: ``date``; [node, region]: ``distance_km``;
          [node, lead]: ``lead_time``;
        - coordinates and structure of nodes and regions; ``period_days`` as an attribute.

    Raises:
        ValueError: If units are not conserved, or ``known_periods`` is not in [1, T].
    """
    num_periods = log["calendar"].num_rows
    known = num_periods if known_periods is None else known_periods
    if not 1 <= known <= num_periods:
        raise ValueError(f"known_periods is {known}, must be in [1, {num_periods}]")
    with closing(_Sums(log)) as sums:
        panel = _assemble(log, sums, known)
    check_conservation(panel)
    return panel


def _assemble(log: EventLog, sums: _Sums, known_periods: int) -> xr.Dataset:
    nodes, regions, products = log["nodes"], log["regions"], log["products"]
    size = sums.size
    active = np.arange(size["period"])[:, None] >= log.array("nodes", "active_from")
    data: dict[str, tuple[tuple[str, ...], Any]] = {}
    flows = sums.boxes()
    data["outbound"] = (_FLOW, flows["outbound"].astype(np.int64))
    data["ship_cost"] = (_FLOW, flows["ship_cost"])
    for name, values in sums.inventory().items():
        data[name] = (_FLOW, values.astype(np.int64))
    data["active"] = (_FLOW, np.broadcast_to(active, data["outbound"][1].shape).copy())
    for name, values in sums.views().items():
        data[name] = (_DEMAND, values.astype(np.int64))

    share = [np.asarray(x, dtype=np.float64) for x in nodes["lead_time"].to_pylist()]
    longest = max(len(x) for x in share) - 1
    if "shipments" in log:
        longest = max(longest, sums.longest_lead())
        shipped, pipeline = sums.shipments(longest)
        arrived = data["stowed"][1]
        on_the_way = pipeline.sum(axis=1)[:, None] + (shipped.sum(axis=3) - arrived).cumsum(axis=1)
        data["shipped"] = ((*_FLOW, "lead"), shipped)
        data["initial_pipeline"] = (("product", "ahead", "node"), pipeline)
        data["in_transit"] = (_FLOW, on_the_way)
    lead_time = np.stack([np.pad(x, (0, longest + 1 - len(x))) for x in share])
    data["lead_time"] = (("node", "lead"), lead_time)

    for name in ("price", "unit_cost", "weight_lb"):
        data[name] = (("product",), log.array("products", name))
    for name, values in sums.attributes(known_periods).items():
        data[name] = (("product",), values)
    calendar = log["calendar"]
    features = [c for c in calendar.column_names if c not in ("period", "date", "start", "days")]
    columns = [np.asarray(calendar[name], dtype=np.float64) for name in features]
    empty = np.zeros((size["period"], 0))
    data["calendar"] = (("period", "feature"), np.stack(columns, axis=1) if columns else empty)
    data["date"] = (("period",), np.asarray(calendar["date"]).astype("datetime64[ns]"))
    for prefix, table in (("node", "nodes"), ("region", "regions")):
        for name in ("latitude", "longitude"):
            data[f"{prefix}_{name}"] = ((prefix,), log.array(table, name))
    for name in ("parent", "serves_customers", "active_from", "daily_capacity"):
        data[name] = (("node",), log.array("nodes", name))
    data["population"] = (("region",), log.array("regions", "population"))
    distance = great_circle_km(
        log.array("nodes", "latitude")[:, None],
        log.array("nodes", "longitude")[:, None],
        log.array("regions", "latitude"),
        log.array("regions", "longitude"),
    )
    data["distance_km"] = (("node", "region"), distance)
    return xr.Dataset(
        data,
        coords={
            "product": products["id"].to_pylist(),
            "period": np.arange(size["period"]),
            "node": nodes["name"].to_pylist(),
            "region": regions["name"].to_pylist(),
            "feature": np.array(features, dtype=np.str_),
        },
        attrs={"period_days": sums.days},
    )


class _Sums:
    """The log's sums by period, as dense arrays."""

    def __init__(self, log: EventLog) -> None:
        self.connection = ibis.duckdb.connect(threads=1)
        self.table = {
            name: ibis.memtable(log[name])
            for name in ("glance_views", "order_lines", "boxes", "inventory", "shipments")
            if name in log
        }
        self.size = {
            "product": log["products"].num_rows,
            "node": log["nodes"].num_rows,
            "region": log["regions"].num_rows,
            "period": log["calendar"].num_rows,
        }
        self.start = float(log.array("calendar", "start")[0])
        self.days = float(log.array("calendar", "days")[0])

    def close(self) -> None:
        """Give the connection back."""
        self.connection.disconnect()

    def dense(
        self, expression: Any, keys: tuple[str, ...], *, shape: tuple[int, ...] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Run an expression grouped by ``keys`` and spread its columns over dense arrays."""
        found = self.connection.to_pyarrow(expression)
        shape = tuple(self.size[key] for key in keys) if shape is None else shape
        index = tuple(np.asarray(found[key], dtype=np.int64) for key in keys)
        dense: dict[str, NDArray[Any]] = {}
        for name in found.column_names:
            if name not in keys:
                dense[name] = np.zeros(shape, dtype=np.float64)
                dense[name][index] = np.asarray(found[name], dtype=np.float64)
        return dense

    def boxes(self) -> dict[str, NDArray[Any]]:
        """Return units and cost by product, period of shipment and node."""
        lines = self.table["order_lines"].select("order_line", "product")
        boxes = self.table["boxes"].join(lines, "order_line")
        period = ((boxes.shipped_at - self.start) / self.days).floor().cast("int64")
        grouped = boxes.mutate(period=period).group_by(list(_FLOW))
        sums = grouped.agg(outbound=boxes.units.sum(), ship_cost=boxes.cost_share.sum())
        return self.dense(sums, _FLOW)

    def inventory(self) -> dict[str, NDArray[Any]]:
        """Return the stock columns by product, period and node."""
        table = self.table["inventory"]
        names = ("stowed", "transferred", "on_hand", "available")
        sums = table.group_by(list(_FLOW)).agg(**{name: table[name].sum() for name in names})
        return self.dense(sums, _FLOW)

    def views(self) -> dict[str, NDArray[Any]]:
        """Return views, order lines and units ordered by product, period and region."""
        views = self.table["glance_views"]
        sums = views.group_by(list(_DEMAND)).agg(
            glance_views=views.count(),
            orders=views.order.count(),
            ordered_units=views.quantity.sum(),
        )
        return self.dense(sums, _DEMAND)

    def attributes(self, known_periods: int) -> dict[str, FloatArray]:
        """Return what the views before a period say of the products, [P] each.

        ``conversion``: orders over views under the fastest promise. ``units_per_order``: units
        over order lines. Both are smoothed towards the mean of all products.
        """
        views = self.table["glance_views"].filter(lambda t: t.period < known_periods)
        by = {
            best: self.dense(
                (views.filter(views.promise == "1d") if best else views)
                .group_by("product")
                .agg(
                    views=lambda t: t.count(),
                    orders=lambda t: t.order.count(),
                    units=lambda t: t.quantity.sum(),
                ),
                ("product",),
            )
            for best in (True, False)
        }
        counts = by[bool(by[True]["orders"].sum() > 0)]
        orders, seen = counts["orders"], counts["views"]
        mean = (orders.sum() + 0.5) / (seen.sum() + 1.0)
        ordered, units = by[False]["orders"], by[False]["units"]
        size = (units.sum() + 1.0) / (ordered.sum() + 1.0)
        prior = CONVERSION_PRIOR * mean  # as many orders as the prior's views are worth
        return {
            "conversion": (orders + CONVERSION_PRIOR * mean) / (seen + CONVERSION_PRIOR),
            "units_per_order": (units + prior * size) / (ordered + prior),
        }

    def longest_lead(self) -> int:
        """Return the longest time between order and arrival, in periods."""
        table = self.table["shipments"]
        lead = self.connection.to_pyarrow((table.arrives_at - table.ordered_at).max())
        return int(lead.as_py() or 0)

    def shipments(self, longest: int) -> tuple[IntArray, IntArray]:
        """Return ``shipped`` [P, T, N, L+1] and ``initial_pipeline`` [P, max(L, 1), N]."""
        table = self.table["shipments"]
        sums = (
            table.mutate(
                period=table.ordered_at.cast("int64"),
                lead=(table.arrives_at - table.ordered_at).cast("int64"),
            )
            .group_by([*_FLOW, "lead"])
            .agg(units=lambda t: t.units.sum())
        )
        during = sums.filter(sums.period >= 0)
        p, t, n = (self.size[key] for key in _FLOW)
        shipped = self.dense(during, (*_FLOW, "lead"), shape=(p, t, n, longest + 1))["units"]
        before = sums.filter(sums.period < 0).mutate(ahead=lambda s: s.period + s.lead)
        before = before.group_by(["product", "ahead", "node"]).agg(units=lambda s: s.units.sum())
        keys = ("product", "ahead", "node")
        pipeline = self.dense(before, keys, shape=(p, max(longest, 1), n))["units"]
        return shipped.astype(np.int64), pipeline.astype(np.int64)


def check_conservation(panel: xr.Dataset) -> None:
    """Check that no unit appears from nowhere or vanishes.

    In every period and at every node::

        on_hand   = available - outbound
        available = on_hand of the period before + stowed - transferred

    and, where the log had shipments::

        stowed      = what was shipped to the node and arrives
        transferred = what was shipped to the node's children
        in_transit  = in_transit of the period before + shipped - stowed

    Nothing is negative, no node ships or holds units before it exists, and only what was
    shipped costs anything.

    Args:
        panel: Made by ``build_panel``.

    Raises:
        ValueError: Naming the variable, product, period, node and both values.
    """
    units = [name for name in _UNITS if name in panel]
    for name in units:
        if panel[name].dtype.kind != "i":
            raise ValueError(f"panel.{name} is of type {panel[name].dtype}, must be int64")
    flow = {name: panel[name].transpose(*_FLOW).to_numpy() for name in units if name in _FLOWS}
    for name, values in flow.items():
        _same(panel, name, values, np.maximum(values, 0), "at least 0")
        if name != "in_transit":  # a node may be stocked up in advance
            open_now = values * panel["active"].to_numpy()
            _same(panel, name, values, open_now, "0 before the node exists")
    on_hand, available, outbound = (flow[x] for x in ("on_hand", "available", "outbound"))
    stowed, transferred = flow["stowed"], flow["transferred"]
    _same(panel, "on_hand", on_hand, available - outbound, "available - outbound")
    due = available.copy()
    due[:, 1:] = on_hand[:, :-1] + stowed[:, 1:] - transferred[:, 1:]
    _same(panel, "available", available, due, "on_hand of the period before + stowed - transferred")
    free = np.where(outbound == 0, 0.0, panel["ship_cost"].to_numpy())
    cost = panel["ship_cost"].to_numpy()
    _same(panel, "ship_cost", cost, np.maximum(free, 0.0), "at least 0, and 0 without outbound")
    for name in ("glance_views", "orders", "ordered_units"):
        values = panel[name].to_numpy()
        _same(panel, name, values, np.maximum(values, 0), "at least 0", where="region")
    views, orders = panel["glance_views"].to_numpy(), panel["orders"].to_numpy()
    _same(panel, "orders", orders, np.minimum(orders, views), "at most views", where="region")
    if "shipped" not in panel:
        return
    shipped, pipeline = panel["shipped"].to_numpy(), panel["initial_pipeline"].to_numpy()
    for name, values in (("shipped", shipped), ("initial_pipeline", pipeline)):
        if (values < 0).any():
            raise ValueError(f"panel.{name} holds {int(values.min())}, must be at least 0")
    num_periods = shipped.shape[1]
    arrived = np.zeros_like(stowed)
    ahead = min(pipeline.shape[1], num_periods)
    arrived[:, :ahead] = pipeline[:, :ahead]
    for lead in range(min(shipped.shape[3], num_periods)):
        arrived[:, lead:] += shipped[:, : num_periods - lead, :, lead]
    _same(panel, "stowed", stowed, arrived, "the units shipped to the node that arrive")
    left = np.zeros_like(transferred)
    parent = panel["parent"].to_numpy()
    sent = shipped.sum(axis=3)
    for child in np.flatnonzero(parent >= 0):
        left[:, :, parent[child]] += sent[:, :, child]
    _same(panel, "transferred", transferred, left, "the units shipped to the node's children")
    on_the_way = pipeline.sum(axis=1)[:, None] + (sent - stowed).cumsum(axis=1)
    rule = "in_transit of the period before + shipped - stowed"
    _same(panel, "in_transit", flow["in_transit"], on_the_way, rule)


_FLOWS = ("outbound", "stowed", "transferred", "on_hand", "available", "in_transit")
_UNITS = (*_FLOWS, "glance_views", "orders", "ordered_units", "shipped", "initial_pipeline")


def _same(
    panel: xr.Dataset,
    name: str,
    found: NDArray[Any],
    due: NDArray[Any],
    rule: str,
    *,
    where: str = "node",
) -> None:
    if np.array_equal(found, due):
        return
    i, t, n = (int(k) for k in np.argwhere(found != due)[0])
    product, place = (str(panel[d].to_numpy()[k]) for d, k in (("product", i), (where, n)))
    raise ValueError(
        f"panel.{name} of product {i} ({product!r}), period {t}, {where} {n} ({place!r}) is "
        f"{found[i, t, n].item()}, must be {due[i, t, n].item()}, {rule}"
    )


def pipeline_at(panel: xr.Dataset, period: int) -> IntArray:
    """Return the units on their way when a period begins.

    Args:
        panel: Made by ``build_panel`` from a log with shipments.
        period: From 0 to T.

    Returns:
        [P, L, N] int64: row k holds the units, ordered before ``period``, that arrive k periods
        after it; L is the longest lead time, at least 1.

    Raises:
        ValueError: If the period is out of bounds, or the panel has no shipments.
    """
    if "shipped" not in panel:
        raise ValueError("panel lacks 'shipped', must be built from a log with shipments")
    num_periods = panel.sizes["period"]
    if not 0 <= period <= num_periods:
        raise ValueError(f"period is {period}, must be in [0, {num_periods}]")
    shipped, initial = panel["shipped"].to_numpy(), panel["initial_pipeline"].to_numpy()
    pipeline = np.zeros_like(initial)
    length = initial.shape[1]
    if period < length:
        pipeline[:, : length - period] += initial[:, period:]
    for lead in range(1, shipped.shape[3]):
        for ordered in range(max(0, period - lead), period):
            pipeline[:, ordered + lead - period] += shipped[:, ordered, :, lead]
    return pipeline


def save_panel(panel: xr.Dataset, folder: Path, *, products_per_chunk: int = 16) -> None:
    """Write a panel as Zarr, in chunks of whole products, or leave no trace.

    Args:
        panel: Made by ``build_panel``.
        folder: Created, or replaced as a whole once everything is written.
        products_per_chunk: How many products share a chunk.

    Raises:
        ValueError: If units are not conserved; nothing is written then.
    """
    check_conservation(panel)
    if products_per_chunk < 1:
        raise ValueError(f"products_per_chunk is {products_per_chunk}, must be >= 1")
    sizes = {**panel.sizes, "product": min(products_per_chunk, panel.sizes["product"])}
    encoding = {
        name: {"chunks": tuple(max(1, sizes[str(d)]) for d in values.dims)}
        for name, values in panel.data_vars.items()
    }
    with atomic_folder(folder) as fresh:
        panel.to_zarr(fresh, mode="w", encoding=encoding, consolidated=False, zarr_format=2)


def load_panel(folder: Path) -> xr.Dataset:
    """Read a panel into memory and check that units are conserved.

    Raises:
        ValueError: If the folder is no readable panel, or units are not conserved.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}, must be a folder with a panel")
    try:
        with xr.open_zarr(folder, consolidated=False, chunks=None) as stored:
            panel: xr.Dataset = stored.load()
    except Exception as error:
        raise ValueError(f"{folder}, must be a readable panel in Zarr ({error})") from error
    missing = [name for name in ("product", "on_hand", "outbound", "active") if name not in panel]
    if missing:
        raise ValueError(f"{folder} lacks {missing[0]!r}, must be a panel")
    check_conservation(panel)
    return panel
