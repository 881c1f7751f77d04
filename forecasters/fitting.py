"""Fitting a forecaster to series."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from draingym.common.arrays import BoolArray, require_seed
from draingym.forecasters.data.encoding import Encoder
from draingym.forecasters.data.frames import Columns, Rules, series_of
from draingym.forecasters.data.series import SeriesData
from draingym.forecasters.data.windows import Samples, samples_at, training_samples
from draingym.forecasters.fitted import Fitted
from draingym.forecasters.grouping import ALL, GroupRule, Groups, grouped
from draingym.forecasters.training.errors import missed
from draingym.forecasters.training.loop import train
from draingym.forecasters.training.model import Model, TrainConfig, Weights
from draingym.forecasters.training.state import Progress


def fit(
    data: Any,
    model: Model,
    *,
    columns: Columns | None = None,
    rules: Rules | None = None,
    config: TrainConfig | None = None,
    groups: Groups | None = None,
    seed: int = 0,
    folder: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Fitted:
    """Fit a forecaster.

    The last horizon of the data is held out: its loss says when training stops and which weights
    are kept, and its errors are the spread of a model that forecasts points; where the series are
    few, with errors of the newest windows of training, which are smaller than they should be.

    Args:
        data: A long frame, or ``SeriesData``.
        model: The network and its settings, such as ``LSTM(horizon=8)``.
        columns: What the frame's columns are.
        rules: What is done with what is wrong in it; the same at ``predict``.
        config: Settings of training.
        groups: How series are grouped, and what for; one network for all when not given.
        seed: Of weights, windows, noise and clusters.
        folder: Of the training's states, written after every epoch; the same call goes on from
            there, and its result is that of a run which was not interrupted.
        progress: Called after every epoch.

    Returns:
        What was fitted; ``predict`` forecasts with it.

    Raises:
        ValueError: If the data break a rule, are too short for a window, or the folder holds
            another run; naming series, column, time and bound.
    """
    columns = Columns() if columns is None else columns
    rules = Rules() if rules is None else rules
    config = TrainConfig() if config is None else config
    require_seed(seed)
    series = model.clean(series_of(data, columns, rules))
    rule = None if groups is None else GroupRule.learned(groups, series, seed)
    series, names = grouped(series, rule)
    encoder = Encoder.learned(series, raw=model.raw)
    arrays = jax.device_put(encoder.arrays(series, model.context, model.horizon))
    fitting, validating = _windows(series, model.horizon, config)
    run = partial(train, model, encoder.layout, arrays, config=config, seed=seed, progress=progress)
    weights: dict[str, Weights] = {}
    residuals = {}
    history: tuple[Progress, ...] = ()
    use = None if groups is None else groups.use
    wanted = [] if use == "separate" else [(ALL, np.ones(series.num_series, bool))]
    if use in ("separate", "fine-tune"):
        wanted += [(name, np.array(names) == name) for name in sorted(set(names))]
    for name, member in wanted:
        own, held = _of(fitting, member), _of(validating, member)
        if len(own) == 0:
            continue  # forecast by another network
        trained = run(
            own,
            held,
            weights=weights.get(ALL),
            part="" if name == ALL else name,
            folder=None if folder is None else folder / _folder_of(name),
        )
        weights[name] = trained.weights
        residuals[name] = missed(model, encoder.layout, trained.weights, arrays, held, own)
        history += trained.history
    return Fitted(
        model=model,
        encoder=encoder,
        weights=weights,
        residuals=residuals,
        columns=columns,
        rules=rules,
        rule=rule,
        history=history,
    )


def _windows(data: SeriesData, horizon: int, config: TrainConfig) -> tuple[Samples, Samples]:
    """Return the windows to train on, and those of the last origin, where it validates.

    Raises:
        ValueError: If the data are too short for one to train on.
    """
    there, stop = data.observed, data.num_periods
    validating = Samples(np.zeros(0, np.int64), np.zeros(0, np.int64))
    if config.validate:
        stop -= horizon
        validating = samples_at(there, stop, horizon)
    fitting = training_samples(there, horizon, stop, config.stride)
    if len(fitting) == 0:
        least = 1 + horizon * (2 if config.validate else 1)
        raise ValueError(
            f"data have {data.num_periods} periods, must have at least {least} with an "
            "observation before an origin and after it: a period, the horizon, and where the last "
            "origin validates that horizon, too"
        )
    return fitting, validating


def _of(samples: Samples, chosen: BoolArray) -> Samples:
    keep = chosen[samples.series]
    return Samples(samples.series[keep], samples.origin[keep])


def _folder_of(name: str) -> str:
    """Return a name that every file system takes."""
    kept = "".join(c if c.isalnum() else "-" for c in name)[:40]
    return kept if kept == name else f"{kept}-{zlib.crc32(name.encode()):08x}"
