"""What everybody is promised at a moment: the rule of ``promise`` for all places and regions."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from draingym.common.arrays import require
from draingym.oracle.rules.promise import OUT_OF_STOCK, dispatch_days, promise_view
from draingym.oracle.systems import Systems
from draingym.world.views import Places


@numba.njit(cache=True)
def _promise_all(  # type: ignore[no-untyped-def]
    stock, transit, taken, capacity, open_nodes, dispatch, two_days, offer
):
    """Write the promise of every product [P] at every place [K] to ``offer`` [P, K]."""
    delivery = np.zeros(stock.shape[1], np.int64)
    for product in range(offer.shape[0]):
        for place in range(offer.shape[1]):
            offer[product, place] = promise_view(
                stock[product],
                transit[:, place],
                taken,
                capacity,
                open_nodes,
                dispatch,
                two_days,
                delivery,
            )


def promise_places(
    systems: Systems,
    stock: ArrayLike,
    time: float,
    *,
    period: int = 0,
    used: ArrayLike | None = None,
) -> NDArray[np.int8]:
    """Return what every place is promised at a moment, given where the units are.

    Args:
        systems: The emulated systems.
        stock: [N] units of one product by node, or [P, N] of several; at least 0.
        time: The moment, days since the world began; its hour decides about the cut-off.
        period: Decides which nodes are open.
        used: [N] units that each node has taken in today, over all products; none if not given.

    Returns:
        [K] or [P, K] index into ``draingym.world.views.PROMISES`` by place.

    Raises:
        ValueError: If shapes disagree, a number is negative or not finite.

    Source:
        Promise of the paper's appendix C.1.
    """
    units = np.asarray(stock)
    nodes, places = systems.transit_days.shape
    if units.ndim not in (1, 2) or units.shape[-1] != nodes:
        msg = f"stock has shape {units.shape}, must be ({nodes},) or (P, {nodes})"
        raise ValueError(msg)
    require(units >= 0, "stock", units, "at least 0")
    if not (math.isfinite(time) and time >= 0):
        msg = f"time is {time}, must be finite and at least 0 days"
        raise ValueError(msg)
    taken = np.zeros(nodes) if used is None else np.asarray(used)
    if taken.shape != (nodes,):
        msg = f"used has shape {taken.shape}, must be ({nodes},)"
        raise ValueError(msg)
    require(taken >= 0, "used", taken, "at least 0")
    offer = np.empty((*units.shape[:-1], places), np.int8)
    _promise_all(
        np.ascontiguousarray(np.atleast_2d(units), np.float64),
        np.ascontiguousarray(systems.transit_days, np.int64),
        np.ascontiguousarray(taken, np.float64),
        np.ascontiguousarray(systems.daily_capacity, np.float64),
        systems.open_nodes(period),
        dispatch_days(float(time), int(systems.processing_days), float(systems.cutoff_hour)),
        bool(systems.two_days),
        offer.reshape(-1, places),
    )
    return offer


def promise_regions(
    systems: Systems,
    places: Places,
    stock: ArrayLike,
    time: float,
    *,
    period: int = 0,
    used: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Return what the people of every region are promised at a moment.

    People of one region live in many places, and may be promised different days.

    Args:
        systems: The emulated systems.
        places: Their places.
        stock: [N] or [P, N] units by node.
        time: The moment, days since the world began.
        period: Decides which nodes are open.
        used: [N] units that each node has taken in today.

    Returns:
        [Z, 4] or [P, Z, 4] share of a region's people by promise; its argmax is the promise that
        most of them see. A region without a place has shares of zero.

    Raises:
        ValueError: As ``promise_places`` does, and if the places are not those of the systems.
    """
    count = systems.transit_days.shape[1]
    if len(places.name) != count:
        msg = f"places is {len(places.name)}, must be the {count} of the systems"
        raise ValueError(msg)
    offer = promise_places(systems, stock, time, period=period, used=used)
    regions = systems.lane_effect.shape[1]
    people = np.bincount(places.region, weights=places.population, minlength=regions)
    living = np.zeros((count, regions))
    living[np.arange(count), places.region] = places.population / people[places.region]
    shares = [(offer == promise) @ living for promise in range(OUT_OF_STOCK + 1)]
    return np.stack(shares, axis=-1)
