"""``draingym run``: all verbs in order, from a mapping or a log to a verdict and to orders."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from draingym import __version__
from draingym.commands.fine_tune import FineTuneLogConfig, fine_tune_log
from draingym.commands.ingest import ingest_path
from draingym.commands.log_run import is_log, log_config, require_trainable
from draingym.commands.panel import panel_folder
from draingym.commands.recommend import RecommendConfig, recommend
from draingym.commands.train_drain import TrainDrainConfig, train_drain
from draingym.commands.train_policy_log import TrainOnLogConfig, train_on_log
from draingym.commands.validate import ValidateConfig
from draingym.commands.validate_log import validate_log
from draingym.common.alone import alone
from draingym.common.arrays import require_range, require_seed, require_whole
from draingym.common.atomic import require_writable
from draingym.common.config import require_fields
from draingym.common.files import json_text, kind_at, read_json, write_json
from draingym.demo.config import LoopConfig
from draingym.world.eventlog import read_log


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """All that a run depends on besides its data.

    Raises:
        ValueError: If a value is out of its bounds.
    """

    known_share: float = 2 / 3  # of the periods, that models and policies are fitted on
    settings: Path | None = None  # JSON file, see ``log_config``
    stock: Path | None = None  # CSV of today's stock; no orders when not given
    forecast: Path | None = None  # CSV, see ``recommend``
    updates: int | None = None  # of the neural policy; the settings' when not given
    replications: int = 2  # of the verdict
    allow_failed_check: bool = False  # as in ``ValidateConfig``
    seed: int = 0

    def __post_init__(self) -> None:
        """Check types and bounds; see the class."""
        require_fields(self)
        require_range("known_share", self.known_share, low=0.1, high=0.95)
        require_whole("replications", self.replications, low=1, high=100)
        if self.updates is not None:
            require_whole("updates", self.updates, low=1)
        require_seed(self.seed)


class _Steps:
    """Runs steps in order; one that is done is not run again, unless one before it was."""

    def __init__(self, out: Path, console: Console) -> None:
        self.out, self.console = out, console
        self.redo = False

    def require_same(self, mark: str) -> None:
        """Raise if the folder holds a run of other data or settings; say whose it is otherwise."""
        path = self.out / "run.json"
        if kind_at(path, "run") is None:
            write_json(path, {"mark": mark})
            return
        found = read_json(path, "run")
        if not isinstance(found, dict) or found.get("mark") != mark:
            raise ValueError(
                f"{self.out} holds a run of another version, other data or other settings, must be "
                "empty or the folder of this one: choose another with --out"
            )

    def __call__(self, name: str, work: Callable[[], object]) -> None:
        """Run a step, unless it was done, and so were all before it."""
        done = self.out / "steps" / f"{name}.json"
        if not self.redo and kind_at(done, "step") == "file":
            self.console.print(f"[dim]draingym {name}: done before, kept[/dim]")
            return
        self.redo = True
        self.console.rule(f"draingym {name}")
        work()
        write_json(done, {"done": True})


def run_all(source: Path, config: RunConfig, out: Path, console: Console) -> Path:
    """Run every verb from a mapping file, or from a log, to a verdict; and orders, given stock.

    In order: ingest (of a mapping), panel, train-drain, train-policy, validate, fine-tune and
    validate again where the verdict says no, recommend. Each is what the command of that name does,
    with its files in ``out``. A run that was interrupted goes on in the verb that was interrupted.

    Args:
        source: Mapping file, or folder of an event log.
        config: Settings of all verbs.
        out: Folder of everything that is made.
        console: Where progress goes.

    Returns:
        The folder of the last verdict.

    Raises:
        ValueError: As the verbs do, or if the folder is a log's, or another run writes to it.
    """
    require_writable(out, "folder")
    if is_log(out) or (source.is_dir() and out.resolve().is_relative_to(source.resolve())):
        raise ValueError(f"--out is {out}, must be a folder of its own, and not that of a log")
    loop = log_config(config.settings)  # before anything is written: it may be wrong
    with alone(out):
        return _run_all(source, config, loop, out, console)


def _run_all(
    source: Path, config: RunConfig, loop: LoopConfig, out: Path, console: Console
) -> Path:
    step, log = _Steps(out, console), source
    if not is_log(source):
        log = out / "log"
        step("ingest", partial(_ingest, source, log, console))
    events = read_log(log)
    step.require_same(_mark(source, log, config))
    known = round(int(events["calendar"].num_rows) * config.known_share)
    require_trainable(events, log, loop.training_horizon, known)
    panel, settings = out / "panel.zarr", config.settings
    step("panel", partial(panel_folder, log, known, panel, console))
    drain = out / "drain"
    step("train-drain", partial(_train_drain, panel, drain, loop, config.seed, console))
    model, policy = drain / "drain_model.npz", out / "neural.npz"
    training = TrainOnLogConfig(
        drain=model, panel=panel, settings=settings, updates=config.updates, seed=config.seed
    )
    step("train-policy", partial(train_on_log, log, training, policy, console))
    judged = ValidateConfig(
        policies=(policy,),
        replications=config.replications,
        allow_overlap=("products",),
        allow_failed_check=config.allow_failed_check,
        seed=config.seed,
    )
    verdict = out / "validation"
    step("validate", partial(validate_log, log, judged, model, panel, settings, verdict, console))
    if read_json(verdict / "validation.json", "verdict")["use"] == "none":
        tuned = out / "fine_tuned"
        tuning = FineTuneLogConfig(
            drain=model,
            policies=(policy,),
            panel=panel,
            settings=settings,
            updates=config.updates,
            seed=config.seed,
        )
        step("fine-tune", partial(fine_tune_log, log, tuning, tuned, console))
        model, policy = tuned / "drain_model.npz", tuned / "neural.npz"
        verdict, judged = tuned / "validation", replace(judged, policies=(policy,))
        again = partial(validate_log, log, judged, model, panel, settings, verdict, console)
        step("validate-again", again)
    if config.stock is not None:
        order = RecommendConfig(
            policy=policy,
            stock=config.stock,
            forecast=config.forecast,
            drain=model,
            panel=panel,
            settings=settings,
            seed=config.seed,
        )
        console.rule("draingym recommend")  # of today: never kept
        recommend(log, order, out / "orders.csv", console)
    return verdict


def _train_drain(panel: Path, out: Path, loop: LoopConfig, seed: int, console: Console) -> None:
    """Train the drain model as the settings say."""
    drain = asdict(loop.drain)
    train_drain(TrainDrainConfig(panel=str(panel), out=str(out), drain=drain, seed=seed), console)


def _ingest(mapping: Path, log: Path, console: Console) -> None:
    """Make a log of a mapping file.

    Raises:
        ValueError: If there is no such file, or it does not make a log.
    """
    if kind_at(mapping, "mapping") != "file":
        raise ValueError(f"{mapping} is no file and no event log, must be a mapping or a log")
    ingest_path(mapping, log, False, console)


def _mark(source: Path, log: Path, config: RunConfig) -> str:
    """Return what tells this run from one of other data or settings; stock may change."""
    digest = hashlib.blake2b(digest_size=12)
    fitted = replace(config, stock=None, forecast=None)
    digest.update(json_text([__version__, str(fitted)]).encode())
    files = [source] if source.is_file() else []
    files += [] if config.settings is None else [config.settings]
    for file in (*files, *sorted(log.glob("*.parquet"))):
        with file.open("rb") as handle:
            digest.update(hashlib.file_digest(handle, "blake2b").digest())
    return digest.hexdigest()
