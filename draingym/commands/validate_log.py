"""``draingym validate LOG``: may the simulator that was learned from a log be trusted?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from draingym.commands.log_run import HISTORICAL, LogRun
from draingym.commands.next_step import next_step
from draingym.commands.validate import KEPT, ValidateConfig, finish, validate_run
from draingym.common.atomic import require_writable
from draingym.oracle import require_self_replay, self_replay
from draingym.policies.validation.candidates import BASELINE, perturbed, spread_around
from draingym.policies.validation.fine_tuning import Policies
from draingym.world.eventlog import currency_of

_RULES = (HISTORICAL, BASELINE)
_COPIES = 4  # lopsided ones of what the log kept: twenty policies with no file at all


def validate_log(
    log: Path,
    config: ValidateConfig,
    drain: Path,
    panel: Path | None,
    settings: Path | None,
    out: Path,
    console: Console,
) -> dict[str, Any]:
    """Validate the simulator of a drain model on a log; write ``validation.html`` and ``.json``.

    Policies run in the simulator and in the oracle, which replays the log's own customers. There is
    no hidden truth. Besides the files there are the covers that the log kept (``historical``), the
    same with a safety stock, and, for ranks, a spread around them.

    Args:
        log: Folder of the event log.
        config: What is validated, and how.
        drain: File of the drain model.
        panel: Folder of the log's panel; made anew when not given.
        settings: JSON file, see ``log_config``.
        out: Folder of the page.
        console: Where progress goes.

    Returns:
        What ``validation.json`` holds.

    Raises:
        ValueError: If log, model, panel and policies are not of one world, naming the difference;
            if the oracle does not give the log again on its own stock, as ``draingym check`` says,
            and that is not allowed; or as ``validate_run`` does.
    """
    require_writable(out, "folder")
    run = LogRun(log, settings, drain=drain, panel=panel)
    run.require_shipments()
    # Nothing is trained: windows to train in need only be there.
    horizon = min(run.config.training_horizon, run.split - 1)
    run.config = replace(run.config, training_horizon=horizon)
    if run.split >= run.world.num_periods and config.start == -1:
        raise ValueError(
            f"the drain model {drain} was trained on all {run.split} periods of {log}, must leave "
            "some to be judged on: train on fewer (draingym panel --known-periods)"
        )
    files = run.files(config.policies)
    own: dict[str, Any] = {name: (run.policies[name], run.parameters[name]) for name in _RULES}
    clash = sorted(own.keys() & files.keys())
    if clash:
        raise ValueError(f"there is a policy named {clash[0]!r} already, rename the file")
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("Replaying the log's own stock", total=None)
        check = self_replay(
            run.replay_setting,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    doubts = require_self_replay(check, allow_failed=config.allow_failed_check)
    policies: Policies = own | files
    if config.spread:
        network = run.world.network
        kept = {HISTORICAL: own[HISTORICAL]}
        policies = {
            **spread_around(policies, network, config.seed),
            **perturbed(kept, network.num_nodes, _COPIES, seed=config.seed + 1),
        }
    named = {path.stem: path for path in config.policies}
    figures, episodes = validate_run(
        run,
        policies,
        config,
        console,
        files=named,
        notes=[*run.notes, *doubts],
        truth=False,
        folder=out / KEPT,
    )
    figures["currency"] = episodes["currency"] = currency_of(run.log)
    figures["next"] = next_step(
        figures["use"],
        log=log,
        drain=drain,
        policies=config.policies,
        chosen=named.get(figures["agreements"][0]["chosen"]),
        settings=settings,
    )
    return finish(figures, episodes, out, str(log), console)
