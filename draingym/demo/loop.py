"""The loop: orders, world, log, drain model, policies, verdict, fine-tuning, validation, report."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from draingym import __version__
from draingym.common.alone import alone
from draingym.common.atomic import require_writable
from draingym.common.bootstrap import plain
from draingym.common.files import write_json
from draingym.common.machine import machine, versions
from draingym.demo.config import LoopConfig
from draingym.demo.data_stage import get_orders, write_history
from draingym.demo.fine_tuning_stage import fine_tune_simulator
from draingym.demo.learning_stages import score_drain_model, train_drain_model, train_policies
from draingym.demo.run import Run
from draingym.demo.stages import Advance, Stages
from draingym.demo.validation_stage import (
    EPISODES,
    judge_fine_tuned,
    judge_simulator,
    validate_policies,
)
from draingym.report import check_stage, summary_table, verdicts_text, write_report
from draingym.report.live import read_file

Figures = dict[str, Any]
Work = Callable[[Run, Advance], Figures]

STAGES: tuple[tuple[str, str, Work], ...] = (
    ("data", "Orders and network", get_orders),
    ("history", "History: log and panel", write_history),
    ("drain", "Drain model: training", train_drain_model),
    ("accuracy", "Drain model: accuracy, baseline, noise floor", score_drain_model),
    ("policies", "Policies: tuning and training", train_policies),
    ("verdict", "Verdict: may the simulator be trusted?", judge_simulator),
    ("fine_tuning", "Fine-tuning on the oracle's labels", fine_tune_simulator),
    ("final_verdict", "Verdict after fine-tuning", judge_fine_tuned),
    ("validation", "Validation: simulator, oracle, truth", validate_policies),
)
ROUND = ("fine_tuning", "final_verdict")  # run where the first verdict says no


def run_loop(config: LoopConfig, out: Path, console: Console) -> Figures:
    """Run every stage that is not finished yet, write the report, print summary and verdict.

    Args:
        config: What to run.
        out: Folder of the run: log, panel, checkpoints, figures, ``results.json``,
            ``report.html``.
        console: Where progress and the summary go.

    Returns:
        All figures, as in ``results.json``.

    Raises:
        ValueError: If the folder cannot be written, or a file of an earlier run is damaged, naming
            it.
    """
    require_writable(out, "folder")
    with alone(out):
        return _run_loop(config, out, console)


def _run_loop(config: LoopConfig, out: Path, console: Console) -> Figures:
    stages = Stages(
        folder=out,
        fingerprint=config.fingerprint(__version__),
        console=console,
        check=check_stage,
    )
    write_json(out / "config.json", config.to_dict(), finite=False)
    run = Run(config, out)
    figures: Figures = {}
    for name, title, work in STAGES:
        if name in ROUND and not (config.fine_tune and figures["verdict"]["use"] == "none"):
            continue
        figures[name] = stages.run(name, title, partial(work, run))
    figures["trace"] = figures["validation"].pop("trace")
    figures |= {
        "seconds": stages.seconds,
        "compiling": stages.compiling,
        "versions": versions(),
        "machine": machine(),
        "config": plain(config.to_dict()),
    }
    write_json(out / "results.json", figures)
    there = (out / EPISODES).exists()  # a run of before has none
    write_report(figures, out, read_file(out / EPISODES) if there else None)
    console.print(summary_table(figures))
    console.print(verdicts_text(figures))
    return figures
