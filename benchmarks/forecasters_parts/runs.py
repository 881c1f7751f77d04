"""Forecasts that are kept: a model is run once for each data set, origin, seed and setting."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import drop_programs
from benchmarks.forecasters_parts.datasets import Dataset
from benchmarks.forecasters_parts.peers import LEVELS, Peer, Settings
from draingym.common.arrays import FloatArray
from draingym.common.npz import read_npz, write_npz
from draingym.forecasters.cross_validation import origins_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A model's forecasts of one origin."""

    quantiles: FloatArray  # [Q, B, H] units
    point: FloatArray  # [B, H] units
    actual: FloatArray  # [B, H] units; NaN where missing
    seconds: float

    @property
    def losses(self) -> FloatArray:
        """[B, H] twice the mean quantile loss: the CRPS on a grid of levels, alike for all."""
        gap = self.actual[None] - self.quantiles
        level = np.asarray(LEVELS)[:, None, None]
        loss: FloatArray = np.maximum(level * gap, (level - 1.0) * gap)
        found: FloatArray = 2.0 * loss.mean(axis=0)
        return found


def kept_run(
    folder: Path,
    name: str,
    peer: Peer,
    dataset: Dataset,
    origin: int,
    settings: Settings,
    seed: int,
) -> Run:
    """Return a run, from its file where it is there."""
    words = [dataset.name, name.replace(" ", "-"), origin, seed, *settings.values()]
    path = folder / f"{'-'.join(map(str, words))}.npz"
    actual = dataset.data.actual(origin, dataset.horizon)
    if path.exists():
        meta, arrays = read_npz(path, "run")
        return Run(actual=actual, seconds=float(meta["seconds"]), **arrays)
    began = time.perf_counter()
    quantiles, point = peer(dataset, origin, settings, seed)
    seconds = time.perf_counter() - began
    write_npz(path, {"quantiles": quantiles, "point": point}, {"seconds": seconds})
    drop_programs()
    return Run(quantiles=quantiles, point=point, actual=actual, seconds=seconds)


def mean_crps(run: Run) -> float:
    """Return the mean CRPS of a run over what was observed."""
    return float(np.nanmean(run.losses))


def chosen(
    folder: Path, name: str, peer: Peer, tried: Sequence[Settings], dataset: Dataset, origin: int
) -> Settings:
    """Return the settings with the best CRPS at an origin that is not scored."""
    if len(tried) == 1:
        return tried[0]
    scores = [
        mean_crps(kept_run(folder, name, peer, dataset, origin, settings, 0)) for settings in tried
    ]
    return tried[int(np.argmin(scores))]


def runs_of(
    folder: Path,
    name: str,
    peer: Peer,
    tried: Sequence[Settings],
    dataset: Dataset,
    *,
    origins: int,
    seeds: Sequence[int],
) -> tuple[Settings, list[Run]]:
    """Return the settings of a model, and its runs over origins and seeds.

    Settings are chosen one horizon before the first origin that is scored.
    """
    scored = origins_of(dataset.data.num_periods, dataset.horizon, origins)
    settings = chosen(folder, name, peer, tried, dataset, scored[0] - dataset.horizon)
    runs = [
        kept_run(folder, name, peer, dataset, origin, settings, seed)
        for origin in scored
        for seed in seeds
    ]
    return settings, runs


def by_series(runs: Sequence[Run]) -> FloatArray:
    """Return the sums of CRPS of each series over all runs and periods, [B]."""
    total: FloatArray = np.sum([np.nansum(run.losses, axis=1) for run in runs], axis=0)
    return total


def row_of(dataset: Dataset, name: str, settings: Settings, runs: Sequence[Run]) -> dict[str, Any]:
    """Return a model's figures on a data set: CRPS and others over what was sold, by step ahead."""
    actual = np.stack([run.actual for run in runs])
    point = np.stack([run.point for run in runs])
    losses = np.stack([run.losses for run in runs])
    there = ~np.isnan(actual)
    sold = np.nansum(actual)
    error = np.abs(point - actual)
    relative = np.where(there, error / (1.0 + np.abs(actual)), 0.0).sum(axis=2)
    mmape = relative / np.maximum(there.sum(axis=2), 1)
    ahead = np.nansum(losses, axis=(0, 1)) / np.maximum(np.nansum(actual, axis=(0, 1)), 1e-9)
    middle = [run.quantiles[len(LEVELS) // 2] for run in runs]
    found: Mapping[str, Any] = {
        "data": dataset.name,
        "model": name,
        "CRPS / units": np.nansum(losses) / sold,
        "wMAPE": np.nansum(error) / sold,
        "mMAPE mean": mmape.mean(),
        "mMAPE median": np.median(mmape.mean(axis=0)),
        "bias": np.nansum(point - actual) / sold,
        "median's loss / units": np.nansum(np.abs(np.stack(middle) - actual)) / 2 / sold,
        "seconds": float(np.median([run.seconds for run in runs])),
        "CRPS / units by step": [float(x) for x in ahead],
        "settings": dict(settings),
    }
    return dict(found)
