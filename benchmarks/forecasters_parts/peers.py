"""Classical baselines of statsforecast, and LightGBM by mlforecast."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.forecasters_parts.datasets import Dataset
from benchmarks.forecasters_parts.frames import in_order, known_names, long_frame
from benchmarks.forecasters_parts.methods import LEVELS, Method, Predict, Said, Settings, quiet
from benchmarks.forecasters_parts.sizes import Sizes

_INTERVALS = [20, 40, 60, 80]  # central, in per cent: their ends and the median are the levels
CLASSICAL = ("naive", "seasonal naive", "ETS", "ARIMA")


def statistical(
    model: str, dataset: Dataset, origin: int, settings: Settings, seed: int
) -> Predict:
    """Return a model of statsforecast: one a series, fitted anew at each origin."""
    del dataset, origin, settings, seed
    from statsforecast import StatsForecast
    from statsforecast.models import AutoARIMA, AutoETS, Naive, SeasonalNaive

    def predict(dataset: Dataset, origin: int) -> Said:
        season = dataset.season if origin > 2 * dataset.season else 1
        # ARIMA and ETS of 52 seasons are not to be had in time.
        short = season if season <= 12 else 1
        made = {
            "naive": lambda: Naive(),
            "seasonal naive": lambda: SeasonalNaive(season_length=season),
            # Multiplicative errors have intervals without bound where much is zero.
            "ETS": lambda: AutoETS(season_length=short, model="AZA" if short > 1 else "AZN"),
            "ARIMA": lambda: AutoARIMA(season_length=short, approximation=True),
        }[model]()
        run = StatsForecast(models=[made], freq=1, n_jobs=1, fallback_model=Naive())
        frame = long_frame(dataset, origin)[["unique_id", "ds", "y"]]
        with quiet():
            found = run.forecast(df=frame, h=dataset.horizon, level=_INTERVALS)
        names = [f"{made.alias}-lo-{level}" for level in reversed(_INTERVALS)]
        names += [made.alias, *(f"{made.alias}-hi-{level}" for level in _INTERVALS)]
        quantiles = np.maximum(in_order(found, dataset, names), 0.0)
        return quantiles, quantiles[len(_INTERVALS)]

    return predict


def lightgbm(dataset: Dataset, origin: int, settings: Settings, seed: int) -> Predict:
    """Return LightGBM: a model for each level and step ahead, which is what its point is of."""
    from lightgbm import LGBMRegressor
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean
    from mlforecast.target_transforms import LocalStandardScaler

    lags = sorted({1, 2, 3, 4, dataset.season, 2 * dataset.season})
    lags = [lag for lag in lags if lag < origin - 2 * dataset.horizon]
    trees = {name: value for name, value in settings.items() if name != "scaled"}
    base = {"verbose": -1, "n_jobs": 0, "seed": seed, "objective": "quantile", **trees}
    forecast = MLForecast(
        models={f"q{k}": LGBMRegressor(alpha=level, **base) for k, level in enumerate(LEVELS)},
        freq=1,
        lags=lags,
        lag_transforms={1: [RollingMean(4), RollingMean(13)]},
        target_transforms=[LocalStandardScaler()] if settings["scaled"] else None,
    )
    labels, known = list(dataset.data.labels), known_names(dataset)
    history = long_frame(dataset, origin)
    forecast.fit(history, static_features=labels, max_horizon=dataset.horizon, dropna=True)

    def predict(dataset: Dataset, origin: int) -> Said:
        ahead = long_frame(dataset, origin + dataset.horizon, first=origin)
        found = forecast.predict(
            dataset.horizon,
            new_df=long_frame(dataset, origin),
            X_df=ahead[["unique_id", "ds", *known]] if known else None,
        )
        names = [f"q{k}" for k in range(len(LEVELS))]
        quantiles = np.sort(np.maximum(in_order(found, dataset, names), 0.0), axis=0)
        return quantiles, quantiles[len(LEVELS) // 2]

    return predict


def peers(sizes: Sizes) -> list[Method]:
    """Return the classical baselines, and LightGBM with as many settings as a network has."""
    shape = {"num_leaves": 31, "learning_rate": 0.1, "min_child_samples": 20}
    tried = tuple(
        {"n_estimators": number, "scaled": scaled, **shape}
        for number in sizes.trees
        for scaled in (False, True)
    )
    needs = ("lightgbm", "mlforecast")
    return [
        *(
            Method(name=name, fit=partial(statistical, name), needs=("statsforecast",))
            for name in CLASSICAL
        ),
        Method(name="LightGBM", fit=lightgbm, tried=tried[: len(sizes.tried)], needs=needs),
    ]
