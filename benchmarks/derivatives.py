"""Derivatives: every mechanism path by path, the bias of whole units, and decisions made or not.

1. Autodiff of a path's return against central differences, for every mechanism of a described
   network (``derivatives_parts/mechanisms``), in float64, in a process of its own.
2. With whole units, the derivative of the mean against differences with common random numbers
   (``derivatives_parts/whole_units``), in several ways of rounding.
3. Derivatives of an (s, S) policy's thresholds, and of a batch, against exact ones
   (``derivatives_parts/decisions``).

    python -m benchmarks.derivatives [--paths 40000]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import tyro

from benchmarks._common import (
    Claim,
    Clock,
    at_most,
    figure_only,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks.derivatives_parts.cases import BOTH_WAYS, BY_PATH, CASES, ONE_SIDE, SECANT
from benchmarks.derivatives_parts.decisions import all_decisions
from benchmarks.derivatives_parts.whole_units import STEP, biases

EXACT, BIAS, CHUNKS, CHUNKS_OF_BATCHES = 1e-5, 5.0, 10, 60
# Compiling takes the most of it, and what runs is small.
QUICK = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
Row = dict[str, Any]


def mechanisms(paths: int) -> list[Row]:
    """Return a row for every mechanism, worked out in a process of its own."""
    with tempfile.TemporaryDirectory() as there:
        out = Path(there) / "rows.json"
        module = "benchmarks.derivatives_parts.mechanisms"
        command = [sys.executable, "-m", module, "--out", str(out), "--paths", str(paths)]
        flags = f"{os.environ.get('XLA_FLAGS', '')} {QUICK}".strip()
        subprocess.run(command, check=True, env=os.environ | {"XLA_FLAGS": flags})
        rows: list[Row] = json.loads(out.read_text(encoding="utf-8"))
    return rows


def claims_of(exact: list[Row], whole: list[Row], decided: list[Row]) -> list[Claim]:
    """Return the claims: each bar's figures, those that have no bound too."""
    worst = max(row["largest error"] for row in exact)
    what = f"{len(exact)} mechanisms, float64: the largest error of any path, relative"
    claims = [at_most(4, what, worst, "share", EXACT)]
    for row in whole:
        together = row["parameters"] == "all"
        moved = "" if together else f", {row['parameters']}"
        what = f"bias, {row['problem']}{moved}: {row['derivative']}"
        value = abs(row["bias, %"])
        # The bar holds for who chooses nothing, in every direction, and for who chooses the best.
        if row["default"]:
            claims.append(at_most(4, f"{what}, by default", value, "%", BIAS))
        elif together and row["derivative"] in (BY_PATH, SECANT, BOTH_WAYS):
            claims.append(at_most(4, what, value, "%", BIAS))
        elif together:
            claims.append(figure_only(4, what, value, "%"))
    for row in decided:
        what = f"decision_returns, {row['problem']}: {row['parameter']}, apart from the truth"
        claims.append(at_most(4, what, row["apart, s.e."], "s.e.", 3.0))
    return claims


def main(paths: int = 40_000, paths_of_mechanisms: int = 32) -> None:
    """Measure, print the claims and write the result.

    Args:
        paths: Of every problem of whole units.
        paths_of_mechanisms: Of every mechanism, each in four directions.
    """
    began, clock = time.perf_counter(), Clock()
    apart = mechanisms(paths_of_mechanisms)
    exact = [row for row in apart if row["table"] == "mechanism"]
    jumps = [row for row in apart if row["table"] == "mean of jumps"]
    clock("mechanisms")
    whole: list[Row] = []
    for name, make in CASES.items():
        whole += biases(make(), paths)
        clock(name)
    decided = all_decisions(CHUNKS, CHUNKS_OF_BATCHES)
    clock("decisions")
    whole = [{"table": "whole units"} | row for row in whole]
    decided = [{"table": "decision"} | row for row in decided]
    tables = [exact, jumps, whole, decided]
    for found in tables:
        print_table(found[0]["table"], found)
    claims = claims_of(exact, whole, decided)
    print_claims(claims)
    save_figure("derivatives", lambda axes: draw(axes, whole), size=(8.0, 5.0))
    preset = f"{paths:,} paths a problem, differences over {STEP:.0%} to either side"
    rows = [row for found in tables for row in found]
    seconds = time.perf_counter() - began
    write_result("derivatives", "networks", claims, rows, [0], preset, seconds)


def draw(axes: Any, whole: list[Row]) -> None:
    """Draw the bias of every derivative of the mean, with its interval."""
    found = [row for row in whole if row["parameters"] == "all"]
    names = list(dict.fromkeys(row["problem"] for row in found))
    methods = list(dict.fromkeys(row["derivative"] for row in found))
    for i, method in enumerate(methods):
        own = [row for row in found if row["derivative"] == method]
        at = [names.index(row["problem"]) + 0.16 * (i - len(methods) / 2) for row in own]
        axes.errorbar(
            [row["bias, %"] for row in own],
            at,
            xerr=[row["+-"] for row in own],
            fmt="o" if method != ONE_SIDE else "x",
            label=method,
        )
    axes.axvspan(-BIAS, BIAS, color="grey", alpha=0.15, linewidth=0)
    axes.set_yticks(range(len(names)), names, size=8)
    axes.invert_yaxis()
    axes.set_xlabel("bias of the derivative of the mean return, %")
    axes.legend(frameon=False, fontsize=8)


if __name__ == "__main__":
    tyro.cli(main)
