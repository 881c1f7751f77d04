"""Verbs on policies: trained, validated with their simulator, fine-tuned, and followed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from draingym.cli.terminal import Outcome, hush, starting, terminal


def train_policy(
    run: Annotated[Path, tyro.conf.Positional],
    model: Literal["lstm", "armdn", "monotone", "tft"] | None = None,
    forecaster: Path | None = None,
    periods: int = 7,
    generated: int = 0,
    updates: int | None = None,
    epochs: int = 30,
    replications: int = 1,
    seed: int = 0,
    drain: Path | None = None,
    policy: Literal["neural", "order-up-to", "historical"] | None = None,
    panel: Path | None = None,
    settings: Path | None = None,
    out: Path | None = None,
    distributed: bool = False,
) -> Outcome:
    """Train a policy in the simulator of a log's drain model, or of a finished run on forecasts.

    On a log, with --drain, one file comes of it. In a run, the policy sees the forecasts, and how
    much they err, in place of the moving average, and is judged on the periods that the run holds
    out.

    Args:
        run: Folder of an event log, or of a finished run such as runs/demo.
        model: Fitted to the products' views in the periods before those held out; without one the
            policy sees the moving average.
        forecaster: A .npz file in place of a model, fitted to such series.
        periods: That a forecast is the mean of.
        generated: Sample paths of the model, for each product and window, that the policy is
            trained on in place of the log's views; 0 for the log's.
        updates: Of the policy; the run's when not given.
        epochs: Of the forecaster, at most.
        replications: Of customers, lead times and costs that judge.
        seed: Of all random numbers.
        drain: File of the drain model whose simulator trains, on a log.
        policy: On a log: neural (by gradients), order-up-to (by search), or historical (the covers
            that the log kept); neural when not given.
        panel: Folder of the log's panel; made anew when not given.
        settings: JSON file with economics, train, tune and the like that differ, on a log.
        out: On a log, the policy's file; POLICY.npz beside the drain model when not given. In a
            run, the folder of neural.npz, forecaster.npz and values.json; RUN/policy.
        distributed: Share the products out with other processes, see train-drain; on a log, of the
            neural policy alone.
    """
    with starting():
        from draingym.commands.log_run import is_log

    if is_log(run):
        _not_given(
            f"{run} is an event log",
            model=model,
            forecaster=forecaster,
            generated=generated or None,
        )
        with starting():
            from draingym.commands.next_step import validation_step
            from draingym.commands.together import together
            from draingym.commands.train_policy_log import TrainOnLogConfig, train_on_log

        found, kind = _given("drain", drain, run), policy or "neural"
        if kind != "neural":
            why = f"--policy is {kind}, of which nothing is shared out; only neural is"
            _not_given(why, distributed=distributed or None)
        on_log = TrainOnLogConfig(
            drain=found, policy=kind, panel=panel, settings=settings, updates=updates, seed=seed
        )
        file = out or found.parent / f"{kind}.npz"
        with together(distributed, file.parent, terminal()) as (folder, console):
            hush(console)
            path = folder / file.name
            figures = train_on_log(run, on_log, path, console)
            follows = validation_step(run, found, [path], panel, settings)
            return Outcome(files=(path,), next=follows, figures=figures)
    _not_given(_no_log(run), drain=drain, policy=policy, panel=panel, settings=settings)
    with starting():
        from draingym.commands.together import together
        from draingym.commands.train_policy import TrainPolicyConfig, train_policy_folder

    config = TrainPolicyConfig(
        model=model,
        forecaster=forecaster,
        periods=periods,
        generated=generated,
        updates=updates,
        epochs=epochs,
        replications=replications,
        seed=seed,
    )
    path = run / "policy" if out is None else out
    with together(distributed, path, terminal()) as (folder, console):
        hush(console)
        figures = train_policy_folder(run, config, folder, console)
        neural = folder / "neural.npz"
        return Outcome(
            files=(neural, folder / "values.json"),
            next=("draingym", "validate", str(run), "--policies", str(neural)),
            figures=figures,
        )


def validate(
    run: Annotated[Path, tyro.conf.Positional],
    policies: tuple[Path, ...] = (),
    spread: bool = True,
    start: int = -1,
    periods: int = -1,
    replications: int = 2,
    samples: int = 32,
    truth: bool = True,
    allow_overlap: tuple[Literal["products", "periods"], ...] = (),
    allow_failed_check: bool = False,
    seed: int = 0,
    thresholds: Path | None = None,
    drain: Path | None = None,
    panel: Path | None = None,
    settings: Path | None = None,
    out: Path | None = None,
) -> Outcome:
    """Validate the simulator of a log, or of a finished run: values, ranks, regret, and a verdict.

    Every policy runs in the simulator, in the oracle that replays the log, and, in emulated
    worlds, in the hidden truth. The page says whether to trust the simulator's values, its ranking,
    or neither.

    Args:
        run: Folder of an event log, or of a finished run such as runs/demo.
        policies: Files of policies (.npz) to validate beside the run's own, or the covers that the
            log kept.
        spread: Add order-up-to policies at a grid of covers, and perturbed ones, so that ranks can
            be judged; at least 20 policies are needed for a verdict.
        start: First period; the first that was held out when -1.
        periods: How many; all the rest when -1.
        replications: Of lead times, customers and costs.
        samples: Joint samples that score the drain model on the states policies visit.
        truth: Run the hidden truth, too; a log has none.
        allow_overlap: What the validation may share with training; refused otherwise, and the page
            says so.
        allow_failed_check: Judge by the oracle of a log even where draingym check says that it does
            not give the log again; the page says so.
        seed: Of all random numbers.
        thresholds: JSON file with limits of the verdict that differ from the run's.
        drain: File of the drain model that is judged, on a log.
        panel: Folder of the log's panel; made anew when not given.
        settings: JSON file with economics, oracle, train and the like that differ, on a log.
        out: Folder of validation.html and validation.json; RUN/validation when not given, or for
            a log the folder validation beside the drain model.
    """
    with starting():
        from draingym.commands.log_run import is_log
        from draingym.commands.validate import ValidateConfig, validate_folder
    from draingym.common.config import read_config
    from draingym.common.files import read_json
    from draingym.policies.validation.verdict import Thresholds

    limits = None
    if thresholds is not None:
        values = read_json(thresholds, "thresholds file")
        limits = read_config(Thresholds, values, f"{thresholds}: thresholds")
    config = ValidateConfig(
        policies=policies,
        spread=spread,
        start=start,
        periods=periods,
        replications=replications,
        samples=samples,
        truth=truth,
        allow_overlap=allow_overlap,
        allow_failed_check=allow_failed_check,
        seed=seed,
        thresholds=limits,
    )
    if is_log(run):
        with starting():
            from draingym.commands.validate_log import validate_log

        model = _given("drain", drain, run)
        folder = model.parent / "validation" if out is None else out
        return _validated(
            validate_log(run, config, model, panel, settings, folder, terminal()), folder
        )
    _not_given(_no_log(run), drain=drain, panel=panel, settings=settings)
    folder = run / "validation" if out is None else out
    return _validated(validate_folder(run, config, folder, terminal()), folder)


def _validated(figures: Mapping[str, Any], folder: Path) -> Outcome:
    """Return how a validation ended, whose verdict names the command that follows."""
    return Outcome(
        files=(folder / "validation.html", folder / "validation.json"),
        next=tuple(shlex.split(figures.get("next", ""))),
        said=True,
        figures={name: figures[name] for name in ("use", "headline", "reasons")},
    )


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
) -> Outcome:
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
    with starting():
        from draingym.commands.fine_tune import FineTuneLogConfig, fine_tune_log
        from draingym.commands.next_step import validation_step

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
    fine_tune_log(log, config, out, terminal())
    model = out / "drain_model.npz"
    files = tuple(out / path.name for path in policies)
    follows = validation_step(log, model, files, panel, settings)
    return Outcome(files=(model, *files), next=follows)


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
) -> Outcome:
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
    with starting():
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
    found = run(log, config, out, terminal())
    total = {"value": found.total.value, "low": found.total.low, "high": found.total.high}
    return Outcome(files=(out,), figures={"units": int(found.units.sum()), "worth": total})


def _given(name: str, path: Path | None, log: Path) -> Path:
    """Return a path that a log needs.

    Raises:
        ValueError: If it is not given, naming the option.
    """
    if path is None:
        raise ValueError(f"--{name} is not given, must be where {log} is an event log")
    return path


def _no_log(run: Path) -> str:
    """Return why a path is taken for a run of the demo."""
    state = "is no event log" if run.exists() else "is not there"
    return f"{run} {state}"


def _not_given(why: str, **options: object) -> None:
    """Raise where an option is given that a folder of this kind does not take.

    Raises:
        ValueError: Naming the option, its value and why.
    """
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"--{name} is {value}, must not be given: {why}")
