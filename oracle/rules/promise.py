"""The promise: how soon a product in stock can be at a customer's door.

To change what customers are promised, change this file alone. Its functions are compiled, take
plain numbers, and are called by the loop over views, by the event engine and its planners, and for
whole stock configurations at once (``draingym.oracle.rules.promise_map``).
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

ONE_DAY, TWO_DAYS, THREE_DAYS, OUT_OF_STOCK = range(4)  # positions in ``world.views.PROMISES``


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


@numba.njit(cache=True, inline="always")
def dispatch_days(time, processing_days, cutoff_hour):  # type: ignore[no-untyped-def]
    """Return the days from order to dispatch: processing, and one more past the cut-off hour.

    >>> [dispatch_days(time, 1, 16.0) for time in (3.5, 3.75)]
    [1, 2]
    """
    late = (time - math.floor(time)) * 24.0 >= cutoff_hour
    return processing_days + int(late)


@numba.njit(cache=True, inline="always")
def delivery_days(dispatch, taken, capacity, transit):  # type: ignore[no-untyped-def]
    """Return the days from order to delivery if a node ships.

    Days to dispatch, one for every daily capacity of units that the node has taken in today, and
    the days on the road.

    >>> delivery_days(0, 25, 10.0, 2), delivery_days(1, 25, np.inf, 2)
    (4, 3)
    """
    return dispatch + int(taken / capacity) + transit


@numba.njit(cache=True, inline="always")
def promise_class(days, two_days):  # type: ignore[no-untyped-def]
    """Return the promise that a delivery in ``days`` days can carry: 1d, 2d or 3d+.

    Where nobody is promised 2d, such as in a shop of express and standard, two days are 3d+.

    >>> [promise_class(days, True) for days in (0, 1, 2, 3, 9)]
    [0, 0, 1, 2, 2]
    >>> [promise_class(days, False) for days in (0, 1, 2, 3, 9)]
    [0, 0, 2, 2, 2]
    """
    if days == 2 and not two_days:
        return THREE_DAYS
    return min(max(days - 1, ONE_DAY), THREE_DAYS)


@numba.njit(cache=True, inline="always")
def latest_days(option):  # type: ignore[no-untyped-def]
    """Return the days from order to delivery that a ship option allows at most.

    >>> [latest_days(option) for option in (ONE_DAY, TWO_DAYS, THREE_DAYS)]
    [1.0, 2.0, inf]
    """
    if option <= TWO_DAYS:
        return option + 1.0
    return math.inf


@numba.njit(cache=True, inline="always")
def promise_view(  # type: ignore[no-untyped-def]
    stock, transit, taken, capacity, open_nodes, dispatch, two_days, delivery
):
    """Return the promise of one view: the earliest class over open nodes that hold the product.

    Args:
        stock: [N] units of the view's product.
        transit: [N] days on the road to the view's place.
        taken: [N] units that each node has taken in today, over all products.
        capacity: [N] units per day.
        open_nodes: Indices of the nodes that serve customers.
        dispatch: ``dispatch_days`` of the view's time.
        two_days: Whether anybody is promised 2d.
        delivery: [N] int64, written: days until delivery from each open node, in stock or not.

    Returns:
        Index into ``draingym.world.views.PROMISES``.
    """
    offer = OUT_OF_STOCK
    for node in open_nodes:
        delivery[node] = delivery_days(dispatch, taken[node], capacity[node], transit[node])
        if stock[node] > 0:
            offer = min(offer, promise_class(delivery[node], two_days))
    return offer
