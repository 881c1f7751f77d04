"""The drain model against its baselines: the paper's tables, off-policy, and what each part buys.

In distribution, models are fitted to the first two thirds of a history and scored on the rest.
Off-policy, the same models are scored on oracle replays of policies that no model is fitted to;
then the default is fine-tuned on history and on replays of other policies, and scored again. All
baselines that are compared after fine-tuning are fitted anew to the same data. Speed is measured
by ``benchmarks.drain_speed``, which runs last.

    make bench-drain                                 # 2 cores, under 40 minutes
    make bench-drain ARGS="--preset paper"           # on a GPU
    make bench-drain ARGS="--folder runs/drain"      # an interrupted run goes on from there
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro

from benchmarks import drain_speed
from benchmarks._common import Clock, print_claims, print_table, save_figure, write_result
from benchmarks.drain_parts.claims import (
    NAME,
    SCORES,
    accuracy_claims,
    draw_figures,
    gap_claims,
    off_policy_claims,
    off_policy_row,
    pooled_gap,
)
from benchmarks.drain_parts.models import (
    ABLATIONS,
    CLOSEST,
    JOINTS,
    LEAKY,
    SHARE,
    TREES,
    VARIANTS,
    Model,
    baselines,
    disagreement,
    neural,
    variant,
)
from benchmarks.drain_parts.policies import heldout_policies, tuning_policies
from benchmarks.drain_parts.world import (
    DrainWorld,
    Panel,
    describe,
    floor,
    known_history,
    make_drain_world,
    replay_policies,
)
from draingym.drain_model import DrainData
from draingym.drain_model.evaluation.comparison import compare
from draingym.drain_model.evaluation.evaluate import Evaluation, evaluate
from draingym.drain_model.evaluation.published import table_2, table_3

FLOOR, DEFAULT, TUNED = "noise floor", "lanes, default", "lanes, fine-tuned"
ORACLE_FLOOR = "noise floor, rates from the log"
MEMBERS = 5  # of an ensemble


def score(
    models: Sequence[Model], panel: Panel, split: int, samples: int, *, own: bool = False
) -> list[Evaluation]:
    """Score models and the noise floor on a panel's periods from ``split`` on."""
    periods = (split, panel.data.num_periods)
    part = panel.data.periods(*periods)
    found = []
    for model in models:
        outbound, cost = model.sample(panel.data, periods, samples)
        losses = model.own(panel.data, periods) if own else None
        found.append(evaluate(model.name, outbound, cost, part, own=losses, weights=model.weights))
    outbound, cost = floor(panel, samples, 1, periods)
    found.append(evaluate(FLOOR, outbound, cost, part))
    return found


def by_name(evaluations: Sequence[Evaluation], name: str) -> Evaluation:
    """Return the evaluation of a model."""
    return next(e for e in evaluations if e.name == name)


def history_models(
    world: DrainWorld, preset: str, seed: int, folder: Path | None, clock: Clock
) -> list[Model]:
    """Fit every baseline, every variant, and ensembles to history's training periods."""
    data = world.history.data.periods(0, world.split)
    models = list(baselines(data, (CLOSEST, SHARE, TREES), seed=seed).values())
    clock("baselines fitted")
    for name in (*VARIANTS, *ABLATIONS):
        config = variant(name, preset)
        models.append(neural(name, data, config, seed=seed, folder=folder))
        clock(f"{name}: trained")
    models.append(
        neural(DEFAULT, data, variant(None, preset), seed=seed, members=MEMBERS, folder=folder)
    )
    clock(f"{DEFAULT}: {MEMBERS} members trained")
    return models


def tuning_data(world: DrainWorld, panels: dict[str, Panel]) -> DrainData:
    """Return history and replays of other policies, training periods alone, as one panel."""
    parts = [world.history.data, *(panel.data for panel in panels.values())]
    plain = [replace(part, sales=None).periods(0, world.split) for part in parts]
    return DrainData.stack(plain)


def off_policy_models(
    history: Sequence[Model],
    mixed: DrainData,
    preset: str,
    seed: int,
    folder: Path | None,
    clock: Clock,
) -> list[Model]:
    """Return what is scored off-policy: models of history alone, and fitted to the mixed data."""
    default = next(m for m in history if m.name == DEFAULT)
    config = variant(None, preset)
    gentle = replace(
        config,
        learning_rate=0.5 * config.learning_rate,
        epochs=max(2, config.epochs // 4),
        validate_every=1,
    )
    again = baselines(mixed, (CLOSEST,), seed=seed)
    # Every ninth product, as many as history has: trees take many minutes on all of them.
    again |= baselines(mixed.products(slice(None, None, 9)), (TREES,), seed=seed)
    refitted = [replace(m, name=f"{m.name}, refitted") for m in again.values()]
    clock("baselines refitted to history and other policies")
    tuned = neural(
        TUNED,
        mixed,
        gentle,
        seed=seed,
        members=MEMBERS,
        initial=default.members,
        folder=folder,
    )
    clock(f"{TUNED}: {MEMBERS} members fine-tuned on {mixed.num_products} product histories")
    kept = [m for m in history if m.name in (CLOSEST, TREES, "Transformer", *JOINTS, DEFAULT)]
    return [*kept, *refitted, tuned]


def main(
    preset: Literal["tiny", "small", "paper"] = "small",
    seed: int = 0,
    samples: int = 128,
    folder: Path | None = None,
    speed: bool = True,
) -> None:
    """Run everything, print tables, write JSON and figures.

    Args:
        preset: Size of world and networks; "tiny" is for tests.
        seed: Of everything.
        samples: Joint samples a model is scored by.
        folder: Where training states go; a run that finds them there goes on.
        speed: Whether to measure speed, too.
    """
    clock = Clock()
    sizes = "small" if preset == "tiny" else preset
    world = make_drain_world(preset, seed)
    clock("world, history, log, panel")
    models = history_models(world, sizes, seed, folder, clock)
    history = score(models, world.history, world.split, samples, own=True)
    periods = (world.split, world.history.data.num_periods)
    known = floor(known_history(world), samples, 1, periods)
    history.append(evaluate(ORACLE_FLOOR, *known, world.history.data.periods(*periods)))
    clock("history scored")
    compared, to_oracle = (
        {e.name: compare(e, by_name(history, CLOSEST), by_name(history, name)) for e in history}
        for name in (FLOOR, ORACLE_FLOOR)
    )

    others = replay_policies(world, tuning_policies(world.world), seed=seed + 1)
    mixed = tuning_data(world, others)
    clock("policies for fine-tuning replayed")
    scored = off_policy_models(models, mixed, sizes, seed, folder, clock)
    panels = replay_policies(world, heldout_policies(world.world), seed=seed + 2)
    off: dict[str, list[Evaluation]] = {}
    apart: list[dict[str, Any]] = []
    for name, panel in {"history": world.history, **panels}.items():
        off[name] = score(scored, panel, world.split, samples // 2)
        periods = (world.split, panel.data.num_periods)
        for model in scored:
            if len(model.members) > 1:
                apart.append(
                    {
                        "table": "disagreement",
                        "model": model.name,
                        **describe(panel, periods),
                        "ratio": disagreement(model, panel.data, periods, 16),
                    }
                )
        clock(f"{name}: scored")

    names = [*VARIANTS, DEFAULT]
    honest = [name for name in names if name not in LEAKY]
    claims = [
        *accuracy_claims(history, compared, names, honest, CLOSEST, TREES),
        *gap_claims("the oracle's noise floor", to_oracle, honest, TREES),
        *off_policy_claims(off, scored, f"{CLOSEST}, refitted", TUNED, DEFAULT, FLOOR),
    ]
    rows: list[dict[str, Any]] = [
        *({"table": "table 2", **row} for row in table_2(history)),
        *({"table": "table 3", **row} for row in table_3(history)),
        *(
            {"table": "relative", "model": model, "score": s, **found[s].to_dict()}
            for model, found in compared.items()
            for s in SCORES
        ),
        *(
            off_policy_row(policy, evaluation, by_name(found, FLOOR))
            for policy, found in off.items()
            for evaluation in found
        ),
        *pooled_gap(off, [m.name for m in scored], f"{CLOSEST}, refitted", FLOOR),
        *apart,
    ]
    for table in ("table 2", "table 3"):
        shown = [
            {
                key: value
                for key, value in row.items()
                if key != "table" and not key.endswith(("_low", "_high"))
            }
            for row in rows
            if row["table"] == table
        ]
        print_table(table.capitalize(), shown)
    print_table("Off-policy", [r for r in rows if r["table"] == "off policy"])
    print_table("Off-policy, all policies", [r for r in rows if r["table"] == "pooled"])
    print_claims(claims)
    size = (
        f"{preset}: {world.source}, {world.history.data.num_products} products, "
        f"{world.history.data.num_periods} periods, {samples} samples"
    )
    seconds = time.perf_counter() - clock.began
    if preset != "tiny":
        write_result(NAME, "drain-model", claims, rows, [seed], size, seconds)
        part = world.history.data.periods(world.split, world.history.data.num_periods)
        draw_figures(history, compared, off, part, CLOSEST, DEFAULT, TUNED, FLOOR, save_figure)
    if speed:
        drain_speed.main(preset=sizes)
    clock("all done")


if __name__ == "__main__":
    np.seterr(all="warn")
    tyro.cli(main)
