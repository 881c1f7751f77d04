"""The promise system: how soon a product in stock can be at a customer's door."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from draingym.common.arrays import require

if TYPE_CHECKING:
    from draingym.oracle.systems import Systems
    from draingym.world.views import Places

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


def promise_places(
    systems: Systems,
    stock: ArrayLike,
    time: float,
    *,
    period: int = 0,
    used: ArrayLike | None = None,
) -> NDArray[np.int8]:
    """Return what every place is promised at a moment, given where the units are.

    The earliest class over open nodes that hold the product, of: processing, a day more past the
    cut-off, a day for every daily capacity that the node has taken in today, days on the road. The
    same rule as in the loop over views (``draingym.oracle.fulfilment.period``), for all places at
    once.

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
    nodes = systems.num_nodes
    if units.ndim not in (1, 2) or units.shape[-1] != nodes:
        msg = f"stock has shape {units.shape}, must be ({nodes},) or (P, {nodes})"
        raise ValueError(msg)
    require(units >= 0, "stock", units, "at least 0")
    if not (math.isfinite(time) and time >= 0):
        msg = f"time is {time}, must be finite and at least 0 days"
        raise ValueError(msg)
    taken = np.zeros(nodes, np.int64) if used is None else np.asarray(used)
    if taken.shape != (nodes,):
        msg = f"used has shape {taken.shape}, must be ({nodes},)"
        raise ValueError(msg)
    require(taken >= 0, "used", taken, "at least 0")
    late = (time - math.floor(time)) * 24.0 >= systems.cutoff_hour
    # An unlimited node delays nothing.
    queue = (taken / systems.daily_capacity).astype(np.int64)
    ready = systems.processing_days + int(late) + queue
    offer = np.full((*units.shape[:-1], systems.transit_days.shape[1]), OUT_OF_STOCK, np.int8)
    for node in systems.open_nodes(period):
        speed = promise_class(ready[node] + systems.transit_days[node]).astype(np.int8)
        holds = (units[..., node] > 0)[..., None]
        offer = np.where(holds, np.minimum(offer, speed), offer)
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
