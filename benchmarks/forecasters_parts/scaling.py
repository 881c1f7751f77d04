"""How errors fall with the number of series that a network is trained on.

Zalando's figure 11, on the largest set: some series judge, and take part in every training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import Claim, Clock, figure_only
from benchmarks.forecasters_parts.ablations import errors_of
from benchmarks.forecasters_parts.datasets import Dataset, favorita
from benchmarks.forecasters_parts.methods import Method, Predict, Settings
from benchmarks.forecasters_parts.ours import OURS, ours
from benchmarks.forecasters_parts.runs import Scored, scored
from benchmarks.forecasters_parts.sizes import Sizes
from draingym.common.bootstrap import bootstrap


def scaling(data: Path, sizes: Sizes, folder: Path, clock: Clock) -> dict[str, Any]:
    """Return the error of each model by the number of series it was trained on."""
    return by_number(favorita(data, sizes.scaled[-1]), sizes, folder, clock)


def by_number(dataset: Dataset, sizes: Sizes, folder: Path, clock: Clock) -> dict[str, Any]:
    """Train each model on ever more series of a data set, by as many updates; see ``scaling``."""
    rows = []
    order = np.random.default_rng(0).permutation(dataset.data.num_series)
    judged = replace(dataset, data=dataset.data.take(order[: sizes.scaled[0]]))
    for model in OURS:
        for number in sizes.scaled:
            part = replace(dataset, data=dataset.data.take(order[:number]))
            method = Method(
                name=f"{model} of {number}",
                fit=partial(_trained_on, part, model, sizes),
                tried=(sizes.tried[-1],),
                random=True,
                effort=sizes.effort,
            )
            options: dict[str, Any] = {"origins": 1, "seeds": sizes.seeds[:1]}
            found = scored(folder, method, judged, **options)
            rows.append(_row(model, number, found))
            clock(f"{dataset.name}: {model} of {number} series")
    size = f"scaling: {', '.join(map(str, sizes.scaled))} series of {dataset.name}"
    return {"rows": rows, "size": size}


def _trained_on(
    part: Dataset,
    model: str,
    sizes: Sizes,
    judged: Dataset,
    origin: int,
    settings: Settings,
    seed: int,
) -> Predict:
    """Return a model trained on all series of a part, whichever it is to forecast."""
    del judged
    return ours(model, sizes.effort, part, origin, settings, seed)


def _row(model: str, number: int, found: Scored) -> dict[str, Any]:
    actual = np.nan_to_num(found.runs[0].actual)
    square = bootstrap(errors_of(found, "squared error"), (actual**2).sum(axis=(0, 2)))
    crps = bootstrap(found.by_series, actual.sum(axis=(0, 2)))
    return {
        **{"table": "scaling", "model": model, "series": number},
        **{"demand error": square.value**0.5, "low": square.low**0.5, "high": square.high**0.5},
        **{"CRPS / units": crps.value, "CRPS low": crps.low, "CRPS high": crps.high},
        "seconds to fit": found.runs[0].fit_seconds,
    }


def scaling_claims(rows: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """Return the slope of each model's error on log axes."""
    claims = []
    for model in OURS:
        mine = [row for row in rows if row["table"] == "scaling" and row["model"] == model]
        if len(mine) < 2:
            continue
        for score in ("demand error", "CRPS / units"):
            slope = np.polyfit(
                np.log([row["series"] for row in mine]), np.log([row[score] for row in mine]), 1
            )[0]
            most = mine[-1]["series"]
            what = f"{model}: slope of {score} in the number of series, log axes, up to {most}"
            claims.append(figure_only(5, what, slope, "power"))
    return claims


def draw_scaling(rows: Sequence[Mapping[str, Any]], axes: Any) -> None:
    """Draw the demand error by the number of series, log axes."""
    for model in OURS:
        mine = [row for row in rows if row["table"] == "scaling" and row["model"] == model]
        value = np.array([row["demand error"] for row in mine])
        ends = [value - [row["low"] for row in mine], [row["high"] for row in mine] - value]
        axes.errorbar(
            [row["series"] for row in mine], value, yerr=ends, fmt="o-", capsize=2, label=model
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("series trained on")
    axes.set_ylabel("demand error")
    axes.legend(frameon=False, fontsize=7)
