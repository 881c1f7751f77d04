"""``draingym fine-tune``: a drain model that goes on with the oracle's labels of a log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from draingym.commands.log_run import LogRun
from draingym.commands.progress import say
from draingym.common.alone import alone
from draingym.common.arrays import require_range, require_seed, require_whole
from draingym.common.atomic import require_writable
from draingym.common.config import require_fields
from draingym.common.files import write_json
from draingym.demo.fine_tuning_stage import around
from draingym.demo.learning_stages import cover_bounds
from draingym.demo.run import Setting
from draingym.drain_model import Checkpoint, DrainData, save_checkpoint
from draingym.drain_model.training.run import BEST
from draingym.policies import (
    FineTuneConfig,
    FineTuned,
    NeuralPlacement,
    OrderUpTo,
    fine_tune,
    save_policy,
    train_by_gradient,
    tune,
)
from draingym.policies.rules.shares import diverse_policies
from draingym.policies.validation.fine_tuning import MAX_ROUNDS, Policies
from draingym.simulator import Policy, PyTree

_APART = 100  # what tells these draws from those that judge


@dataclass(frozen=True, kw_only=True, slots=True)
class FineTuneLogConfig:
    """What is fine-tuned, and how long.

    Raises:
        ValueError: If a value is out of its bounds, or no policy is given.
    """

    drain: Path
    policies: tuple[Path, ...]  # files, trained in the drain model's simulator
    panel: Path | None = None  # of the log; made anew when not given
    settings: Path | None = None  # JSON file, see ``log_config``
    rounds: int = 1
    epochs: int = 6  # of each round's fit
    learning_rate: float = 1e-3
    diverse: bool = True  # whether stock that the log never had is labelled, too, once
    updates: int | None = None  # of a neural policy; the settings' when not given
    seed: int = 0

    def __post_init__(self) -> None:
        """Check types and bounds; see the class."""
        require_fields(self)
        require_whole("rounds", self.rounds, low=1, high=MAX_ROUNDS)
        require_whole("epochs", self.epochs, low=1, high=10_000)
        require_range("learning_rate", self.learning_rate, low=0.0, high=1.0, open_low=True)
        if self.updates is not None:
            require_whole("updates", self.updates, low=1)
        require_seed(self.seed)
        if not self.policies:
            raise ValueError(
                "policies is empty, must name at least 1 file: fine-tuning labels the states that "
                "policies visit (draingym train-policy makes one)"
            )


def fine_tune_log(log: Path, config: FineTuneLogConfig, out: Path, console: Console) -> FineTuned:
    """Label the states that policies visit, go on with the drain model, train the policies anew.

    A round runs the policies, lean and lopsided copies of them, and, in the first one, policies
    that keep stock where the log has none, in the oracle on the training periods. ``out`` gets
    ``drain_model.npz``, a file for each policy, and ``rounds.json``; what is fitted is kept in
    ``out/training`` as it goes, so that the same command goes on after an interruption.

    Args:
        log: Folder of the event log.
        config: What is fine-tuned, and how long.
        out: Folder of what is made.
        console: Where progress goes.

    Returns:
        The model after the last round, and policies that no round labelled.

    Raises:
        ValueError: If log, model, panel and policies are not of one world, a policy is of a kind
            that cannot be trained anew, or the folder cannot be written or another run has it.
    """
    require_writable(out, "folder")
    run = LogRun(log, config.settings, drain=config.drain, panel=config.panel)
    run.require_training()
    policies = run.files(config.policies)
    for path in config.policies:
        _require_kind(path, policies[path.stem][0])
    for note in run.notes:
        say(console, note)
    model = run.checkpoint
    with alone(out), Progress(console=console) as bar:
        task = bar.add_task("labels", total=3 * config.rounds)

        def labelled(current: Policies, k: int) -> Sequence[DrainData]:
            bar.update(task, completed=3 * k, description=f"round {k + 1}: labels")
            seed = config.seed + _APART * (k + 1)
            panels = run.replays(around(run, current), seed)
            if config.diverse and k == 0:
                network, days = run.world.network, run.world.period_days
                panels += run.replays(diverse_policies(network, days, seed=seed), seed + 1)
            bar.update(task, completed=3 * k + 1, description=f"round {k + 1}: drain model")
            return panels

        def retrained(checkpoint: Checkpoint, current: Policies, k: int) -> Policies:
            bar.update(task, completed=3 * k + 2, description=f"round {k + 1}: policies")
            setting = run.setting_of([checkpoint])
            return {
                name: (policy, _trained(run, setting, config, name, policy, k, out))
                for name, (policy, _) in current.items()
            }

        found = fine_tune(
            model,
            run.training_data,
            policies,
            labelled,
            retrained,
            FineTuneConfig(
                rounds=config.rounds,
                drain=replace(
                    model.config, epochs=config.epochs, learning_rate=config.learning_rate
                ),
                seed=config.seed + _APART,
            ),
            folder=out / "training",
        )
        bar.update(task, completed=3 * config.rounds, description="done")
    save_checkpoint(found.checkpoint, out / BEST)
    for name, (policy, params) in found.policies.items():
        save_policy(out / f"{name}.npz", policy, params, world=run.identity)
    write_json(out / "rounds.json", _figures(found, run))
    return found


def _figures(found: FineTuned, run: LogRun) -> dict[str, Any]:
    return {"rounds": [asdict(one) for one in found.rounds], "notes": run.notes}


def _require_kind(path: Path, policy: Policy) -> None:
    """Raise unless a policy is of a kind that is trained anew here."""
    if path.name == BEST:
        raise ValueError(f"policy {path} has the name of the drain model, rename the file")
    if not isinstance(policy, NeuralPlacement | OrderUpTo):
        raise ValueError(
            f"policy {path} is a {type(policy).__name__}, must be a NeuralPlacement or an "
            "OrderUpTo, which are trained anew in every round"
        )


def _trained(
    run: LogRun,
    setting: Setting,
    config: FineTuneLogConfig,
    name: str,
    policy: Policy,
    k: int,
    out: Path,
) -> PyTree:
    """Return the parameters of a policy that is trained from a new start in a simulator."""
    settings, seed = run.config, config.seed + _APART * (k + 1)
    if isinstance(policy, OrderUpTo):
        task, bounds = setting.task(settings.training_horizon), cover_bounds(run.world.period_days)
        return tune(task, policy, bounds, replace(settings.tune, seed=seed)).params
    return train_by_gradient(
        setting.simulator,
        setting.params,
        policy,
        setting.train,
        settings.training_horizon,
        settings.train.with_updates(config.updates, seed),
        folder=out / "training" / f"round_{k + 1}" / name,
    ).params
