"""A retailer's own data: from tables to orders, what is estimated, beyond one machine, and faults.

Each part runs by itself and its result is kept in a folder, so that an interrupted run goes on
after the last finished part; the file of this benchmark joins them all.

    make bench-own
    make bench-own ARGS="--parts oracle"     # one part anew, the others where they are kept
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tyro

from benchmarks._common import Claim, save_figure, write_result
from benchmarks.own_parts import kills, oracle, panel, path, processes, wrong_inputs
from benchmarks.policies_parts.part import Figure, Part, kept_part

NAME = "own"
Name = Literal["path", "oracle", "panel", "processes", "kills", "inputs"]
Preset = Literal["small", "full"]
Run = Callable[[Preset, Path, Path], Part]  # the folders of results, and of data


def _scaled(name: Name, run: Callable[..., Any], draw: Callable[..., None], small: Any) -> Run:
    """Return a part that works in a folder, and is told of fewer sizes in the preset small."""

    def part(preset: Preset, folder: Path, data: Path) -> Part:
        del data
        (folder / name).mkdir(parents=True, exist_ok=True)
        found, claims = run(folder / name, *((small,) if preset == "small" else ()))
        rows = [{"table": name, **row} for row in found]
        figure = Figure(name=f"{NAME}_{name}", draw=partial(draw, rows=found))
        return Part(claims=claims, rows=rows, seeds=[0], figures=[figure])

    return part


def _path(preset: Preset, folder: Path, data: Path) -> Part:
    small = preset == "small"
    shops = [path.small_company()] if small else [path.online_retail(data), path.company()]
    part = _scaled("path", lambda folder, *_: path.run(folder, shops), path.draw, None)
    return part(preset, folder, data)


PARTS: dict[Name, Run] = {
    "path": _path,
    "oracle": lambda preset, folder, data: oracle.run_part(folder / "oracle", preset),
    "panel": _scaled("panel", panel.run, panel.draw, panel.VIEWS[:1]),
    "processes": _scaled("processes", processes.run, processes.draw, processes.DEVICES[:2]),
    "kills": _scaled("kills", kills.run, kills.draw, {"ingest": 1, "panel": 1}),
    "inputs": _scaled("inputs", wrong_inputs.run, wrong_inputs.draw, 20),
}


def main(
    parts: Sequence[Name] = (),
    preset: Preset = "full",
    folder: Path = Path("runs/own"),
    data: Path = Path("../shared/data"),
) -> None:
    """Run parts, and join all that there are.

    Args:
        parts: To run, even where a result is kept; when not given, all that are not there yet.
        preset: Real orders at the demo's size, or small synthetic ones.
        folder: Where results of parts are kept.
        data: Folder of UCI Online Retail as Parquet, ``online_retail.parquet``.
    """
    found, missing, folder = [], [], folder / preset
    for name, run in PARTS.items():
        kept = folder / f"{name}.json"
        if name in parts or not (parts or kept.exists()):
            found.append(kept_part(name, partial(run, preset, folder, data), folder))
        elif kept.exists():
            print(f"{name}: kept from {kept}")
            found.append(json.loads(kept.read_text(encoding="utf-8")))
        else:
            missing.append(name)
    claims = [Claim(**claim) for part in found for claim in part["claims"]]
    rows = [row for part in found for row in part["rows"]]
    if any(row["table"] == "values" for row in rows):
        save_figure(NAME, lambda axis: oracle.draw(axis, rows))
    write_result(
        NAME,
        "own-data",
        sorted(claims, key=lambda claim: claim.bar),
        rows,
        sorted({seed for part in found for seed in part["seeds"]}),
        preset + (f"; not run: {', '.join(missing)}" if missing else ""),
        sum(part["seconds"] for part in found),
    )


if __name__ == "__main__":
    tyro.cli(main)
