"""The random draws that turn order lines into a world, on plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from draingym.common.arrays import FloatArray, Int32Array, IntArray

# Shopping by hour of the day: quiet at night, a rise over the day, a peak in the evening.
_HOUR_WEIGHT = np.array(
    [
        *(1.4, 0.8, 0.5, 0.4, 0.4, 0.6, 1.2, 2.2, 3.4, 4.6, 5.4, 5.8),
        *(5.8, 5.6, 5.4, 5.4, 5.4, 5.4, 5.6, 6.4, 7.2, 7.2, 5.6, 3.2),
    ]
)


def streams(seed: int, names: tuple[str, ...]) -> dict[str, Generator]:
    """Return one independent generator for each purpose, in the order of ``names``.

    A name added at the end leaves the streams before it as they are.
    """
    children = np.random.SeedSequence(seed).spawn(len(names))
    return {name: np.random.default_rng(child) for name, child in zip(names, children, strict=True)}


def random_hours(rng: Generator, size: int) -> FloatArray:
    """Draw times of the day, as a share of the day in [0, 1), from the profile of shopping."""
    edges = np.cumsum(_HOUR_WEIGHT) / _HOUR_WEIGHT.sum()
    hour = np.minimum(np.searchsorted(edges, rng.random(size), side="right"), 23)
    share = (hour + rng.random(size)) / 24.0
    return np.minimum(share, 1.0 - 1e-9)  # floating point must not spill into the next day


def daily_orders(
    product: IntArray, day: Int32Array, shape: tuple[int, int], weight: Int32Array | None
) -> FloatArray:
    """Return the number, or weighted number, of lines by product and day, [P, days]."""
    flat = product * shape[1] + day
    count = np.bincount(flat, weights=weight, minlength=shape[0] * shape[1])
    return count.reshape(shape).astype(np.float64)


def unit_prices(
    product: IntArray,
    quantity: Int32Array,
    unit_price: FloatArray,
    unit_cost: FloatArray,
    *,
    mean_unit_price: float | None,
    min_margin: float,
) -> tuple[FloatArray, FloatArray]:
    """Return price and cost of a unit of each product, rescaled.

    A product's price is its revenue over its units, times one factor that makes the mean over
    all units ``mean_unit_price``, if given. Its cost is the price times the cost ratio of the
    data, at most ``1 - min_margin``.

    Args:
        product: [M] product of each line; every product has a line.
        quantity: [M] units.
        unit_price: [M] currency per unit.
        unit_cost: [M] currency per unit.
        mean_unit_price: Mean price over units sold, currency; None to leave prices as they are.
        min_margin: Least share of the price that is not cost.

    Returns:
        Price [P] and unit cost [P], currency per unit.
    """
    units = np.bincount(product, weights=quantity)
    revenue = np.bincount(product, weights=quantity * unit_price)
    cost = np.bincount(product, weights=quantity * unit_cost)
    price = revenue / units
    if mean_unit_price is not None:
        price = price * (mean_unit_price * units.sum() / revenue.sum())
    return price, price * np.minimum(cost / revenue, 1.0 - min_margin)


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherViews:
    """Views that convert under no promise."""

    product: IntArray  # [V]
    day: IntArray  # [V]
    customer: IntArray  # [V]


def other_views(
    rng: Generator,
    orders: FloatArray,
    conversion: FloatArray,
    customer_region: IntArray,
    num_regions: int,
    *,
    dispersion: float,
    smoothing_days: int,
) -> OtherViews:
    """Draw the views that never convert.

    The count of product i, day d and region z is negative binomial with size ``dispersion`` and
    mean (orders of i smoothed around d) · (1 - c_i)/c_i · (share of customers in z).

    Args:
        rng: Generator, consumed.
        orders: [P, days] order lines that convert under the best promise.
        conversion: [P] c, probability of any order given a view under the best promise.
        customer_region: [C] region of each customer.
        num_regions: Z.
        dispersion: Size of the negative binomial: variance = mean + mean²/size.
        smoothing_days: Width of the moving average over days.

    Returns:
        The views, by product, day, then region; each with a random customer of its region.
    """
    from scipy.ndimage import uniform_filter1d  # here: it takes as long to load as a small world

    smooth = uniform_filter1d(orders, size=smoothing_days, axis=1, mode="nearest")
    smooth = np.maximum(smooth, 0.0)  # running sums can leave -1e-17
    members = np.bincount(customer_region, minlength=num_regions)
    mean = (smooth * ((1.0 - conversion) / conversion)[:, None])[:, :, None]
    mean = mean * (members / members.sum())
    count = rng.poisson(rng.gamma(dispersion, mean / dispersion))
    cell = np.repeat(np.arange(count.size), count.reshape(-1))
    pair, region = np.divmod(cell, num_regions)
    product, day = np.divmod(pair, orders.shape[1])
    by_region = np.argsort(customer_region, kind="stable")
    start = np.cumsum(members) - members
    pick = start[region] + np.floor(rng.random(cell.size) * members[region]).astype(np.int64)
    return OtherViews(product=product, day=day, customer=by_region[pick])
