"""TFT-MTL's claim: one network for sales and inventory against one for each.

Sales and inventory are those of a world's products at its nodes: real orders where they can be had,
in periods of a day, under the historical policy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _orders
from benchmarks._common import Clock
from benchmarks.forecasters_parts.ablations import AS_IS, verdict
from benchmarks.forecasters_parts.datasets import SCORED, Dataset
from benchmarks.forecasters_parts.methods import LEVELS, Fit, Method, Predict, Said, Settings
from benchmarks.forecasters_parts.ours import fitted, forecasts_of, ours
from benchmarks.forecasters_parts.runs import chosen, scored
from benchmarks.forecasters_parts.sizes import Effort, Sizes
from draingym.demo.config import LoopConfig
from draingym.demo.history import run_history
from draingym.forecasters import Fitted, SeriesData, explain
from draingym.forecasters.cross_validation import origins_of
from draingym.forecasters.data.grid import Grid, Step
from draingym.oracle import to_event_log
from draingym.world.orders import WorldConfig, build_world
from draingym.world.panel import build_panel
from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines

HORIZON = 14  # days, as in the paper
WORLD = WorldConfig(period_days=1, num_products=60, num_nodes=4, num_regions=30)
DAY = 86_400
Joint = Callable[[int, int, float, int], Fitted]  # by origin, size, rate and seed
_SYNTHETIC = SyntheticConfig(num_products=80, num_customers=4000, num_days=120, lines_per_day=800.0)


def own_panel(series: int, *, real: bool = True, seed: int = 0) -> Dataset:
    """Return daily sales at nodes with the inventory at the end of each day.

    Args:
        series: Products at nodes, those that shipped most before any period that is scored.
        real: Whether orders are real ones where they can be had.
        seed: Of the world.
    """
    _, lines = _orders.order_lines(lambda: synthetic_order_lines(_SYNTHETIC, seed=seed), real=real)
    config = LoopConfig(seed=seed, world=replace(WORLD, seed=seed))
    world = build_world(lines, config.world)
    panel = build_panel(to_event_log(world, run_history(world, config)))
    sold, stock = (
        np.moveaxis(np.asarray(panel[name], np.float64), 2, 1)
        for name in ("outbound", "on_hand")  # [product, node, period]
    )
    _, nodes, periods = sold.shape
    sold, stock = sold.reshape(-1, periods), stock.reshape(-1, periods)
    early = sold[:, : periods - SCORED * HORIZON].sum(axis=1)
    best = np.sort(np.argsort(-early, kind="stable")[:series])
    product, node = np.divmod(best, nodes)
    start = int(np.asarray(panel["date"])[0].astype("datetime64[s]").astype(np.int64))
    data = SeriesData(
        ids=tuple(f"product {p}/node {n}" for p, n in zip(product, node, strict=True)),
        grid=Grid(start, Step("second", DAY)),
        target=sold[best],
        past={"inventory": stock[best]},
        labels={"node": np.array([str(n) for n in node])},
    )
    return Dataset(name="own panel, sales", data=data, horizon=HORIZON, season=7)


def swapped(dataset: Dataset) -> Dataset:
    """Return the data set with what is forecast and the one column of the past in turn."""
    data = dataset.data
    ((name, values),) = data.past.items()
    other = "sales" if name == "inventory" else "inventory"
    found = replace(data, target=values, past={other: data.target})
    return replace(dataset, name=f"own panel, {name}", data=found)


def tasks(sizes: Sizes, folder: Path, clock: Clock, *, real: bool = True) -> dict[str, Any]:
    """Compare one network for all tasks with one for each of two, by the paper's squared error."""
    sales = own_panel(sizes.series, real=real)
    inventory = swapped(sales)
    clock(f"{sales.name}: {sales.data.num_series} series")
    effort = sizes.effort
    options: dict[str, Any] = {"origins": sizes.origins, "seeds": sizes.seeds}
    joint = _joint(effort, sales)

    def method(name: str, fit: Fit) -> Method:
        return Method(name=name, fit=fit, tried=sizes.tried, random=True, effort=effort)

    both = method("multi-task", partial(_said, joint, "sales"))
    first = origins_of(sales.data.num_periods, HORIZON, sizes.origins)[0]
    settings = chosen(folder, both, sales, first - HORIZON)
    stock = partial(_said, joint, "inventory")
    single = method("single-task", partial(_single, effort))
    found = {
        ("sales", AS_IS): (both, sales),
        ("inventory", AS_IS): (method("multi-task", stock), inventory),
        ("sales", "single-task"): (single, sales),
        ("inventory", "single-task"): (single, inventory),
    }
    runs = {}
    for key, (one, dataset) in found.items():
        runs[key] = scored(folder, replace(one, tried=(settings,)), dataset, **options)
        clock(f"{dataset.name}: {one.name}")
    rows = [
        {
            "table": "claim",
            **{"model": "TFTMTL", "data": sales.name, "metric": metric},
            "claim": f"one network for all tasks beats one for {target} alone",
            **{"better": f"{target}, {AS_IS}", "than": f"{target}, single-task"},
            **verdict(runs[target, AS_IS], runs[target, "single-task"], metric),
        }
        for target, metric in (
            ("sales", "squared error"),
            ("sales", "CRPS"),
            ("inventory", "squared error"),
        )
    ]
    size = f"TFT-MTL: {sales.data.num_series} products at nodes, {sales.data.num_periods} days"
    return {"rows": rows, "size": size}


def _joint(effort: Effort, dataset: Dataset) -> Joint:
    """Return what fits the network of all tasks, once for each origin, setting and seed."""

    @cache
    def joint(origin: int, size: int, rate: float, seed: int) -> Fitted:
        settings = {"size": size, "learning_rate": rate}
        return fitted("TFTMTL", effort, dataset, origin, settings, seed, inventory="inventory")

    return joint


def _said(
    joint: Joint, target: str, dataset: Dataset, origin: int, settings: Settings, seed: int
) -> Predict:
    found = joint(origin, settings["size"], settings["learning_rate"], seed)
    if target == "sales":
        return forecasts_of(found, seed)

    def predict(dataset: Dataset, origin: int) -> Said:
        stock = explain(found, swapped(dataset).data.until(origin)).inventory
        if stock is None:
            raise ValueError("insight.inventory is None, must be a task that was learned")
        return np.repeat(stock[None], len(LEVELS), axis=0), stock

    return predict


def _single(
    effort: Effort, dataset: Dataset, origin: int, settings: Settings, seed: int
) -> Predict:
    return ours("TFTMTL", effort, dataset, origin, settings, seed, tasks=("sales",))
