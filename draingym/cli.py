"""The command line: one function a command; ``draingym --help`` lists them."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console


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


def data(name: Annotated[Literal["ta-feng"], tyro.conf.Positional]) -> None:
    """Download a data set, check it, and say where it is.

    Args:
        name: Which data set.
    """
    from draingym.world.ta_feng import download

    del name
    print(download())


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


def train_drain(config: Annotated[Path, tyro.conf.Positional], out: Path | None = None) -> None:
    """Train a drain model on a panel: checkpoint, learning curve, log for TensorBoard.

    A training that was interrupted goes on after its last validation.

    Args:
        config: JSON file: panel (folder in Zarr), preset (small or paper), drain (fields that
            differ from the preset), seed, train_share or train_periods, stream, devices, out.
        out: Folder of the run; the configuration's when not given.
    """
    from dataclasses import replace

    from draingym.commands.train_drain import load_train_config
    from draingym.commands.train_drain import train_drain as run

    chosen = load_train_config(config)
    run(chosen if out is None else replace(chosen, out=str(out)), Console())


def evaluate_drain(
    checkpoint: Annotated[Path, tyro.conf.Positional],
    panel: Path,
    start: int = -1,
    stop: int = -1,
    samples: int = 128,
    seed: int = 0,
    out: Path | None = None,
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
    seed: int = 0,
    thresholds: Path | None = None,
    out: Path | None = None,
) -> None:
    """Validate the simulator of a finished run: values, ranks, regret, drift, and a verdict.

    Every policy runs in the simulator, in the oracle that replays the log, and in the hidden
    truth. The page says whether to trust the simulator's values, its ranking, or neither.

    Args:
        run: Folder of a finished run, such as runs/demo.
        policies: Files of policies (.npz) to validate beside the run's own policies.
        spread: Add order-up-to policies at a grid of covers, and perturbed ones, so that ranks can
            be judged; at least 20 policies are needed for a verdict.
        start: First period; the first that was held out when -1.
        periods: How many; all the rest when -1.
        replications: Of lead times, customers and costs.
        samples: Joint samples that score the drain model on the states policies visit.
        truth: Run the hidden truth, too.
        allow_overlap: What the validation may share with training; refused otherwise, and the page
            says so.
        seed: Of all random numbers.
        thresholds: JSON file with limits of the verdict that differ from the run's.
        out: Folder of validation.html and validation.json; RUN/validation when not given.
    """
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
        seed=seed,
        thresholds=limits,
    )
    validate_folder(run, config, run / "validation" if out is None else out, Console())


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


def main() -> None:
    """Run the command line.

    Bad input, a file that cannot be read or written, and an extra that is not installed end with
    one line and exit code 2.
    ``--debug``, anywhere, shows where the line came from.
    """
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    try:
        tyro.extras.subcommand_cli_from_dict(
            {
                "demo": demo,
                "data": data,
                "replay": replay,
                "train-drain": train_drain,
                "evaluate-drain": evaluate_drain,
                "validate": validate,
                "play": play,
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


if __name__ == "__main__":
    main()
