"""What a learner feels: steps of the placement environments, a single environment, the device.

    make bench-gym_speed ARGS="--before FOLDER"

``FOLDER`` is a checkout of the project as it was, which runs in turn with this one; without it the
comparison is left out. Rows that are finished are kept in ``--kept``, so that a second call goes
on where the first one stopped.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import tyro

from benchmarks._common import (
    Claim,
    Clock,
    at_least,
    at_most,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks.gym_parts import learning, rates, single
from draingym.common.files import write_json
from draingym.policies.training.env_ppo import EnvPPO
from draingym.registration import IDS, register_envs

SIZES = (1024, 4096)
PLACEMENT = ("Placement", "PlacementLearned")
LARGEST = (1.0, 0.1)  # actions: shelves are full, or short
REPEATS = 5
TABLES = ("rates", "single", "learning")
Row = Mapping[str, Any]


def cases(
    before: Path | None, repeats: int, config: EnvPPO
) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return what is measured, by name; the first word is the table."""
    found: dict[str, Callable[[], dict[str, Any]]] = {}
    for name, id in IDS.items():
        found[f"single {name}"] = partial(single.row, id, repeats)
    turns = max(2, repeats // 2)
    for name, size, most in product(PLACEMENT, SIZES, LARGEST):
        found[f"rates {name} {size} {most:g}"] = partial(
            rates.row, IDS[name], size, most, before, turns
        )
    for name in ("SingleStore", "Placement"):
        found[f"learning {name}"] = partial(learning.row, IDS[name], config, repeats)
    return found


def claims_of(rows: Sequence[Row]) -> list[Claim]:
    """Return the figures of bars 3 and 5; what was not compared does not pass."""
    claims = []
    for row in rows:
        if row["table"] == "rates":
            name = f"{row['environment'].removeprefix('draingym/')}, {row['environments']}"
            full = "" if row["largest action"] == 1 else ", shelves short"
            key = "step of the processor, ms, "
            ratio = row.get(f"{key}before", math.nan) / row[f"{key}now"]
            what = f"vector steps of {name}{full}, over before"
            claims.append(at_least(5, what, ratio, "x", 2.0))
            if not full:
                cold = row["first step cold, s, now"]
                claims.append(at_most(5, f"import to first step of {name}, cold", cold, "s", 5.0))
        elif row["table"] == "learning":
            what = f"PPO on the device over through NumPy, {row['environment']}"
            claims.append(at_least(3, what, row["ratio"], "x", 10.0))
    alone = [row["single over vector of one"] for row in rows if row["table"] == "single"]
    if alone:
        claims.append(at_least(5, "single over vector of one, worst", min(alone), "x", 0.8))
    return claims


def main(
    before: Path | None = None,
    repeats: int = REPEATS,
    envs: int = 1024,
    kept: Path = Path("build/gym_speed"),
) -> None:
    """Measure what is not kept yet, print the claims and write the result.

    Args:
        before: A checkout of the project as it was.
        repeats: Timed turns, at least 5 for a claim.
        envs: Trajectories of PPO.
        kept: Folder of the rows that are finished.
    """
    began, clock = time.perf_counter(), Clock()
    register_envs()
    kept.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for name, measure in cases(before, repeats, EnvPPO(envs=envs)).items():
        path = kept / f"{name.replace(' ', '_')}.json"
        if not path.exists():
            write_json(path, measure())
            clock(name)
        rows.append({"table": name.split()[0], **json.loads(path.read_text(encoding="utf-8"))})
    for table in TABLES:
        print_table(table, [row for row in rows if row["table"] == table])
    claims = claims_of(rows)
    print_claims(claims)

    def draw(axes: Any) -> None:
        found = [row for row in rows if row["table"] == "single"]
        names = [r["environment"].removeprefix("draingym/").removesuffix("-v0") for r in found]
        axes.barh(names, [row["single over vector of one"] for row in found])
        axes.axvline(0.8, linestyle="--")
        axes.set_xlabel("single environment over a vector of one")

    save_figure("gym_speed", draw)
    preset = f"{envs} environments of PPO, {repeats} repeats"
    write_result("gym_speed", "zoo", claims, rows, [0], preset, time.perf_counter() - began)


if __name__ == "__main__":
    tyro.cli(main)
