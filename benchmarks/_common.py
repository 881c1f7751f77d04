"""What all benchmarks share: claims and their file, timing, tables and figures."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from draingym.common.atomic import atomic_file
from draingym.common.machine import machine, versions

RESULTS = Path(__file__).parent / "results"
Issue = Literal[
    "loop",
    "oracle",
    "drain-model",
    "gym",
    "policies",
    "house",
    "networks",
    "scale",
    "forecasters",
    "own-data",
    "zoo",
    "site",
]
REPEATS = 5  # a claim's time is the median of at least as many
FIELDS = ("name", "issue", "claims", "rows", "seeds", "versions", "machine", "preset", "seconds")
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A figure, and whether it is what its issue needs."""

    bar: int  # number in the issue's list of bars
    what: str
    value: float
    unit: str
    needs: str  # the bar in words, such as ">= 20"; "" for a figure without a bar
    passes: bool | None  # None for a figure without a bar

    def __post_init__(self) -> None:
        """Check the fields."""
        if self.bar < 1:
            raise ValueError(f"claim.bar is {self.bar}, must be at least 1")
        if not self.what:
            raise ValueError("claim.what is empty, must say what the value is")
        if (self.passes is None) != (self.needs == ""):
            raise ValueError(
                f"claim.passes is {self.passes} with needs {self.needs!r}, must be None exactly "
                "where nothing is needed"
            )
        if self.passes and not math.isfinite(self.value):
            raise ValueError(f"claim.value is {self.value}, must be finite to pass")


def at_least(bar: int, what: str, value: float, unit: str, bound: float) -> Claim:
    """Return a claim that passes if the value reaches a bound.

    >>> at_least(1, "speed", 3.0, "x", 2.0).passes
    True
    """
    return Claim(
        bar=bar,
        what=what,
        value=float(value),
        unit=unit,
        needs=f">= {bound:g}",
        passes=bool(value >= bound),
    )


def at_most(bar: int, what: str, value: float, unit: str, bound: float) -> Claim:
    """Return a claim that passes if the value stays within a bound.

    >>> at_most(3, "growth", 3.0, "x", 2.0).passes
    False
    """
    return Claim(
        bar=bar,
        what=what,
        value=float(value),
        unit=unit,
        needs=f"<= {bound:g}",
        passes=bool(value <= bound),
    )


def below(bar: int, what: str, value: float, unit: str, bound: float) -> Claim:
    """Return a claim that passes if the value is below a bound, and not at it."""
    passes = bool(value < bound)
    return Claim(
        bar=bar, what=what, value=float(value), unit=unit, needs=f"< {bound:g}", passes=passes
    )


def figure_only(bar: int, what: str, value: float, unit: str) -> Claim:
    """Return a figure that belongs to a bar and has no bound of its own."""
    return Claim(bar=bar, what=what, value=float(value), unit=unit, needs="", passes=None)


def median_seconds(
    function: Callable[[], object],
    *,
    repeats: int = REPEATS,
    warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, list[float]]:
    """Return the median time of a call, and all the times.

    Args:
        function: What is timed.
        repeats: Timed calls, at least 5 for a claim.
        warm_up: Calls before, which compile and fill caches.
        clock: Wall time, or ``time.process_time`` where other work shares the processor.

    Raises:
        ValueError: If ``repeats`` is below 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}, must be at least 1")
    for _ in range(warm_up):
        function()
    times = []
    for _ in range(repeats):
        start = clock()
        function()
        times.append(clock() - start)
    return statistics.median(times), times


def timed(
    functions: Mapping[str, Callable[[], Any]], repeats: int = REPEATS
) -> dict[str, tuple[float, float]]:
    """Return every function's median seconds, by the wall's and by the processor's clock.

    They take turns, so that what else the machine does falls on all of them.
    """
    clocks = (time.perf_counter, time.process_time)
    seen: dict[str, list[list[float]]] = {name: [] for name in functions}
    for repeat in range(repeats + 1):
        for name, function in functions.items():
            start = [clock() for clock in clocks]
            jax.block_until_ready(function())
            if repeat:  # the first one warms up
                seen[name].append([clock() - s for clock, s in zip(clocks, start, strict=True)])
    medians = {
        name: [statistics.median(column) for column in zip(*times, strict=True)]
        for name, times in seen.items()
    }
    return {name: (wall, processor) for name, (wall, processor) in medians.items()}


def drop_programs() -> None:
    """Drop all compiled programs: each takes memory maps, and a process may have only so many."""
    jax.clear_caches()


class Clock:
    """Prints what is done and how long it took."""

    def __init__(self) -> None:
        """Start."""
        self.began = self.last = time.perf_counter()

    def __call__(self, what: str) -> None:
        """Say that something is done, and drop its compiled programs."""
        drop_programs()
        now = time.perf_counter()
        print(f"{now - self.began:7.0f} s  {what} ({now - self.last:.0f} s)", flush=True)
        self.last = now


def plain(value: Any) -> Any:
    """Return a value as JSON has it; NumPy's become Python's, what is not finite None."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_result(
    name: str,
    issue: Issue,
    claims: Sequence[Claim],
    rows: Sequence[Row],
    seeds: Sequence[int],
    preset: str,
    seconds: float,
    *,
    folder: Path = RESULTS,
) -> Path:
    """Write what a benchmark found to ``folder/name.json``, whole or not at all.

    Args:
        name: Of the benchmark, as in ``make bench-NAME``.
        issue: Whose bars the claims name.
        claims: Figures with their bars; one that does not pass stays in.
        rows: The table behind them, a mapping each.
        seeds: Seeds that the figures follow from.
        preset: Size of the run, and the data it ran on.
        seconds: Wall time of the benchmark.
        folder: Where results lie.

    Returns:
        The file.

    Raises:
        ValueError: If the issue is unknown, or there is no claim.
    """
    if issue not in get_args(Issue):
        raise ValueError(f"issue is {issue!r}, must be one of {', '.join(get_args(Issue))}")
    if not claims:
        raise ValueError("claims is empty, must hold at least 1")
    result = {
        "name": name,
        "issue": issue,
        "claims": [asdict(claim) for claim in claims],
        "rows": [dict(row) for row in rows],
        "seeds": list(seeds),
        "versions": versions(),
        "machine": machine(),
        "preset": preset,
        "seconds": round(float(seconds), 1),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    with atomic_file(path) as draft:
        draft.write_text(json.dumps(plain(result), indent=1, allow_nan=False) + "\n")
    return path


def print_table(title: str, rows: Sequence[Row], console: Console | None = None) -> None:
    """Print rows as a table; columns are the keys of the first row."""
    table = Table(title=title, title_justify="left")
    columns = list(rows[0]) if rows else []
    for column in columns:
        table.add_column(column, justify="right" if _is_number(rows[0][column]) else "left")
    for row in rows:
        table.add_row(*(_shown(row.get(column)) for column in columns))
    (console or Console(width=max(Console().width, 150))).print(table)


def print_claims(claims: Sequence[Claim], console: Console | None = None) -> None:
    """Print claims and whether they pass."""
    rows = [
        {
            "bar": claim.bar,
            "what": claim.what,
            "value": f"{_shown(claim.value)} {claim.unit}",
            "needs": claim.needs,
            "passes": {True: "yes", False: "NO", None: ""}[claim.passes],
        }
        for claim in claims
    ]
    print_table("Claims", rows, console)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number)


def _shown(value: Any) -> str:
    if isinstance(value, float | np.floating):
        number = float(value)
        return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)


def save_figure(
    name: str,
    draw: Callable[[Any], None],
    *,
    panels: int = 1,
    size: tuple[float, float] = (5.6, 4.2),
    folder: Path = RESULTS,
) -> Path:
    """Draw a figure without a display and write ``folder/name.png``.

    Args:
        name: Of the file.
        draw: Called with the axes: one, or an array of them.
        panels: Axes side by side.
        size: Of one of them, inches.
        folder: Where results lie.

    Returns:
        The file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, panels, figsize=(size[0] * panels, size[1]), layout="constrained"
    )
    try:
        draw(axes)
        for axis in np.ravel(axes):
            axis.spines[["top", "right"]].set_visible(False)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        with atomic_file(path) as draft:
            figure.savefig(draft, dpi=120, format="png")
    finally:
        pyplot.close(figure)
    return path
