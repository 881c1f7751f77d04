"""Policies that hold up: classic problems, gradients through draws, baselines, and placement.

Each part runs by itself and its result is kept in a folder, so that an interrupted run goes on
after the last finished part; the file of this benchmark joins them all.

    make bench-policies                                # 2 cores, under 60 minutes
    make bench-policies ARGS="--parts classic"         # one part anew, the others as they are kept
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import tyro

from benchmarks._common import Claim, Row, save_figure, write_result
from benchmarks.policies_parts import baselines, classic, gradients, placement
from benchmarks.policies_parts.part import Part, kept_part

Name = Literal["classic", "gradients", "baselines", "placement"]


def run_part(name: Name, folder: Path, seeds: Sequence[int]) -> dict[str, Any]:
    """Run a part, draw its figures, and keep its result as ``folder/NAME.json``."""
    parts: dict[Name, Callable[[], Part]] = {
        "classic": classic.run,
        "gradients": gradients.run,
        "baselines": baselines.run,
        "placement": lambda: placement.run(folder / name, seeds=seeds),
    }
    return kept_part(name, parts[name], folder)


def draw_gaps(rows: Sequence[Row]) -> Callable[[Any], None]:
    """Return what draws how far trained policies are from the optimum, with intervals."""
    found = [row for row in rows if row["table"] == "classic problems"]

    def draw(axes: Any) -> None:
        problems = list(dict.fromkeys(row["problem"] for row in found))
        for offset, method in ((-0.15, "gradient"), (0.15, "ppo")):
            mine = {row["problem"]: row for row in found if row["method"] == method}
            at = np.arange(len(problems)) + offset
            middle, low, high = (
                np.array([mine[p][key] for p in problems])
                for key in ("gap, %", "low, %", "high, %")
            )
            axes.errorbar(
                middle, at, xerr=[middle - low, high - middle], fmt="o", capsize=3, label=method
            )
        axes.axvline(1.0, color="black", lw=0.8)
        axes.set_yticks(np.arange(len(problems)), problems, size=8)
        axes.invert_yaxis()
        axes.set_xscale("symlog", linthresh=1.0)
        axes.set_xlabel("cost above the optimum, %")
        axes.legend(frameon=False)

    return draw


def main(
    parts: Sequence[Name] = (),
    folder: Path = Path("runs/policies"),
    seeds: Sequence[int] = (0,),
) -> None:
    """Run what is not there yet, and join all parts.

    Args:
        parts: To run even where a result is kept; whatever is missing runs anyway.
        folder: Where results of parts, and stages of the placement part, are kept.
        seeds: Of the placement part: worlds, models and policies.
    """
    found = []
    for name in get_args(Name):
        kept = folder / f"{name}.json"
        if kept.exists() and name not in parts:
            print(f"{name}: kept from {kept}")
            found.append(json.loads(kept.read_text(encoding="utf-8")))
        else:
            found.append(run_part(name, folder, seeds))
    claims = [Claim(**claim) for part in found for claim in part["claims"]]
    rows = [row for part in found for row in part["rows"]]
    save_figure("policies", draw_gaps(rows), size=(7.0, 4.2))
    write_result(
        "policies",
        "policies",
        sorted(claims, key=lambda claim: claim.bar),
        rows,
        sorted({seed for part in found for seed in part["seeds"]}),
        "small: " + ", ".join(f"{part['name']} {part['seconds']:.0f} s" for part in found),
        sum(part["seconds"] for part in found),
    )


if __name__ == "__main__":
    tyro.cli(main)
