"""What the papers claim of their own parts, each tested with everything else the same.

A comparison is of two variants of one model on one data set, by CRPS and by the paper's metric,
both over series; settings are those chosen for the model as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import Claim, Clock, figure_only
from benchmarks.forecasters_parts.datasets import DATASETS, Dataset
from benchmarks.forecasters_parts.methods import Method
from benchmarks.forecasters_parts.ours import our_methods, ours
from benchmarks.forecasters_parts.runs import Scored, chosen, scored
from benchmarks.forecasters_parts.sizes import Sizes
from draingym.common.arrays import FloatArray
from draingym.common.bootstrap import Interval, bootstrap
from draingym.forecasters import lstm_groups
from draingym.forecasters.cross_validation import origins_of

AS_IS = "as it is"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ablation:
    """A model, a data set, its variants, and what the paper says of them."""

    model: str
    data: str
    variants: Mapping[str, Mapping[str, Any]]  # other arguments of ``ours``
    # What is claimed to be better, than what, and in which words.
    claims: Sequence[tuple[str, str, str]]
    metrics: Sequence[str] = field(default=("CRPS",))


ABLATIONS: Mapping[str, Ablation] = {
    "lstm": Ablation(
        model="LSTM",
        data="online-retail",
        variants={
            **{name: {"groups": lstm_groups(name)} for name in ("GROUP", "FEATURE", "CLUSTER")},
            "LS2": {"scheme": "LS2"},
            "COCOB": {"config": {"optimizer": "cocob"}},
        },
        claims=(
            ("CLUSTER", AS_IS, "clusters of like series beat one global network"),
            ("GROUP", AS_IS, "groups by sales and sparsity beat one global network"),
            ("FEATURE", AS_IS, "one network that sees the group beats one that does not"),
            (AS_IS, "LS2", "the error of every cell (LS1) beats that of the last (LS2)"),
            ("COCOB", AS_IS, "COCOB beats Adam"),
        ),
        metrics=("CRPS", "mMAPE"),
    ),
    "transformer": Ablation(
        model="MonotoneTransformer",
        data="orange-juice",
        variants={"one decoder": {"near": 10_000}, "free response": {"response": "free"}},
        claims=(
            (AS_IS, "one decoder", "near and far decoders beat one"),
            (AS_IS, "free response", "a monotone price response beats a free one"),
        ),
        metrics=("CRPS", "squared error"),
    ),
    "armdn": Ablation(
        model="ARMDN",
        data="ta-feng",
        variants={
            "single Gaussian": {"mixtures": 1},
            "no associative layer": {"associative": False},
            "no LSTM": {"recurrent": False},
        },
        claims=(
            (AS_IS, "single Gaussian", "a mixture beats a single Gaussian"),
            (AS_IS, "no associative layer", "the associative layer helps"),
            (AS_IS, "no LSTM", "the recurrent layer helps"),
        ),
        metrics=("CRPS", "wMAPE"),
    ),
}


def ablation(name: str, data: Path, sizes: Sizes, folder: Path, clock: Clock) -> dict[str, Any]:
    """Score the variants of a model on its data set; what is kept of ``accuracy`` is used."""
    case = ABLATIONS[name]
    return compare(case, DATASETS[case.data](data, sizes.series), sizes, folder, clock)


def compare(
    case: Ablation, dataset: Dataset, sizes: Sizes, folder: Path, clock: Clock
) -> dict[str, Any]:
    """Return rows of all variants and of what the paper claims of them; see ``ablation``."""
    made = our_methods(sizes, quantiles=False)  # all is as the paper has it
    (base,) = [method for method in made if method.name == case.model]
    options: dict[str, Any] = {"origins": sizes.origins, "seeds": sizes.seeds}
    found = {AS_IS: scored(folder, base, dataset, **options)}
    clock(f"{case.model} on {dataset.name}: {AS_IS}")
    first = origins_of(dataset.data.num_periods, dataset.horizon, sizes.origins)[0]
    settings = chosen(folder, base, dataset, first - dataset.horizon)
    for variant, other in case.variants.items():
        method = Method(
            name=f"{case.model}: {variant}",
            fit=partial(ours, case.model, sizes.effort, **_within(other, dataset)),
            tried=(settings,),
            random=True,
            effort=(sizes.effort, sorted(other)),
        )
        found[variant] = scored(folder, method, dataset, **options)
        clock(f"{case.model} on {dataset.name}: {variant}")
    rows = [
        {
            "table": "claim",
            **{"model": case.model, "data": dataset.name, "claim": words, "metric": metric},
            **{"better": better, "than": than, **verdict(found[better], found[than], metric)},
        }
        for better, than, words in case.claims
        for metric in case.metrics
    ]
    return {"rows": rows, "size": f"{case.model}'s variants on {dataset.name}"}


def _within(other: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    """Return arguments with one decoder for all of the data set's horizon."""
    found = dict(other)
    if "near" in found:
        found["near"] = dataset.horizon
    return found


def errors_of(found: Scored, metric: str) -> FloatArray:
    """Return a metric's sums over seeds, origins and periods by series, [B]."""
    if metric == "CRPS":
        return found.by_series
    total = []
    for run in found.runs:
        error = np.abs(run.point - run.actual)
        if metric == "mMAPE":
            error = error / (1.0 + np.abs(run.actual))
        elif metric == "squared error":  # the demand error's, before the root
            error = error**2
        total.append(np.nansum(error, axis=(0, 2)))
    summed: FloatArray = np.sum(total, axis=0)
    return summed


def verdict(better: Scored, than: Scored, metric: str) -> dict[str, Any]:
    """Return the ratio of a metric, its interval over series, and what it says of the claim."""
    ratio = bootstrap(errors_of(better, metric), errors_of(than, metric))
    return {"value": ratio.value, "low": ratio.low, "high": ratio.high, "holds": holds(ratio)}


def holds(ratio: Interval) -> str:
    """Return whether a claim of a ratio below one holds."""
    if ratio.high < 1.0:
        return "holds"
    return "does not" if ratio.low > 1.0 else "undecided"


def ablation_claims(rows: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """Return a figure for each claim of a paper, with what was found."""
    return [
        figure_only(
            3,
            f"{row['model']}: {row['claim']} ({row['data']}, {row['metric']}): {row['holds']}, "
            f"[{row['low']:.3f}, {row['high']:.3f}]",
            row["value"],
            "ratio",
        )
        for row in rows
        if row["table"] == "claim"
    ]


def draw_claims(rows: Sequence[Mapping[str, Any]], axes: Any) -> None:
    """Draw the ratio of each claim with its interval; below one it holds."""
    found = [row for row in rows if row["table"] == "claim"]
    value = np.array([row["value"] for row in found])
    ends = [value - [row["low"] for row in found], [row["high"] for row in found] - value]
    axes.errorbar(value, np.arange(len(found)), xerr=ends, fmt="o", ms=4, capsize=2)
    axes.axvline(1.0, color="grey", linewidth=0.8)
    names = [f"{row['model']}: {row['better']} / {row['than']}, {row['metric']}" for row in found]
    axes.set_yticks(range(len(found)), names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("error over that of the other variant")
