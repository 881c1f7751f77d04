"""Fitting a forecaster to series, and forecasting with what was fitted."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from draingym.common.arrays import FloatArray, IntArray, require_seed, require_whole
from draingym.forecasters.data.encoding import Arrays, Encoder, Layout
from draingym.forecasters.data.frames import Columns, Rules, read_frame
from draingym.forecasters.data.future import require_known, with_future
from draingym.forecasters.data.grid import Times
from draingym.forecasters.data.series import SeriesData
from draingym.forecasters.data.windows import Batch, Samples, cut, samples_at, training_samples
from draingym.forecasters.grouping import GROUP, GroupRule, Groups
from draingym.forecasters.results.forecast import Forecast
from draingym.forecasters.training.loop import Trained, train
from draingym.forecasters.training.model import Model, TrainConfig, Weights, random_keys
from draingym.forecasters.training.state import Progress
from draingym.forecasters.training.weights import definition

T = TypeVar("T")

ALL = "all"  # the group of every series where there are no others, and of a joint network
_ROWS = 256  # series that are forecast at once
_FEW, _RESIDUALS = 128, 4096  # windows whose errors are kept, at least and at most


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fitted:
    """A forecaster that has been fitted."""

    model: Model
    encoder: Encoder
    weights: Mapping[str, Weights]  # by group
    residuals: Mapping[str, FloatArray]  # [R, H] by group: what points missed, over their scale
    largest: str  # the group that stands in for one that has no network
    columns: Columns = field(default_factory=Columns)
    rules: Rules = field(default_factory=Rules)
    rule: GroupRule | None = None
    history: tuple[Progress, ...] = ()  # of training

    def predict(
        self,
        history: Any,
        horizon: int | None = None,
        future: Any = None,
        *,
        samples: int = 200,
        seed: int = 0,
    ) -> Forecast:
        """Forecast the periods after the last of a history.

        What a series is forecast does not depend on the others. One that has ended before the
        others is forecast for the same periods, as if what is missing had not been recorded.

        Args:
            history: A long frame with the columns of training, or ``SeriesData``; of any series.
            horizon: Periods, at most the model's, which it is when not given.
            future: A long frame of what is known ahead, for all series and periods of the horizon.
                Not needed where nothing is, or the history reaches that far.
            samples: Joint samples, at least 2.
            seed: Of the samples.

        Returns:
            The forecast, in the order of the history's series.

        Raises:
            ValueError: If a column is missing, what is known ahead is too short, a series has no
                observation, or a number is out of its bounds; naming series, column, time and
                bound.
        """
        require_whole("samples", samples, low=2, high=100_000)
        require_seed(seed)
        prepared = self.prepare(history, horizon, future)
        data, steps = prepared.data, prepared.steps
        drawn = np.empty((samples, data.num_series, steps), np.float32)
        point = np.empty((data.num_series, steps))
        for name, rows, window in self._windows(prepared):
            found, middle = _forecast(
                self.model,
                self.encoder.layout,
                samples,
                self.weights[name],
                window,
                jnp.asarray(self.residuals[name], jnp.float32),
                jax.random.key(seed),
            )
            real = len(rows)
            drawn[:, rows] = np.swapaxes(np.asarray(found), 0, 1)[:, :real, :steps]
            point[rows] = np.asarray(middle)[:real, :steps]
        return Forecast(ids=data.ids, times=prepared.times, samples=drawn, point=point)

    def prepare(self, history: Any, horizon: int | None = None, future: Any = None) -> Prepared:
        """Return a history as the network takes it; see ``predict``."""
        steps = self.model.horizon if horizon is None else horizon
        require_whole("horizon", steps, low=1, high=self.model.horizon)
        data = series_of(history, self.columns, self.rules)
        if future is not None:
            data = with_future(data, future, self.columns, steps)
        data = self.model.clean(_chosen(data, self.encoder.layout))
        data.require_observed()
        require_known(data, steps)
        groups = [ALL] * data.num_series if self.rule is None else self.rule.assign(data)
        if self.rule is not None and self.rule.groups.use == "feature":
            data = _with_group(data, groups)
        fallback = ALL if ALL in self.weights else self.largest
        return Prepared(
            data=data,
            steps=steps,
            arrays=self.encoder.arrays(data, self.model.context, self.model.horizon),
            networks=tuple(name if name in self.weights else fallback for name in groups),
        )

    def each(self, prepared: Prepared, compute: Callable[[Any, Any, Batch], T]) -> T:
        """Return what a function says of every series' window, leaves [S, ...] on the host.

        Args:
            prepared: By ``prepare``.
            compute: Of the model, its network and windows; leaves [B, ...] over the model's whole
                horizon. It is compiled once if it is a module's function.
        """
        parts: list[T] = []
        order = []
        for name, rows, window in self._windows(prepared):
            found = _computed(compute, self.model, self.encoder.layout, self.weights[name], window)
            real = len(rows)
            parts.append(jax.tree.map(lambda x, real=real: np.asarray(x)[:real], found))
            order.append(rows)
        place = np.argsort(np.concatenate(order))
        joined: T = jax.tree.map(lambda *x: np.concatenate(x)[place], *parts)
        return joined

    def _windows(self, prepared: Prepared) -> Iterator[tuple[str, IntArray, Arrays]]:
        """Yield networks, series and their windows, of which the last may be there twice."""
        names, last = np.array(prepared.networks), prepared.data.num_periods
        length = self.model.context + self.model.horizon
        for name in np.unique(names):
            for rows, real in _blocks(np.flatnonzero(names == name)):
                # The window alone: one program for histories of any length.
                window = prepared.arrays.part(rows, last, last + length)
                yield str(name), rows[:real], window


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prepared:
    """Histories as a network takes them, and the periods that come next."""

    data: SeriesData
    steps: int  # periods of the horizon
    arrays: Arrays
    networks: tuple[str, ...]  # [S] the group whose network a series is forecast by

    @property
    def times(self) -> Times:
        """[steps] of the horizon."""
        periods = self.data.num_periods
        return self.data.grid.times(periods, periods + self.steps)


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
    names = [ALL] * series.num_series if rule is None else rule.assign(series)
    if groups is not None and groups.use == "feature":
        series, names = _with_group(series, names), [ALL] * series.num_series
    encoder = Encoder.learned(series, raw=model.raw)
    arrays = jax.device_put(encoder.arrays(series, model.context, model.horizon))
    there, stop = series.observed, series.num_periods
    held = config.validate
    if held:
        stop -= model.horizon
    fitting = training_samples(there, model.horizon, stop, config.stride)
    validating = samples_at(there, stop, model.horizon) if held else _none()
    if len(fitting) == 0:
        least = 1 + model.horizon * (2 if held else 1)
        raise ValueError(
            f"data have {series.num_periods} periods, must have at least {least} with an "
            "observation before an origin and after it: a period, the horizon, and where the last "
            "origin validates that horizon, too"
        )
    run = partial(train, model, encoder.layout, arrays, config=config, seed=seed, progress=progress)
    weights: dict[str, Weights] = {}
    history: tuple[Progress, ...] = ()

    def learn(name: str, chosen: Any, begin: Weights | None, part: str) -> Trained | None:
        some = _of(fitting, chosen)
        if len(some) == 0:
            return None
        return run(
            some,
            _of(validating, chosen),
            weights=begin,
            part=part,
            folder=None if folder is None else folder / _folder_of(name),
        )

    every = np.ones(series.num_series, bool)
    joint = rule is None or groups is None or groups.use != "separate"
    if joint:
        trained = learn(ALL, every, None, "")
        if trained is not None:
            weights[ALL], history = trained.weights, trained.history
    if groups is not None and groups.use in ("separate", "fine-tune"):
        for name in sorted(set(names)):
            member = np.array([other == name for other in names])
            trained = learn(name, member, weights.get(ALL), name)
            if trained is not None:
                weights[name] = trained.weights
                history += trained.history
    sizes = {name: names.count(name) for name in weights}
    fitted = Fitted(
        model=model,
        encoder=encoder,
        weights=weights,
        residuals={},
        largest=max(sizes, key=lambda name: (sizes[name], name)),
        columns=columns,
        rules=rules,
        rule=rule,
        history=history,
    )
    residuals = {}
    for name, learned in weights.items():
        member = every if name == ALL else np.array([other == name for other in names])
        some = _newest(_of(validating, member), _of(fitting, member))
        residuals[name] = _residuals(fitted, learned, arrays, some)
    return replace(fitted, residuals=residuals)


def series_of(data: Any, columns: Columns, rules: Rules) -> SeriesData:
    """Return what a user gives, a long frame or series, as series.

    Raises:
        ValueError: As ``read_frame`` does.
    """
    return data if isinstance(data, SeriesData) else read_frame(data, columns, rules)


def _none() -> Samples:
    return Samples(np.zeros(0, np.int64), np.zeros(0, np.int64))


def _of(samples: Samples, chosen: Any) -> Samples:
    keep = chosen[samples.series]
    return Samples(samples.series[keep], samples.origin[keep])


def _newest(validating: Samples, fitting: Samples) -> Samples:
    """Return the windows that validate, and the newest of training where those are few."""
    wanted = max(_FEW - len(validating), 0)
    order = np.argsort(-fitting.origin, kind="stable")[:wanted]
    return Samples(
        np.concatenate([validating.series, fitting.series[order]]),
        np.concatenate([validating.origin, fitting.origin[order]]),
    )


def _folder_of(name: str) -> str:
    """Return a name that every file system takes."""
    kept = "".join(c if c.isalnum() else "-" for c in name)[:40]
    return kept if kept == name else f"{kept}-{zlib.crc32(name.encode()):08x}"


def _with_group(data: SeriesData, names: list[str]) -> SeriesData:
    return replace(data, labels=dict(data.labels) | {GROUP: np.array(names, np.str_)})


def _chosen(data: SeriesData, layout: Layout) -> SeriesData:
    """Return series with those columns known ahead that the model was fitted to."""
    words = dict(layout.known_labels)
    return replace(
        data,
        known={name: x for name, x in data.known.items() if name in layout.known},
        known_labels={name: x for name, x in data.known_labels.items() if name in words},
    )


def _blocks(rows: Any) -> list[tuple[Any, int]]:
    """Return rows a few at a time, the last filled up to a power of two, and how many are real."""
    found = []
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        size = 1 << (len(part) - 1).bit_length()
        found.append((np.pad(part, (0, size - len(part)), mode="edge"), len(part)))
    return found


@partial(jax.jit, static_argnums=(0, 1, 2))
def _computed(
    compute: Callable[[Any, Any, Batch], T],
    model: Model,
    layout: Layout,
    weights: Weights,
    arrays: Arrays,
) -> T:
    return compute(model, nnx.merge(definition(model, layout), weights), _batch(model, arrays))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _forecast(
    model: Model,
    layout: Layout,
    number: int,
    weights: Weights,
    arrays: Arrays,
    residuals: Float[Array, "R H"],
    seed: Array,
) -> tuple[Float[Array, "B N H"], Float[Array, "B H"]]:
    network, batch = nnx.merge(definition(model, layout), weights), _batch(model, arrays)
    drawn = model.samples(network, batch, random_keys(seed, batch.keys), residuals, number)
    point = model.point(network, batch)
    return drawn, drawn.mean(axis=1) if point is None else point


def _batch(model: Model, arrays: Arrays) -> Batch:
    """Return the one window of each series."""
    rows = jnp.arange(arrays.keys.shape[0])
    return cut(arrays, rows, jnp.zeros_like(rows), model.context, model.horizon)


@partial(jax.jit, static_argnums=(0, 1))
def _missed(
    model: Model,
    layout: Layout,
    weights: Weights,
    arrays: Arrays,
    rows: Int[Array, " B"],
    origins: Int[Array, " B"],
) -> Float[Array, "B H"]:
    """Return actual less point over the scale; NaN where nothing was observed."""
    network = nnx.merge(definition(model, layout), weights)
    batch = cut(arrays, rows, origins, model.context, model.horizon)
    point = model.point(network, batch)
    if point is None:
        return jnp.zeros_like(batch.future_target)
    error = (batch.future_target - point) / batch.scale[:, None]
    return jnp.where(batch.future_observed, error, jnp.nan)


def _residuals(fitted: Fitted, weights: Weights, arrays: Arrays, some: Samples) -> FloatArray:
    """Return the errors of points on windows, [R, H]: whole rows, missing ones filled by others."""
    model = fitted.model
    if not model.residuals:
        return np.zeros((0, model.horizon))
    chosen = np.linspace(0, len(some) - 1, min(len(some), _RESIDUALS)).astype(int)
    found = []
    for start in range(0, len(chosen), _ROWS):
        part = chosen[start : start + _ROWS]
        padded = np.pad(part, (0, _ROWS - len(part)), mode="edge")
        rows = jnp.asarray(some.series[padded], jnp.int32)
        origins = jnp.asarray(some.origin[padded], jnp.int32)
        missed = _missed(model, fitted.encoder.layout, weights, arrays, rows, origins)
        found.append(np.asarray(missed, np.float64)[: len(part)])
    errors = np.concatenate(found)
    # A period that was not observed takes the error of another window at the same distance.
    for h in range(errors.shape[1]):
        there = errors[~np.isnan(errors[:, h]), h]
        gaps = np.flatnonzero(np.isnan(errors[:, h]))
        errors[gaps, h] = there[gaps % len(there)] if len(there) else 0.0
    return errors
