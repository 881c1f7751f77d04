"""The synthetic data of these tests as a labelled panel in which units are conserved."""

from pathlib import Path

import numpy as np
import xarray as xr

from draingym.drain_model import DrainData
from draingym.world.lanes import LANE
from draingym.world.panel import save_panel

DAY = np.timedelta64(1, "D")


def panel_of(data: DrainData) -> xr.Dataset:
    products, periods, nodes = data.outbound.shape
    flow, demand = ("product", "period", "node"), ("product", "period", "region")
    outbound, available = (x.astype(np.int64) for x in (data.outbound, data.available))
    on_hand = available - outbound
    change = available.copy()
    change[:, 1:] -= on_hand[:, :-1]
    stowed, transferred = np.maximum(change, 0), np.maximum(-change, 0)
    stowed[:, 0] = transferred[:, 0] = 0
    views = data.glance_views.astype(np.int64)
    active = np.broadcast_to(data.active, outbound.shape).copy()
    serves = data.active.any(axis=0)
    active[..., ~serves] = True
    regions = views.shape[2]
    lanes = {
        "node": data.lane.astype(np.int64) // regions,
        "region": data.lane.astype(np.int64) % regions,
        "units": data.lane_units.astype(np.int64),
    }
    attributes = np.exp(data.attributes.astype(np.float64))
    places = data.geography
    variables = {
        **{
            name: (flow, values)
            for name, values in {
                "outbound": outbound,
                "ship_cost": data.ship_cost.astype(np.float64),
                "available": available,
                "on_hand": on_hand,
                "stowed": stowed,
                "transferred": transferred,
                "active": active,
            }.items()
        },
        **{f"lane_{name}": (LANE, values) for name, values in lanes.items()},
        "glance_views": (demand, views),
        "orders": (demand, np.zeros_like(views)),
        "ordered_units": (demand, np.zeros_like(views)),
        "serves_customers": (("node",), serves),
        "parent": (("node",), np.full(nodes, -1)),
        "active_from": (("node",), np.zeros(nodes, np.int64)),
        "daily_capacity": (("node",), np.full(nodes, np.inf)),
        "lead_time": (("node", "lead"), np.ones((nodes, 1))),
        "population": (("region",), np.ones(views.shape[2])),
        "date": (("period",), np.datetime64("2000-01-01", "ns") + np.arange(periods) * DAY),
        "unit_cost": (("product",), np.ones(products)),
        "calendar": (("period", "feature"), data.calendar.astype(np.float64)),
        "distance_km": (("node", "region"), np.asarray(places.distance_km, np.float64)),
        "units_per_order": (("product",), np.ones(products)),
        **{
            name: (("product",), attributes[:, i])
            for i, name in enumerate(("price", "weight_lb", "conversion"))
        },
    }
    for space, where in (("node", places.node_coordinates), ("region", places.region_coordinates)):
        for i, axis in enumerate(("latitude", "longitude")):
            variables[f"{space}_{axis}"] = ((space,), np.asarray(where, np.float64)[:, i])
    return xr.Dataset(
        variables,
        coords={
            "product": [f"p{i}" for i in range(products)],
            "period": np.arange(periods),
            "node": [f"n{i}" for i in range(nodes)],
            "region": [f"r{i}" for i in range(views.shape[2])],
        },
        attrs={"period_days": 1.0},
    )


def write(data: DrainData, folder: Path, products_per_chunk: int = 2) -> Path:
    save_panel(panel_of(data), folder / "panel.zarr", products_per_chunk=products_per_chunk)
    return folder / "panel.zarr"
