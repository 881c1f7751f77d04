"""``draingym check``: does a log hold together, and does its oracle give it again?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from draingym.commands.progress import say
from draingym.common.arrays import require_whole
from draingym.common.atomic import require_writable
from draingym.common.files import kind_at, write_json
from draingym.oracle.replays.self_replay import CheckBounds, self_replay
from draingym.oracle.replays.setting import setting_from_log
from draingym.world.eventlog import read_log

MOST_SEEDS = 1000


def check_folder(log: Path, seeds: int, out: Path | None, console: Console) -> dict[str, Any]:
    """Check a log's folder, and write what was found as JSON.

    1. Conservation: no unit appears or vanishes, every key and every range (``validate_log``).
    2. Self-replay: the log's own stock through the oracle that is estimated from the log.

    Args:
        log: Folder of the event log.
        seeds: Of customers and costs; the worst of them counts.
        out: JSON file; ``LOG_check.json`` beside the log when not given.
        console: Where the findings and the sentence are printed.

    Returns:
        What the file holds: ``passes``, ``sentence``, ``conservation``, ``fit``, ``self_replay``.

    Raises:
        ValueError: If there is no such folder, a number is out of its bounds, or the file cannot be
            written.
    """
    require_whole("seeds", seeds, low=1, high=MOST_SEEDS)
    if kind_at(log, "log") != "folder":
        raise ValueError(f"log {log} is no folder, must be the folder of an event log")
    path = beside(log) if out is None else out
    require_writable(path, "file")
    bounds = CheckBounds()
    found: dict[str, Any] = {"log": str(log), "bounds": asdict(bounds)}
    try:
        events = read_log(log)
    except ValueError as error:
        found |= {
            "passes": False,
            "sentence": f"The log does not hold together: {error}",
            "conservation": {"passes": False, "message": str(error)},
        }
        return _written(found, path, console)
    found["conservation"] = {"passes": True, "message": "every unit came from somewhere"}
    setting = setting_from_log(events)
    with Progress(console=console) as bar:
        task = bar.add_task("Self-replay", total=None)
        check = self_replay(
            setting,
            seeds=range(seeds),
            bounds=bounds,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    found |= {"passes": check.passes, "sentence": check.sentence}
    if setting.report is not None:
        found["fit"] = setting.report.to_dict()
        say(console, setting.report.text())
    found["self_replay"] = check.to_dict()
    _written(found, path, console)
    if not check.passes:
        say(console, "docs/own_data.md has the usual reasons, under: Where check fails")
    return found


def beside(log: Path) -> Path:
    """Return where the JSON of a log's check lies when nobody says where.

    >>> beside(Path("runs/log")).name
    'log_check.json'
    """
    folder = log.resolve()
    return folder.with_name(f"{folder.name}_check.json")


def _written(found: dict[str, Any], path: Path, console: Console) -> dict[str, Any]:
    write_json(path, found, finite=False)
    say(console, found["sentence"])
    return found
