"""Forecasts that are kept: a method is fitted once for each data set, origin, seed and setting."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import drop_programs
from benchmarks.forecasters_parts.datasets import Dataset
from benchmarks.forecasters_parts.methods import LEVELS, Method, Settings
from draingym.common.arrays import FloatArray
from draingym.common.npz import read_npz, write_npz
from draingym.forecasters.cross_validation import origins_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What a method that was fitted once forecast from one or several origins, ``O``."""

    quantiles: FloatArray  # [O, Q, B, H] units
    point: FloatArray  # [O, B, H] units
    actual: FloatArray  # [O, B, H] units; NaN where missing
    fit_seconds: float
    predict_seconds: float  # of all origins

    @property
    def losses(self) -> FloatArray:
        """[O, B, H] twice the mean quantile loss: the CRPS on a grid of levels, alike for all."""
        found: FloatArray = 2.0 * self.by_level.mean(axis=1)
        return found

    @property
    def by_level(self) -> FloatArray:
        """[O, Q, B, H] quantile losses."""
        gap = self.actual[:, None] - self.quantiles
        level = np.asarray(LEVELS)[None, :, None, None]
        loss: FloatArray = np.maximum(level * gap, (level - 1.0) * gap)
        return loss


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """A method's runs on a data set, one a seed, with the settings that were chosen."""

    method: str
    settings: Settings
    runs: tuple[Run, ...]

    @property
    def by_series(self) -> FloatArray:
        """[B] sums of CRPS over origins and periods, of the mean seed."""
        total: FloatArray = np.mean([np.nansum(x.losses, axis=(0, 2)) for x in self.runs], axis=0)
        return total


def kept_run(
    folder: Path,
    method: Method,
    dataset: Dataset,
    origins: Sequence[int],
    settings: Settings,
    seed: int,
) -> Run:
    """Return a run that is fitted at the first of some origins, from its file where it is there."""
    data = dataset.data
    said = (method.effort, sorted(settings.items()), tuple(origins), data.target.shape)
    digest = zlib.crc32(repr((*said, dataset.horizon, float(np.nansum(data.target)))).encode())
    words = (dataset.name, method.name, seed, f"{digest:08x}")
    path = folder / f"{'-'.join(str(word).replace(' ', '-') for word in words)}.npz"
    actual = np.stack([data.actual(origin, dataset.horizon) for origin in origins])
    if path.exists():
        meta, arrays = read_npz(path, "run")
        return _run(actual, arrays, meta)
    began = time.perf_counter()
    predict = method.fit(dataset, origins[0], settings, seed)
    between = time.perf_counter()
    found = [predict(dataset, origin) for origin in origins]
    seconds = {
        "fit_seconds": between - began,
        "predict_seconds": time.perf_counter() - between,
    }
    arrays = {
        "quantiles": np.stack([quantiles for quantiles, _ in found]),
        "point": np.stack([point for _, point in found]),
    }
    write_npz(path, arrays, seconds)
    drop_programs()
    return _run(actual, arrays, seconds)


def _run(actual: FloatArray, arrays: Mapping[str, Any], seconds: Mapping[str, Any]) -> Run:
    return Run(
        quantiles=arrays["quantiles"],
        point=arrays["point"],
        actual=actual,
        fit_seconds=float(seconds["fit_seconds"]),
        predict_seconds=float(seconds["predict_seconds"]),
    )


def mean_crps(run: Run) -> float:
    """Return the mean CRPS of a run over what was observed."""
    return float(np.nanmean(run.losses))


def chosen(folder: Path, method: Method, dataset: Dataset, origin: int) -> Settings:
    """Return the settings with the best CRPS at an origin that is not scored."""
    if len(method.tried) == 1:
        return method.tried[0]
    scores = [
        mean_crps(kept_run(folder, method, dataset, [origin], settings, 0))
        for settings in method.tried
    ]
    return method.tried[int(np.argmin(scores))]


def scored(
    folder: Path, method: Method, dataset: Dataset, *, origins: int, seeds: Sequence[int]
) -> Scored:
    """Return a method's runs: fitted at the first origin, each seed, and forecast from all.

    Settings are chosen one horizon before the first origin that is scored.
    """
    places = origins_of(dataset.data.num_periods, dataset.horizon, origins)
    settings = chosen(folder, method, dataset, places[0] - dataset.horizon)
    some = seeds if method.random else seeds[:1]
    runs = tuple(kept_run(folder, method, dataset, places, settings, seed) for seed in some)
    return Scored(method=method.name, settings=settings, runs=runs)
