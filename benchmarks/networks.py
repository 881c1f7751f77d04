"""Networks of arcs: trajectories of other simulators, and what a network costs beside a tree.

Every file of a folder is played in both precisions (``benchmarks/parity``), and the optima that are
known as numbers are solved again (``benchmarks/optima``). The same serial line is
rolled out as a tree and as a described network, in turn, so that other work on the machine meets
both.

    python -m benchmarks.networks [--cases FOLDER]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro

from benchmarks._common import (
    Claim,
    at_least,
    at_most,
    figure_only,
    print_claims,
    print_table,
    save_figure,
    timed,
    write_result,
)
from benchmarks.optima import of_the_cases, of_the_literature
from benchmarks.throughput_parts.lines_and_trees import Fixed
from draingym import Arc, Network, Node, Normal, batch_returns, serial_line

BATCH, PERIODS, REPEATS = 1024, 100, 7
LEADS, HOLDING, UNMET = (2, 4, 3, 4), (0.1, 0.2, 0.5, 1.0), 9.0
MEAN = 5.0  # units that customers want a period, and that every node requests


def parity(folder: Path, *, double: bool) -> list[dict[str, Any]]:
    """Return the rows of a folder of cases, played in a process of its own."""
    with tempfile.TemporaryDirectory() as there:
        out = Path(there) / "rows.json"
        command = [sys.executable, "-m", "benchmarks.parity", str(folder), "--json", str(out)]
        subprocess.run([*command, *(["--double"] if double else [])], check=True)
        rows: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8"))
    return rows


def line() -> Network:
    """Return the four-stage line of the literature on learned policies, described."""
    names = ["1", "2", "3", "store"]
    return Network(
        nodes=[
            Node(
                name,
                holding_cost=cost,
                unmet_cost=UNMET if name == "store" else 0.0,
                backlog=name == "store",
            )
            for name, cost in zip(names, HOLDING, strict=True)
        ],
        arcs=[
            Arc(source, target, lead_time=lead)
            for source, target, lead in zip([None, *names], names, LEADS, strict=False)
        ],
        demand={"store": Normal(means=(MEAN,), sds=(2.0,))},
        arrivals="before shipping",
    )


def speeds() -> list[dict[str, Any]]:
    """Return steps a second of the line as a tree and as a network, timed in turn."""
    built = line().built
    simulator, params, sample = serial_line(
        lead_times=LEADS, holding_cost=HOLDING, unmet_cost=UNMET
    )
    ways = {
        "tree": (simulator, params, sample(jax.random.key(0), PERIODS, BATCH)),
        "network": (built.simulator, built.params, built.sample(jax.random.key(0), PERIODS, BATCH)),
    }
    runs = {
        name: partial(batch_returns, made, held, Fixed(units=MEAN), None, scenario)
        for name, (made, held, scenario) in ways.items()
    }
    steps = BATCH * PERIODS
    return [
        {"line as": name, "batch": BATCH, "M steps/s": steps / seconds / 1e6}
        for name, (seconds, _) in timed(runs, REPEATS).items()
    ]


def main(cases: Path = Path("../shared/cases")) -> None:
    """Measure, print the claims and write the result.

    Args:
        cases: Folder of trajectories of other simulators.
    """
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    claims: list[Claim] = []
    if cases.is_dir():
        for double in (False, True):
            found = parity(cases, double=double)
            whole = sum(row["reproduced"] == 1.0 for row in found)
            precision = "float64, to 1e-9" if double else "float32, to 1e-4"
            what = f"cases reproduced in full, {precision}"
            claims.append(at_least(1, what, whole / len(found), "share", 1.0))
            rows += found
    optima = of_the_literature() + (of_the_cases(cases) if cases.is_dir() else [])
    print_table("Optima", optima)
    furthest = max(each["apart"] for each in optima)
    what = f"{len(optima)} known optima, the one furthest from ours, relative"
    claims.append(at_most(2, what, furthest, "share", 1e-4))
    worst = max(each["worst action"] for each in optima)
    what = "known policies: what their worst action costs beyond the best, relative"
    claims.append(at_most(2, what, worst, "share", 1e-5))
    rates = speeds()
    print_table("A line as a tree and as a network", rates)
    ratio = rates[1]["M steps/s"] / rates[0]["M steps/s"]
    claims.append(figure_only(3, "serial line as a network, over the same as a tree", ratio, "x"))
    print_claims(claims)
    save_figure("networks", lambda axes: draw(axes, rows), size=(8.0, 6.0))
    preset = f"{PERIODS} periods, batch {BATCH}"
    if not rows:
        preset += f"; no trajectories in {cases}: not played"
    seconds = time.perf_counter() - began
    write_result("networks", "networks", claims, [*rows, *optima, *rates], [0], preset, seconds)


def draw(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Draw the largest difference of each case, in both precisions."""

    def name(row: dict[str, Any]) -> str:
        return f"{row['peer']} {row['problem']} {row['case']}"

    names = list(dict.fromkeys(name(row) for row in rows))
    for precision in ("float32", "float64"):
        found = {
            name(row): max(row["largest difference"], 1e-17)
            for row in rows
            if row["precision"] == precision
        }
        axes.plot([found.get(n, np.nan) for n in names], range(len(names)), "o", label=precision)
    axes.axvline(1e-4, color="grey", linewidth=0.8)
    axes.axvline(1e-9, color="grey", linewidth=0.8)
    axes.set_yticks(range(len(names)), names, size=6)
    axes.set_xscale("log")
    axes.set_xlabel("largest difference, relative to numbers above 1")
    axes.legend(frameon=False)


if __name__ == "__main__":
    tyro.cli(main)
