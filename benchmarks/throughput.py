"""How fast the simulator is, beside other simulators of the same problems.

A step is one trajectory advanced by one period. Ours are ``batch_returns`` of whole trajectories,
and ``chunked_value_and_grad`` with an update of Adam. PyTorch runs the same store with the same
network, demand and starting weights (``throughput_parts/torch_store.py``; its losses must agree
with ours), on one thread and on all, the faster of which counts. Other environments are timed in
this run where ``--peers`` names a folder that ``benchmarks._peers`` has filled; otherwise
printed figures stand in, which were measured on two cores, one thread.

    python -m benchmarks.throughput [--peers FOLDER]
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import tyro

from benchmarks._common import (
    Claim,
    at_least,
    figure_only,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks.throughput_parts.kernels import kernel_rows
from benchmarks.throughput_parts.lines_and_trees import peer_rows, tree_rows
from benchmarks.throughput_parts.speeds import PEER, Row, fresh, row
from benchmarks.throughput_parts.store import BATCHES, CHUNK, PERIODS, store, store_rows
from draingym.policies import BaseStock


def claims_of(stores: list[Row], drawn: list[Row], peers: list[Row], kernels: list[Row]) -> Any:
    """Return the claims of the issue's bars."""
    needs = {
        ("simulation", 1024): 20.0,
        ("simulation", 8192): 10.0,
        ("training", 1024): 4.0,
        ("training", 8192): 1.8,
    }
    claims: list[Claim] = []
    for found in stores:
        kind = found["problem"].split()[-1]
        what = (
            f"{found['problem']}, batch {found['batch']}, over {found['peer']}, "
            f"{found['peer measured']}"
        )
        bound = needs[kind, found["batch"]]
        claims.append(
            at_least(1, what, found["times faster"], "x", bound)
            if found["peer"] == PEER
            else figure_only(1, what, found["times faster"], "x")
        )
    for found in drawn:
        what = f"{found['problem']}, batch {found['batch']}"
        claims.append(at_least(2, what, found["M steps/s"], "M steps/s", 60))
    for found in peers:
        what = f"{found['problem']}, over {found['peer']} {found['peer measured']}"
        claims.append(at_least(3, what, found["times faster"], "x", 500))
    for found in kernels:
        what = f"learned kernel, {found['learned kernel']}"
        claims.append(figure_only(5, what, found["product-periods/s"], "product-periods/s"))
    return claims


def main(peers: Path | None = None) -> None:
    """Measure, print the claims and write the result.

    Args:
        peers: Folder that ``benchmarks._peers`` has filled with other packages.
    """
    began = time.perf_counter()
    stores, reason = store_rows()
    if reason:
        print(f"{reason}: printed figures stand in for it.")
    drawn = [
        row(
            "lost-sales store, base stock, demand drawn every run",
            batch,
            fresh(store(), BaseStock(), jnp.float32(28.0), batch, PERIODS),
            "DynaPlex",
            35e6,
            "printed",
        )
        for batch in BATCHES
    ]
    others = peer_rows(peers)
    speeds = [*stores, *drawn, *tree_rows(), *others]
    kernels = kernel_rows()
    print_table("Steps a second", speeds)
    print_table("Learned kernel", kernels)
    claims = claims_of(stores, drawn, others, kernels)
    print_claims(claims)

    save_figure("throughput", lambda axes: draw(axes, speeds), size=(9.0, 5.0))
    threads = "PyTorch on 1 thread or all, the faster"
    preset = f"{PERIODS} periods, chunks of {CHUNK}; {reason or threads}"
    seconds = time.perf_counter() - began
    write_result("throughput", "gym", claims, [*speeds, *kernels], [0, 1], preset, seconds)


def draw(axes: Any, speeds: list[Row]) -> None:
    """Draw our speeds beside the peers'."""
    names = [f"{r['problem']}, {r['batch']:,}" for r in speeds]
    at = np.arange(len(speeds))
    axes.barh(at - 0.2, [1e6 * r["M steps/s"] for r in speeds], 0.4, label="draingym")
    axes.barh(at + 0.2, [1e6 * r["peer's M steps/s"] for r in speeds], 0.4, label="peer")
    for i, r in enumerate(speeds):
        axes.text(1e6 * r["peer's M steps/s"], i + 0.2, f" {r['peer']}", va="center", size=7)
    axes.set_yticks(at, names, size=7)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("steps a second")
    axes.legend(frameon=False, loc="lower right")


if __name__ == "__main__":
    tyro.cli(main)
