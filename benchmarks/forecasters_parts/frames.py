"""Data sets as the long frames of pandas that others' packages take."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.forecasters_parts.datasets import Dataset
from draingym.common.arrays import FloatArray
from draingym.forecasters.data.calendar_features import calendar_features, calendar_names
from draingym.forecasters.data.cleaning import forward_filled


def known_names(dataset: Dataset) -> list[str]:
    """Return the columns that are known ahead: the data's, and what our models see of dates."""
    return [*dataset.data.known, *calendar_names(dataset.data.grid)]


def long_frame(dataset: Dataset, stop: int, first: int = 0) -> Any:
    """Return periods of a data set, ``first`` to ``stop``, with labels as categories.

    A history, ``first = 0``, has ``y``: from a series' first observation on, what is missing
    carried on from the value before.
    """
    import pandas as pd

    data, count = dataset.data, stop - first
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(np.array(data.ids), count),
            "ds": np.tile(np.arange(first, stop), data.num_series),
        }
    )
    for name, values in data.known.items():
        frame[name] = values[:, first:stop].reshape(-1)
    dates = calendar_features(data.grid, stop)[first:]
    for k, name in enumerate(calendar_names(data.grid)):
        frame[name] = np.tile(dates[:, k], data.num_series)
    for name, words in data.labels.items():
        frame[name] = pd.Categorical(np.repeat(words, count), categories=np.unique(words))
    if first:
        return frame
    frame["y"] = forward_filled(data.target[:, :stop]).reshape(-1)
    return frame[frame["y"].notna()].reset_index(drop=True)


def in_order(frame: Any, dataset: Dataset, columns: list[str]) -> FloatArray:
    """Return columns of a forecast, [C, B, H], in the order of the data set's series."""
    place = {name: i for i, name in enumerate(dataset.data.ids)}
    frame = frame.assign(_place=frame["unique_id"].map(place)).sort_values(["_place", "ds"])
    shape = (len(place), dataset.horizon)
    return np.stack([frame[name].to_numpy(np.float64).reshape(shape) for name in columns])
