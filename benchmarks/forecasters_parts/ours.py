"""Our own models as the benchmark runs them, and the settings that are tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.forecasters_parts.datasets import Dataset
from benchmarks.forecasters_parts.peers import LEVELS, Peer, Settings
from draingym.common.arrays import FloatArray
from draingym.forecasters import ARMDN, LSTM, Model, TrainConfig, fit


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """How much is spent on each fit of a network."""

    epochs: int
    windows: int
    context: int  # periods, at most


def model_of(name: str, dataset: Dataset, context: int, settings: Mapping[str, Any]) -> Model:
    """Return one of our models for a data set."""
    horizon = dataset.horizon
    if name == "ARMDN":
        return ARMDN(horizon=horizon, context=context, **settings)
    window = round(1.25 * horizon)
    steps = max(context - window + 1, 1)
    ahead = bool(dataset.data.known)
    return LSTM(horizon=horizon, window=window, steps=steps, ahead=ahead, **settings)


def ours(effort: Effort, folder: Path) -> dict[str, tuple[Peer, tuple[Settings, ...]]]:
    """Return each of our models, and the settings that are tried on the validation origin."""

    def of(name: str) -> Peer:
        def run(
            dataset: Dataset, origin: int, settings: Settings, seed: int
        ) -> tuple[FloatArray, FloatArray]:
            known = dataset.data.until(origin)
            context = min(effort.context, max(origin - 2 * dataset.horizon, 1))
            rate = settings["learning_rate"]
            inner = {key: x for key, x in settings.items() if key != "learning_rate"}
            config = TrainConfig(
                epochs=effort.epochs, windows=effort.windows, learning_rate=rate, patience=6
            )
            model = model_of(name, dataset, context, inner)
            place = "-".join(map(str, (dataset.name, name, origin, seed, *settings.values())))
            fitted = fit(known, model, config=config, seed=seed, folder=folder / place)
            found = fitted.predict(known, samples=400, seed=seed)
            return found.quantiles(LEVELS), np.asarray(found.point)

        return run

    width = {"LSTM": "cell", "ARMDN": "width"}
    return {
        name: (
            of(name),
            tuple(
                {width[name]: size, "learning_rate": rate}
                for size in (32, 64)
                for rate in (1e-3, 5e-3)
            ),
        )
        for name in ("LSTM", "ARMDN")
    }
