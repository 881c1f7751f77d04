"""How views convert under another promise: given what happened, or independently of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from draingym.common.arrays import require
from draingym.oracle.rules.promise import NO_ORDER
from draingym.oracle.rules.rates import (
    PeriodRates,
    SmoothingConfig,
    check_views,
    cumulative_of,
    decreasing,
    estimate_period_rates,
    estimate_rates,
    rates_from_counts,
)
from draingym.world.eventlog import EventLog
from draingym.world.views import ConversionRates, Places, Views

__all__ = [
    "PeriodRates",
    "SmoothingConfig",
    "conditional",
    "decreasing",
    "draw_latent",
    "estimate_period_rates",
    "estimate_rates",
    "independent",
    "latent_interval",
    "nearest_place",
    "rates_from_counts",
    "sample_latent",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def conditional(historical: ArrayLike, counterfactual: ArrayLike, option: ArrayLike) -> FloatArray:
    """Return how a view converts under another promise, given how it converted in history.

    ``P(s' | p', p, s) = |(C_p'(s'-), C_p'(s')] ∩ (C_p(s-), C_p(s)]| / (C_p(s) - C_p(s-))``: a
    view's latent U is the same under every promise, and history says in which interval it lies.

    Args:
        historical: [..., 4] probability of each option under the promise p shown in history.
        counterfactual: [..., 4] the same under the new promise p'.
        option: [...] the option s chosen in history, as an index.

    Returns:
        [..., 4] probability of each option under the new promise.

    Raises:
        ValueError: If an option has no probability under the historical promise.

    Source:
        The paper's section 5.1 and appendix B.

    >>> conditional([0, 0.2, 0.1, 0.7], [0.15, 0.15, 0.1, 0.6], 1).round(6).tolist()
    [0.75, 0.25, 0.0, 0.0]
    """
    low, high = latent_interval(_cumulate(historical), option)
    upper = _cumulate(counterfactual)
    lower = np.concatenate([np.zeros_like(upper[..., :1]), upper[..., :-1]], axis=-1)
    overlap = np.minimum(upper, high[..., None]) - np.maximum(lower, low[..., None])
    return np.asarray(np.maximum(overlap, 0.0) / (high - low)[..., None], np.float64)


def _cumulate(pmf: ArrayLike) -> FloatArray:
    """Return C(s) with a last entry of exactly one."""
    cumulative = np.cumsum(np.asarray(pmf, np.float64), axis=-1)
    cumulative[..., -1] = 1.0
    return np.asarray(cumulative, np.float64)


def latent_interval(cumulative: ArrayLike, option: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the ends of (C(s-), C(s)], which holds the latent of a view that chose ``s``.

    Args:
        cumulative: [..., 4] C(s) under the promise that was shown.
        option: [...] index of the option that was chosen.

    Returns:
        [...] open lower and [...] closed upper end.

    Raises:
        ValueError: If the interval is empty: the option has no probability under the promise.
    """
    total = np.asarray(cumulative, np.float64)
    chosen = np.asarray(option, np.int64)[..., None]
    padded = np.concatenate([np.zeros_like(total[..., :1]), total], axis=-1)
    low = np.take_along_axis(padded, chosen, axis=-1)[..., 0]
    high = np.take_along_axis(padded, chosen + 1, axis=-1)[..., 0]
    empty = ~(high > low)
    if empty.any():
        first = tuple(int(i) for i in np.argwhere(empty)[0])
        msg = (
            f"option{list(first)} is {chosen[..., 0][first]} and has probability "
            f"{high[first] - low[first]} under the promise shown, must be above 0"
        )
        raise ValueError(msg)
    return low, high


def independent(historical: ArrayLike, counterfactual: ArrayLike, option: ArrayLike) -> FloatArray:
    """Return how a view converts under another promise, whatever it did in history.

    ``P(s' | p', p, s) = pi_p'(s')``: the latent is drawn anew. The signature is that of
    ``conditional``, which it is compared with; the law of total probability holds for both.

    Args:
        historical: [..., 4] probability of each option under the promise p shown in history.
        counterfactual: [..., 4] the same under the new promise p'.
        option: [...] the option s chosen in history, as an index.

    Returns:
        [..., 4] probability of each option under the new promise.

    Raises:
        ValueError: If an option has no probability under the historical promise.

    Source:
        The paper's appendix F.

    >>> independent([0, 0.2, 0.1, 0.7], [0.15, 0.15, 0.1, 0.6], 1).tolist()
    [0.15, 0.15, 0.1, 0.6]
    """
    low, _ = latent_interval(_cumulate(historical), option)
    new = np.asarray(counterfactual, np.float64)
    return np.array(np.broadcast_to(new, np.broadcast_shapes(new.shape, (*low.shape, 4))))


def draw_latent(cumulative: ArrayLike, option: ArrayLike, uniform: ArrayLike) -> FloatArray:
    """Draw the latent of views uniformly from the intervals in which history puts them.

    Args:
        cumulative: [V, 4] C(s) under the promise that was shown.
        option: [V] index of the option that was chosen.
        uniform: [V] uniforms in [0, 1).

    Returns:
        [V] latents in (0, 1); under the promise that was shown they give the option chosen.
    """
    low, high = latent_interval(cumulative, option)
    latent = high - (high - low) * np.asarray(uniform, np.float64)
    latent = np.clip(latent, np.nextafter(low, 1.0), high)
    return np.asarray(np.minimum(latent, np.nextafter(1.0, 0.0)), np.float64)


def sample_latent(
    log: EventLog,
    rates: ConversionRates | PeriodRates,
    places: Places,
    *,
    seed: int = 0,
    conditional: bool = True,
) -> Views:
    """Draw the latent of every view of a log, for a replay.

    Conditional: ``U ~ Uniform(C_p(s-), C_p(s)]`` given the promise p shown and the option s
    chosen, so that a promise that is no slower never loses an order. Independent: U and the size
    of every order anew, whatever happened; for comparison.

    Conversion is then a deterministic function of the promise. Views that convert under no
    promise, U > C_1d(any order), are dropped: exact. A view without an order wants a size that
    its product was ordered in; views of one customer at one time are a basket.

    Args:
        log: What happened. It holds no latent.
        rates: Conversion rates, usually ``estimate_rates(log)``. The systems must convert at the
            same rates; those by period come with ``PeriodRates.at``.
        places: Places of the systems that will serve the views; a customer lives in the
            nearest one of the same region.
        seed: Of the latents and sizes.
        conditional: Given history, or independent of it.

    Returns:
        Candidate views by period of the log's calendar.

    Raises:
        ValueError: Naming table and row, if a view's product, customer, promise or option does not
            exist, its option is faster than its promise or has no probability under it, or its
            region is not its customer's, or has no place; if the rates are of other products or
            periods.
    """
    check_views(log)
    _require_extent(log, rates)
    rng_latent, rng_size = (np.random.default_rng([seed, stream]) for stream in range(2))
    names = ("time", "period", "product", "region", "customer", "quantity")
    column = {name: log.array("glance_views", name) for name in names}
    promise, option = log.array("glance_views", "promise"), log.array("glance_views", "ship_option")
    product = column["product"]
    cumulative = cumulative_of(rates, product, column["period"])
    uniform = rng_latent.random(len(product))
    size = _sizes(product, column["quantity"], len(log["products"]), rng_size)
    if conditional:
        shown = cumulative[np.arange(len(product)), promise]
        _require_probable(log, shown, option)
        latent = draw_latent(shown, option, uniform)
        quantity = np.where(option < NO_ORDER, column["quantity"], size)
    else:
        latent = np.clip(1.0 - uniform, np.nextafter(0.0, 1.0), np.nextafter(1.0, 0.0))
        quantity = size
    where = (log.array("customers", name) for name in ("latitude", "longitude", "region"))
    home = nearest_place(places, *where)
    place = home[column["customer"]]
    require(
        places.region[place] == column["region"],
        "glance_views.region",
        column["region"],
        "the region of a place near its customer",
    )
    # Baskets: a stable order by time, then customer; a new session where either changes.
    order = np.lexsort((column["customer"], column["time"]))
    time, customer = column["time"][order], column["customer"][order]
    change = np.ones(len(order), np.bool_)
    change[1:] = (time[1:] != time[:-1]) | (customer[1:] != customer[:-1])
    periods = np.bincount(column["period"], minlength=log["calendar"].num_rows)
    views = Views(
        time=time,
        product=product[order],
        place=place[order].astype(np.int32),
        region=column["region"][order],
        customer=customer,
        quantity=quantity[order].astype(np.int32),
        session=np.cumsum(change) - 1,
        latent=latent[order],
        offsets=np.concatenate([[0], np.cumsum(periods)]),
    )
    return views.select(views.latent <= cumulative[order, 0, NO_ORDER - 1])


def _require_extent(log: EventLog, rates: ConversionRates | PeriodRates) -> None:
    """Raise unless the rates are of the log's products and periods."""
    products = rates.num_products if isinstance(rates, PeriodRates) else len(rates.pmf)
    if products != len(log["products"]):
        msg = f"rates are of {products} products, must be the {len(log['products'])} of products"
        raise ValueError(msg)
    if isinstance(rates, PeriodRates) and rates.num_periods != len(log["calendar"]):
        msg = (
            f"rates are of {rates.num_periods} periods, must be the {len(log['calendar'])} of "
            "calendar"
        )
        raise ValueError(msg)


def _require_probable(log: EventLog, shown: FloatArray, option: IntArray) -> None:
    """Raise for the first view whose option cannot happen at the rates of its promise."""
    before = np.concatenate([np.zeros((len(shown), 1)), shown], axis=1)
    rows = np.arange(len(shown))
    likely = shown[rows, option] > before[rows, option]
    if not likely.all():
        row = int(np.argmin(likely))
        chosen, promise = (
            log["glance_views"][name][row].as_py() for name in ("ship_option", "promise")
        )
        raise ValueError(
            f"glance_views.ship_option, row {row} is {chosen!r}, which has no probability in "
            f"the rates under the promise {promise!r}, must be above 0"
        )


def _sizes(
    product: IntArray, quantity: IntArray, num_products: int, rng: np.random.Generator
) -> IntArray:
    """Draw an order size for every view among its product's own, or among all if it has none."""
    ordered = quantity > 0
    pool = quantity[ordered][np.argsort(product[ordered], kind="stable")]
    if not len(pool):
        msg = "glance_views.quantity must be above 0 for at least one view, got none"
        raise ValueError(msg)
    count = np.bincount(product[ordered], minlength=num_products)
    first = np.where(count > 0, np.cumsum(count) - count, 0)
    count = np.where(count > 0, count, len(pool))
    pick = first[product] + (rng.random(len(product)) * count[product]).astype(np.int64)
    return np.asarray(pool[pick], np.int64)


def nearest_place(
    places: Places, latitude: ArrayLike, longitude: ArrayLike, region: ArrayLike
) -> IntArray:
    """Return the index of the place nearest to each point, in its own region if that has one.

    Args:
        places: The places.
        latitude: [C] degrees.
        longitude: [C] degrees.
        region: [C] index of the point's region.

    Returns:
        [C] indices.
    """

    def embed(north: ArrayLike, east: ArrayLike, part: ArrayLike) -> FloatArray:
        phi, theta = np.radians(np.asarray(north)), np.radians(np.asarray(east))
        flat = np.cos(phi)
        # Regions are further apart than any two points of the unit sphere.
        axes = (flat * np.cos(theta), flat * np.sin(theta), np.sin(phi), 10.0 * np.asarray(part))
        return np.stack(axes, axis=-1)

    tree = cKDTree(embed(places.latitude, places.longitude, places.region))
    return np.asarray(tree.query(embed(latitude, longitude, region))[1], np.int64)
