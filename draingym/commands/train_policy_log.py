"""``draingym train-policy LOG``: a policy in the simulator of a drain model, from a log alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from draingym.commands.log_run import HISTORICAL, LogRun
from draingym.commands.progress import say, training_bar
from draingym.common.alone import alone
from draingym.common.arrays import require_seed, require_whole
from draingym.common.atomic import require_writable
from draingym.common.config import require_fields
from draingym.demo.learning_stages import cover_bounds, train_neural
from draingym.demo.stages import Advance
from draingym.policies import save_policy, tune
from draingym.policies.validation.candidates import BASELINE
from draingym.simulator import PyTree

Kind = Literal["neural", "order-up-to", "historical"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainOnLogConfig:
    """Which policy is made of a log, and how.

    Raises:
        ValueError: If a value is out of its bounds.
    """

    drain: Path  # file of the drain model whose simulator trains
    policy: Kind = "neural"
    panel: Path | None = None  # of the log; made anew when not given
    settings: Path | None = None  # JSON file, see ``log_config``
    updates: int | None = None  # of the neural policy; the settings' when not given
    seed: int = 0

    def __post_init__(self) -> None:
        """Check types and bounds; see the class."""
        require_fields(self)
        if self.updates is not None:
            require_whole("updates", self.updates, low=1)
        require_seed(self.seed)


def train_on_log(
    log: Path, config: TrainOnLogConfig, out: Path, console: Console
) -> dict[str, Any]:
    """Make a policy of a log, and write it to one file.

    ``neural`` is trained by gradients through rollouts on the training products and periods;
    ``order-up-to`` is tuned by search; ``historical`` are the covers that the log kept. A training
    that was interrupted goes on from its last evaluation, kept beside ``out``.

    Args:
        log: Folder of the event log.
        config: Which policy, and how.
        out: The policy's file.
        console: Where progress goes.

    Returns:
        Its value a product and window in the simulator, and what was said of the log.

    Raises:
        ValueError: If the log, the model or the panel cannot be read or are of different worlds,
            or the file cannot be written.
    """
    require_writable(out, "file")
    run = LogRun(log, config.settings, drain=config.drain, panel=config.panel)
    run.require_training()
    for note in run.notes:
        say(console, note)
    value: float | None = None
    name, params = HISTORICAL, run.parameters[HISTORICAL]
    if config.policy != HISTORICAL:
        name = "neural" if config.policy == "neural" else BASELINE
        loop = run.config
        total = loop.tune.generations if name == BASELINE else loop.train.updates
        with training_bar(console) as bar:
            task = bar.add_task(f"{config.policy}: training", total=total, losses="compiling")

            def show(done: int, of: int) -> None:
                bar.update(task, completed=done, total=of, losses="")

            params, value = _fitted(run, config, out, show)
    save_policy(out, run.policies[name], params, world=run.identity)
    earned = "" if value is None else f", {value:,.1f} a product and window in the simulator"
    say(console, f"{out}: {config.policy}{earned}")
    return {"policy": config.policy, "value": value, "notes": run.notes}


def _fitted(
    run: LogRun, config: TrainOnLogConfig, out: Path, advance: Advance
) -> tuple[PyTree, float]:
    """Return parameters and their value."""
    settings = run.config
    if config.policy == "neural":
        run.config = replace(
            settings, train=settings.train.with_updates(config.updates, config.seed)
        )
        folder = out.with_name(f"{out.stem}.training")
        with alone(folder):
            found = train_neural(run, run.setting, advance, folder=folder)
        return found.params, found.value
    tuned = tune(
        run.setting.task(settings.training_horizon),
        run.policies[BASELINE],
        cover_bounds(run.world.period_days),
        replace(settings.tune, seed=config.seed),
        advance,
    )
    return tuned.params, tuned.value
