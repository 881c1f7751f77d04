"""Verbs on a drain model: trained on a panel, and evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from draingym.cli.terminal import Outcome, hush, starting, terminal


def train_drain(
    config: Annotated[Path, tyro.conf.Positional],
    out: Path | None = None,
    distributed: bool = False,
) -> Outcome:
    """Train a drain model on a panel: checkpoint, learning curve, log for TensorBoard.

    A training that was interrupted goes on after its last validation.

    Args:
        config: JSON file: panel (folder in Zarr), preset (small or paper), drain (fields that
            differ from the preset), seed, train_share or train_periods, stream, devices, out; or
            a panel's folder, for the defaults.
        out: Folder of the run; the configuration's when not given.
        distributed: Share the products out with other processes, on this host or others; how they
            find each other is in docs/scale_out.md.
    """
    from dataclasses import replace

    with starting():
        from draingym.commands.together import together
        from draingym.commands.train_drain import load_train_config
        from draingym.commands.train_drain import train_drain as run

    chosen = load_train_config(config)
    path = Path(chosen.out) if out is None else out
    with together(distributed, path, terminal()) as (folder, console):
        hush(console)
        run(replace(chosen, out=str(folder)), console)
        model = folder / "drain_model.npz"
        follows = ("draingym", "evaluate-drain", str(model), "--panel", chosen.panel)
        return Outcome(files=(model,), next=follows)


def evaluate_drain(
    checkpoint: Annotated[Path, tyro.conf.Positional],
    panel: Path,
    start: int = -1,
    stop: int = -1,
    samples: int = 128,
    seed: int = 0,
    out: Path | None = None,
    paper: bool = False,
) -> Outcome:
    """Evaluate a drain model on periods of a panel, beside the tuned closest node.

    Args:
        checkpoint: A .npz file that train-drain or demo wrote.
        panel: Folder in Zarr, from the first training period on.
        start: First period; the first after the training periods when -1.
        stop: The one after the last; the panel's end when -1.
        samples: Joint samples of each model.
        seed: Of the samples.
        out: JSON file for the rows of the table.
        paper: Print the paper's tables, wide, with its rows beside ours.
    """
    with starting():
        from draingym.commands.evaluate_drain import evaluate_drain as run

    found = run(
        checkpoint,
        panel,
        start=start,
        stop=stop,
        samples=samples,
        seed=seed,
        out=out,
        console=terminal(),
        paper=paper,
    )
    return Outcome(
        files=() if out is None else (out,),
        next=("draingym", "train-policy", "LOG", "--drain", str(checkpoint)),
        figures={"models": [evaluation.to_dict() for evaluation in found]},
    )
