"""Placement in the emulated world: what trained policies are worth, and if the simulator holds.

Bar 2: the gradient-trained policy against the best of all tuned baselines, in the hidden truth, on
periods and products that nothing was fitted on. Bar 3: value error, rank correlation and regret of
the simulator against the oracle over a spread of policies, before and after fine-tuning rounds;
policies of the last round are held out from fitting. Beside them: what pessimism over an ensemble
does.

The world is the demo's, with 300 products instead of 50: two of three are trained on, the others
judge. Finished stages are kept: the same command goes on after the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks._common import drop_programs
from benchmarks.policies_parts.part import Part
from benchmarks.policies_parts.pessimism import pessimism, train_members
from benchmarks.policies_parts.placement_claims import Values, claims_and_rows, pictures
from benchmarks.policies_parts.placement_run import Figures, PlacementRun
from benchmarks.policies_parts.placement_sizes import SIZES, Sizes
from draingym.demo.config import LoopConfig
from draingym.demo.data_stage import get_orders, write_history
from draingym.demo.learning_stages import train_drain_model
from draingym.demo.run import Run
from draingym.demo.stages import Advance, Stages
from draingym.drain_model import load_checkpoint
from draingym.policies import TrainConfig
from draingym.world.orders import WorldConfig


def demo_run(sizes: Sizes, data: str, seed: int, out: Path) -> Run:
    """Return the demo's run with a world of the benchmark's size."""
    base = LoopConfig()
    config = LoopConfig(
        data=data,  # type: ignore[arg-type]
        seed=seed,
        train_products=2 / 3,
        world=WorldConfig(period_days=2, num_products=sizes.products, seed=seed),
        drain=replace(base.drain, **sizes.drain),
        train=TrainConfig(
            updates=sizes.updates, evaluate_every=max(sizes.updates // 5, 1), seed=seed
        ),
    )
    return Run(config, out)


def own_programs(work: Callable[[Advance], Figures]) -> Callable[[Advance], Figures]:
    """Return a stage that leaves no compiled program behind."""

    def worked(advance: Advance) -> Figures:
        found = work(advance)
        drop_programs()
        return found

    return worked


def run_seed(sizes: Sizes, data: str, seed: int, out: Path, console: Console) -> Figures:
    """Run all stages of a seed that are not finished yet."""
    run = demo_run(sizes, data, seed, out)
    placement = PlacementRun(sizes, run)
    out.mkdir(parents=True, exist_ok=True)
    stages = Stages(folder=out, fingerprint=run.config.fingerprint(repr(sizes)), console=console)

    def after(advance: Advance) -> Figures:
        return placement.validated(
            load_checkpoint(out / "drain_model_after.npz"), "_after", advance
        )

    return {
        name: stages.run(name, f"Seed {seed}: {title}", own_programs(work))
        for name, title, work in (
            ("data", "world", partial(get_orders, run)),
            ("history", "history", partial(write_history, run)),
            ("drain", "drain model", partial(train_drain_model, run)),
            ("learn", "policies", placement.learn),
            ("before", "validation", lambda a: placement.validated(run.checkpoint, "", a)),
            ("fine_tune", "fine-tuning rounds", placement.fine_tune),
            ("after", "validation after fine-tuning", after),
            ("ensemble", "members of an ensemble", partial(train_members, placement)),
            ("pessimism", "pessimism", partial(pessimism, placement)),
        )
    } | {"seconds": dict(stages.seconds)}


def run(
    folder: Path, preset: str = "small", data: str = "ta-feng", seeds: Sequence[int] = (0,)
) -> Part:
    """Run the benchmark, or what is left of it.

    Args:
        folder: Of all runs, one a seed; finished stages are kept.
        preset: Of ``SIZES``.
        data: "ta-feng" or "synthetic".
        seeds: Of worlds, models and policies.
    """
    console = Console()
    folders = {seed: folder / f"seed{seed}" for seed in seeds}
    found = {seed: run_seed(SIZES[preset], data, seed, folders[seed], console) for seed in seeds}
    values = {
        stage: [Values.read(folders[seed] / f"values_{stage}.npz") for seed in seeds]
        for stage in ("before", "after")
    }
    claims, rows = claims_and_rows(found, values)
    return Part(
        claims=claims,
        rows=rows,
        seeds=seeds,
        figures=tuple(pictures(found, rows)),
        seconds=sum(sum(figures["seconds"].values()) for figures in found.values()),
    )
