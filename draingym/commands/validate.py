"""``draingym validate``: may the simulator of a run, or of a log, be trusted over many policies?"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from draingym.commands.next_step import next_step
from draingym.common.alone import alone
from draingym.common.arrays import require_seed, require_whole
from draingym.common.atomic import require_writable
from draingym.common.config import require_fields
from draingym.common.files import kind_at
from draingym.demo.config import MOST_REPLICATIONS, MOST_SAMPLES, LoopConfig, load_config
from draingym.demo.episodes import Recorded
from draingym.demo.run import POLICIES, Run
from draingym.demo.validation_stage import spread_of_policies, verdict_figures
from draingym.policies import load_policy, policy_world, tree_of
from draingym.policies.acting import require_acts
from draingym.policies.task import WindowTask, seen
from draingym.policies.validation.candidates import BASELINE
from draingym.policies.validation.fine_tuning import Policies
from draingym.policies.validation.one_step import OneStep
from draingym.policies.validation.overlap import Shared, overlap_notes
from draingym.policies.validation.validate import validate
from draingym.policies.validation.verdict import Thresholds, judge
from draingym.report import verdict_table, verdict_text, write_validation
from draingym.report.words import money
from draingym.simulator import Policy, PyTree
from draingym.world.identity import WorldIdentity, require_same_world

_MOST_SHOWN = 4  # policies that a page lets a reader click through
KEPT = "runs"  # folder of finished runs, while others are to come
NEEDED = ("orders.json", "log", "panel.zarr", "drain_model.npz", "order_up_to.npz", "neural.npz")


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidateConfig:
    """What is validated, and how."""

    policies: tuple[Path, ...] = ()  # files of parameters, beside the run's own policies
    spread: bool = True  # whether to add order-up-to at a grid of covers, and perturbed policies
    start: int = -1  # first period; the first that was held out when -1
    periods: int = -1  # how many; all the rest when -1
    replications: int = 2
    samples: int = 32  # joint samples of the one-step score
    truth: bool = True  # whether to run the hidden truth, too: emulated worlds have one
    allow_overlap: tuple[Shared, ...] = ()  # what may have been trained on
    seed: int = 0
    thresholds: Thresholds | None = None  # the run's when None
    allow_failed_check: bool = False  # of a log: whether an oracle may judge that fails on it

    def __post_init__(self) -> None:
        """Check types and bounds."""
        require_fields(self)
        require_whole("replications", self.replications, low=1, high=MOST_REPLICATIONS)
        require_whole("samples", self.samples, low=2, high=MOST_SAMPLES)
        require_whole("start", self.start, low=-1)
        require_whole("periods", self.periods, low=-1)
        require_seed(self.seed)


def validate_folder(
    folder: Path, config: ValidateConfig, out: Path, console: Console
) -> dict[str, Any]:
    """Validate the simulator of a run's folder; write ``validation.html`` and ``.json`` to ``out``.

    Returns:
        What ``validation.json`` holds.

    Raises:
        ValueError: If the run is not finished, a file fits no policy or is of another world,
            periods are out of bounds, or the validation overlaps training where that is not
            allowed, or another run writes to the same folder.
    """
    require_writable(out, "folder")
    run = Run(run_config(folder), folder).final
    policies = _policies(run, config)
    here = WorldIdentity.from_panel(run.panel)
    notes: list[str] = []
    for path in config.policies:
        if here is not None:
            notes += require_same_world(
                f"policy {path}",
                policy_world(path),
                f"run {folder}",
                here,
                run.world.products.id,
                trained=True,
            )
    files = {path.stem: path for path in config.policies}
    figures, episodes = validate_run(
        run,
        policies,
        config,
        console,
        files=files,
        notes=notes,
        truth=config.truth,
        folder=out / KEPT,
    )
    figures["next"] = next_step(
        figures["use"],
        log=folder / "log",
        drain=run.model_path,
        policies=[run.neural_path, *config.policies],
        chosen=_chosen(folder, run, files, figures),
        settings=folder / "config.json",
    )
    return finish(figures, episodes, out, str(folder), console)


def validate_run(
    run: Run,
    policies: Policies,
    config: ValidateConfig,
    console: Console,
    *,
    files: Mapping[str, Path],
    notes: list[str],
    truth: bool,
    folder: Path,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run policies in the columns, with progress, and judge the simulator.

    Args:
        run: A demo's, or that of a log.
        policies: By name.
        config: Periods, replications and limits.
        console: Where progress goes.
        files: Of the policies that were read, by name, for messages.
        notes: What a report must say.
        truth: Whether to run the hidden truth, too.
        folder: Keeps finished runs of the oracle until all are there.

    Returns:
        What ``validation.json`` will hold, and episodes in the oracle for the page.

    Raises:
        ValueError: If periods are out of bounds, a policy does not act here, or the validation
            overlaps training where that is not allowed.
    """
    first = run.split if config.start == -1 else config.start
    stop = run.world.num_periods if config.periods == -1 else first + config.periods
    if not 1 <= first < stop <= run.world.num_periods:
        raise ValueError(
            f"periods [{first}, {stop}), must be a non-empty part of [1, {run.world.num_periods})"
        )
    ids = [run.world.products.id[p] for p in run.judges]
    shared = overlap_notes(run.fitted, ids, (first, stop), config.allow_overlap)
    setting = run.setting_of([run.checkpoint], test=(first, stop))
    window = WindowTask(
        params=setting.params,
        windows=setting.test,
        simulator=setting.simulator,
        horizon=stop - first,
    )
    for name, path in files.items():
        require_acts(f"policy {path}", *policies[name], seen(window))
    oracle = run.oracle(config.replications, config.seed)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    with alone(folder.parent), Progress(*columns, console=console) as bar:
        task = bar.add_task(f"{len(policies)} policies", total=None)
        validation = validate(
            policies,
            setting.simulator,
            setting.params,
            setting.test,
            stop - first,
            oracle,
            run.truth(config.replications) if truth else None,
            judges=run.judges,
            one_step=OneStep(
                checkpoints=[run.checkpoint],
                log=run.drain_data.periods(0, stop),
                start=first,
                samples=config.samples,
                seed=config.seed,
            ),
            notes=(*shared, *notes),
            seed=config.seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            folder=folder,
        )
    shutil.rmtree(folder, ignore_errors=True)
    verdict = judge(validation, config.thresholds or run.config.thresholds)
    figures = verdict_figures(validation, verdict, BASELINE)
    recorded = Recorded(
        run=run,
        setting=setting,
        horizon=stop - first,
        world=oracle,
        seed=config.seed,
        policies={name: policies[name] for name in _shown(figures, files)},
    )
    return figures, recorded.episodes(run.judges, money(figures))


def _shown(figures: Mapping[str, Any], files: Mapping[str, Path]) -> list[str]:
    """Return the policies that a reader can click through: those that a verdict is about."""
    found = figures["agreements"][0]
    names = [BASELINE, found["chosen"], *files, found["best"], found["worst"]]
    there = [name for name in dict.fromkeys(names) if name in figures["policies"]][:_MOST_SHOWN]
    return sorted(there, key=lambda name: name == found["chosen"])  # the page begins with the last


def finish(
    figures: dict[str, Any],
    episodes: Mapping[str, Any],
    out: Path,
    source: str,
    console: Console,
) -> dict[str, Any]:
    """Write the page and the figures, and print table, verdict and what follows from it."""
    write_validation(figures, out, source, episodes)
    console.print(verdict_table(figures))
    console.print(verdict_text(figures))
    return figures


def run_config(folder: Path) -> LoopConfig:
    """Return the configuration of a finished run.

    Raises:
        ValueError: If something of it is missing, naming it.
    """
    needed = ("config.json", *NEEDED)
    missing = [name for name in needed if kind_at(folder / name, "run") is None]
    if missing:
        raise ValueError(
            f"{folder} has no {', '.join(missing)}, must be the folder of a finished run "
            "(draingym demo --out FOLDER), or of an event log"
        )
    return load_config(folder / "config.json")


def _policies(run: Run, config: ValidateConfig) -> dict[str, tuple[Policy, PyTree]]:
    """Return what is validated by name; a file's name is its stem."""
    own = {name: (run.policies[name], run.parameters[name]) for name in POLICIES}
    found = spread_of_policies(run) if config.spread else own
    tree = tree_of(run.world.network)
    for path in config.policies:
        if path.stem in found:
            raise ValueError(f"{path}: there is a policy named {path.stem!r}, rename the file")
        found[path.stem] = load_policy(path, tree=tree)
    return found


def _chosen(
    folder: Path, run: Run, files: Mapping[str, Path], figures: Mapping[str, Any]
) -> Path | None:
    """Return the file of the policy that the simulator chooses, where it has one."""
    own = {"neural": run.neural_path, BASELINE: folder / "order_up_to.npz"}
    return {**own, **files}.get(figures["agreements"][0]["chosen"])
