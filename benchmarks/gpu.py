"""The learned kernel, its training, and the classic problems on one GPU.

Rollouts and gradients of the learned kernel over batches of products, with the share of the card's
limits that they reach: bytes and operations are counted in the compiled programs, loops as often
as they run, over what the maker publishes. Training of the drain model beside the same network in
PyTorch on the same card, whose first losses must agree. The lost-sales store, and one warehouse
with many stores. Memory of the gradient with and without recomputing steps. One short training of
a policy. Matrix products are float32 throughout, without the shorter numbers of tensor cores.

    make bench-gpu      # at most 8 minutes a call on one H100 or H200; compiling takes two calls

``make`` installs JAX for CUDA, and PyTorch for the comparison, in an environment of their own.
Cases that are finished are kept in the folder, by card: a second call does what the first one had
no time for. What does not fit the card's memory is a row that says so. Without a GPU nothing runs.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import tyro

from benchmarks._common import (
    RESULTS,
    Claim,
    Clock,
    at_least,
    figure_only,
    plain,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks.gpu_parts.cases import FULL, Sizes, cases
from draingym.common.files import write_json
from draingym.common.machine import machine

BAR = 5  # of the issue
LIMIT = 390.0  # seconds after which no case begins, as one may compile for a minute
TABLES = ("rollouts", "training", "classic", "memory", "policy")


def claims_of(rows: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """Return the figures; training has a bar, which it misses where nothing is compared."""
    claims = []
    for row in rows:
        reason = row.get("skipped")
        if row["table"] == "training":
            what = f"training over PyTorch on the GPU, {row['network']}"
            ratio = math.nan if reason else row["times faster"]
            what += f": {reason}" if reason else ""
            claims.append(at_least(BAR, what, ratio, "x", 1.0))
        elif reason:
            continue
        elif row["table"] == "rollouts":
            what = f"{row['what']}, {row['network']}, {row['products']} products"
            claims.append(figure_only(BAR, what, row["product-periods/s"], "product-periods/s"))
        elif row["table"] == "classic":
            what = f"{row['network']}, {row['what']}, {row['trajectories']} trajectories"
            claims.append(figure_only(BAR, what, row["M steps/s"], "M steps/s"))
        elif row["table"] == "memory":
            remat = "with" if row["remat"] == "yes" else "without"
            what = f"memory of the gradient, {row['network']}, {remat} remat, "
            what += f"{row['horizon']} periods, {row['products']} products"
            claims.append(figure_only(BAR, what, row["peak memory, MB"], "MB"))
        elif row["table"] == "policy":
            what = f"training a policy, {row['products']} products an update"
            claims.append(figure_only(BAR, what, row["ms an update"], "ms an update"))
    return claims


def run(sizes: Sizes, folder: Path, limit: float) -> tuple[list[dict[str, Any]], list[str], float]:
    """Run the cases that are not there yet.

    Returns:
        Rows of all that are there, what is missing, and the seconds of what is there.
    """
    clock, began = Clock(), time.perf_counter()
    kept = folder / "-".join(jax.devices()[0].device_kind.split())
    kept.mkdir(parents=True, exist_ok=True)
    rows, missing, seconds = [], [], 0.0
    for name, case in cases(sizes).items():
        path = kept / f"{'-'.join(name.split())}.json"
        if not path.exists():
            started = time.perf_counter()
            if started - began > limit:
                missing.append(name)
                continue
            with jax.default_matmul_precision("highest"):
                found = case()
            write_json(path, {"rows": plain(found), "seconds": time.perf_counter() - started})
            clock(name)
        result = json.loads(path.read_text())
        rows += result["rows"]
        seconds += result["seconds"]
    return rows, missing, seconds


def report(
    sizes: Sizes,
    rows: list[dict[str, Any]],
    missing: Sequence[str],
    seconds: float,
    folder: Path = RESULTS,
) -> None:
    """Print the tables, and write JSON and figure."""
    for table in TABLES:
        part = [row for row in rows if row["table"] == table]
        columns = list(dict.fromkeys(key for row in part for key in row if key != "table"))
        print_table(table, [{key: row.get(key, "") for key in columns} for row in part])
    claims = claims_of(rows)
    print_claims(claims)
    said = (
        f"{sizes.places[0]} nodes and {sizes.places[1]} regions, {sizes.horizon} periods; matrix "
        f"products in float32; medians of {sizes.repeats} repeats"
    )
    if missing:
        said += f"; not run: {', '.join(missing)}"
        print(f"not run, for want of time: {', '.join(missing)}. A second call goes on.")
    if claims:
        write_result("gpu", "scale", claims, rows, [0, 1], said, seconds, folder=folder)
        save_figure("gpu", lambda axes: _draw(axes, rows), panels=2, folder=folder)


def _draw(axes: Any, rows: list[dict[str, Any]]) -> None:
    part = [row for row in rows if row["table"] == "rollouts" and not row["skipped"]]
    for network, what in dict.fromkeys((row["network"], row["what"]) for row in part):
        curve = [row for row in part if (row["network"], row["what"]) == (network, what)]
        label = f"{network}, {what}"
        for axis, value in zip(axes, ("product-periods/s", "share of bytes/s"), strict=True):
            pairs = [(row["products"], row[value]) for row in curve if row[value] is not None]
            axis.plot(*zip(*pairs, strict=True), "o-", label=label) if pairs else None
    axes[0].set_yscale("log")
    axes[0].set_ylabel("product-periods a second")
    axes[1].set_ylabel("share of the card's bytes a second")
    for axis in axes:
        axis.set_xscale("log")
        axis.set_xlabel("products")
    if part:
        axes[0].legend(frameon=False, fontsize=7)


def main(folder: Path = Path("runs/gpu"), limit: float = LIMIT) -> None:
    """Run the cases that are not there yet; write JSON and a figure of all that are.

    Args:
        folder: Where finished cases are kept.
        limit: Seconds after which no case begins.
    """
    # JAX takes most of a card's memory when it starts; PyTorch needs its share.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if machine()["gpu"] is None:
        print("JAX finds no GPU: nothing is run, and benchmarks/results/gpu.json stays as it is")
        return
    report(FULL, *run(FULL, folder, limit))


if __name__ == "__main__":
    tyro.cli(main)
