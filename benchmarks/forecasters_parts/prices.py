"""What models say demand does when prices change: elasticities, and errors against a known truth.

A forecast that is accurate at the prices that were charged may be wrong at any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import Claim, Clock, at_most, below, figure_only
from benchmarks.forecasters_parts.datasets import Dataset, orange_juice
from benchmarks.forecasters_parts.methods import Method, Predict, there
from benchmarks.forecasters_parts.neural import neural_peers
from benchmarks.forecasters_parts.ours import our_methods, ours
from benchmarks.forecasters_parts.peers import peers
from benchmarks.forecasters_parts.runs import chosen
from benchmarks.forecasters_parts.sizes import Sizes
from benchmarks.forecasters_parts.truth import GRID, Truth, make_truth
from draingym.common.arrays import FloatArray
from draingym.common.bootstrap import Interval, bootstrap
from draingym.forecasters.cross_validation import origins_of

MONOTONE, FREE, TREES = "MonotoneTransformer", "free response", "LightGBM"
PRINTED = -3.1  # log units on log price within a series of orange juice
_FEW = 0.5  # units, so that a forecast of nothing has a logarithm


def _methods(sizes: Sizes) -> list[Method]:
    """Return what answers to a price: ours, without its constraint, trees, others' networks."""
    made = [*our_methods(sizes), *peers(sizes), *neural_peers(sizes)]
    by_name = {method.name: method for method in made}
    free = partial(ours, MONOTONE, sizes.effort, response="free")
    return [
        by_name[MONOTONE],
        replace(by_name[MONOTONE], name=FREE, fit=free),
        *(by_name[name] for name in (TREES, "TFTMTL", "TFT", "DeepAR")),
    ]


def elasticities(data: Path, sizes: Sizes, folder: Path, clock: Clock) -> dict[str, Any]:
    """Return each model's price elasticity of orange juice, and the one within series."""
    return elasticity_rows(price_alone(orange_juice(data, sizes.series)), sizes, folder, clock)


def price_alone(dataset: Dataset) -> Dataset:
    """Return orange juice without deals and advertisements: they come with a low price."""
    known = {k: v for k, v in dataset.data.known.items() if k not in ("deal", "feature")}
    name = f"{dataset.name}, price alone"
    return replace(dataset, name=name, data=replace(dataset.data, known=known))


def elasticity_rows(dataset: Dataset, sizes: Sizes, folder: Path, clock: Clock) -> dict[str, Any]:
    """Compare what models expect at a series' low and high prices; see ``elasticities``."""
    if dataset.log_price is None:
        raise ValueError("dataset.log_price is None, must be a column of prices")
    data = dataset.data
    origin = origins_of(data.num_periods, dataset.horizon, sizes.origins)[0]
    price = data.known[dataset.log_price]
    low, high = np.quantile(price[:, :origin], (0.25, 0.75), axis=1)
    wide = high > low + 1e-3  # a series whose price hardly moved says nothing
    rows = [_elasticity_row("within series", within_series(data.target, price, origin))]
    for method in there(_methods(sizes)):
        predict = _fitted(folder, method, dataset, origin)
        said = [
            np.log(np.maximum(predict(_priced(dataset, x, origin), origin)[1], _FEW)).mean(axis=1)
            for x in (low, high)
        ]
        found = bootstrap((said[0] - said[1])[wide], (low - high)[wide])
        rows.append(_elasticity_row(method.name, found))
        clock(f"{dataset.name}: elasticity of {method.name}")
    return {"rows": rows, "size": f"elasticities of {int(wide.sum())} series of orange juice"}


def _priced(dataset: Dataset, log_price: FloatArray, origin: int) -> Dataset:
    """Return a data set with one price a series in the horizon after an origin."""
    known = dict(dataset.data.known)
    planned = known[str(dataset.log_price)].copy()
    planned[:, origin : origin + dataset.horizon] = log_price[:, None]
    known[str(dataset.log_price)] = planned
    return replace(dataset, data=replace(dataset.data, known=known))


def within_series(target: FloatArray, log_price: FloatArray, origin: int) -> Interval:
    """Return the slope of log units in log price within series, before an origin."""
    units, price = target[:, :origin], log_price[:, :origin]
    there = units > 0  # missing is not
    y = np.where(there, np.log(np.where(there, units, 1.0)), np.nan)
    x = np.where(there, price, np.nan)
    some = there.sum(axis=1) > 1
    y, x = y[some], x[some]
    y = y - np.nanmean(y, axis=1, keepdims=True)
    x = x - np.nanmean(x, axis=1, keepdims=True)
    return bootstrap(np.nansum(x * y, axis=1), np.nansum(x * x, axis=1))


def _elasticity_row(model: str, found: Interval) -> dict[str, Any]:
    return {
        **{"table": "elasticity", "model": model},
        **{"value": found.value, "low": found.low, "high": found.high},
    }


def _fitted(folder: Path, method: Method, dataset: Dataset, origin: int) -> Predict:
    """Return a method with the settings of the validation origin, fitted at an origin."""
    settings = chosen(folder, method, dataset, origin - dataset.horizon)
    return method.fit(dataset, origin, settings, 0)


def counterfactuals(sizes: Sizes, folder: Path, clock: Clock) -> dict[str, Any]:
    """Return each model's errors at discounts that were not given, in a known truth."""
    return counterfactual_rows(make_truth(sizes.series), sizes, folder, clock)


def counterfactual_rows(truth: Truth, sizes: Sizes, folder: Path, clock: Clock) -> dict[str, Any]:
    """Ask every model for demand at each discount of a grid; see ``counterfactuals``."""
    dataset = truth.dataset
    origin = origins_of(dataset.data.num_periods, dataset.horizon, sizes.origins)[0]
    errors: dict[str, dict[str, FloatArray]] = {}
    for method in there(_methods(sizes)):
        predict = _fitted(folder, method, dataset, origin)
        said = np.stack([predict(truth.at(x, origin), origin)[1] for x in GRID], axis=1)
        factual = predict(dataset, origin)[1]
        errors[method.name] = errors_against(truth, origin, said, factual)
        clock(f"{dataset.name}: counterfactuals of {method.name}")
    rows = [
        {
            **{"table": "counterfactual", "model": name, "error": error},
            "value": float(values.mean()),
            **(_over(values, errors[TREES][error]) if TREES in errors else {}),
        }
        for name, found in errors.items()
        for error, values in found.items()
    ]
    data = dataset.data
    size = f"truth: {data.num_series} products, {data.num_periods} weeks, synthetic orders"
    return {"rows": rows, "size": size}


def errors_against(
    truth: Truth, origin: int, said: FloatArray, factual: FloatArray
) -> dict[str, FloatArray]:
    """Return a model's errors by series, [B] each.

    Args:
        truth: What would be demanded.
        origin: The first period of the horizon.
        said: [B, D, H] forecasts at each discount of ``GRID``.
        factual: [B, H] forecasts at the discounts that were given.

    Returns:
        ``demand at other discounts``, the sum of absolute errors over their demand; ``response``,
        the mean absolute error of the log of demand over that at list price; and ``demand at the
        discounts given``, as the first, which is what a test on history sees.
    """
    wanted = np.stack([truth.demand(x, origin) for x in GRID], axis=1)  # [B, D, H]
    scale = wanted.sum(axis=(1, 2)).mean()
    rise = np.log(np.maximum(said, _FEW)) - np.log(np.maximum(said[:, :1], _FEW))
    given = truth.dataset.data.known["discount"][:, origin : origin + truth.dataset.horizon]
    actual = truth.base[:, origin : origin + truth.dataset.horizon]
    actual = actual * (1.0 - given) ** -truth.elasticity[:, None]
    true_rise = -np.log1p(-np.asarray(GRID))[None, :, None] * truth.elasticity[:, None, None]
    return {
        "demand at other discounts": np.abs(said - wanted).sum(axis=(1, 2)) / scale,
        "response": np.abs(rise - true_rise)[:, 1:].mean(axis=(1, 2)),
        "demand at the discounts given": np.abs(factual - actual).sum(axis=1)
        / actual.sum(axis=1).mean(),
    }


def _over(mine: FloatArray, theirs: FloatArray) -> dict[str, float]:
    ratio = bootstrap(mine, theirs)
    return {"to_trees": ratio.value, "low": ratio.low, "high": ratio.high}


def price_claims(rows: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """Return the claims of bar 4."""
    claims = []
    found = {row["model"]: row for row in rows if row["table"] == "elasticity"}
    for name, row in found.items():
        what = f"orange juice: elasticity, {name}, [{row['low']:.2f}, {row['high']:.2f}]"
        claims.append(figure_only(4, what, row["value"], ""))
    if MONOTONE in found:
        own, within = found[MONOTONE]["value"], found["within series"]["value"]
        claims.append(below(4, f"orange juice: elasticity of {MONOTONE}", own, "", 0.0))
        what = f"orange juice: elasticity of {MONOTONE} less that within series ({within:.2f})"
        claims.append(at_most(4, f"{what}, size", abs(own - within), "", 1.0))
        what = "orange juice: elasticity within series less the printed one, size"
        claims.append(figure_only(4, what, abs(within - PRINTED), ""))
    for row in rows:
        if row["table"] != "counterfactual" or "to_trees" not in row:
            continue
        what = f"truth: {row['error']}: error of {row['model']} over LightGBM's"
        if row["model"] == MONOTONE and row["error"] != "demand at the discounts given":
            claims.append(below(4, f"{what}, upper end", row["high"], "ratio", 1.0))
        elif row["model"] != TREES:
            ends = f"[{row['low']:.3f}, {row['high']:.3f}]"
            claims.append(figure_only(4, f"{what}, {ends}", row["to_trees"], "ratio"))
    return claims


def draw_prices(rows: Sequence[Mapping[str, Any]], axes: Any) -> None:
    """Draw elasticities, and counterfactual errors over LightGBM's, with intervals."""
    pairs = (
        ("elasticity", "value", "price elasticity of orange juice"),
        ("counterfactual", "to_trees", "counterfactual error over LightGBM's"),
    )
    for axis, (table, column, label) in zip(np.atleast_1d(axes), pairs, strict=True):
        mine = [r for r in rows if r["table"] == table and r.get("error", "response") == "response"]
        mine = [row for row in mine if column in row]
        value = np.array([row[column] for row in mine])
        ends = [value - [row["low"] for row in mine], [row["high"] for row in mine] - value]
        axis.errorbar(value, np.arange(len(mine)), xerr=ends, fmt="o", ms=4, capsize=2)
        axis.set_yticks(range(len(mine)), [row["model"] for row in mine])
        axis.invert_yaxis()
        axis.set_xlabel(label)
