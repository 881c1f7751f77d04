"""The paper's Tables 2 and 3, and ours beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from draingym.common.bootstrap import Interval, plain
from draingym.drain_model.evaluation.entry_scores import AGGREGATIONS, TABLE_LEVELS
from draingym.drain_model.evaluation.evaluate import Evaluation

Row = dict[str, Any]

SOURCE = "Outbound, section 6, Tables 2 and 3 (METHODS section 2)"
CAPTION = (
    "Rows marked 'paper' are published figures on proprietary data of one retailer: 50,000 "
    "products, July 2022 to December 2023, scored on January to June 2024 (5,000 products and 128 "
    "samples for calibration), closest node without tuning, costs in undisclosed units. Ours are "
    "of this repository's panel, whose volumes, nodes and costs differ, with groups of nearby "
    "nodes for 'regional'. Numbers cannot be compared across the two, only the order of models."
)
SAMPLES_NOTE = (
    "Likelihoods of all models are estimated from their samples by the same rule; rows 'own "
    "distribution' are the model's, with the cost given the actual units as in the paper."
)

_QUANTILES = tuple(f"q{round(100 * t)}" for t in TABLE_LEVELS)
TABLE_2 = (
    *(f"cost_{q}" for q in (*_QUANTILES, "nll")),
    *(f"outbound_{q}" for q in (*_QUANTILES, "nll", "ce")),
    "loss",
)
TABLE_3 = ("p10", "p50", "p90", "ols", "crps")

# By model, in the order of TABLE_2; None where the paper has none.
PUBLISHED_2: dict[str, tuple[float | None, ...]] = {
    "closest node": (None, None, None, None, 0.614, 0.671, 0.700, 15.1, 8.15, None),
    "RNN": (0.052, 0.147, 0.086, 1.442, 0.050, 0.144, 0.081, 2.638, 0.754, 4.394),
    "Transformer": (0.052, 0.148, 0.087, 1.442, 0.050, 0.145, 0.082, 2.634, 0.758, 4.355),
    "RNN w sales": (0.052, 0.145, 0.084, 1.429, 0.052, 0.150, 0.082, 2.653, 0.759, 4.274),
    "Transformer w sales": (0.052, 0.144, 0.083, 1.412, 0.049, 0.142, 0.078, 2.621, 0.752, 4.247),
}
# By model and aggregation, in the order of TABLE_3; the paper has no node level.
PUBLISHED_3: dict[tuple[str, str], tuple[float, ...]] = {
    ("closest node", "total"): (0.75, 0.94, 1.11, 0.91, 48.51),
    ("RNN", "total"): (0.90, 0.98, 1.04, 1.07, 34.85),
    ("Transformer", "total"): (0.94, 0.94, 0.93, 0.94, 20.60),
    ("closest node", "regional"): (0.13, 0.42, 1.30, 0.28, 26.90),
    ("RNN", "regional"): (0.91, 0.98, 1.00, 0.96, 6.25),
    ("Transformer", "regional"): (0.96, 0.96, 0.96, 0.96, 4.11),
}


def table_2(evaluations: Sequence[Evaluation]) -> list[Row]:
    """Return Table 2: our rows, then the paper's.

    Args:
        evaluations: One a model, in the order of the rows.

    Returns:
        A mapping a row: ``model``, ``data`` ("ours" or "paper"), and a number or None by column
        of ``TABLE_2``; ours have ``NAME_low`` and ``NAME_high`` too. A model with a distribution
        of its own has a second row.
    """
    rows = []
    for evaluation in evaluations:
        scores = evaluation.scores
        rows.append(_row(evaluation.name, {name: scores[name] for name in TABLE_2}))
        if "own_loss" in scores:
            own = {name: scores.get(f"own_{name}", scores[name]) for name in TABLE_2}
            rows.append(_row(f"{evaluation.name}, own distribution", own))
    paper = [
        {"model": model, "data": "paper", **dict(zip(TABLE_2, values, strict=True))}
        for model, values in PUBLISHED_2.items()
    ]
    return rows + paper


def table_3(evaluations: Sequence[Evaluation]) -> list[Row]:
    """Return Table 3: by aggregation our rows, then the paper's.

    Args:
        evaluations: One a model, in the order of the rows.

    Returns:
        As of ``table_2``, with the columns ``aggregation`` and those of ``TABLE_3``.
    """
    rows = []
    for level in AGGREGATIONS:
        for evaluation in evaluations:
            found = {**evaluation.slopes[level], "crps": evaluation.scores[f"crps_{level}"]}
            row = _row(evaluation.name, {name: found[name] for name in TABLE_3})
            rows.append({"model": row.pop("model"), "aggregation": level, **row})
        for (model, aggregation), values in PUBLISHED_3.items():
            if aggregation == level:
                numbers = dict(zip(TABLE_3, values, strict=True))
                rows.append({"model": model, "aggregation": level, "data": "paper", **numbers})
    return rows


def _row(model: str, intervals: dict[str, Interval]) -> Row:
    row: Row = {"model": model, "data": "ours"}
    row |= {name: plain(found.value) for name, found in intervals.items()}
    for name, found in intervals.items():
        row |= {f"{name}_low": plain(found.low), f"{name}_high": plain(found.high)}
    return row
