"""``draingym evaluate-drain``: how well a checkpoint predicts periods it was not trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from drain_model import Checkpoint, DrainData, load_checkpoint, sample_panel
from drain_model.closest_node_fit import fit_closest_node, sample_closest_node
from drain_model.metrics import bootstrap, score
from draingym.stages import write_json

Row = dict[str, Any]  # model and level, then figures by name
_FIGURES = (
    *("crps", "low", "high", "loss_p10", "loss_p50", "loss_p90"),
    *("slope_p10", "slope_p50", "slope_p90", "slope_ols"),
)


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
            f"periods [{first}, {last}): must be a non-empty part of [0, {data.num_periods}); the "
            f"checkpoint was trained on the first {checkpoint.train_periods}"
        )
    return first, last


def evaluate_rows(
    checkpoint: Checkpoint, data: DrainData, periods: tuple[int, int], samples: int, seed: int
) -> list[Row]:
    """Score the checkpoint's one-step-ahead samples, beside the tuned closest node.

    Args:
        checkpoint: A trained model.
        data: A panel from its first period on.
        periods: First period and the one after the last.
        samples: Joint samples of each model.
        seed: Of the samples.

    Returns:
        A row for each model and level, node and total: CRPS with a 95% interval over products,
        quantile losses over the sum of actual units, calibration slopes, OLS slope.

    Raises:
        ValueError: If the data does not fit the checkpoint, or the periods are not in it.
    """
    key_learned, key_closest = jax.random.split(jax.random.key(seed))
    column = checkpoint.config.conversion_column
    learned, _ = sample_panel(checkpoint, data, periods, samples, key_learned)
    known = data.periods(0, periods[0]) if periods[0] else data
    closest = fit_closest_node(known, conversion_column=column, seed=seed)
    nearest, _ = sample_closest_node(
        closest, data, periods, samples, key_closest, conversion_column=column
    )
    part = data.periods(*periods)
    active = np.broadcast_to(part.active, part.outbound.shape)
    rows = []
    for model, drawn in (("learned", learned), ("closest node", nearest)):
        rows.append(_row(model, "node", drawn, part.outbound, active))
        total = part.outbound.sum(axis=-1)
        rows.append(_row(model, "total", drawn.sum(axis=-1), total, None))
    return rows


def _row(
    model: str,
    level: str,
    drawn: NDArray[Any],
    actual: NDArray[Any],
    mask: NDArray[np.bool_] | None,
) -> Row:
    found = score(drawn, actual, mask)
    interval = bootstrap(found.crps_by_product, found.entries_by_product)
    row: Row = {"model": model, "level": level, "crps": interval.value}
    row |= {"low": interval.low, "high": interval.high}
    row |= {f"loss_p{round(100 * t)}": x for t, x in found.quantile_loss.items()}
    row |= {f"slope_p{round(100 * t)}": x for t, x in found.slope.items()}
    return row | {"slope_ols": found.ols_slope}


def table_of(rows: list[Row], title: str) -> Table:
    """Return the rows as a table."""
    table = Table(title=title)
    for name in ("model", "level", *_FIGURES):
        table.add_column(name.replace("_", " "), justify="left" if name == "model" else "right")
    for row in rows:
        figures = [f"{row[name]:.3f}" for name in _FIGURES]
        table.add_row(row["model"], row["level"], *figures)
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
) -> list[Row]:
    """Evaluate a checkpoint on a panel, print the table, and write the rows where asked to.

    Raises:
        ValueError: If the checkpoint or the panel is bad, or they do not fit each other.
    """
    from world.panel import load_panel

    if not path.is_file():
        raise ValueError(f"{path}: must be the file of a checkpoint")
    checkpoint = load_checkpoint(path)
    data = DrainData.from_panel(load_panel(panel))
    periods = held_out(checkpoint, data, start, stop)
    rows = evaluate_rows(checkpoint, data, periods, samples, seed)
    console.print(
        table_of(
            rows, f"Units shipped, periods {periods[0]} to {periods[1] - 1}, {samples} samples"
        )
    )
    if out is not None:
        write_json(
            out, {"periods": list(periods), "samples": samples, "seed": seed, "rows": _plain(rows)}
        )
    return rows


def _plain(rows: list[Row]) -> list[Row]:
    """Return rows whose undefined figures are none, as JSON has no nan."""
    return [
        {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()}
        for row in rows
    ]
