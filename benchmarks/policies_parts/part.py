"""A part of the benchmark of policies: what it found."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks._common import (
    Claim,
    Row,
    drop_programs,
    plain,
    print_claims,
    print_table,
    save_figure,
)
from draingym.common.files import write_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A figure of the benchmark."""

    name: str
    draw: Callable[[Any], None]  # called with an axis, or an array of them
    panels: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Claims, the rows behind them, and figures."""

    claims: Sequence[Claim]
    rows: Sequence[Row]  # the key ``table`` says which one a row is of
    seeds: Sequence[int]
    figures: Sequence[Figure] = field(default_factory=tuple)
    # Of all stages, those that an interrupted run had finished included; None: those of the run.
    seconds: float | None = None


def mean_interval(values: Any, level: float = 0.95) -> tuple[float, float, float]:
    """Return mean and ends of a t interval over independent values.

    >>> [round(x, 3) for x in mean_interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    found = np.asarray(values, np.float64)
    mean = float(found.mean())
    spread = float(found.std(ddof=1) / np.sqrt(len(found)))
    half = float(stats.t(len(found) - 1).ppf(0.5 + level / 2)) * spread
    return mean, mean - half, mean + half


def print_part(part: Part) -> None:
    """Print the tables, without curves, and the claims."""
    for name in dict.fromkeys(row["table"] for row in part.rows):
        shown = [
            {key: value for key, value in row.items() if key != "table"}
            for row in part.rows
            if row["table"] == name
        ]
        if not any(isinstance(value, list) for value in shown[0].values()):
            print_table(name, shown)
    print_claims(part.claims)


def kept_part(name: str, run: Callable[[], Part], folder: Path) -> dict[str, Any]:
    """Run a part, print it, draw its figures, and keep its result as ``folder/NAME.json``."""
    began = time.perf_counter()
    part = run()
    drop_programs()
    print_part(part)
    for figure in part.figures:
        save_figure(figure.name, figure.draw, panels=figure.panels)
    found: dict[str, Any] = plain(
        {
            "name": name,
            "claims": [asdict(claim) for claim in part.claims],
            "rows": part.rows,
            "seeds": part.seeds,
            "seconds": time.perf_counter() - began if part.seconds is None else part.seconds,
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{name}.json", found)
    return found
