"""The promise system: how soon a product in stock can be at a customer's door."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ONE_DAY, TWO_DAYS, THREE_DAYS, OUT_OF_STOCK = range(4)  # positions in ``world.views.PROMISES``
NO_ORDER = 3  # position in ``world.views.SHIP_OPTIONS``


def transit_days(distance_km: ArrayLike, bands_km: tuple[float, ...]) -> NDArray[np.int64]:
    """Return the days on the road: one, and one more for every band that the distance exceeds.

    Args:
        distance_km: [...] great-circle distance.
        bands_km: Increasing upper ends of the bands of 1, 2, ... days.

    Returns:
        [...] days, from 1 to ``len(bands_km) + 1``.

    >>> transit_days([100.0, 402.0, 500.0, 4000.0], (402.0, 966.0, 1609.0, 2897.0)).tolist()
    [1, 1, 2, 5]
    """
    bands = np.searchsorted(np.asarray(bands_km), np.asarray(distance_km), side="left")
    return np.asarray(bands + 1, np.int64)


def promise_class(days: ArrayLike) -> NDArray[np.int64]:
    """Return the promise that a delivery in ``days`` days can carry: 1d, 2d or 3d+.

    >>> promise_class([0, 1, 2, 3, 9]).tolist()
    [0, 0, 1, 2, 2]
    """
    return np.asarray(np.clip(np.asarray(days) - 1, ONE_DAY, THREE_DAYS), np.int64)
