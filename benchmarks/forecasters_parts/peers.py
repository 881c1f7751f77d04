"""Classical baselines of statsforecast, and LightGBM by mlforecast.

Each returns the quantiles of ``LEVELS``, as our own models are scored on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.forecasters_parts.datasets import Dataset
from draingym.common.arrays import FloatArray
from draingym.forecasters.data.cleaning import forward_filled

LEVELS = tuple(round(0.05 * k, 2) for k in range(1, 20))
_INTERVALS = [10 * k for k in range(1, 10)]  # central, in per cent
Settings = Mapping[str, Any]


def _long(dataset: Dataset, periods: int, first: int = 0) -> Any:
    """Return a part of a data set as a frame of pandas; missing targets are carried on."""
    import pandas as pd

    data = dataset.data
    count = periods - first
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(np.array(data.ids), count),
            "ds": np.tile(np.arange(first, periods), data.num_series),
        }
    )
    if first == 0:  # the history; a future has no target
        frame["y"] = np.nan_to_num(forward_filled(data.target[:, :periods])).reshape(-1)
    for name, values in data.known.items():
        frame[name] = values[:, first:periods].reshape(-1)
    for name, words in data.labels.items():
        frame[name] = pd.Categorical(np.repeat(words, count), categories=np.unique(words))
    return frame


def _ordered(frame: Any, dataset: Dataset, columns: list[str]) -> FloatArray:
    """Return columns of a forecast, [C, B, H], in the order of the data set's series."""
    place = {name: i for i, name in enumerate(dataset.data.ids)}
    frame = frame.assign(_place=frame["unique_id"].map(place)).sort_values(["_place", "ds"])
    shape = (len(place), dataset.horizon)
    return np.stack([frame[name].to_numpy(np.float64).reshape(shape) for name in columns])


def statistical(
    dataset: Dataset, origin: int, model: str, settings: Settings, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return quantiles [Q, B, H] and points [B, H] of a model of statsforecast."""
    del settings, seed
    from statsforecast import StatsForecast
    from statsforecast.models import AutoARIMA, AutoETS, Naive, SeasonalNaive

    season = dataset.season if origin > 2 * dataset.season else 1
    short = season if season <= 12 else 1  # ARIMA and ETS of 52 seasons are not to be had in time
    models = {
        "naive": Naive(),
        "seasonal naive": SeasonalNaive(season_length=season),
        # Multiplicative errors have intervals without bound where much is zero.
        "ETS": AutoETS(season_length=short, model="AZA" if short > 1 else "AZN"),
        "ARIMA": AutoARIMA(season_length=short, approximation=True),
    }
    run = StatsForecast(models=[models[model]], freq=1, n_jobs=1, fallback_model=Naive())
    frame = _long(dataset, origin)[["unique_id", "ds", "y"]]
    found = run.forecast(df=frame, h=dataset.horizon, level=_INTERVALS)
    alias = models[model].alias
    names = [f"{alias}-lo-{level}" for level in reversed(_INTERVALS)]
    names += [alias, *(f"{alias}-hi-{level}" for level in _INTERVALS)]
    quantiles = np.maximum(_ordered(found, dataset, names), 0.0)
    return quantiles, quantiles[len(_INTERVALS)]


def lightgbm(
    dataset: Dataset, origin: int, settings: Settings, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return quantiles and points (the median) of LightGBM: one model a level and step ahead."""
    from lightgbm import LGBMRegressor
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean

    lags = sorted({1, 2, 3, 4, dataset.season, 2 * dataset.season})
    lags = [lag for lag in lags if lag < origin - 2 * dataset.horizon]
    base = {"verbose": -1, "n_jobs": 1, "seed": seed, "objective": "quantile", **settings}
    forecast = MLForecast(
        models={f"q{k}": LGBMRegressor(alpha=level, **base) for k, level in enumerate(LEVELS)},
        freq=1,
        lags=lags,
        lag_transforms={1: [RollingMean(4), RollingMean(13)]},
    )
    history = _long(dataset, origin)
    labels = list(dataset.data.labels)
    forecast.fit(history, static_features=labels, max_horizon=dataset.horizon, dropna=True)
    future = None
    if dataset.data.known:
        ahead = _long(dataset, origin + dataset.horizon, first=origin)
        future = ahead[["unique_id", "ds", *dataset.data.known]]
    found = forecast.predict(dataset.horizon, X_df=future)
    names = [f"q{k}" for k in range(len(LEVELS))]
    quantiles = np.sort(np.maximum(_ordered(found, dataset, names), 0.0), axis=0)
    return quantiles, quantiles[len(LEVELS) // 2]


Peer = Callable[[Dataset, int, Settings, int], tuple[FloatArray, FloatArray]]


def peers() -> dict[str, tuple[Peer, tuple[Settings, ...]]]:
    """Return each peer, and the settings that are tried on the validation origin."""

    def of(model: str) -> Peer:
        return lambda dataset, origin, settings, seed: statistical(
            dataset, origin, model, settings, seed
        )

    classical = ("naive", "seasonal naive", "ETS", "ARIMA")
    found: dict[str, tuple[Peer, tuple[Settings, ...]]] = {
        name: (of(name), ({},)) for name in classical
    }
    trees = [
        {"n_estimators": n, "num_leaves": leaves, "learning_rate": 0.1, "min_child_samples": 20}
        for n in (50, 150)
        for leaves in (15, 31)
    ]
    found["LightGBM"] = (lightgbm, tuple(trees))
    return found
