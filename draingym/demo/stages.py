"""Stages of a run: each finishes whole or not at all, and a finished one is not run again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from draingym.common.atomic import atomic_file

Advance = Callable[[int, int], None]


def write_json(path: Path, value: Any) -> None:
    """Write plain values as JSON; a file that is there is replaced as a whole."""
    with atomic_file(path) as fresh:
        fresh.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: If it cannot be read, naming the file.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} cannot be read ({error}): remove it to make it again") from error


@dataclass(kw_only=True)
class Stages:
    """Runs the stages of one folder in order, skipping those that are finished.

    A stage is finished when ``stages/NAME.json`` exists with the run's fingerprint; it is written
    last. Running one stage again means running all later ones again.
    """

    folder: Path
    fingerprint: str  # of config and version: another one makes every stage run again
    console: Console = field(default_factory=Console)
    seconds: dict[str, float] = field(default_factory=dict)  # of each stage, when it ran
    rerun: bool = False

    def run(
        self, name: str, title: str, work: Callable[[Advance], dict[str, Any]]
    ) -> dict[str, Any]:
        """Run a stage, or return what it returned when it was finished before.

        Args:
            name: Of the stage's file.
            title: What the user sees.
            work: Does it; is given a callback for (done, total), returns figures as plain values.

        Returns:
            The stage's figures.
        """
        marker = self.folder / "stages" / f"{name}.json"
        if not self.rerun and marker.exists():
            finished = read_json(marker)
            if finished["fingerprint"] == self.fingerprint:
                self.seconds[name] = finished["seconds"]
                self.console.print(f"[dim]{title}: finished before, kept[/dim]")
                figures: dict[str, Any] = finished["figures"]
                return figures
        self.rerun = True
        start = time.perf_counter()
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
        ) as bar:
            task = bar.add_task(title, total=None)
            figures = work(lambda done, total: bar.update(task, completed=done, total=total))
            bar.update(task, total=1, completed=1)
        self.seconds[name] = time.perf_counter() - start
        write_json(
            marker,
            {"fingerprint": self.fingerprint, "seconds": self.seconds[name], "figures": figures},
        )
        return figures
