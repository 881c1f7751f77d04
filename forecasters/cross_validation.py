"""Rolling cross-validation: forecasts from several origins, each from what was known then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from draingym.common.arrays import FloatArray, require_whole
from draingym.common.npz import read_npz, require_array, write_npz
from draingym.forecasters.data.frames import Columns, Rules, series_of
from draingym.forecasters.data.series import SeriesData
from draingym.forecasters.fitted import Fitted
from draingym.forecasters.fitting import fit
from draingym.forecasters.grouping import Groups
from draingym.forecasters.results.forecast import Forecast
from draingym.forecasters.training.model import Model, TrainConfig
from draingym.forecasters.training.state import Progress


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fold:
    """The forecast of one origin, and what came.

    >>> forecast = Forecast(
    ...     ids=("a",),
    ...     times=np.array([7]),
    ...     samples=np.array([[[4.0]], [[8.0]]], np.float32),
    ...     point=np.array([[6.0]]),
    ... )
    >>> fold = Fold(origin=7, forecast=forecast, actual=np.array([[5.0]]))
    >>> (fold.forecast.point - fold.actual).tolist()
    [[1.0]]
    """

    origin: int  # the first period that was forecast
    forecast: Forecast
    actual: FloatArray  # [B, H] units; NaN where missing


def origins_of(periods: int, horizon: int, number: int, step: int | None = None) -> list[int]:
    """Return the last origins whose horizons lie within some periods, in order of time.

    Args:
        periods: Of the data.
        horizon: Periods after an origin.
        number: Origins.
        step: Periods between them; a horizon when not given.

    Raises:
        ValueError: If the periods are too few.

    >>> origins_of(100, 8, 3)
    [76, 84, 92]
    """
    require_whole("origins", number, low=1)
    step = horizon if step is None else step
    require_whole("step", step, low=1)
    first = periods - horizon - (number - 1) * step
    if first < 1:
        raise ValueError(
            f"data have {periods} periods, must have at least {periods - first + 1} for {number} "
            f"origins every {step} periods and a horizon of {horizon}"
        )
    return [first + i * step for i in range(number)]


def cross_validate(
    data: Any,
    model: Model,
    *,
    origins: int = 3,
    step: int | None = None,
    refit: bool = True,
    columns: Columns | None = None,
    rules: Rules | None = None,
    config: TrainConfig | None = None,
    groups: Groups | None = None,
    samples: int = 200,
    seed: int = 0,
    folder: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Iterator[Fold]:
    """Yield the forecasts of rolling origins, the earliest first.

    At each origin the model sees the target up to it, and columns that are known ahead. A series
    that has no observation before an origin is left out of its fold.

    Args:
        data: A long frame, or ``SeriesData``.
        model: The network and its settings.
        origins: How many.
        step: Periods between them; the model's horizon when not given.
        refit: Fit at every origin; otherwise at the first alone.
        columns: What a frame's columns are.
        rules: What is done with what is wrong in it.
        config: Settings of training.
        groups: As in ``fit``.
        samples: Joint samples of a forecast.
        seed: Of everything.
        folder: Keeps finished folds and states of training: the same call goes on from there.
        progress: Called after every epoch.

    Raises:
        ValueError: As ``fit`` and ``predict`` do; if the periods are too few, or the folder holds
            the folds of other data.
    """
    series = series_of(data, columns or Columns(), rules or Rules())
    horizon = model.horizon
    fitted: Fitted | None = None
    for origin in origins_of(series.num_periods, horizon, origins, step):
        known = series.until(origin)
        there = known.observed.any(axis=1)
        some, past = series.take(np.flatnonzero(there)), known.take(np.flatnonzero(there))
        actual = some.actual(origin, horizon)
        kept = None if folder is None else folder / f"fold-{origin}.npz"
        if kept is not None and kept.exists():
            yield Fold(origin=origin, forecast=_read(kept, some, actual), actual=actual)
            continue
        if fitted is None or refit:
            fitted = fit(
                past,
                model,
                columns=columns,
                rules=rules,
                config=config,
                groups=groups,
                seed=seed,
                folder=None if folder is None else folder / f"fit-{origin}",
                progress=progress,
            )
        forecast = fitted.predict(past, horizon, samples=samples, seed=seed)
        if kept is not None:
            _write(kept, forecast, actual)
        yield Fold(origin=origin, forecast=forecast, actual=actual)


def _write(path: Path, forecast: Forecast, actual: FloatArray) -> None:
    arrays = {
        "ids": np.array(forecast.ids, np.str_),
        "times": forecast.times.astype(np.int64),
        "samples": forecast.samples,
        "point": forecast.point,
        "actual": actual,
    }
    write_npz(path, arrays, {"version": 1})


def _read(path: Path, series: SeriesData, actual: FloatArray) -> Forecast:
    """Read a fold, and refuse one of other data."""
    what = f"fold {path}"
    _, arrays = read_npz(path, "fold")
    shape = actual.shape
    ids = require_array(arrays, "ids", what, shape=(shape[0],))
    before = require_array(arrays, "actual", what, shape=shape)
    if tuple(ids.tolist()) != series.ids or not np.array_equal(before, actual, equal_nan=True):
        raise ValueError(f"{what} is of other data, must be of those given: use another folder")
    times = require_array(arrays, "times", what, shape=(shape[1],))
    whole = series.grid.step.unit == "whole"
    return Forecast(
        ids=series.ids,
        times=times if whole else times.astype("datetime64[s]"),
        samples=require_array(arrays, "samples", what, shape=(None, *shape)),
        point=require_array(arrays, "point", what, shape=shape),
    )
