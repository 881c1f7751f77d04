"""The panel: the event log aggregated to periods, dense and labelled.

Dimensions: ``product``, ``period``, ``node``, ``region``, ``feature`` (of the calendar), ``lead``
(periods between order and arrival), ``ahead`` (periods until arrival, from 0) and ``lane`` (those
of a product that shipped units in a period).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from draingym.common.arrays import IntArray
from draingym.common.atomic import atomic_folder
from draingym.common.files import kind_at, reading
from draingym.world.engines import Engine
from draingym.world.eventlog import EventLog
from draingym.world.geography import great_circle_km
from draingym.world.lanes import LANE
from draingym.world.panel_checks import check_conservation, check_panel, check_structure
from draingym.world.panel_sums import DEMAND, FLOW, LogSums
from draingym.world.prices import price_paths
from draingym.world.schema import features
from draingym.world.weights import product_pounds


def build_panel(
    log: EventLog, *, known_periods: int | None = None, engine: Engine | None = None
) -> xr.Dataset:
    """Aggregate a log to periods and check that units are conserved.

    The sums are Ibis expressions of whole numbers: every engine finds the same panel, bit for bit.

    Args:
        log: A valid log; ``validate_log`` or ``read_log`` says whether it is. One that does not fit
            memory stays on disk with ``draingym.world.log_folder.open_log``.
        known_periods: Products' attributes are estimated from the views before this period, so
            that later periods can be held out; from all views when not given.
        engine: What runs the sums, such as ``draingym.world.engines.DuckDB(memory="2GB")`` or
            ``Spark()``; DuckDB in this process when not given.

    Returns:
        A dataset with

        - [product, period, node]: ``outbound``, ``stowed``, ``transferred``, ``on_hand``,
          ``available`` and ``in_transit`` (units, int64; ``in_transit`` to the node at the end of
          the period), ``ship_cost`` (currency), ``active`` (bool);
        - [product, period, region]: ``glance_views``, ``orders`` (order lines) and
          ``ordered_units`` (units, filled or not), int64;
        - [product, period, lane]: ``lane_node``, ``lane_region`` (indices) and ``lane_units``,
          int64: the units that a node shipped to a region, where it shipped any; 0 after the last;
        - [product, period, node, lead]: ``shipped``, units sent to the node in the period that
          arrive ``lead`` periods on; [product, ahead, node]: ``initial_pipeline``, units on their
          way when the log began that arrive in period ``ahead``; both and ``in_transit`` only
          where the log has shipments;
        - [product, period, node]: ``adjusted``, units that came (or left, below 0) otherwise, and
          [product, period]: ``price_path``, currency, each only where the log has such;
        - [product]: ``price``, ``unit_cost``, ``weight_lb`` (pounds, whatever the log's unit, so
          that a model means the same in all), ``conversion``, orders over views under the fastest
          promise, and ``units_per_order``, both smoothed towards all products';
        - [period, feature]: ``calendar``; [period]: ``date``; [node, region]: ``distance_km``;
          [node, lead]: ``lead_time``;
        - coordinates and structure of nodes and regions; ``period_days`` and
          ``known_periods`` as attributes.

    Raises:
        ValueError: If units are not conserved, or ``known_periods`` is not in [1, T].
    """
    num_periods = log["calendar"].num_rows
    known = num_periods if known_periods is None else known_periods
    if not 1 <= known <= num_periods:
        raise ValueError(f"known_periods is {known}, must be in [1, {num_periods}]")
    with closing(LogSums(log, engine)) as sums:
        panel = _assemble(log, sums, known)
    check_conservation(panel)
    return panel


def _assemble(log: EventLog, sums: LogSums, known_periods: int) -> xr.Dataset:
    nodes, regions, products = log["nodes"], log["regions"], log["products"]
    size = sums.size
    active = np.arange(size["period"])[:, None] >= log.array("nodes", "active_from")
    data: dict[str, tuple[tuple[str, ...], Any]] = {}
    flows = sums.boxes()
    data["outbound"] = (FLOW, flows["outbound"])
    data["ship_cost"] = (FLOW, flows["ship_cost"])
    for name, lanes in sums.lanes().items():
        data[f"lane_{name}"] = (LANE, lanes)
    for name, values in sums.inventory().items():
        data[name] = (FLOW, values)
    data["active"] = (FLOW, np.broadcast_to(active, data["outbound"][1].shape).copy())
    for name, values in sums.views().items():
        data[name] = (DEMAND, values)

    share = [np.asarray(x, dtype=np.float64) for x in nodes["lead_time"].to_pylist()]
    longest = max(len(x) for x in share) - 1
    if "shipments" in log:
        longest = max(longest, sums.longest_lead())
        shipped, pipeline = sums.shipments(longest)
        arrived = data["stowed"][1]
        on_the_way = pipeline.sum(axis=1)[:, None] + (shipped.sum(axis=3) - arrived).cumsum(axis=1)
        data["shipped"] = ((*FLOW, "lead"), shipped)
        data["initial_pipeline"] = (("product", "ahead", "node"), pipeline)
        data["in_transit"] = (FLOW, on_the_way)
    lead_time = np.stack([np.pad(x, (0, longest + 1 - len(x))) for x in share])
    data["lead_time"] = (("node", "lead"), lead_time)

    for name in ("price", "unit_cost"):
        data[name] = (("product",), log.array("products", name))
    data["weight_lb"] = (("product",), product_pounds(log.tables))
    if "prices" in log:
        data["price_path"] = (("product", "period"), price_paths(log))
    for name, values in sums.attributes(known_periods).items():
        data[name] = (("product",), values)
    calendar = log["calendar"]
    names = features(calendar)
    columns = [np.asarray(calendar[name], dtype=np.float64) for name in names]
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
            "feature": np.array(names, dtype=np.str_),
        },
        attrs={"period_days": sums.days, "known_periods": known_periods},
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
        ValueError: As ``check_panel`` does; nothing is written then.
    """
    check_panel(panel)
    if products_per_chunk < 1:
        raise ValueError(f"products_per_chunk is {products_per_chunk}, must be >= 1")
    sizes = {**panel.sizes, "product": min(products_per_chunk, panel.sizes["product"])}
    encoding = {
        name: {"chunks": tuple(max(1, sizes[str(d)]) for d in values.dims)}
        for name, values in panel.data_vars.items()
    }
    with atomic_folder(folder) as fresh:
        panel.to_zarr(fresh, mode="w", encoding=encoding, consolidated=False, zarr_format=2)


_WHOLE = "a panel in Zarr; draingym panel makes it again of its log"


def reading_panel(folder: Path) -> AbstractContextManager[None]:
    """Return what turns an error of reading a panel into a ``ValueError`` that names it.

    >>> with reading_panel(Path("p.zarr")):
    ...     raise FileNotFoundError("not there")
    Traceback (most recent call last):
    ValueError: panel p.zarr cannot be read (not there), must be a panel in Zarr; draingym panel ...
    """
    return reading("panel", folder, _WHOLE)


def open_panel(folder: Path) -> xr.Dataset:
    """Open a panel and check its variables, dimensions and types; no values are read.

    Raises:
        ValueError: Naming the folder; if it holds no panel in Zarr, and as ``check_structure``
            does.
    """
    if kind_at(folder, "panel") != "folder":
        raise ValueError(f"{folder} is no folder, must be a folder with a panel")
    with reading_panel(folder):
        stored: xr.Dataset = xr.open_zarr(folder, consolidated=False, chunks=None)
    try:
        check_structure(stored)
    except ValueError as error:
        stored.close()
        raise ValueError(f"{folder}: {error}") from error
    return stored


def load_panel(folder: Path) -> xr.Dataset:
    """Read a panel into memory and check it.

    Raises:
        ValueError: Naming the folder; as ``open_panel`` does, if values cannot be read, and as
            ``check_panel`` does.
    """
    folder = Path(folder)
    with open_panel(folder) as stored, reading_panel(folder):
        panel: xr.Dataset = stored.load()
    try:
        check_panel(panel)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error
    return panel
