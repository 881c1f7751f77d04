"""Every method on a data set: its scores by horizon and level, and ratios to its rivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import Claim, Clock, at_least, at_most, figure_only
from benchmarks.forecasters_parts.datasets import DATASETS, Dataset
from benchmarks.forecasters_parts.methods import LEVELS, Method, there
from benchmarks.forecasters_parts.neural import neural_peers
from benchmarks.forecasters_parts.ours import FAMILY, OURS, our_methods
from benchmarks.forecasters_parts.peers import peers
from benchmarks.forecasters_parts.runs import Scored, scored
from benchmarks.forecasters_parts.sizes import Sizes
from draingym.common.bootstrap import bootstrap
from draingym.forecasters import demand_bias, demand_error

NAIVE, TREES = "seasonal naive", "LightGBM"
BEHIND = 1.03  # of an independent implementation's CRPS, at most
WANTED = 3  # of the four sets on which a rival is beaten


def methods_of(sizes: Sizes) -> list[Method]:
    """Return all that is compared: baselines, trees, others' networks, ours."""
    return [*peers(sizes), *neural_peers(sizes), *our_methods(sizes)]


def accuracy(
    name: str, data: Path, sizes: Sizes, folder: Path, methods: Sequence[str], clock: Clock
) -> dict[str, Any]:
    """Score every method on a data set.

    Args:
        name: Of the data set.
        data: Folder of its file.
        sizes: How many series, origins and seeds.
        folder: Of the runs that are kept.
        methods: Names of those that are wanted; all when empty.
        clock: Told of every method.
    """
    dataset = DATASETS[name](data, sizes.series)
    return score_all(dataset, sizes, folder, there(_some(methods_of(sizes), methods)), clock)


def _some(methods: Sequence[Method], names: Sequence[str]) -> list[Method]:
    known = [method.name for method in methods]
    for name in names:
        if name not in known:
            raise ValueError(f"methods holds {name!r}, must be of {', '.join(known)}")
    return [method for method in methods if not names or method.name in names]


def score_all(
    dataset: Dataset, sizes: Sizes, folder: Path, methods: Sequence[Method], clock: Clock
) -> dict[str, Any]:
    """Return rows of scores and of ratios of the methods on a data set; see ``accuracy``."""
    found: dict[str, Scored] = {}
    rows = []
    for method in methods:
        found[method.name] = scored(
            folder, method, dataset, origins=sizes.origins, seeds=sizes.seeds
        )
        rows.append(row_of(dataset, found[method.name]))
        clock(f"{dataset.name}: {method.name}")
    said = dataset.data
    size = (
        f"{dataset.name}: {said.num_series} series, {said.num_periods} periods, "
        f"horizon {dataset.horizon}"
    )
    return {"rows": [*rows, *ratio_rows(dataset.name, found)], "size": size}


def row_of(dataset: Dataset, found: Scored) -> dict[str, Any]:
    """Return a method's scores on a data set, means over seeds, over units that were sold."""
    runs = found.runs
    actual = runs[0].actual  # [O, B, H]
    there, sold = ~np.isnan(actual), np.nansum(actual)
    point = np.stack([run.point for run in runs])  # [R, O, B, H]
    error = np.abs(point - actual)
    relative = np.where(there, error / (1.0 + np.abs(actual)), 0.0).sum(axis=(1, 3))
    mmape = (relative / np.maximum(there.sum(axis=(0, 2)), 1)).mean(axis=0)  # [B]
    crps = np.mean([run.losses for run in runs], axis=0)
    level = np.mean([run.by_level for run in runs], axis=0)
    steps = np.maximum(np.nansum(actual, axis=(0, 1)), 1e-9)
    return {
        "table": "accuracy",
        "data": dataset.name,
        "model": found.method,
        "CRPS / units": np.nansum(crps) / sold,
        "wMAPE": np.nansum(error) / sold / len(runs),
        "mMAPE mean": mmape.mean(),
        "mMAPE median": np.median(mmape),
        "RMSE": float(np.sqrt(np.nanmean(error**2))),
        "demand error": float(np.mean([demand_error(run.point, actual) for run in runs])),
        "bias": float(np.mean([demand_bias(run.point, actual) for run in runs])),
        "seconds to fit": float(np.median([run.fit_seconds for run in runs])),
        "seconds to forecast": float(np.median([run.predict_seconds for run in runs])),
        "CRPS / units by step": np.nansum(crps, axis=(0, 1)) / steps,
        "wMAPE by step": np.nansum(error, axis=(0, 1, 2)) / steps / len(runs),
        "quantile loss / units by level": dict(
            zip(map(str, LEVELS), np.nansum(level, axis=(0, 2, 3)) / sold, strict=True)
        ),
        "settings": dict(found.settings),
        "seeds": len(runs),
    }


def ratio_rows(data: str, found: Mapping[str, Scored]) -> list[dict[str, Any]]:
    """Return CRPS over that of each rival, with intervals over series."""
    rows = []
    for model, mine in found.items():
        rivals = (NAIVE, TREES, FAMILY[model]) if model in OURS else (NAIVE,)
        for rival in rivals:
            if rival not in found or rival == model:
                continue
            ratio = bootstrap(mine.by_series, found[rival].by_series)
            rows.append(
                {
                    **{"table": "ratio", "data": data, "model": model, "rival": rival},
                    **{"value": ratio.value, "low": ratio.low, "high": ratio.high},
                }
            )
    return rows


def accuracy_claims(rows: Sequence[Mapping[str, Any]], methods: int) -> list[Claim]:
    """Return the claims of bars 1 and 2 from the rows of all data sets.

    Args:
        rows: Of all data sets that were run.
        methods: How many there are to compare.
    """
    scores = [row for row in rows if row["table"] == "accuracy"]
    ratios = [row for row in rows if row["table"] == "ratio"]
    sets = len({row["data"] for row in scores})
    if not scores:
        return []
    names = {row["model"] for row in scores}
    everywhere = sum(
        len({row["data"] for row in scores if row["model"] == name}) == len(DATASETS)
        for name in names
    )
    claims = [at_least(1, "methods that are scored on all four sets", everywhere, "", methods)]
    for model in OURS:
        for rival in (NAIVE, TREES):
            mine = [row for row in ratios if (row["model"], row["rival"]) == (model, rival)]
            claims += [_figure(row) for row in mine]
            if mine:
                beaten = sum(row["high"] < 1.0 for row in mine)
                what = f"sets on which {model} beats {rival} on CRPS, interval below 1"
                claims.append(at_least(2, what, beaten, f"of {sets}", WANTED))
        family = FAMILY[model]
        mine = [row for row in ratios if (row["model"], row["rival"]) == (model, family)]
        claims += [_figure(row) for row in mine]
        if mine:
            worst = max(mine, key=lambda row: row["value"])
            what = f"CRPS of {model} over that of {family}, worst of {sets} sets ({worst['data']})"
            claims.append(at_most(2, what, worst["value"], "ratio", BEHIND))
    return claims


def _figure(row: Mapping[str, Any]) -> Claim:
    what = f"{row['data']}: CRPS of {row['model']} over that of {row['rival']}"
    return figure_only(2, f"{what}, [{row['low']:.3f}, {row['high']:.3f}]", row["value"], "ratio")


def draw_accuracy(rows: Sequence[Mapping[str, Any]], axes: Any) -> None:
    """Draw the CRPS of each model over the seasonal naive forecast's, with intervals, by set."""
    ratios = [r for r in rows if r["table"] == "ratio" and r["rival"] == NAIVE]
    names = list(dict.fromkeys(row["data"] for row in ratios))
    models = list(dict.fromkeys(row["model"] for row in ratios))
    for m, model in enumerate(models):
        mine = [row for row in ratios if row["model"] == model]
        at = np.array([names.index(row["data"]) for row in mine])
        value = np.array([row["value"] for row in mine])
        ends = [value - [row["low"] for row in mine], [row["high"] for row in mine] - value]
        axes.errorbar(
            value,
            at + 0.06 * (m - len(models) / 2),
            xerr=ends,
            fmt="o" if model in OURS else "x",
            ms=4,
            capsize=2,
            label=model,
        )
    axes.axvline(1.0, color="grey", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("CRPS over that of the seasonal naive forecast")
    axes.legend(frameon=False, fontsize=7)


def draw_steps(rows: Sequence[Mapping[str, Any]], axes: Any) -> None:
    """Draw the CRPS of each model by steps ahead, a panel a data set."""
    scores = [row for row in rows if row["table"] == "accuracy"]
    names = list(dict.fromkeys(row["data"] for row in scores))
    for axis, name in zip(np.atleast_1d(axes), names, strict=True):
        for row in scores:
            if row["data"] == name:
                steps = row["CRPS / units by step"]
                style = "-" if row["model"] in OURS else ":"
                axis.plot(range(1, len(steps) + 1), steps, style, label=row["model"])
        axis.set_title(name)
        axis.set_xlabel("periods ahead")
    np.atleast_1d(axes)[0].set_ylabel("CRPS per unit sold")
    np.atleast_1d(axes)[0].legend(frameon=False, fontsize=7)
