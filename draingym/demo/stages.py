"""Stages of a run: each finishes whole or not at all, and a finished one is not run again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
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
    TimeRemainingColumn,
)

from draingym.common.arrays import require_range
from draingym.common.compiling import Compiling
from draingym.common.config import read_config, require_fields
from draingym.common.files import read_json, write_json

Advance = Callable[[int, int], None]

_REMEDY = "remove it to make it again"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Finished:
    """What the file of a finished stage holds."""

    fingerprint: str
    seconds: float
    figures: dict[str, Any]
    compiling_seconds: float = 0.0  # the part of them that went into compiling
    programs: int = 0  # that were compiled

    def __post_init__(self) -> None:
        """Check the fields."""
        require_fields(self)
        for name in ("seconds", "compiling_seconds", "programs"):
            require_range(name, getattr(self, name), low=0)


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
    # The part of them that went into compiling, and how many programs were compiled.
    compiling: dict[str, dict[str, float]] = field(default_factory=dict)
    check: Callable[[str, Any, str], None] | None = None  # of figures read, by name and path
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

        Raises:
            ValueError: If the file of a finished stage is damaged, naming it.
        """
        marker = self.folder / "stages" / f"{name}.json"
        if not self.rerun and marker.exists():
            finished = self._read(name, marker)
            if finished.fingerprint == self.fingerprint:
                self.seconds[name] = finished.seconds
                self.compiling[name] = {
                    "seconds": finished.compiling_seconds,
                    "programs": finished.programs,
                }
                self.console.print(f"[dim]{title}: finished before, kept[/dim]")
                return finished.figures
        self.rerun = True
        start = time.perf_counter()
        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
        )
        with bar, Compiling() as compiling:
            task = bar.add_task(title, total=None)
            figures = work(lambda done, total: bar.update(task, completed=done, total=total))
            bar.update(task, total=1, completed=1)
        self.seconds[name] = time.perf_counter() - start
        self.compiling[name] = {"seconds": compiling.seconds, "programs": compiling.programs}
        finished = _Finished(
            fingerprint=self.fingerprint,
            seconds=self.seconds[name],
            figures=figures,
            compiling_seconds=compiling.seconds,
            programs=compiling.programs,
        )
        write_json(marker, asdict(finished))
        return figures

    def _read(self, name: str, marker: Path) -> _Finished:
        values = read_json(marker, "stage", _REMEDY)
        try:
            finished: _Finished = read_config(_Finished, values, "stage")
            if self.check is not None and finished.fingerprint == self.fingerprint:
                self.check(name, finished.figures, "stage.figures")
        except ValueError as error:
            raise ValueError(f"{marker}: {error}; {_REMEDY}") from error
        return finished
