"""Bar 7 of scale: in how many seeds does the demo end with a simulator that one may choose by?

Each seed is the demo's whole loop: other order lines where they are synthetic, other customers,
lanes, model, policies and draws. One run more trains drain model and policies on 10 of the 50
products and is judged on the other 40: there the verdict has to say no.

    make bench-verdicts                              # 2 cores, under an hour
    make bench-verdicts ARGS="--seeds 0 1"           # some of them

What a seed found is kept in the folder, and so are the finished stages of one that was interrupted.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console

from benchmarks._common import (
    Claim,
    Clock,
    at_least,
    at_most,
    figure_only,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from draingym.common.files import write_json
from draingym.demo.config import LoopConfig
from draingym.demo.loop import run_loop

BAR = 7
SEEDS = tuple(range(10))
FEW = "10 products"
ALLOWED = ("values", "ranks")  # uses with which one may choose by the simulator
STAGES = {"verdict": "first", "final_verdict": "after fine-tuning"}
Found = Mapping[str, Any]


def seeded(config: LoopConfig, seed: int) -> LoopConfig:
    """Return a configuration all of whose draws are of a seed."""
    return replace(
        config,
        seed=seed,
        world=replace(config.world, seed=seed),
        oracle=replace(config.oracle, seed=seed),
        tune=replace(config.tune, seed=seed),
        train=replace(config.train, seed=seed),
    )


def configs(base: LoopConfig, seeds: Sequence[int]) -> dict[str, LoopConfig]:
    """Return the configuration of every run by its name."""
    few = 10 / base.world.num_products
    return {f"seed {seed}": seeded(base, seed) for seed in seeds} | {
        FEW: replace(base, train_products=few)
    }


def kept_in(folder: Path, name: str) -> Path:
    """Return the file of a run's result."""
    return folder / f"{name.replace(' ', '-')}.json"


def one(name: str, config: LoopConfig, folder: Path) -> Found:
    """Run the loop, unless that was done, and return its verdicts.

    Args:
        name: Of the run.
        config: Its configuration.
        folder: Where its result is kept, as ``NAME.json``.
    """
    kept = kept_in(folder, name)
    if not kept.exists():
        work = folder / f"{kept.stem}-run"
        figures = run_loop(config, work, Console())
        verdicts = {stage: figures[stage] for stage in STAGES if stage in figures}
        seconds = sum(figures["seconds"].values())
        write_json(kept, {"name": name, "seconds": seconds, "verdicts": verdicts})
        shutil.rmtree(work)
    found: Found = json.loads(kept.read_text(encoding="utf-8"))
    return found


def rows_of(found: Sequence[Found]) -> list[dict[str, Any]]:
    """Return a row for every verdict."""
    rows = []
    for run in found:
        for stage, verdict in run["verdicts"].items():
            a = verdict["agreements"][0]
            tail = a["tail"][a["chosen"]]
            rows.append(
                {
                    "run": run["name"],
                    "verdict": STAGES[stage],
                    "use": verdict["use"],
                    "kendall": a["kendall"]["mean"],
                    "kendall_low": a["kendall"]["low"],
                    "kendall_high": a["kendall"]["high"],
                    "error": a["mean_error"]["mean"],
                    **{f"regret_{k}": a["top_regret"][k]["mean"] for k in a["top_regret"]},
                    "chosen": a["chosen"],
                    "tail_worth": tail["worth"]["mean"],
                    "tail_error": tail["error"]["mean"],
                    "final": stage == list(run["verdicts"])[-1],
                    "policies": len(verdict["policies"]),
                    "outside": len({x["name"] for x in verdict["outside"]}),
                }
            )
    return rows


def claims_of(rows: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """Return the claims of bar 7 from the rows of all runs that are there."""
    seeds = [row for row in rows if row["run"] != FEW]
    few = [row for row in rows if row["run"] == FEW]
    first = [row for row in seeds if row["verdict"] == STAGES["verdict"]]
    final = [row for row in seeds if row["final"]]

    def allowed(some: Sequence[Mapping[str, Any]]) -> int:
        return sum(row["use"] in ALLOWED for row in some)

    claims = []
    if final:
        total = len(final)
        claims = [
            at_least(BAR, f"seeds of {total} that end with a yes", allowed(final), "", 8),
            figure_only(BAR, "of these, before fine-tuning", allowed(first), ""),
        ]
        for what, some in (("first", first), ("last", final)):
            for name, words, statistic in (
                ("kendall", "Kendall, least", np.min),
                ("kendall", "Kendall, median", np.median),
                ("error", "value error, median", np.median),
                ("regret_1", "regret, largest", np.max),
                ("regret_3", "regret of the best of three, largest", np.max),
            ):
                value = float(statistic([row[name] for row in some]))
                claims.append(figure_only(BAR, f"{what} verdict: {words}", value, ""))
    if few:
        what = f"verdicts that say yes where {FEW} were trained on, of {len(few)}"
        claims.append(at_most(BAR, what, allowed(few), "", 0))
        claims.append(figure_only(BAR, "Kendall there", few[-1]["kendall"], ""))
    return claims


def draw(axis: Any, rows: Sequence[Mapping[str, Any]], bound: float) -> None:
    """Draw Kendall of every run, before and after fine-tuning, with its interval."""
    names = list(dict.fromkeys(row["run"] for row in rows))
    for k, stage in enumerate(STAGES.values()):
        some = [row for row in rows if row["verdict"] == stage]
        if some:
            at = [names.index(row["run"]) + 0.2 * k - 0.1 for row in some]
            value = np.array([row["kendall"] for row in some])
            ends = np.array([[row["kendall_low"], row["kendall_high"]] for row in some]).T
            spread = np.abs(ends - value)
            axis.errorbar(at, value, yerr=spread, fmt="o", capsize=2, ms=4, label=stage)
    axis.axhline(bound, color="black", lw=0.8)
    axis.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
    axis.set_ylabel("Kendall, simulator for oracle")
    axis.legend(frameon=False, fontsize=8)


def main(
    seeds: tuple[int, ...] = SEEDS,
    few: bool = True,
    folder: Path = Path("runs/verdicts"),
) -> None:
    """Run the seeds that are not there yet; write JSON and figure of all that are.

    Args:
        seeds: Some of 0 to 9.
        few: Whether to run the model of 10 products, too.
        folder: Where finished runs are kept.
    """
    base, clock = LoopConfig(), Clock()
    known = configs(base, SEEDS)
    wanted = [f"seed {seed}" for seed in seeds] + [FEW] * few
    for name in wanted:
        if name not in known:
            raise ValueError(f"seeds holds {name.split()[1]}, must be in [0, {SEEDS[-1]}]")
    folder.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        one(name, known[name], folder)
        clock(name)
    finished = [name for name in known if kept_in(folder, name).exists()]
    found = [one(name, known[name], folder) for name in finished]
    rows = rows_of(found)
    claims = claims_of(rows)
    shown = ("run", "verdict", "use", "kendall", "error", "regret_1", "regret_3", "chosen")
    print_table("Verdicts", [{name: row[name] for name in shown} for row in rows])
    print_claims(claims)
    missing = [name for name in known if name not in finished]
    size = f"demo, {base.world.num_products} products"
    size += f"; not run: {', '.join(missing)}" if missing else ""
    done = [seed for seed in SEEDS if f"seed {seed}" in finished]
    total = sum(run["seconds"] for run in found)
    write_result("verdicts", "scale", claims, rows, done, size, total)
    save_figure("verdicts", lambda axis: draw(axis, rows, base.thresholds.kendall))


if __name__ == "__main__":
    tyro.cli(main)
