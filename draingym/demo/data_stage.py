"""The first stages: order lines and world; history, its log and panel."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from draingym.common.files import write_json
from draingym.demo.history import run_history
from draingym.demo.run import Run
from draingym.demo.run_data import ORDERS
from draingym.demo.stages import Advance
from draingym.oracle.replays.recorder import to_event_log
from draingym.world.eventlog import write_log
from draingym.world.panel import build_panel, save_panel
from draingym.world.ta_feng import DataUnavailableError, load_order_lines

Figures = dict[str, Any]


def get_orders(run: Run, advance: Advance) -> Figures:
    """Get the order lines; synthetic ones, saying why, where the real ones are out of reach."""
    del advance
    fallback = None
    if run.config.data == "ta-feng":
        try:
            load_order_lines()
        except DataUnavailableError as error:
            fallback = str(error)
            print(f"Real orders cannot be had ({error}): going on with synthetic ones.")
    source = "synthetic" if fallback else run.config.data
    write_json(run.out / ORDERS, {"source": source, "fallback": fallback})
    run.require_sizes()
    world = run.world
    network = world.network
    return {
        "source": world.source,
        "fallback": fallback,
        "first_date": world.first_date.isoformat(),
        "days": world.num_periods * world.period_days,
        "periods": world.num_periods,
        "period_days": world.period_days,
        "products": world.products.num_products,
        "order_lines": run.order_lines.num_lines,
        "wholesale_lines": world.wholesale_lines,
        "customers": int(world.customer_place.size),
        "views": world.views.num_views,
        "candidates": world.views.candidates(world.rates).num_views,
        "nodes": [
            {
                "name": network.node_name[n],
                "latitude": float(network.node_latitude[n]),
                "longitude": float(network.node_longitude[n]),
                "upstream": not bool(network.serves_customers[n]),
            }
            for n in range(network.num_nodes)
        ],
        "regions": [
            {
                "name": network.region_name[z],
                "latitude": float(network.region_latitude[z]),
                "longitude": float(network.region_longitude[z]),
                "population": float(network.population[z]),
            }
            for z in range(network.num_regions)
        ],
    }


def write_history(run: Run, advance: Advance) -> Figures:
    """Run the historical policy in the truth; write log and panel."""
    ran = run_history(run.world, run.config)
    advance(1, 3)
    write_log(to_event_log(run.world, ran), run.out / "log")
    advance(2, 3)
    panel = build_panel(run.log, known_periods=run.split)
    save_panel(panel, run.out / "panel.zarr")
    advance(3, 3)
    moves = ran.trajectory.transitions
    serves = np.asarray(run.world.network.serves_customers)
    outbound = np.asarray(moves.outbound)[:, :, serves]
    levels = {"p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9}
    lost = float(np.asarray(moves.lost).sum())
    return {
        "orders": int(np.asarray(panel["orders"]).sum()),
        "units": int(outbound.sum()),
        "lost_share": lost / (lost + float(outbound.sum())),
        "flows": _flows(panel).tolist(),
        "outbound_mean": float(outbound.mean()),
        "outbound_quantiles": {k: float(np.quantile(outbound, q)) for k, q in levels.items()},
    }


def _flows(panel: xr.Dataset) -> np.ndarray:
    """Return [N, Z] units shipped by node and region over the whole log."""
    flows = np.zeros((panel.sizes["node"], panel.sizes["region"]))
    lane = tuple(panel[f"lane_{name}"].to_numpy() for name in ("node", "region"))
    np.add.at(flows, lane, panel["lane_units"].to_numpy())
    return flows
