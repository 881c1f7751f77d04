"""``draingym evaluate-drain``: how well a checkpoint predicts periods it was not trained on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from draingym.commands.progress import say
from draingym.common.arrays import require_seed, require_whole
from draingym.common.atomic import require_writable
from draingym.common.files import write_json
from draingym.demo.config import MOST_SAMPLES
from draingym.drain_model import Checkpoint, DrainData, load_checkpoint
from draingym.drain_model.closest_node.beside import BesideClosest, beside_closest
from draingym.drain_model.evaluation.entry_scores import AGGREGATIONS
from draingym.drain_model.evaluation.evaluate import Evaluation
from draingym.drain_model.evaluation.published import (
    CAPTION,
    SAMPLES_NOTE,
    TABLE_2,
    TABLE_3,
    table_2,
    table_3,
)
from draingym.drain_model.outside import outside_notes

Row = dict[str, Any]  # of a table: model, then figures by name
NUMBERS = {*TABLE_2, *TABLE_3}


def held_out(checkpoint: Checkpoint, data: DrainData, start: int, stop: int) -> tuple[int, int]:
    """Return the periods to evaluate: those asked for, or all after the training periods.

    Args:
        checkpoint: Knows how many periods it was trained on.
        data: A panel, from the first training period on.
        start: First period; the first after training when -1.
        stop: The one after the last; that of the panel when -1.

    Raises:
        ValueError: If the panel has no such periods.
    """
    first = checkpoint.train_periods if start < 0 else start
    last = data.num_periods if stop < 0 else stop
    if not 0 <= first < last <= data.num_periods:
        raise ValueError(
            f"periods [{first}, {last}), must be a non-empty part of [0, {data.num_periods}); the "
            f"checkpoint was trained on the first {checkpoint.train_periods}"
        )
    return first, last


def table_of(rows: list[Row], title: str) -> Table:
    """Return rows as a table; figures with an interval show it."""
    names = [name for name in rows[0] if not name.endswith(("_low", "_high"))]
    table = Table(title=title, title_justify="left")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right" if name in NUMBERS else "left")

    def shown(row: Row, name: str) -> str:
        value = row.get(name)
        if not isinstance(value, float):
            return "" if value is None else str(value)
        low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
        ends = "" if low is None or high is None else f" [{low:.3g}, {high:.3g}]"
        return f"{value:.3g}{ends}"

    for row in rows:
        table.add_row(*(shown(row, name) for name in names))
    return table


def lead(beside: BesideClosest) -> str:
    """Return in one sentence whether a model is better than the closest node, how much and where.

    Better and worse are said where the whole interval of the ratio of CRPS is on one side of 1.
    """
    parts = []
    for name, ratio in beside.ratios.items():
        share = f"{abs(1.0 - ratio.value):.1%}"
        ends = f"[{ratio.low:.3f}, {ratio.high:.3f}]"
        if ratio.high < 1.0:
            parts.append(f"{share} better than the tuned closest node in units by {name} {ends}")
        elif ratio.low > 1.0:
            parts.append(f"{share} worse than the tuned closest node in units by {name} {ends}")
        else:
            parts.append(f"no different from the tuned closest node in units by {name} {ends}")
    won = beside.share_won("crps_node")
    return (
        f"The drain model is {'; '.join(parts)} (ratio of CRPS, 95%); by node it is better on "
        f"{won:.0%} of the products."
    )


def narrow_table(found: list[Evaluation], title: str) -> Table:
    """Return the figures of the paper's tables, one a row and a model a column; 80 columns wide."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1))
    table.add_column("figure")
    rows: dict[str, list[str]] = {}
    for evaluation in found:
        table.add_column(evaluation.name, justify="right")
        figures = {name: evaluation.scores[name] for name in TABLE_2}
        for level in AGGREGATIONS:
            figures |= {f"{level} {name}": x for name, x in evaluation.slopes[level].items()}
            figures[f"{level} crps"] = evaluation.scores[f"crps_{level}"]
        for name, value in figures.items():
            ends = f" [{value.low:.3g}, {value.high:.3g}]"
            rows.setdefault(name, []).append(f"{value.value:.3g}{ends}")
    for name, cells in rows.items():
        table.add_row(name.replace("_", " "), *cells)
    return table


def evaluate_drain(
    path: Path,
    panel: Path,
    *,
    start: int,
    stop: int,
    samples: int,
    seed: int,
    out: Path | None,
    console: Console,
    paper: bool = False,
) -> list[Evaluation]:
    """Evaluate a checkpoint on a panel, print what it is worth, and write figures where asked to.

    One sentence first: better or worse than the tuned closest node, by how much, and where. The
    tables fit 80 columns; with ``paper`` they are the paper's Tables 2 and 3, with its rows.

    Raises:
        ValueError: If the checkpoint or the panel is bad, they do not fit each other, a number is
            out of its bounds, or the file cannot be written.
    """
    from draingym.world.panel import load_panel

    require_whole("samples", samples, low=2, high=MOST_SAMPLES)
    require_seed(seed)
    if out is not None:
        require_writable(out, "file")
    checkpoint = load_checkpoint(path)
    data = DrainData.from_panel(load_panel(panel))
    periods = held_out(checkpoint, data, start, stop)
    beside = beside_closest(checkpoint, data, periods, samples, seed)
    found = [beside.learned, beside.closest]
    size = f"periods {periods[0]} to {periods[1] - 1}, {samples} samples"
    say(console, lead(beside))
    if paper:
        for rows, title in ((table_2(found), "Losses"), (table_3(found), "Calibration and CRPS")):
            console.print(table_of(rows, f"{title}, {size}"))
        console.print(f"{CAPTION} {SAMPLES_NOTE}")
    else:
        console.print(narrow_table(found, f"Losses, calibration and CRPS, {size}"))
    outside = checkpoint.outside(data)
    for note in (*outside_notes(outside, data), *beside.warnings):
        say(console, note)
    if out is not None:
        figures = [evaluation.to_dict() for evaluation in found]
        beyond = [asdict(x) for x in outside]
        settings = {"periods": list(periods), "samples": samples, "seed": seed}
        write_json(out, {**settings, "outside": beyond, "models": figures})
    return found
