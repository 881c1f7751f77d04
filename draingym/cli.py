"""The command line: one function a command; ``draingym --help`` lists them."""

from __future__ import annotations

import sys
import traceback
import warnings
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from draingym.own_verbs import fine_tune, panel, recommend, run


def demo(
    out: Path = Path("runs/demo"),
    config: Path | None = None,
    data: Literal["ta-feng", "synthetic"] | None = None,
) -> None:
    """Run the whole loop: orders, world, log, drain model, policies, validation, report.

    A run that was interrupted goes on after its last finished stage.

    Args:
        out: Folder of the run; report.html is what to open.
        config: JSON file with fields of the configuration that differ from the defaults.
        data: Real orders or synthetic ones; the configuration's when not given.
    """
    from dataclasses import replace

    from draingym.demo.config import LoopConfig, load_config
    from draingym.demo.loop import run_loop

    chosen = LoopConfig() if config is None else load_config(config)
    if data is not None:
        chosen = replace(chosen, data=data)
    run_loop(chosen, out, Console())


def data(
    name: Annotated[Literal["ta-feng"], tyro.conf.Positional], csv: Path | None = None
) -> None:
    """Download a data set, check it, and say where it is.

    Args:
        name: Which data set.
        csv: File to write its order lines to, for ingest.
    """
    from draingym.world.ta_feng import download, write_csv

    del name
    wheel = download()
    print(wheel if csv is None else write_csv(wheel, csv))


def ingest(
    path: Annotated[Path, tyro.conf.Positional], out: Path = Path("log"), init: bool = False
) -> None:
    """Make an event log of a company's own tables, and a page on their quality.

    An ingest that was interrupted and is run again gives the same log; one that fails leaves what
    was there.

    Args:
        path: Mapping file in YAML; with --init a folder of tables, or one of them.
        out: Folder of the log, of quality.html and quality.json.
        init: Print a mapping that fits the columns of CSV, Parquet and DuckDB files, to be read
            and corrected: draingym ingest --init export/ > mapping.yaml
    """
    from draingym.commands.ingest import ingest_path

    ingest_path(path, out, init, Console())


def replay(
    log: Annotated[Path, tyro.conf.Positional],
    policy: str = "order-up-to",
    out: Path = Path("runs/replay"),
    planner: Literal["greedy", "greedy_reference", "closest", "batch_milp"] = "greedy",
    seed: int = 0,
    start: int = 0,
) -> None:
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
    from draingym.commands.replay import replay_folder

    replay_folder(log, policy, out, planner, seed, start, Console())


def check(
    log: Annotated[Path, tyro.conf.Positional], seeds: int = 5, out: Path | None = None
) -> None:
    """Check a log, and whether the oracle that is estimated from it gives it again.

    Says what was estimated and, marked "?", what the log cannot tell. Ends with exit code 1 where
    units are not conserved, or the replay of the log's own stock is out of its bounds: node shares
    and promises within 3 points, units within 2%, ship cost within 3%, boxes within 5%.

    Args:
        log: Folder of the event log, such as runs/demo/log.
        seeds: Of customers and costs; the worst one counts.
        out: JSON file; LOG_check.json beside the log when not given.
    """
    from draingym.commands.check import check_folder

    if not check_folder(log, seeds, out, None, Console())["passes"]:
        raise SystemExit(1)


def train_drain(
    config: Annotated[Path, tyro.conf.Positional],
    out: Path | None = None,
    distributed: bool = False,
) -> None:
    """Train a drain model on a panel: checkpoint, learning curve, log for TensorBoard.

    A training that was interrupted goes on after its last validation.

    Args:
        config: JSON file: panel (folder in Zarr), preset (small or paper), drain (fields that
            differ from the preset), seed, train_share or train_periods, stream, devices, out.
        out: Folder of the run; the configuration's when not given.
        distributed: Share the products out with other processes, on this host or others; how they
            find each other is in docs/scale_out.md.
    """
    from dataclasses import replace

    from draingym.commands.together import together
    from draingym.commands.train_drain import load_train_config
    from draingym.commands.train_drain import train_drain as run

    chosen = load_train_config(config)
    with together(distributed, Path(chosen.out) if out is None else out) as (folder, console):
        run(replace(chosen, out=str(folder)), console)


def evaluate_drain(
    checkpoint: Annotated[Path, tyro.conf.Positional],
    panel: Path,
    start: int = -1,
    stop: int = -1,
    samples: int = 128,
    seed: int = 0,
    out: Path | None = None,
    paper: bool = False,
) -> None:
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
    from draingym.commands.evaluate_drain import evaluate_drain as run

    run(
        checkpoint,
        panel,
        start=start,
        stop=stop,
        samples=samples,
        seed=seed,
        out=out,
        console=Console(),
        paper=paper,
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
) -> None:
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
        from draingym.commands.validate_log import validate_log

        model = _given("drain", drain, run)
        folder = model.parent / "validation" if out is None else out
        validate_log(run, config, model, panel, settings, folder, Console())
        return
    _not_given(run, drain=drain, panel=panel, settings=settings)
    validate_folder(run, config, run / "validation" if out is None else out, Console())


def _given(name: str, path: Path | None, log: Path) -> Path:
    """Return a path that a log needs."""
    if path is None:
        raise ValueError(f"--{name} is not given, must be where {log} is an event log")
    return path


def _not_given(run: Path, **options: object) -> None:
    """Raise where an option is given that only a log takes."""
    if not run.exists():
        raise ValueError(f"{run} is not there, must be the folder of an event log, or of a run")
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"--{name} is {value}, must not be given: {run} is no event log")


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
) -> None:
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
        distributed: In a run, share the products out with other processes; see train-drain.
    """
    from draingym.commands.log_run import is_log

    if is_log(run):
        _not_given_on_log(
            run,
            model=model,
            forecaster=forecaster,
            generated=generated or None,
            distributed=distributed or None,
        )
        from draingym.commands.train_policy_log import TrainOnLogConfig, train_on_log

        found, kind = _given("drain", drain, run), policy or "neural"
        on_log = TrainOnLogConfig(
            drain=found, policy=kind, panel=panel, settings=settings, updates=updates, seed=seed
        )
        train_on_log(run, on_log, out or found.parent / f"{kind}.npz", Console())
        return
    _not_given(run, drain=drain, policy=policy, panel=panel, settings=settings)
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
    with together(distributed, run / "policy" if out is None else out) as (folder, console):
        train_policy_folder(run, config, folder, console)


def _not_given_on_log(log: Path, **options: object) -> None:
    """Raise where an option is given that only a finished run takes."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"--{name} is {value}, must not be given: {log} is an event log")


def play(
    network: Annotated[Path, tyro.conf.Positional],
    policy: Literal["base-stock", "random"] = "base-stock",
    out: Path = Path("episode.png"),
    horizon: int = 100,
    seed: int = 0,
) -> None:
    """Play an episode of a network of one's own, and draw it.

    Args:
        network: JSON or YAML file, such as Network.save writes.
        policy: Base stocks that cover the lead time, or requests at random.
        out: File of the picture.
        horizon: Periods.
        seed: Of demand, lead times and random requests.
    """
    from draingym.common.arrays import require_seed, require_whole
    from draingym.networks.play import play as run

    require_whole("horizon", horizon, low=1, high=100_000)
    require_seed(seed)
    print(run(network, policy, out, horizon, seed))


def forecast(
    file: Annotated[Path, tyro.conf.Positional],
    model: Literal["lstm", "armdn", "monotone", "tft"] = "lstm",
    horizon: int = 8,
    id: str = "unique_id",
    time: str = "ds",
    target: str = "y",
    static: tuple[str, ...] = (),
    past: tuple[str, ...] = (),
    known: tuple[str, ...] = (),
    discount: str = "",
    stock: str = "",
    future: Path | None = None,
    freq: str | None = None,
    gaps: Literal["missing", "zero", "error"] = "missing",
    duplicates: Literal["error", "sum"] = "error",
    negative: Literal["error", "zero", "missing", "keep"] = "error",
    groups: Literal["none", "sales", "cluster"] = "none",
    fine_tune: str = "",
    most_series: int | None = None,
    epochs: int = 30,
    samples: int = 200,
    seed: int = 0,
    out: Path = Path("runs/forecast"),
) -> None:
    """Fit a forecaster to series of a file, and forecast what comes next.

    A fit that was interrupted goes on after its last epoch.

    Args:
        file: CSV or Parquet, a row for each series and period (unique_id, ds, y), or for each
            order line with --duplicates sum and --freq.
        model: lstm (moving windows, global), armdn (mixture density), monotone (transformer whose
            demand never falls with the discount) or tft (temporal fusion transformer).
        horizon: Periods to forecast.
        id: Column of the series' names.
        time: Column of time stamps: dates as in ISO 8601, or whole numbers.
        target: Column of demand.
        static: Columns with one value for each series.
        past: Columns of numbers that are known once a period is over.
        known: Columns that are known ahead, such as prices and events.
        discount: Known column of the share off the list price, in [0, 0.7], for monotone.
        stock: Past column of units in stock: monotone leaves periods without any out, tft learns
            it beside sales.
        future: File with the known columns of the horizon.
        freq: Length of a period, such as D, W or MS; told from the time stamps when not given.
        gaps: What a period without a row is.
        duplicates: What two rows of one period are.
        negative: What demand below 0 is, such as returns.
        groups: A network for each group by sales and sparsity, or for each cluster.
        fine_tune: Static column of text, such as a product's category: the network is tuned to
            each.
        most_series: Keep those with the highest sums; all when not given.
        epochs: Of training, at most.
        samples: Joint samples of the forecast.
        seed: Of training and samples.
        out: Folder of forecast.csv, forecast.png and forecaster.npz.
    """
    from draingym.commands.forecast import ForecastConfig, forecast_file
    from draingym.forecasters import Columns, Rules

    config = ForecastConfig(
        model=model,
        horizon=horizon,
        columns=Columns(id=id, time=time, target=target, static=static, past=past, known=known),
        rules=Rules(
            freq=int(freq) if freq is not None and freq.isdigit() else freq,
            gaps=gaps,
            duplicates=duplicates,
            negative=negative,
        ),
        discount=discount,
        stock=stock,
        groups=groups,
        fine_tune=fine_tune,
        most_series=most_series,
        epochs=epochs,
        samples=samples,
        seed=seed,
    )
    forecast_file(file, future, config, out, Console())


def main() -> None:
    """Run the command line.

    Bad input, a file that cannot be read or written, and an extra that is not installed end with
    one line and exit code 2.
    ``--debug``, anywhere, shows where the line came from.
    """
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    shown = warnings.formatwarning
    warnings.formatwarning = _one_line
    try:
        tyro.extras.subcommand_cli_from_dict(
            {
                "demo": demo,
                "data": data,
                "ingest": ingest,
                "replay": replay,
                "check": check,
                "train-drain": train_drain,
                "evaluate-drain": evaluate_drain,
                "validate": validate,
                "train-policy": train_policy,
                "panel": panel,
                "fine-tune": fine_tune,
                "recommend": recommend,
                "run": run,
                "play": play,
                "forecast": forecast,
            },
            prog="draingym",
            description=(
                "A differentiable inventory gym with a learned drain model. "
                "--debug shows where an error came from."
            ),
            args=[argument for argument in arguments if argument != "--debug"],
        )
    except (ValueError, OSError, ImportError) as error:  # one that says which extra is missing
        if debug:
            traceback.print_exc()
        print(f"draingym: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        print("draingym: interrupted; the same command goes on", file=sys.stderr)
        raise SystemExit(130) from None
    finally:
        warnings.formatwarning = shown


def _one_line(message: Warning | str, *where: object, **more: object) -> str:
    """Return a warning as the command line shows it."""
    del where, more
    return f"draingym: warning: {' '.join(str(message).split())}\n"


if __name__ == "__main__":
    main()
