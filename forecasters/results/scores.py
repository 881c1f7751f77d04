"""Scores of forecasts: CRPS, the papers' measures, and the usual ones from utilsforecast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import FloatArray, require_shape
from draingym.common.scores import crps


def score(
    samples: NDArray[Any], point: FloatArray, actual: FloatArray, levels: Sequence[float]
) -> dict[str, FloatArray]:
    """Return the scores of each series over the horizon, by name; NaN where nothing is observed.

    ``crps``, fair, of the samples; ``mmape`` of the point; and from utilsforecast (extra
    ``forecast``) ``mae``, ``rmse``, ``wape`` and ``bias`` of the point, and a ``quantile_loss``
    for each level.

    Args:
        samples: [S, B, H] units.
        point: [B, H] units.
        actual: [B, H] units; NaN where missing, which is left out.
        levels: In (0, 1).

    Returns:
        [B] each.

    Raises:
        ValueError: If shapes differ.
    """
    require_shape("actual", actual, point.shape)
    found = {"crps": _mean(crps_of(samples, actual)), "mmape": mmape(point, actual)}
    return found | _general(samples, point, actual, levels)


def crps_of(samples: NDArray[Any], actual: FloatArray) -> FloatArray:
    """Return the fair CRPS of every period, [B, H] units; NaN where missing."""
    found = crps(samples, np.nan_to_num(actual))
    return np.where(np.isnan(actual), np.nan, found)


def mmape(point: FloatArray, actual: FloatArray, epsilon: float = 1.0) -> FloatArray:
    """Return the modified mean absolute percentage error of each series, [B].

    The mean of |F - A| / (epsilon + |A|) over the horizon.

    Source: paper on LSTM, equation 3; the constant is not given there, 1 is ours.

    >>> mmape(np.array([[2.0, 4.0]]), np.array([[1.0, 4.0]])).tolist()
    [0.25]
    """
    return _mean(np.abs(point - actual) / (epsilon + np.abs(actual)))


def wmape_by_step(point: FloatArray, actual: FloatArray) -> FloatArray:
    """Return the weighted mean absolute percentage error of each period over all series, [H].

    sum |y - f| / sum y, in per cent; NaN where nothing was sold.

    Source: paper on ARMDN, equation 10.

    >>> wmape_by_step(np.array([[2.0], [4.0]]), np.array([[1.0], [4.0]])).tolist()
    [20.0]
    """
    total = np.nansum(np.where(np.isnan(actual), np.nan, actual), axis=0)
    error = np.nansum(np.abs(point - actual), axis=0)
    return np.where(total > 0, 100.0 * error / np.where(total > 0, total, 1.0), np.nan)


def _general(
    samples: NDArray[Any], point: FloatArray, actual: FloatArray, levels: Sequence[float]
) -> dict[str, FloatArray]:
    """Return utilsforecast's measures; it reads long frames."""
    try:
        import pandas as pd
        from utilsforecast import losses
    except ImportError as error:
        raise ImportError("scores need the extra: pip install draingym[forecast]") from error
    there = ~np.isnan(actual)
    series = np.broadcast_to(np.arange(len(point))[:, None], actual.shape)[there]
    frame = pd.DataFrame({"unique_id": series, "y": actual[there], "point": point[there]})
    names = [f"q{level:g}" for level in levels]
    for name, values in zip(names, np.quantile(samples, levels, axis=0), strict=True):
        frame[name] = values[there]

    def of(table: Any, column: str) -> FloatArray:
        found = np.full(len(point), np.nan)
        found[table["unique_id"].to_numpy()] = table[column].to_numpy()
        return found

    found = {
        "mae": of(losses.mae(frame, ["point"]), "point"),
        "rmse": of(losses.rmse(frame, ["point"]), "point"),
        "wape": of(losses.nd(frame, ["point"]), "point"),
        "bias": of(losses.bias(frame, ["point"]), "point"),
    }
    for level, name in zip(levels, names, strict=True):
        table = losses.quantile_loss(frame, {name: name}, q=level)
        found[f"quantile_loss_{level:g}"] = of(table, name)
    return found


def _mean(values: FloatArray) -> FloatArray:
    """Return the mean of each row over what is there; NaN where nothing is."""
    there = ~np.isnan(values)
    total = np.where(there, values, 0.0).sum(axis=-1)
    count = there.sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
