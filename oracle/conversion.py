"""How views convert: rates estimated from a log, and conversion given what happened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from oracle.promise import NO_ORDER
from world.arrays import require
from world.eventlog import EventLog
from world.views import PROMISES, SHIP_OPTIONS, ConversionRates, Places, Views

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
            f"option{list(first)} = {chosen[..., 0][first]} has probability "
            f"{high[first] - low[first]} under the promise shown, must be above 0"
        )
        raise ValueError(msg)
    return low, high


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


@dataclass(frozen=True, kw_only=True, slots=True)
class SmoothingConfig:
    """How strongly rates of thin cells lean on products' and national rates (ours)."""

    views: float = 200.0  # weight of a product's prior, in views under a promise
    orders: float = 5.0  # weight of the national conversion level, in orders of a product
    national_views: float = 50.0  # weight of the default response to a promise, in views

    def __post_init__(self) -> None:
        """Check the bounds."""
        for name in ("views", "orders", "national_views"):
            if not getattr(self, name) > 0:
                msg = f"{name} must be above 0, got {getattr(self, name)}"
                raise ValueError(msg)


def rates_from_counts(
    counts: ArrayLike, smoothing: SmoothingConfig | None = None
) -> ConversionRates:
    """Estimate conversion rates from how often each option was chosen under each promise.

    1. National rates: counts over products, with a default response to a promise as pseudo-views.
    2. A product's level: its orders over those that national rates predict for its promises.
    3. A product's rates: its counts and pseudo-views at its level times the national rates.
    4. Isotonic in the promise: C_p'(s) >= C_p(s) for p' faster than p (weighted, option by
       option; the same weights for all options keep C increasing in s).

    Args:
        counts: [P, 4, 4] views by product, promise shown and option chosen.
        smoothing: Weights of the priors.

    Returns:
        Rates; OOS converts to nothing.

    Raises:
        ValueError: If a count is negative, there are no orders, or an option is chosen that is
            faster than its promise.

    Source:
        The matrix of the paper's appendix F; smoothing is ours.
    """
    smoothing = SmoothingConfig() if smoothing is None else smoothing
    n = np.asarray(counts, np.float64)
    if n.ndim != 3 or n.shape[1:] != (4, 4):
        msg = f"counts must have shape (P, 4, 4), got {n.shape}"
        raise ValueError(msg)
    faster = np.tri(4, k=-1, dtype=bool)  # options that the promise rules out; all of them if OOS
    bad = (n < 0) | (faster & (n > 0))
    if bad.any():
        i, p, s = (int(k) for k in np.argwhere(bad)[0])
        msg = f"counts[{i}, {p}, {s}] must be at least 0, and 0 if ruled out, got {n[i, p, s]}"
        raise ValueError(msg)
    seen, bought = n[:, :3], n[:, :3, :3]
    orders, views = bought.sum(), seen.sum()
    if orders == 0 or orders == views:
        msg = f"counts must hold orders and views without one, got {orders} orders, {views} views"
        raise ValueError(msg)
    default = ConversionRates.from_conversion(np.array([orders / views])).pmf[0, :3, :3]
    by_promise = seen.sum(axis=(0, 2))[:, None]
    weight = smoothing.national_views
    national = (bought.sum(axis=0) + weight * default) / (by_promise + weight)
    predicted = (seen.sum(axis=2) @ national.sum(axis=1))[:, None, None]
    sold = bought.sum(axis=(1, 2))[:, None, None]
    level = (sold + smoothing.orders) / (predicted + smoothing.orders)
    level = np.minimum(level, 0.95 / national.sum(axis=1).max())
    shown = seen.sum(axis=2)[:, :, None]
    rates = (bought + smoothing.views * level * national) / (shown + smoothing.views)
    cumulative = decreasing(np.cumsum(rates, axis=2), shown + smoothing.views)
    pmf = np.zeros_like(n)
    pmf[:, :3, :3] = np.maximum(np.diff(cumulative, axis=2, prepend=0.0), 0.0)
    pmf[:, :, 3] = 1.0 - pmf[:, :, :3].sum(axis=2)
    return ConversionRates(pmf=pmf)


def decreasing(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted least-squares fit that does not increase along axis 1.

    ``fit_k = min_{a <= k} max_{b >= k} mean(values[a..b])``.

    Args:
        values: [P, K, S].
        weights: [P, K, 1], above 0.

    Returns:
        [P, K, S].

    >>> decreasing(np.array([[[1.0], [3.0], [2.0]]]), np.ones((1, 3, 1))).ravel().tolist()
    [2.0, 2.0, 2.0]
    """
    size = values.shape[1]

    def mean(a: int, b: int) -> FloatArray:
        block = slice(a, b + 1)
        total = (weights[:, block] * values[:, block]).sum(axis=1)
        return np.asarray(total / weights[:, block].sum(axis=1), np.float64)

    fit = [
        np.min([np.max([mean(a, b) for b in range(k, size)], axis=0) for a in range(k + 1)], axis=0)
        for k in range(size)
    ]
    return np.stack(fit, axis=1)


def estimate_rates(log: EventLog, smoothing: SmoothingConfig | None = None) -> ConversionRates:
    """Estimate conversion rates from the views of an event log.

    Args:
        log: Any log in the project's schema.
        smoothing: Weights of the priors of ``rates_from_counts``.

    Returns:
        Rates of the log's products.

    Raises:
        ValueError: As ``rates_from_counts`` does.
    """
    shape = (log["products"].num_rows, len(PROMISES), len(SHIP_OPTIONS))
    keys = tuple(log.array("glance_views", name) for name in ("product", "promise", "ship_option"))
    counts = np.bincount(np.ravel_multi_index(keys, shape), minlength=int(np.prod(shape)))
    return rates_from_counts(counts.reshape(shape), smoothing)


def sample_latent(log: EventLog, rates: ConversionRates, places: Places, *, seed: int = 0) -> Views:
    """Draw the latent of every view of a log given what happened, for a replay.

    ``U ~ Uniform(C_p(s-), C_p(s)]`` given the promise p shown and the option s chosen. Conversion
    is then a deterministic function of the promise, and a promise that is no slower never loses
    an order. Views that convert under no promise, U > C_1d(any order), are dropped: exact. A view
    without an order wants a size that its product was ordered in; views of one customer at one
    time are a basket.

    Args:
        log: What happened. It holds no latent.
        rates: Conversion rates, usually ``estimate_rates(log)``.
        places: Places of the systems that will serve the views; a customer lives in the
            nearest one of the same region.
        seed: Of the latents and sizes.

    Returns:
        Candidate views by period of the log's calendar.

    Raises:
        ValueError: If an option has no probability under the promise shown, or a view's region is
            not its customer's, or has no place.
    """
    rng_latent, rng_size = (np.random.default_rng([seed, stream]) for stream in range(2))
    names = ("time", "period", "product", "region", "customer", "quantity")
    column = {name: log.array("glance_views", name) for name in names}
    promise, option = log.array("glance_views", "promise"), log.array("glance_views", "ship_option")
    product = column["product"]
    cumulative = rates.cumulative[product, promise]
    latent = draw_latent(cumulative, option, rng_latent.random(len(product)))
    size = _sizes(product, column["quantity"], len(rates.best), rng_size)
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
        quantity=np.where(option < NO_ORDER, column["quantity"], size)[order].astype(np.int32),
        session=np.cumsum(change) - 1,
        latent=latent[order],
        offsets=np.concatenate([[0], np.cumsum(periods)]),
    )
    return views.candidates(rates)


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
