"""What explains the bill of a box? The regression of the paper's Table 11, on the emulated world.

A historical policy leaves a log; ordinary least squares on the features of its boxes (zone,
billable weight, distance, items) explains about half of the variance of the bill, as in the paper
(R squared .509), because the noise of the emulated bills is set so. Bills are then shared by
weight and volume, and the shares of a box are held against its bill.

    python -m benchmarks.ship_cost
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import tyro

from benchmarks._common import (
    Claim,
    at_most,
    figure_only,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks._orders import demo_world
from draingym.demo.config import LoopConfig
from draingym.demo.history import run_history
from draingym.oracle import attribute_outcome, box_table, draw_volumes, fit_ship_cost, to_event_log
from draingym.oracle.estimates.ship_cost_fit import FEATURES, BoxTable, ShipCostFit
from draingym.oracle.replays.environment import OracleRun
from draingym.world.orders import World

NAME = "ship_cost"
PUBLISHED = 0.509  # R squared of the paper's Table 11


def worst_gap(world: World, history: OracleRun) -> float:
    """Return the largest difference of a bill and the sum of its shares, USD."""
    weight = world.products.weight_lb
    volume = draw_volumes(weight, seed=0)
    gaps = [0.0]
    for outcome in history.outcomes:
        shared = attribute_outcome(outcome, history.views, weight, volume)
        paid = np.bincount(
            shared.shipment_box, weights=shared.shipment_cost, minlength=len(outcome.box_cost)
        )
        gaps.extend(np.abs(paid - outcome.box_cost))
    return float(max(gaps))


def main() -> list[Claim]:
    """Fit, print the summary and the claims, write JSON and figure."""
    began = time.perf_counter()
    config = LoopConfig()
    world = demo_world(config)
    history = run_history(world, config)
    boxes = box_table(to_event_log(world, history))
    fit = fit_ship_cost(boxes)
    print(fit.table)
    rows: list[dict[str, Any]] = [
        {
            "feature": name,
            "coefficient": float(fit.coefficient[i]),
            "std_error": float(fit.std_error[i]),
            "t": float(fit.coefficient[i] / fit.std_error[i]),
            "p": float(fit.p_value[i]),
        }
        for i, name in enumerate(FEATURES)
    ]
    # Bar 4: the emulated world is no toy, and its values are chosen for realism.
    claims = [
        figure_only(4, "R squared of the regression of a box's bill", fit.r_squared, ""),
        at_most(4, "its distance from the paper's .509", abs(fit.r_squared - PUBLISHED), "", 0.03),
        figure_only(4, "boxes", fit.num_boxes, ""),
        figure_only(4, "mean bill of a box", float(boxes.cost.mean()), "USD"),
        at_most(
            4, "largest gap of a bill and its lines' shares", worst_gap(world, history), "USD", 0.0
        ),
    ]
    print_table("Ordinary least squares of a box's bill, USD", rows)
    print_claims(claims)
    preset = f"demo: {world.source}, {world.products.num_products} products"
    write_result(NAME, "oracle", claims, rows, [config.seed], preset, time.perf_counter() - began)
    save_figure(NAME, lambda axes: draw(axes, boxes, fit))
    return claims


def draw(axes: Any, boxes: BoxTable, fit: ShipCostFit) -> None:
    """Draw bills against what the regression expects."""
    expected = fit.predict(boxes.zone, boxes.billable_lb, boxes.distance_km, boxes.items)
    pick = np.random.default_rng(0).permutation(boxes.num_boxes)[:4000]
    axes.plot(expected[pick], boxes.cost[pick], ".", ms=2, alpha=0.4, color="#1b6ca8")
    top = float(np.quantile(boxes.cost, 0.995))
    axes.plot([0, top], [0, top], color="black", lw=0.8)
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_xlabel("bill that the regression expects, USD")
    axes.set_ylabel("bill, USD")
    axes.set_title(f"R² = {fit.r_squared:.3f}", loc="left")


if __name__ == "__main__":
    tyro.cli(main)
