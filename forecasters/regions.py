"""A forecast of a whole shared out to its parts by their shares of late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from draingym.common.arrays import FloatArray, require_whole
from draingym.forecasters.data.series import SeriesData
from draingym.forecasters.results.forecast import Forecast


def summed(data: SeriesData, whole_of: Mapping[str, str]) -> SeriesData:
    """Return the sums of parts, such as a product's demand over all regions.

    Args:
        data: Series of parts; columns beside the target are left out.
        whole_of: The whole that each part belongs to, by id.

    Returns:
        A series for each whole; missing where all of its parts are.

    Raises:
        ValueError: If a part has no whole.

    Example:
        >>> import pandas as pd
        >>> from draingym.forecasters import read_frame
        >>> ids, periods = ["a/0", "a/1"] * 2, [1, 1, 2, 2]
        >>> sales = pd.DataFrame({"unique_id": ids, "ds": periods, "y": [3.0, 4, 5, 6]})
        >>> whole = summed(read_frame(sales), {"a/0": "a", "a/1": "a"})
        >>> whole.ids, whole.target.tolist()
        (('a',), [[7.0, 11.0]])
    """
    wholes = _wholes(data.ids, whole_of)
    names = tuple(sorted(set(wholes)))
    index = np.array([names.index(name) for name in wholes])
    total = np.zeros((len(names), data.num_periods))
    there = np.zeros_like(total)
    np.add.at(total, index, np.nan_to_num(data.target))
    np.add.at(there, index, data.observed)
    return SeriesData(ids=names, grid=data.grid, target=np.where(there > 0, total, np.nan))


def recent_shares(data: SeriesData, whole_of: Mapping[str, str], periods: int = 8) -> FloatArray:
    """Return each part's share of its whole over the last periods, [S]; they sum to one.

    Outliers are removed first: demand beyond the median plus three deviations (1.4826 times the
    median absolute deviation, where that is above 0) counts as that bound. Parts of a whole that
    sold nothing share alike.

    Args:
        data: Series of parts.
        whole_of: The whole that each part belongs to, by id.
        periods: How many count.

    Raises:
        ValueError: If a part has no whole, or ``periods`` is below 1.

    Source: paper on ARMDN, section 3.3, eight weeks; what an outlier is, is ours.
    """
    require_whole("periods", periods, low=1)
    recent = np.nan_to_num(data.target[:, -periods:])
    middle = np.median(recent, axis=1, keepdims=True)
    deviation = 1.4826 * np.median(np.abs(recent - middle), axis=1, keepdims=True)
    bound = np.where(deviation > 0, middle + 3.0 * deviation, np.inf)
    sold = np.minimum(np.maximum(recent, 0.0), bound).sum(axis=1)
    wholes = np.unique(np.array(_wholes(data.ids, whole_of)), return_inverse=True)[1]
    total, parts = np.bincount(wholes, weights=sold), np.bincount(wholes)
    return np.where(
        total[wholes] > 0, sold / np.where(total > 0, total, 1.0)[wholes], 1.0 / parts[wholes]
    )


def shared_out(
    forecast: Forecast, data: SeriesData, whole_of: Mapping[str, str], periods: int = 8
) -> Forecast:
    """Return the forecast of parts: their shares of late times the forecast of their whole.

    Every sample of the parts sums to the sample of the whole.

    Args:
        forecast: Of the wholes.
        data: Series of the parts, up to the forecast's origin.
        whole_of: The whole that each part belongs to, by id.
        periods: That the shares are taken from.

    Raises:
        ValueError: If a part has no whole, or a whole no forecast, naming it.

    Source: paper on ARMDN, section 3.3.

    Example:
        >>> import pandas as pd
        >>> from draingym.forecasters import Forecast, read_frame
        >>> ids, periods = ["a/0", "a/1"] * 2, [1, 1, 2, 2]
        >>> sales = pd.DataFrame({"unique_id": ids, "ds": periods, "y": [3.0, 4, 5, 4]})
        >>> forecast = Forecast(
        ...     ids=("a",),
        ...     times=np.array([3]),
        ...     samples=np.array([[[8.0]], [[12.0]]], np.float32),
        ...     point=np.array([[10.0]]),
        ... )
        >>> shared_out(forecast, read_frame(sales), {"a/0": "a", "a/1": "a"}).point.ravel().tolist()
        [5.0, 5.0]
    """
    place = {name: i for i, name in enumerate(forecast.ids)}
    wholes = _wholes(data.ids, whole_of)
    for part, whole in zip(data.ids, wholes, strict=True):
        if whole not in place:
            raise ValueError(f"series {part!r} belongs to {whole!r}, which has no forecast")
    rows = [place[name] for name in wholes]
    share = recent_shares(data, whole_of, periods)[:, None]
    return Forecast(
        ids=data.ids,
        times=forecast.times,
        samples=forecast.samples[:, rows] * share[None].astype(np.float32),
        point=forecast.point[rows] * share,
    )


def _wholes(ids: Sequence[str], whole_of: Mapping[str, str]) -> list[str]:
    for name in ids:
        if name not in whole_of:
            raise ValueError(f"series {name!r} has no whole, must have one in whole_of")
    return [whole_of[name] for name in ids]
