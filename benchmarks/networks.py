"""Networks of arcs: trajectories of other simulators, exact values, speed, and the first step.

Part by part, and what a part found is kept in a folder, so that one that was interrupted goes on:

- ``parity``: every file of a folder is played in both precisions (``benchmarks/parity``);
- ``optima``: the optima that are known as numbers are solved again (``benchmarks/optima.py``);
- ``trees``: a line as a tree and as a described network;
- ``peak``, ``hdpo``, ``orgym``, ``mabim``: others' simulators beside ours, timed in turn. They are
  where ``python -m benchmarks._peers FOLDER`` has put them; a bar whose peer is not there fails;
- ``first_step``: from import to the first step, by id.

    python -m benchmarks.networks [--cases FOLDER] [--peers FOLDER] [--only trees hdpo]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from benchmarks._common import plain, print_claims, print_table, save_figure, write_result
from benchmarks.networks_parts import claims, first_step, hdpo, mabim, orgym, peak, trees
from benchmarks.optima import of_the_cases, of_the_literature
from draingym.common.cores import cores
from draingym.common.files import write_json

REPEATS = 7
PARTS = ("parity", "optima", "trees", "peak", "hdpo", "orgym", "mabim", "first_step")
Rows = list[dict[str, Any]]


def parity(folder: Path, *, double: bool) -> Rows:
    """Return the rows of a folder of cases, played in a process of its own."""
    with tempfile.TemporaryDirectory() as there:
        out = Path(there) / "rows.json"
        command = [sys.executable, "-m", "benchmarks.parity", str(folder), "--json", str(out)]
        subprocess.run([*command, *(["--double"] if double else [])], check=True)
        rows: Rows = json.loads(out.read_text(encoding="utf-8"))
    return rows


def work(
    cases: Path, peers: Path | None, repeats: int, threads: tuple[int, ...]
) -> dict[str, Callable[[], Rows]]:
    """Return what each part does."""
    there = cases.is_dir()
    timing = {"trees": trees, "peak": peak, "orgym": orgym, "mabim": mabim}
    return {
        "parity": lambda: [
            row for double in (False, True) if there for row in parity(cases, double=double)
        ],
        "optima": lambda: of_the_literature() + (of_the_cases(cases) if there else []),
        "hdpo": partial(hdpo.rows, peers, repeats, threads),
        "first_step": partial(first_step.rows, None, repeats),
        **{name: partial(part.rows, peers, repeats) for name, part in timing.items()},
    }


def main(
    cases: Path = Path("../shared/cases"),
    peers: Path | None = None,
    only: tuple[str, ...] = PARTS,
    folder: Path = Path("runs/networks"),
    repeats: int = REPEATS,
    threads: tuple[int, ...] = (),
) -> None:
    """Run the parts that are not there yet, print the claims of all that are, write the result.

    Args:
        cases: Folder of trajectories of other simulators.
        peers: Folder that ``benchmarks._peers`` has filled.
        only: Some of the parts; they are run whether they are there or not.
        folder: Where parts are kept. Delete it before a run whose figures are to be compared.
        repeats: Of everything that is timed.
        threads: Of PyTorch, of which the best counts; 1 and all when not given.

    Raises:
        ValueError: If there is no such part, or nothing is repeated.
    """
    for name in only:
        if name not in PARTS:
            raise ValueError(f"only holds {name!r}, must be some of {', '.join(PARTS)}")
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}, must be at least 1")
    parts = work(cases, peers, repeats, threads or tuple(sorted({1, cores()})))
    folder.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        kept = folder / f"{name}.json"
        if name in only and (only != PARTS or not kept.exists()):
            began = time.perf_counter()
            rows = parts[name]()
            seconds = time.perf_counter() - began
            write_json(kept, plain({"rows": rows, "seconds": seconds, "repeats": repeats}))
    found = {
        name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in PARTS
        if (folder / f"{name}.json").exists()
    }
    rows_of = {name: part["rows"] for name, part in found.items()}
    for name, rows in rows_of.items():
        if name != "parity":
            print_table(name.replace("_", " "), rows)
    made = claims.of_parts(rows_of)
    print_claims(made)
    save_figure("networks", lambda axes: draw(axes, rows_of.get("parity", [])), size=(8.0, 6.0))
    fewest = min(part["repeats"] for part in found.values())
    preset = f"medians of {fewest} or more; HDPO {hdpo.PERIODS} periods, a line {trees.PERIODS}"
    missing = [name for name in PARTS if not rows_of.get(name)]
    preset += f"; not run: {', '.join(missing)}" if missing else ""
    rows = [{"part": name, **row} for name, rows in rows_of.items() for row in rows]
    seconds = sum(part["seconds"] for part in found.values())
    write_result("networks", "networks", made, rows, [0], preset, seconds)


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
