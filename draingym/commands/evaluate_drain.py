"""``draingym evaluate-drain``: how well a checkpoint predicts periods it was not trained on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from draingym.common.arrays import require_seed, require_whole
from draingym.common.atomic import require_writable
from draingym.common.files import write_json
from draingym.demo.config import MOST_SAMPLES
from draingym.drain_model import Checkpoint, DrainData, load_checkpoint
from draingym.drain_model.closest_node.beside import beside_closest
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
) -> list[Evaluation]:
    """Evaluate a checkpoint on a panel, print the tables, and write all figures where asked to.

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
    for rows, title in ((table_2(found), "Losses"), (table_3(found), "Calibration and CRPS")):
        console.print(table_of(rows, f"{title}, {size}"))
    console.print(f"{CAPTION} {SAMPLES_NOTE}")
    outside = checkpoint.outside(data)
    for note in (*outside_notes(outside, data), *beside.warnings):
        console.print(note)
    if out is not None:
        figures = [evaluation.to_dict() for evaluation in found]
        beyond = [asdict(x) for x in outside]
        settings = {"periods": list(periods), "samples": samples, "seed": seed}
        write_json(out, {**settings, "outside": beyond, "models": figures})
    return found
