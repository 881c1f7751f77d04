"""How fast the oracle is: views a second of the compiled loop, and the batch planner's time.

The compiled loop runs all periods of the demo world on the recorded stock. Candidates, the views
that can convert under some promise, are counted; the others are dropped before the loop and only
reported. The plain-Python engine with the same rules runs the same views in the same run, and
must ship the same units; both are timed by the processor's clock. Batches of waiting orders are
recorded from the engine and planned again, to a gap of zero for the optimum.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._common import (
    Claim,
    at_least,
    at_most,
    figure_only,
    median_seconds,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks._orders import demo_world
from draingym.demo.config import LoopConfig
from draingym.demo.history import run_history, true_systems
from draingym.oracle.fulfilment.emulated import greedy_systems
from draingym.oracle.fulfilment.engine import Engine
from draingym.oracle.fulfilment.period import drain_period
from draingym.oracle.fulfilment.planner import Batch, ClosestPlanner, GreedyPlanner, Plan, Planner
from draingym.oracle.fulfilment.planner_milp import BatchMilp
from draingym.oracle.fulfilment.waves import WaveFulfilment
from draingym.oracle.systems import Systems
from draingym.world.views import Views

IntArray = NDArray[np.int64]
REPEATS = 7
SIDE_BY_SIDE = 2  # replays at a time, one on each core
BATCHES = 100
GAP = 1e-3  # that ``batch_milp`` stops at
BOUND = 100_000.0  # candidate views a second


def drain_all(systems: Systems, views: Views, stock: IntArray, periods: int) -> IntArray:
    """Return [P, T, N] units shipped from recorded stock [P, T, N] by the compiled loop."""
    outcomes = (drain_period(systems, views, t, stock[:, t]) for t in range(periods))
    return np.stack([outcome.outbound for outcome in outcomes], axis=1)


def engine_all(
    systems: Systems, views: Views, stock: IntArray, days: int, periods: int
) -> IntArray:
    """Return the same by the plain-Python engine."""
    engine = Engine(greedy_systems(systems), systems, views, period_days=days)
    last = periods - 1
    outcomes = [engine.run_period(t, stock[:, t], last=t == last) for t in range(periods)]
    return np.stack([outcome.outbound for outcome in outcomes], axis=1)


class Recorder:
    """A planner that keeps the batches it is given."""

    def __init__(self) -> None:
        """Start without batches."""
        self.batches: list[Batch] = []

    def plan(self, batch: Batch) -> Plan:
        """Plan greedily, so that what is recorded costs little time."""
        self.batches.append(batch)
        return GreedyPlanner().plan(batch)


def record_batches(systems: Systems, views: Views, stock: IntArray, days: int) -> list[Batch]:
    """Return the first ``BATCHES`` batches of waiting orders."""
    recorder = Recorder()
    waves = WaveFulfilment(systems, recorder)
    production = replace(greedy_systems(systems), fulfilment=waves)
    engine = Engine(production, systems, views, period_days=days)
    for t in range(views.num_periods):
        engine.run_period(t, stock[:, t], last=t == views.num_periods - 1)
        if len(recorder.batches) >= BATCHES:
            break
    return recorder.batches[:BATCHES]


def plan_batches(batches: list[Batch]) -> tuple[list[dict[str, Any]], list[Claim]]:
    """Plan every batch with each planner; return the table and the claims."""
    optimum = [BatchMilp(gap=0.0, time_limit=60.0).plan(batch) for batch in batches]
    proven = [i for i, plan in enumerate(optimum) if plan.gap <= 1e-6]
    best = np.array([plan.cost for plan in optimum])
    orders = sum(batch.box_cost.shape[0] for batch in batches)
    lines = sum(batch.num_lines for batch in batches)
    rows = []
    planners: dict[str, Planner] = {
        "batch_milp": BatchMilp(gap=GAP),
        "greedy": GreedyPlanner(),
        "closest": ClosestPlanner(),
    }
    for name, planner in planners.items():
        began = time.process_time()
        plans = [planner.plan(batch) for batch in batches]
        seconds = time.process_time() - began
        left = np.array([int((plan.node < 0).sum()) for plan in plans])
        # A line left unfilled costs a penalty that says nothing of a plan's freight.
        fair = [i for i in proven if left[i] == 0]
        cost = np.array([plan.cost for plan in plans])
        gap = (cost - best)[fair] / best[fair]
        rows.append(
            {
                "planner": name,
                "batches": len(batches),
                "proven optima": len(proven),
                "orders": orders,
                "lines": lines,
                "lines unfilled": int(left.sum()),
                "batches compared": len(fair),
                "mean gap": float(gap.mean()),
                "largest gap": float(gap.max()),
                "ms an order": 1e3 * seconds / orders,
            }
        )
    milp = rows[0]
    claims = [
        at_least(1, "recorded batches with a proven optimum", len(proven), "batches", BATCHES),
        at_least(
            1, "of these, planned whole by batch_milp", milp["batches compared"], "batches", BATCHES
        ),
        at_most(1, "batch_milp's largest gap to the optimum", milp["largest gap"], "share", GAP),
        figure_only(1, "batch_milp's processor time an order", milp["ms an order"], "ms"),
        figure_only(1, "greedy planner's mean gap to the optimum", rows[1]["mean gap"], "share"),
    ]
    return rows, claims


def main() -> None:
    """Run, print, draw and write."""
    began = time.perf_counter()
    config = LoopConfig()
    world = demo_world(config)
    systems = true_systems(world, config)
    history = run_history(world, config)
    stock = np.asarray(history.trajectory.transitions.available, np.int64)
    views, days = world.views.candidates(world.rates), world.period_days
    periods = world.num_periods
    dropped = world.views.num_views - views.num_views

    slow = engine_all(systems, views, stock, days, periods)
    if not np.array_equal(drain_all(systems, views, stock, periods), slow):
        raise RuntimeError("the compiled loop and the plain engine ship different units")

    def side_by_side() -> None:
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            work = [
                pool.submit(drain_all, systems, views, stock, periods) for _ in range(SIDE_BY_SIDE)
            ]
            for job in work:
                job.result()

    one, one_all = median_seconds(
        lambda: drain_all(systems, views, stock, periods), repeats=REPEATS
    )
    two, two_all = median_seconds(side_by_side, repeats=REPEATS)
    cpu, cpu_all = median_seconds(
        lambda: drain_all(systems, views, stock, periods),
        repeats=REPEATS,
        clock=time.process_time,
    )
    plain, plain_all = median_seconds(
        lambda: engine_all(systems, views, stock, days, periods),
        repeats=5,
        warm_up=0,
        clock=time.process_time,
    )
    settings = (
        ("compiled loop, one replay", views.num_views, one, one_all),
        (f"compiled loop, {SIDE_BY_SIDE} at a time", SIDE_BY_SIDE * views.num_views, two, two_all),
        ("compiled loop, processor time", views.num_views, cpu, cpu_all),
        ("plain engine, processor time", views.num_views, plain, plain_all),
    )
    rows = [
        {
            "setting": name,
            "candidates": count,
            "median seconds": seconds,
            "fastest": min(times),
            "slowest": max(times),
            "candidates a second": count / seconds,
        }
        for name, count, seconds, times in settings
    ]
    both = SIDE_BY_SIDE * views.num_views / two
    claims = [
        at_least(1, "candidate views a second, 2 replays on 2 cores", both, "1/s", BOUND),
        figure_only(1, "candidate views a second, one replay", views.num_views / one, "1/s"),
        figure_only(1, "views dropped before the loop", dropped, "views"),
        figure_only(1, "candidate views counted", views.num_views, "views"),
        figure_only(1, "compiled loop over plain engine, processor time", plain / cpu, "x"),
    ]
    batches = record_batches(systems, views, stock, days)
    planned, more = plan_batches(batches)
    claims += more
    seconds = time.perf_counter() - began
    print_table(f"Views a second ({views.num_views} candidates, {dropped} dropped)", rows)
    print_table("Planners on recorded batches", planned)
    print_claims(claims)

    def draw(axes: Any) -> None:
        names = [row["setting"] for row in rows]
        axes[0].barh(names, [row["candidates a second"] for row in rows], color="0.4")
        axes[0].axvline(BOUND, color="C3", lw=1)
        axes[0].set_xscale("log")
        axes[0].invert_yaxis()
        axes[0].tick_params(axis="y", labelsize=7)
        axes[0].set_xlabel("candidate views a second")
        for row in planned:
            axes[1].plot(row["ms an order"], 100 * row["mean gap"], "o", label=row["planner"])
        axes[1].set_xscale("log")
        axes[1].set_xlabel("ms an order")
        axes[1].set_ylabel("mean gap to the optimum, %")
        axes[1].legend(frameon=False)

    save_figure("oracle_speed", draw, panels=2)
    preset = (
        f"demo world on {world.source} orders: {world.products.num_products} products, "
        f"{systems.num_nodes} nodes, {world.network.num_regions} regions, {periods} periods of "
        f"{days} days; medians of {REPEATS} repeats (5 of the plain engine)"
    )
    write_result(
        "oracle_speed", "oracle", claims, [*rows, *planned], [config.seed], preset, seconds
    )


if __name__ == "__main__":
    main()
