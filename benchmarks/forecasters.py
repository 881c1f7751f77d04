"""The forecasters on real demand, beside baselines, trees, and others' networks.

Four data sets, time-ordered, three origins: every method is fitted at the first and forecasts from
all, classical ones are fitted at each. Settings of networks and trees are chosen on an origin that
is not scored, from four each; networks make as many updates; intervals are over series.

    make bench-forecasters                                     # 2 cores, at most 75 minutes
    make bench-forecasters ARGS="--parts accuracy-favorita"    # one part of it
    make bench-forecasters ARGS="--parts accuracy-favorita --methods LSTM"

Every fit is kept in the folder: an interrupted run goes on from there, by model.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tyro

from benchmarks._common import (
    Claim,
    Clock,
    plain,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks.forecasters_parts.ablations import (
    ABLATIONS,
    ablation,
    ablation_claims,
    draw_claims,
)
from benchmarks.forecasters_parts.accuracy import (
    accuracy,
    accuracy_claims,
    draw_accuracy,
    draw_steps,
    methods_of,
)
from benchmarks.forecasters_parts.datasets import DATASETS
from benchmarks.forecasters_parts.prices import (
    counterfactuals,
    draw_prices,
    elasticities,
    price_claims,
)
from benchmarks.forecasters_parts.published import ranking_rows
from benchmarks.forecasters_parts.scaling import draw_scaling, scaling, scaling_claims
from benchmarks.forecasters_parts.sizes import SIZES, Sizes
from benchmarks.forecasters_parts.speed import speed, speed_claims
from benchmarks.forecasters_parts.stockouts import draw_stockouts, stockouts
from benchmarks.forecasters_parts.tasks import tasks
from benchmarks.forecasters_parts.worth import worth
from draingym.common.files import write_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What a part is told."""

    sizes: Sizes
    data: Path  # folder of the files that are not from PyPI
    folder: Path  # of the runs that are kept
    methods: tuple[str, ...]
    clock: Clock


Part = Callable[[Job], dict[str, Any]]


def _accuracy(name: str, job: Job) -> dict[str, Any]:
    return accuracy(name, job.data, job.sizes, job.folder, job.methods, job.clock)


def _ablation(name: str, job: Job) -> dict[str, Any]:
    return ablation(name, job.data, job.sizes, job.folder, job.clock)


PARTS: Mapping[str, Part] = {
    **{f"accuracy-{name}": partial(_accuracy, name) for name in DATASETS},
    **{f"claims-{name}": partial(_ablation, name) for name in ABLATIONS},
    "claims-tasks": lambda job: tasks(job.sizes, job.folder, job.clock),
    "elasticity": lambda job: elasticities(job.data, job.sizes, job.folder, job.clock),
    "counterfactual": lambda job: counterfactuals(job.sizes, job.folder, job.clock),
    "scaling": lambda job: scaling(job.data, job.sizes, job.folder, job.clock),
    "speed": lambda job: speed(job.sizes, job.clock),
    "worth": lambda job: worth(0, job.clock, job.folder, preset=job.sizes.gym),
    "stockouts": lambda job: stockouts(0, job.clock, job.folder, preset=job.sizes.gym),
}
SHOWN: Mapping[str, tuple[str, ...]] = {
    "accuracy": (
        *("data", "model", "CRPS / units", "wMAPE", "mMAPE mean", "mMAPE median"),
        *("demand error", "bias", "seconds to fit"),
    ),
    "ranking": ("paper", "data", "model", "printed", "ours", "printed rank", "our rank"),
    "claim": ("model", "claim", "data", "metric", "value", "low", "high", "holds"),
    "elasticity": ("model", "value", "low", "high"),
    "counterfactual": ("model", "error", "value", "to_trees", "low", "high"),
    "scaling": ("model", "series", "demand error", "low", "high", "CRPS / units"),
    "speed": ("model", "updates", "batch", "width", "first seconds", "seconds"),
    "worth": ("policy", "forecast", "USD per product", "gain, %", "low of all together"),
}


def main(
    preset: Literal["tiny", "small", "full"] = "full",
    parts: tuple[str, ...] = tuple(PARTS),
    methods: tuple[str, ...] = (),
    data: Path = Path("../shared/data"),
    folder: Path = Path("runs/forecasters"),
    write: bool = True,
) -> None:
    """Run the parts that are not there yet; write JSON and figures of all that are.

    Args:
        preset: How many series, origins and seeds.
        parts: Some of accuracy with a data set, claims of a paper, elasticity, counterfactual,
            scaling, speed, worth and stockouts.
        methods: Those that are fitted in the parts on accuracy: nothing is written but their runs.
        data: Folder of the files that are not from PyPI.
        folder: Where finished parts and fits are kept.
        write: Whether to write ``results/forecasters.json``.
    """
    clock, kept = Clock(), folder / preset
    for part in parts:
        if part not in PARTS:
            raise ValueError(f"parts holds {part!r}, must be of {', '.join(PARTS)}")
    (kept / "fits").mkdir(parents=True, exist_ok=True)
    job = Job(sizes=SIZES[preset], data=data, folder=kept / "fits", methods=methods, clock=clock)
    for part in parts:
        path = kept / f"{part}.json"
        if methods:
            if part.startswith("accuracy-"):
                PARTS[part](job)
        elif not path.exists():
            began = time.perf_counter()
            result = PARTS[part](job)
            write_json(path, plain({**result, "seconds": time.perf_counter() - began}))
    if not methods:
        found = {
            part: json.loads(path.read_text())
            for part in PARTS
            if (path := kept / f"{part}.json").exists()
        }
        _report(found, preset, write)
    clock("all done")


def rows_of(found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of all parts, and papers' rankings beside ours."""
    rows = [row for result in found.values() for row in result["rows"]]
    return [*rows, *ranking_rows(rows)]


def claims_of(rows: Sequence[Mapping[str, Any]], sizes: Sizes) -> list[Claim]:
    """Return the claims of bars 1 to 5 and 7; what the parts in the gym claim is with them."""
    return [
        *accuracy_claims(rows, len(methods_of(sizes))),
        *ablation_claims(rows),
        *price_claims(rows),
        *scaling_claims(rows),
        *speed_claims(rows),
    ]


def _report(found: Mapping[str, Mapping[str, Any]], preset: str, write: bool) -> None:
    """Print tables and claims of finished parts, and write them."""
    rows, sizes = rows_of(found), SIZES[preset]
    claims = claims_of(rows, sizes)
    claims += [Claim(**claim) for result in found.values() for claim in result.get("claims", ())]
    for table, shown in SHOWN.items():
        mine = [{key: row.get(key) for key in shown} for row in rows if row["table"] == table]
        if mine:
            print_table(table.capitalize(), mine)
    print_claims(claims)
    if not write or not claims:
        return
    size = "; ".join(str(result["size"]) for result in found.values() if "size" in result)
    missing = [part for part in PARTS if part not in found]
    size += f"; {sizes.effort.updates} updates a network; {sizes.origins} origins"
    size += f"; not run: {', '.join(missing)}" if missing else ""
    seconds = sum(result["seconds"] for result in found.values())
    write_result(
        "forecasters", "forecasters", claims, rows, sizes.seeds, f"{preset}: {size}", seconds
    )
    tables = {row["table"] for row in rows}
    sets = len({row["data"] for row in rows if row["table"] == "accuracy"})
    for table, name, draw, panels in (
        ("accuracy", "forecasters", draw_accuracy, 1),
        ("accuracy", "forecasters_steps", draw_steps, sets),
        ("claim", "forecasters_claims", draw_claims, 1),
        ("elasticity", "forecasters_prices", draw_prices, 2),
        ("scaling", "forecasters_scaling", draw_scaling, 1),
        ("stock-outs", "forecasters_stockouts", draw_stockouts, 1),
    ):
        if table in tables:
            save_figure(name, partial(draw, rows), panels=panels, size=(6.4, 4.8))


if __name__ == "__main__":
    tyro.cli(main)
