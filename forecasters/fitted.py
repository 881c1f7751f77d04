"""A forecaster that has been fitted, and what it says of the periods after a history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from draingym.common.arrays import FloatArray, IntArray, require_seed, require_whole
from draingym.forecasters.data.encoding import Arrays, Encoder, Layout
from draingym.forecasters.data.frames import Columns, Rules, series_of
from draingym.forecasters.data.future import require_known, with_future
from draingym.forecasters.data.grid import Times
from draingym.forecasters.data.series import SeriesData
from draingym.forecasters.data.windows import Batch, cut
from draingym.forecasters.grouping import ALL, GroupRule, grouped
from draingym.forecasters.results.forecast import Forecast
from draingym.forecasters.training.model import Model, Weights, random_keys
from draingym.forecasters.training.state import Progress
from draingym.forecasters.training.weights import definition

_ROWS = 256  # series that are forecast at once


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fitted:
    """A forecaster that has been fitted."""

    model: Model
    encoder: Encoder
    weights: Mapping[str, Weights]  # by group
    residuals: Mapping[str, FloatArray]  # [R, H] by group: what points missed, over its width
    columns: Columns = field(default_factory=Columns)
    rules: Rules = field(default_factory=Rules)
    rule: GroupRule | None = None
    history: tuple[Progress, ...] = ()  # of training

    @property
    def fallback(self) -> str:
        """The group that stands in for one that has no network: all, or the largest in training."""
        if ALL in self.weights or self.rule is None:
            return ALL
        sizes = Counter(self.rule.members.values())
        return max(self.weights, key=lambda name: (sizes[name], name))

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
        key = jax.random.key(seed)
        for name, weights, rows, window in self._windows(prepared):
            found, middle = _forecast(
                self.model,
                self.encoder.layout,
                samples,
                weights,
                window,
                self.residuals[name].astype(np.float32),
                key,
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
        data, groups = grouped(data, self.rule)
        fallback = self.fallback
        return Prepared(
            data=data,
            steps=steps,
            arrays=self.encoder.arrays(data, self.model.context, self.model.horizon),
            networks=tuple(name if name in self.weights else fallback for name in groups),
        )

    def each(self, prepared: Prepared, compute: Callable[[Any, Any, Batch], Any]) -> Any:
        """Return what a function says of every series' window, leaves [S, ...] on the host.

        Args:
            prepared: By ``prepare``.
            compute: Of the model, its network and windows; leaves [B, ...] over the model's whole
                horizon. It is compiled once if it is a module's function.
        """
        parts, order = [], []
        for _, weights, rows, window in self._windows(prepared):
            found = _computed(compute, self.model, self.encoder.layout, weights, window)
            real = len(rows)
            parts.append(jax.tree.map(lambda x, real=real: np.asarray(x)[:real], found))
            order.append(rows)
        place = np.argsort(np.concatenate(order))
        return jax.tree.map(lambda *x: np.concatenate(x)[place], *parts)

    def _windows(self, prepared: Prepared) -> Iterator[tuple[str, Weights, IntArray, Arrays]]:
        """Yield groups, their weights, series and windows, the last of which may be there twice."""
        names, last = np.array(prepared.networks), prepared.data.num_periods
        length = self.model.context + self.model.horizon
        for name in sorted(set(prepared.networks)):
            weights = jax.device_put(self.weights[name])
            for rows, real in _blocks(np.flatnonzero(names == name)):
                # The window alone: one program for histories of any length.
                window = prepared.arrays.part(rows, last, last + length)
                yield name, weights, rows[:real], window


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
    compute: Callable[[Any, Any, Batch], Any],
    model: Model,
    layout: Layout,
    weights: Weights,
    arrays: Arrays,
) -> Any:
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
