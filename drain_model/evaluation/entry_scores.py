"""Scores of joint samples entry by entry, and their sums by product."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import require
from draingym.common.scores import crps
from draingym.drain_model.data.dataset import DrainData
from draingym.drain_model.distributions.levels import LEVELS
from draingym.drain_model.evaluation.calibration import class_probabilities, pit
from draingym.drain_model.evaluation.metrics import (
    energy_score,
    quantile_loss,
    sample_quantile,
)
from draingym.drain_model.evaluation.sample_likelihood import (
    class_log_score,
    cost_log_score,
    tail_log_score,
    tail_quantiles,
)

FloatArray = NDArray[np.float64]
TABLE_LEVELS = (0.1, 0.5, 0.9)
AGGREGATIONS = ("total", "regional", "node")


def score_chunk(
    outbound: NDArray[Any],
    cost: NDArray[Any],
    data: DrainData,
    groups: NDArray[np.int64],
    num_atoms: int,
    log_range: tuple[float, float],
    seed: int,
) -> dict[str, NDArray[Any]]:
    """Return what is scored entry by entry of some products, [p, T, ...] each."""
    y, spent, stock = data.outbound, data.ship_cost, data.available
    most = outbound.max(axis=0)
    allowed = stock * data.active
    require(most <= allowed + 1e-3, "outbound.max(axis=0)", most, "at most the units available")
    points: dict[str, NDArray[Any]] = {
        "energy": energy_score(outbound, y),
        "classes": class_probabilities(outbound, num_atoms),
        "outbound_ce": class_log_score(outbound, y, stock, num_atoms),
        "outbound_nll": tail_log_score(outbound, y, stock, num_atoms),
        "cost_nll": cost_log_score(outbound, cost, y, spent, log_range),
    }
    drawn = aggregated(outbound, groups)
    for name, actual in aggregated(y, groups).items():
        ordered = np.sort(drawn[name], axis=0)
        points[f"crps_{name}"] = crps(ordered, actual, ordered=True)
        points[f"mean_{name}"] = ordered.mean(axis=0, dtype=np.float64)
        for level in TABLE_LEVELS:
            key = f"q{round(100 * level)}_{name}"
            points[key] = sample_quantile(ordered, level, ordered=True)
        if name != "regional":
            points[f"pit_{name}"] = pit(ordered, actual, seed)
        if name == "node":
            tail = tail_quantiles(ordered, LEVELS, num_atoms)
            points["tail_quantile"] = _mean_pinball(y, tail)
    points["pit_total"] = points["pit_total"][..., 0]
    paid = np.sort(cost, axis=0)
    points["crps_cost_node"] = crps(paid, spent, ordered=True)
    quantiles = np.stack([sample_quantile(paid, t, ordered=True) for t in LEVELS])
    points["cost_quantile"] = _mean_pinball(spent, quantiles)
    for level in TABLE_LEVELS:
        name = f"q{round(100 * level)}"
        points[f"outbound_{name}"] = quantile_loss(y, points[f"{name}_node"], level)
        points[f"cost_{name}"] = quantile_loss(spent, quantiles[LEVELS.index(level)], level)
    return points


def _mean_pinball(actual: NDArray[Any], quantiles: NDArray[Any]) -> FloatArray:
    losses = [quantile_loss(actual, q, t) for q, t in zip(quantiles, LEVELS, strict=True)]
    return np.asarray(np.mean(losses, axis=0))


def aggregated(values: NDArray[Any], groups: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return sums over all nodes [..., 1], over groups [..., G], and the values of nodes."""
    member = (groups[:, None] == np.arange(groups.max() + 1)).astype(values.dtype)
    return {
        "total": values.sum(axis=-1, keepdims=True),
        "regional": values @ member,
        "node": values,
    }


def masks_of(
    data: DrainData, counted: NDArray[np.bool_], groups: NDArray[np.int64], num_atoms: int
) -> dict[str, NDArray[np.bool_]]:
    """Return which entries count, by aggregation, and for the losses of some entries only."""
    found = {k: v > 0 for k, v in aggregated(counted.astype(np.float32), groups).items()}
    found["tail"] = counted & (data.outbound >= num_atoms)
    found["shipped"] = counted & (data.outbound > 0) & (data.ship_cost > 0)
    return found


def sums(values: NDArray[Any], mask: NDArray[np.bool_]) -> FloatArray:
    """Return sums by product, [P], of the entries [P, ...] that a mask has."""
    axes = tuple(range(1, values.ndim))
    return np.asarray(np.where(mask, values, 0.0).sum(axis=axes, dtype=np.float64))


def sums_by_product(
    points: Mapping[str, NDArray[Any]],
    data: DrainData,
    counted: NDArray[np.bool_],
    masks: Mapping[str, NDArray[np.bool_]],
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return sums and their denominators by product."""
    number = {k: mask.sum(axis=(1, 2)).astype(np.float64) for k, mask in masks.items()}
    scale = {"outbound": sums(data.outbound, counted), "cost": sums(data.ship_cost, counted)}
    found = {f"crps_{k}": (sums(points[f"crps_{k}"], masks[k]), number[k]) for k in AGGREGATIONS}
    for kind, happened in scale.items():
        for level in TABLE_LEVELS:
            name = f"{kind}_q{round(100 * level)}"
            loss = sums(points[name], counted)
            found[name] = (loss, happened)
            found[f"plain_{name}"] = (loss, number["node"])
    network = masks["total"][..., 0]
    found["energy"] = (sums(points["energy"], network), number["total"])
    for name, where in (
        ("crps_cost_node", "node"),
        ("outbound_ce", "node"),
        ("outbound_nll", "tail"),
        ("tail_quantile", "tail"),
        ("cost_nll", "shipped"),
        ("cost_quantile", "shipped"),
    ):
        found[name] = (sums(points[name], masks[where]), number[where])
    return found
