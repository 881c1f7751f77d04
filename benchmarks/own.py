"""A retailer's own data: how far what is estimated can be believed, and beyond one machine.

Each part runs by itself and its result is kept in a folder, so that an interrupted run goes on
after the last finished part; the file of this benchmark joins them all.

    make bench-own
    make bench-own ARGS="--parts oracle"     # one part anew, the others as they are kept
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tyro

from benchmarks._common import Claim, save_figure, write_result
from benchmarks.own_parts import oracle, panel, processes
from benchmarks.policies_parts.part import Figure, Part, kept_part

NAME = "own"
Name = Literal["oracle", "panel", "processes"]
Preset = Literal["small", "full"]
Run = Callable[[Preset, Path], Part]


def _scaled(name: Name, run: Callable[..., Any], draw: Callable[..., None], small: Any) -> Run:
    """Return a part that works in a folder, and is told of fewer sizes in the preset small."""

    def part(preset: Preset, folder: Path) -> Part:
        (folder / name).mkdir(parents=True, exist_ok=True)
        found, claims = run(folder / name, *((small,) if preset == "small" else ()))
        rows = [{"table": name, **row} for row in found]
        figure = Figure(name=f"{NAME}_{name}", draw=partial(draw, rows=found))
        return Part(claims=claims, rows=rows, seeds=[0], figures=[figure])

    return part


PARTS: dict[Name, Run] = {
    "oracle": lambda preset, folder: oracle.run_part(preset),
    "panel": _scaled("panel", panel.run, panel.draw, panel.VIEWS[:1]),
    "processes": _scaled("processes", processes.run, processes.draw, processes.DEVICES[:2]),
}


def main(
    parts: Sequence[Name] = (),
    preset: Preset = "full",
    folder: Path = Path("runs/own"),
) -> None:
    """Run what is not there yet, and join all parts.

    Args:
        parts: To run even where a result is kept; whatever is missing runs anyway.
        preset: Real orders at the demo's size, or small synthetic ones.
        folder: Where results of parts are kept.
    """
    found, folder = [], folder / preset
    for name, run in PARTS.items():
        kept = folder / f"{name}.json"
        if kept.exists() and name not in parts:
            print(f"{name}: kept from {kept}")
            found.append(json.loads(kept.read_text(encoding="utf-8")))
        else:
            found.append(kept_part(name, partial(run, preset, folder), folder))
    claims = [Claim(**claim) for part in found for claim in part["claims"]]
    rows = [row for part in found for row in part["rows"]]
    save_figure(NAME, lambda axis: oracle.draw(axis, rows))
    write_result(
        NAME,
        "own-data",
        sorted(claims, key=lambda claim: claim.bar),
        rows,
        sorted({seed for part in found for seed in part["seeds"]}),
        preset,
        sum(part["seconds"] for part in found),
    )


if __name__ == "__main__":
    tyro.cli(main)
