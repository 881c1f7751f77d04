"""Networks of arcs: trajectories of other simulators, and what a network costs beside a tree.

Every file of a folder is played in both precisions (``benchmarks/parity``), and the optima that are
known as numbers are solved again (``benchmarks/optima``). The same serial line is
rolled out as a tree and as a described network, in turn, so that other work on the machine meets
both.

    python -m benchmarks.networks [--cases FOLDER]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
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
    write_result,
)
from benchmarks.optima import of_the_cases, of_the_literature
from draingym import Arc, Network, Node, Normal, batch_returns, serial_line

BATCH, PERIODS, REPEATS = 1024, 100, 7
LEADS, HOLDING, UNMET = (2, 4, 3, 4), (0.1, 0.2, 0.5, 1.0), 9.0


@dataclass(frozen=True)
class Fixed:
    """Requests the same units in every period; equal to all others, so that it compiles once."""

    def init(self, key: Any) -> Any:
        """Return nothing to learn."""
        del key
        return jnp.zeros(())

    def apply(self, params: Any, observation: Any, key: Any) -> Any:
        """Return the parameters."""
        del observation, key
        return params


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
        demand={"store": Normal(means=(5.0,), sds=(2.0,))},
        arrivals="before shipping",
    )


def speeds() -> list[dict[str, Any]]:
    """Return steps a second of the line as a tree and as a network, timed in turn."""
    built = line().built
    simulator, params, sample = serial_line(
        lead_times=LEADS, holding_cost=HOLDING, unmet_cost=UNMET
    )
    units = jnp.full(4, 5.0)
    ways = {
        "tree": (simulator, params, sample(jax.random.key(0), PERIODS, BATCH)),
        "network": (built.simulator, built.params, built.sample(jax.random.key(0), PERIODS, BATCH)),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(REPEATS + 1):
        for name, (made, held, scenario) in ways.items():
            began = time.perf_counter()
            jax.block_until_ready(batch_returns(made, held, Fixed(), units, scenario))
            if repeat:  # the first compiles
                times[name].append(time.perf_counter() - began)
    steps = BATCH * PERIODS
    return [
        {"line as": name, "batch": BATCH, "M steps/s": steps / statistics.median(took) / 1e6}
        for name, took in times.items()
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
    furthest = max(line["apart"] for line in optima)
    what = f"{len(optima)} known optima, the one furthest from ours, relative"
    claims.append(at_most(2, what, furthest, "share", 1e-4))
    worst = max(line["worst action"] for line in optima)
    what = "known policies: what their worst action costs beyond the best, relative"
    claims.append(at_most(2, what, worst, "share", 1e-5))
    timed = speeds()
    print_table("A line as a tree and as a network", timed)
    ratio = timed[1]["M steps/s"] / timed[0]["M steps/s"]
    claims.append(figure_only(3, "serial line as a network, over the same as a tree", ratio, "x"))
    print_claims(claims)
    save_figure("networks", lambda axes: draw(axes, rows), size=(8.0, 6.0))
    preset = f"{PERIODS} periods, batch {BATCH}"
    seconds = time.perf_counter() - began
    write_result("networks", "networks", claims, [*rows, *optima, *timed], [0], preset, seconds)


def draw(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Draw the largest difference of each case, in both precisions."""
    names = list(dict.fromkeys(f"{r['peer']} {r['problem']} {r['case']}" for r in rows))
    for precision in ("float32", "float64"):
        found = {
            f"{r['peer']} {r['problem']} {r['case']}": max(r["largest difference"], 1e-17)
            for r in rows
            if r["precision"] == precision
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
