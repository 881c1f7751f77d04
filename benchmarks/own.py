"""A company's own log: from its tables to a panel, an oracle and policies, and beyond one machine.

    make bench-own                                     # all parts
    make bench-own ARGS="--parts panel processes"      # some

Every part keeps what it has finished in the folder: an interrupted run goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from benchmarks._common import Claim, print_claims, print_table, save_figure, write_result

Part = Callable[[Path], tuple[list[dict[str, Any]], list[Claim]]]
# Modules of ``benchmarks.own_parts`` with a function ``run``, and ``draw`` if they have a picture.
PARTS = ("panel", "processes")


def main(parts: tuple[str, ...] = PARTS, folder: Path = Path("runs/bench-own")) -> None:
    """Run, print and write.

    Args:
        parts: Which.
        folder: Of what they make.
    """
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    claims: list[Claim] = []
    modules = [import_module(f"benchmarks.own_parts.{name}") for name in parts]
    tables: list[list[dict[str, Any]]] = []
    for name, module in zip(parts, modules, strict=True):
        run: Part = module.run
        (folder / name).mkdir(parents=True, exist_ok=True)
        found, claimed = run(folder / name)
        tables.append(found)
        print_table(name, found)
        rows += [{"part": name, **row} for row in found]
        claims += claimed
    drawn = [
        (module.draw, found)
        for module, found in zip(modules, tables, strict=True)
        if hasattr(module, "draw")
    ]

    def draw(axes: Any) -> None:
        for axis, (picture, found) in zip(np.ravel(axes), drawn, strict=True):
            picture(axis, found)

    if drawn:
        save_figure("own", draw, panels=len(drawn))
    print_claims(claims)
    seconds = time.perf_counter() - began
    write_result("own", "own-data", claims, rows, [0], "full", seconds)


if __name__ == "__main__":
    tyro.cli(main)
