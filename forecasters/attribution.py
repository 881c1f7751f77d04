"""What drove a forecast, whatever the model: how it changes as one thing it sees is taken away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import FloatArray, require_whole
from draingym.forecasters.data.series import SeriesData
from draingym.forecasters.fitted import Fitted

LATE = "demand of late"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Drivers:
    """Units of a forecast that are owed to each thing, of ``B`` series and ``D`` things.

    >>> why = Drivers(
    ...     ids=("a",),
    ...     names=("level", "price"),
    ...     units=np.array([[8.0, 2.0]]),
    ...     total=np.array([10.0]),
    ... )
    >>> why.table()["share"].tolist()
    [0.8, 0.2]
    """

    ids: tuple[str, ...]  # [B]
    names: tuple[str, ...]  # [D]
    units: FloatArray  # [B, D] over the horizon: the forecast less that without the thing
    total: FloatArray  # [B] units of the forecast over the horizon

    def table(self) -> dict[str, NDArray[Any]]:
        """Return columns ``unique_id``, ``driver``, ``units`` and ``share`` of the forecast."""
        share = self.units / np.where(self.total > 0, self.total, np.nan)[:, None]
        return {
            "unique_id": np.repeat(np.array(self.ids), len(self.names)),
            "driver": np.tile(np.array(self.names), len(self.ids)),
            "units": self.units.reshape(-1),
            "share": share.reshape(-1),
        }


def drivers(
    fitted: Fitted,
    history: Any,
    horizon: int | None = None,
    future: Any = None,
    *,
    late: int | None = None,
    samples: int = 100,
    seed: int = 0,
) -> Drivers:
    """Return what each thing that a model sees adds to its forecast, in units over the horizon.

    A thing is taken away by what is usual: a number known ahead by its mean in the series'
    history, in the horizon; a number of the past by its mean, throughout; a number or label of a
    series by the training's mean, or the unknown label; and the demand of the last periods by the
    mean of the demand before them. Samples share their random numbers. What two things do together
    is in both, so that units need not add up; and what drives a model need not drive demand.

    Args:
        fitted: The forecaster, of any model.
        history: As ``Fitted.predict`` takes it.
        horizon: Periods, at most the model's, which it is when not given.
        future: What is known ahead, as ``Fitted.predict`` takes it.
        late: Periods that are of late; the horizon when not given.
        samples: Joint samples of each forecast.
        seed: Of the samples.

    Raises:
        ValueError: As ``Fitted.predict`` does, or if ``late`` is below 1.
    """
    prepared = fitted.prepare(history, horizon, future)
    data, steps = prepared.data, prepared.steps
    late = steps if late is None else late
    require_whole("late", late, low=1)

    def total(seen: SeriesData) -> FloatArray:
        found = fitted.predict(seen, steps, samples=samples, seed=seed).mean.sum(axis=1)
        return np.asarray(found, np.float64)

    whole = total(data)
    names, units = [], []
    for name, without in _without(fitted, data, steps, late):
        names.append(name)
        units.append(whole - total(without))
    return Drivers(ids=data.ids, names=tuple(names), units=np.stack(units, axis=1), total=whole)


def _without(
    fitted: Fitted, data: SeriesData, steps: int, late: int
) -> Iterator[tuple[str, SeriesData]]:
    """Yield what is taken away, and the series without it."""
    layout, first = fitted.encoder.layout, data.num_periods
    if first > late:
        before = _means(data.target[:, :-late])
        target = data.target.copy()
        lately = target[:, -late:]
        target[:, -late:] = np.where(np.isnan(lately), np.nan, before[:, None])
        yield LATE, replace(data, target=target)
    for name in layout.known:
        values = data.known[name].copy()
        values[:, first : first + steps] = _means(values[:, :first])[:, None]
        yield name, replace(data, known=dict(data.known) | {name: values})
    for name in layout.past:
        values = data.past[name]
        usual = np.where(np.isnan(values), np.nan, _means(values)[:, None])
        yield name, replace(data, past=dict(data.past) | {name: usual})
    for name in layout.static:
        none = np.full(data.num_series, np.nan)
        yield name, replace(data, static=dict(data.static) | {name: none})
    for name, _ in layout.labels:
        if name in data.labels:
            unknown = np.full(data.num_series, "", data.labels[name].dtype)
            yield name, replace(data, labels=dict(data.labels) | {name: unknown})


def _means(values: FloatArray) -> FloatArray:
    """Return each row's mean over what is there; 0 where nothing is."""
    there = ~np.isnan(values)
    total: FloatArray = np.where(there, values, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return total
