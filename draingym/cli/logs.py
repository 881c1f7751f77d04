"""Verbs on an event log: made of own tables, checked, replayed, aggregated, run to the end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from draingym.cli.terminal import Outcome, starting, terminal


def ingest(
    path: Annotated[Path, tyro.conf.Positional], out: Path = Path("log"), init: bool = False
) -> Outcome:
    """Make an event log of a company's own tables, and a page on their quality.

    An ingest that was interrupted and is run again gives the same log; one that fails leaves what
    was there.

    Args:
        path: Mapping file in YAML; with --init a folder of tables, or one of them.
        out: Folder of the log, of quality.html and quality.json.
        init: Print a mapping that fits the columns of CSV, Parquet and DuckDB files, to be read
            and corrected: draingym ingest --init export/ > mapping.yaml
    """
    with starting():
        from draingym.commands.ingest import ingest_path

    ingest_path(path, out, init, terminal())
    if init:
        return Outcome()
    return Outcome(files=(out, out / "quality.html"), next=("draingym", "check", str(out)))


def check(
    log: Annotated[Path, tyro.conf.Positional], seeds: int = 5, out: Path | None = None
) -> Outcome:
    """Check a log, and whether the oracle that is estimated from it gives it again.

    Says what was estimated and, marked "?", what the log cannot tell. Ends with exit code 1 where
    units are not conserved, or the replay of the log's own stock is out of its bounds: node shares
    and promises within 3 points, units within 2%, ship cost within 3%, boxes within 5%.

    Args:
        log: Folder of the event log, such as runs/demo/log.
        seeds: Of customers and costs; the worst one counts.
        out: JSON file; LOG_check.json beside the log when not given.
    """
    with starting():
        from draingym.commands.check import beside, check_folder

    found = check_folder(log, seeds, out, terminal())
    path = beside(log) if out is None else out
    follows = ("draingym", "panel", str(log)) if found["passes"] else ()
    return Outcome(
        files=(path,),
        next=follows,
        figures={"passes": found["passes"], "sentence": found["sentence"]},
        code=0 if found["passes"] else 1,
    )


def replay(
    log: Annotated[Path, tyro.conf.Positional],
    policy: str = "order-up-to",
    out: Path = Path("runs/replay"),
    planner: Literal["greedy", "greedy_reference", "closest", "batch_milp"] = "greedy",
    seed: int = 0,
    start: int = 0,
) -> Outcome:
    """Replay an event log under another policy: what would have happened, as a log.

    A replay that was interrupted goes on after its last finished period.

    Args:
        log: Folder of the event log, such as runs/demo/log.
        policy: log (its own stock), order-up-to, historical, or a .npz file of a policy, such as
            runs/demo/neural.npz.
        out: Folder of the replay: log, panel.zarr, values.json.
        planner: How orders are fulfilled.
        seed: Of customers, lead times and costs.
        start: First period.
    """
    with starting():
        from draingym.commands.replay import replay_folder

    found = replay_folder(log, policy, out, planner, seed, start, terminal())
    return Outcome(files=(out / "values.json", out / "log"), figures=found)


def panel(
    log: Annotated[Path, tyro.conf.Positional],
    known_periods: int | None = None,
    out: Path = Path("panel.zarr"),
) -> Outcome:
    """Aggregate an event log to periods: the panel that models are trained on.

    Args:
        log: Folder of the event log.
        known_periods: First periods that products' attributes are estimated from, and that
            train-drain trains on; all when not given.
        out: Folder of the panel, in Zarr.
    """
    with starting():
        from draingym.commands.panel import panel_folder

    panel_folder(log, known_periods, out, terminal())
    return Outcome(files=(out,), next=("draingym", "train-drain", str(out), "--out", "drain"))


def run(
    source: Annotated[Path, tyro.conf.Positional],
    known_share: float = 2 / 3,
    settings: Path | None = None,
    stock: Path | None = None,
    forecast: Path | None = None,
    updates: int | None = None,
    replications: int = 2,
    allow_failed_check: bool = False,
    seed: int = 0,
    out: Path = Path("runs/own"),
) -> Outcome:
    """Run all verbs in order: panel, train-drain, train-policy, validate, fine-tune, recommend.

    A run that was interrupted goes on in the verb that was interrupted.

    Args:
        source: Folder of an event log, or a mapping file for ingest.
        known_share: Of the periods, that models and policies are fitted on; the rest judges.
        settings: JSON file with economics, drain, train and the like that differ.
        stock: CSV of today's stock, see recommend; no orders when not given.
        forecast: CSV of a forecast, see recommend.
        updates: Of the neural policy; the settings' when not given.
        replications: Of the verdict.
        allow_failed_check: As in validate.
        seed: Of all random numbers.
        out: Folder of everything that is made.
    """
    with starting():
        from draingym.commands.run import RunConfig, run_all

    config = RunConfig(
        known_share=known_share,
        settings=settings,
        stock=stock,
        forecast=forecast,
        updates=updates,
        replications=replications,
        allow_failed_check=allow_failed_check,
        seed=seed,
    )
    verdict = run_all(source, config, out, terminal())
    orders = () if stock is None else (out / "orders.csv",)
    return Outcome(files=(*orders, verdict / "validation.html"))
