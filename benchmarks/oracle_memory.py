"""What a replay keeps in memory: as much as it has orders, whatever the views and nodes.

Every case runs in a process of its own. Views that never convert are dropped, then the compiled
loop runs all periods and keeps what it shipped, as a replay does. Counted are the bytes allocated
by dropping and by the loop, beyond the views that were given (``tracemalloc``), and the process's
largest resident size. Orders, views that never convert, and nodes grow one at a time.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
import tracemalloc
from typing import Any

import numpy as np

from benchmarks._common import (
    at_least,
    at_most,
    figure_only,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from draingym.oracle.config import OracleConfig
from draingym.oracle.fulfilment.period import drain_period
from draingym.oracle.systems import build_systems
from draingym.world.network import NetworkConfig, build_network
from draingym.world.views import ConversionRates, Places, Products, Views

SEED = 0
PRODUCTS, REGIONS, PERIODS = 20, 50, 10
ORDERS, DROPPED, NODES = 100_000, 200_000, 4  # candidates, views that never convert, nodes
FACTORS = (1, 2, 4, 8)


def measure(candidates: int, dropped: int, nodes: int) -> dict[str, int]:
    """Run one replay in this process; return sizes in bytes."""
    rng = np.random.default_rng(SEED)
    network = build_network(NetworkConfig(num_nodes=nodes, num_regions=REGIONS, num_upstream=0))
    products = Products(
        id=tuple(f"product {i}" for i in range(PRODUCTS)),
        price=np.full(PRODUCTS, 30.0),
        unit_cost=np.full(PRODUCTS, 20.0),
        weight_lb=np.full(PRODUCTS, 2.5),
        conversion=np.full(PRODUCTS, 0.12),
        units_per_order=np.ones(PRODUCTS),
    )
    rates = ConversionRates.from_products(products)
    places = Places(
        name=network.region_name,
        latitude=network.region_latitude,
        longitude=network.region_longitude,
        region=np.arange(REGIONS),
        population=network.population,
    )
    total = candidates + dropped
    can = np.zeros(total, bool)
    can[rng.choice(total, candidates, replace=False)] = True
    drawn = rng.random(total)
    region = rng.integers(REGIONS, size=total).astype(np.int32)
    when = np.sort(rng.random(total)) * PERIODS
    views = Views(
        time=when,
        product=rng.integers(PRODUCTS, size=total).astype(np.int32),
        place=region,
        region=region,
        customer=np.arange(total, dtype=np.int32),
        quantity=can.astype(np.int32),
        session=np.arange(total),
        latent=np.where(can, 0.119 * drawn + 1e-6, 0.1201 + 0.879 * drawn),
        offsets=np.searchsorted(when, np.arange(PERIODS + 1)).astype(np.int64),
    )
    demand = np.full(PRODUCTS, candidates / PRODUCTS / PERIODS)
    systems = build_systems(network, places, products, rates, demand, OracleConfig())
    # Enough for all, and the same in total whatever the nodes.
    stock = np.full((PRODUCTS, nodes), -(-4 * candidates // (PRODUCTS * PERIODS * nodes)))
    drain_period(systems, views.periods(0, 1), 0, stock)  # compiles
    tracemalloc.start()
    kept = views.candidates(rates)
    _, dropping = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    outcomes = [drain_period(systems, kept, t, stock) for t in range(PERIODS)]
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {
        "orders": int(sum((o.filled > 0).sum() for o in outcomes)),
        "dropping_peak": dropping,
        "loop_peak": peak,
        "held": held,
        "resident": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def in_a_process(candidates: int, dropped: int, nodes: int) -> dict[str, Any]:
    """Return ``measure`` of a fresh process, in MB."""
    command = [sys.executable, "-m", "benchmarks.oracle_memory"]
    numbers = [str(n) for n in (candidates, dropped, nodes)]
    done = subprocess.run([*command, *numbers], capture_output=True, text=True, check=True)
    found: dict[str, int] = json.loads(done.stdout)
    row: dict[str, Any] = {
        "candidates": candidates,
        "never convert": dropped,
        "nodes": nodes,
        "orders": found.pop("orders"),
    }
    row |= {f"{name} MB": round(size / 1e6, 3) for name, size in found.items()}
    row["views x nodes MB"] = round(8e-6 * (candidates + dropped) * nodes, 1)
    return row


def main() -> None:
    """Run, print, draw and write."""
    began = time.perf_counter()
    rows = []
    for factor in FACTORS:
        cases = {
            "orders": (factor * ORDERS, DROPPED, NODES),
            "never-converting views": (ORDERS, factor * DROPPED, NODES),
            "nodes": (ORDERS, DROPPED, factor * NODES),
        }
        for name, case in cases.items():
            rows.append({"grows": name, "factor": factor, **in_a_process(*case)})
    rows.sort(key=lambda row: list(cases).index(row["grows"]))

    def growth(name: str, column: str) -> float:
        part = [row[column] for row in rows if row["grows"] == name]
        return float(part[-1] / part[0])

    most, peak = FACTORS[-1], "loop_peak MB"
    base = rows[0]
    claims = [
        at_least(
            3, f"growth of a replay's peak with {most}x orders", growth("orders", peak), "x", 6
        ),
        at_most(
            3,
            f"growth with {most}x views that never convert",
            growth("never-converting views", peak),
            "x",
            1.05,
        ),
        at_most(3, f"growth with {most}x nodes", growth("nodes", peak), "x", 1.2),
        figure_only(3, "peak by order", 1e6 * base[peak] / base["orders"], "bytes"),
        figure_only(
            3,
            "growth of the peak of dropping views, "
            f"with {most}x views that never convert (before the loop)",
            growth("never-converting views", "dropping_peak MB"),
            "x",
        ),
    ]
    seconds = time.perf_counter() - began
    print_table("Memory of a replay", rows)
    print_claims(claims)

    def draw(axis: Any) -> None:
        for name in cases:
            part = [row for row in rows if row["grows"] == name]
            axis.plot(FACTORS, [row[peak] for row in part], "o-", label=name)
        axis.plot(
            FACTORS,
            [row["views x nodes MB"] for row in rows if row["grows"] == "nodes"],
            ":",
            color="0.5",
            label="an array of views x nodes, by nodes",
        )
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(FACTORS, [f"{factor}x" for factor in FACTORS])
        axis.set_xlabel("growth of")
        axis.set_ylabel("peak of a replay, MB")
        axis.legend(frameon=False, fontsize=8)

    save_figure("oracle_memory", draw)
    preset = (
        f"{ORDERS} candidates, {DROPPED} views that never convert, {NODES} nodes, each up to "
        f"{most}x; {PRODUCTS} products, {REGIONS} regions, {PERIODS} periods"
    )
    write_result("oracle_memory", "oracle", claims, rows, [SEED], preset, seconds)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(measure(*(int(text) for text in sys.argv[1:]))))
    else:
        main()
