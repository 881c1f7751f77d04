"""How well the forecasters forecast real demand, beside classical baselines and LightGBM.

Four data sets, time-ordered; settings are chosen on an origin that is not scored, LightGBM's and
ours from four each; intervals over series. Runs are kept: an interrupted benchmark goes on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro

from benchmarks._common import (
    Claim,
    Clock,
    at_least,
    figure_only,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks.forecasters_parts.datasets import DATASETS, Dataset
from benchmarks.forecasters_parts.ours import Effort, ours
from benchmarks.forecasters_parts.peers import peers
from benchmarks.forecasters_parts.runs import by_series, row_of, runs_of
from draingym.common.bootstrap import bootstrap

RIVALS = ("seasonal naive", "LightGBM")
SIZES: Mapping[str, tuple[int, int, tuple[int, ...], Effort]] = {
    # Series, origins, seeds, effort of a network.
    "tiny": (12, 1, (0,), Effort(epochs=2, windows=256, context=24)),
    "small": (100, 3, (0,), Effort(epochs=20, windows=2048, context=52)),
    "full": (300, 3, (0, 1, 2), Effort(epochs=40, windows=4096, context=64)),
}
SHOWN = ("data", "model", "CRPS / units", "wMAPE", "mMAPE mean", "mMAPE median", "bias", "seconds")


def main(
    preset: Literal["tiny", "small", "full"] = "full",
    data: Path = Path("../shared/data"),
    only: tuple[str, ...] = (),
    models: tuple[str, ...] = (),
    folder: Path = Path("runs/forecasters"),
    write: bool = True,
) -> None:
    """Forecast, score, and write the result.

    Args:
        preset: How many series, origins and seeds.
        data: Folder of the files that are not from PyPI; data sets without one are left out.
        only: Data sets; all when not given.
        models: Models; all when not given.
        folder: Of the runs that are kept.
        write: Whether to write ``results/forecasters.json``.
    """
    began, clock = time.perf_counter(), Clock()
    series, origins, seeds, effort = SIZES[preset]
    kept = folder / preset
    everyone = {**peers(), **ours(effort, kept / "training")}
    chosen = {name: x for name, x in everyone.items() if not models or name in models}
    rows: list[dict[str, Any]] = []
    scores: dict[str, dict[str, np.ndarray[Any, Any]]] = {}
    for name, load in DATASETS.items():
        if only and name not in only:
            continue
        dataset = _loaded(name, load, data, series)
        if dataset is None:
            continue
        scores[name] = {}
        for model, (peer, tried) in chosen.items():
            # A model without random numbers is the same with every seed.
            some = seeds if model in ("LSTM", "ARMDN", "LightGBM") else seeds[:1]
            settings, runs = runs_of(kept, model, peer, tried, dataset, origins=origins, seeds=some)
            rows.append(row_of(dataset, model, settings, runs))
            scores[name][model] = by_series(runs) / len(some)
            clock(f"{name}: {model}")
    print_table("Forecasts", [{key: row[key] for key in SHOWN} for row in rows])
    claims = claims_of(scores)
    print_claims(claims)
    if write:
        save_figure("forecasters", lambda axes: draw(axes, rows), size=(8.0, 5.0))
        seconds = time.perf_counter() - began
        write_result("forecasters", "forecasters", claims, rows, list(seeds), preset, seconds)


def _loaded(name: str, load: Any, data: Path, series: int) -> Dataset | None:
    try:
        found: Dataset = load(data, series)
    except (OSError, ValueError) as error:
        print(f"{name} is left out: {error}")
        return None
    return found


def claims_of(scores: Mapping[str, Mapping[str, Any]]) -> list[Claim]:
    """Return the CRPS of ours over rivals', and on how many data sets its interval is below 1."""
    claims = []
    for model in ("LSTM", "ARMDN"):
        for rival in RIVALS:
            beaten = 0
            for data, found in scores.items():
                if model not in found or rival not in found:
                    continue
                ratio = bootstrap(found[model], found[rival])
                beaten += ratio.high < 1.0
                what = f"{data}: CRPS of {model} over that of {rival}"
                interval = f"[{ratio.low:.3f}, {ratio.high:.3f}]"
                claims.append(figure_only(1, f"{what}, {interval}", ratio.value, "ratio"))
            if not any(model in found and rival in found for found in scores.values()):
                continue
            what = f"data sets on which {model} beats {rival} on CRPS, interval below 1"
            claims.append(at_least(2, what, beaten, "of 4", 3))
    return claims


def draw(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Draw the CRPS of each model over the seasonal naive forecast's, by data set."""
    naive = {r["data"]: r["CRPS / units"] for r in rows if r["model"] == "seasonal naive"}
    models = list(dict.fromkeys(row["model"] for row in rows))
    names = list(naive)
    for model in models:
        found = {r["data"]: r["CRPS / units"] for r in rows if r["model"] == model}
        ratio = [found.get(name, np.nan) / naive[name] for name in names]
        axes.plot(ratio, range(len(names)), "o", label=model)
    axes.axvline(1.0, color="grey", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("CRPS, relative to the seasonal naive forecast")
    axes.legend(frameon=False)


if __name__ == "__main__":
    tyro.cli(main)
