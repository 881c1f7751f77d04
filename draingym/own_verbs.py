"""The command line's verbs for a log of one's own; ``draingym/cli.py`` has the others, and main."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console


def panel(
    log: Annotated[Path, tyro.conf.Positional],
    known_periods: int | None = None,
    out: Path = Path("panel.zarr"),
) -> None:
    """Aggregate an event log to periods: the panel that models are trained on.

    Args:
        log: Folder of the event log.
        known_periods: First periods that products' attributes are estimated from, and that
            train-drain trains on; all when not given.
        out: Folder of the panel, in Zarr.
    """
    from draingym.commands.panel import panel_folder

    panel_folder(log, known_periods, out, Console())


def fine_tune(
    log: Annotated[Path, tyro.conf.Positional],
    drain: Path,
    policies: tuple[Path, ...] = (),
    panel: Path | None = None,
    settings: Path | None = None,
    rounds: int = 1,
    epochs: int = 6,
    learning_rate: float = 1e-3,
    diverse: bool = True,
    updates: int | None = None,
    seed: int = 0,
    out: Path = Path("fine_tuned"),
) -> None:
    """Go on with a drain model on the oracle's labels of a log, and train policies anew in it.

    Args:
        log: Folder of the event log.
        drain: File of the drain model.
        policies: Files of policies whose states are labelled, and that are trained anew.
        panel: Folder of the log's panel; made anew when not given.
        settings: JSON file with economics, train, tune and the like that differ.
        rounds: Of labels, fit and training; at most 4.
        epochs: Of each fit.
        learning_rate: Of each fit.
        diverse: In the first round, also label policies that keep stock where the log has none.
        updates: Of a neural policy; the settings' when not given.
        seed: Of all random numbers.
        out: Folder of drain_model.npz and of a file for each policy.
    """
    from draingym.commands.fine_tune import FineTuneLogConfig, fine_tune_log

    config = FineTuneLogConfig(
        drain=drain,
        policies=policies,
        panel=panel,
        settings=settings,
        rounds=rounds,
        epochs=epochs,
        learning_rate=learning_rate,
        diverse=diverse,
        updates=updates,
        seed=seed,
    )
    fine_tune_log(log, config, out, Console())


def recommend(
    log: Annotated[Path, tyro.conf.Positional],
    policy: Path,
    stock: Path,
    forecast: Path | None = None,
    drain: Path | None = None,
    panel: Path | None = None,
    settings: Path | None = None,
    horizon: int = 8,
    futures: int = 16,
    seed: int = 0,
    out: Path = Path("orders.csv"),
) -> None:
    """Say what to buy and where to place it, from today's stock and a policy.

    Args:
        log: Folder of the event log, up to yesterday.
        policy: File of the policy, as train-policy or fine-tune writes it.
        stock: CSV of today: product, node, on_hand, and arriving_0, arriving_1, ... for what
            arrives when the next period begins, a period later, and so on.
        forecast: CSV of product, region, units expected in a period; the log's own when not given.
        drain: File of the drain model that values the orders; drain_model.npz beside the policy
            when not given.
        panel: Folder of the log's panel; made anew when not given.
        settings: JSON file with economics and the like that differ.
        horizon: Periods over which the orders are valued.
        futures: Of demand, lead times and drain, that they are valued in.
        seed: Of these.
        out: CSV file of the orders, with the interval of their worth.
    """
    from draingym.commands.recommend import RecommendConfig
    from draingym.commands.recommend import recommend as run

    config = RecommendConfig(
        policy=policy,
        stock=stock,
        forecast=forecast,
        drain=drain,
        panel=panel,
        settings=settings,
        horizon=horizon,
        futures=futures,
        seed=seed,
    )
    run(log, config, out, Console())


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
) -> None:
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
    run_all(source, config, out, Console())
