"""The views of a log with latents drawn, given what happened or independently of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from draingym.common.arrays import require
from draingym.oracle.estimates.rates import PeriodRates, check_views, cumulative_of
from draingym.oracle.rules.conversion import NO_ORDER, draw_latent, interval_ends
from draingym.world.eventlog import EventLog
from draingym.world.homes import Homes, in_order, view_homes
from draingym.world.views import ConversionRates, Places, Views, best_rate, can_convert

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NEVER = np.nextafter(1.0, 0.0)  # the latent of a view that converts under no promise


def sample_latent(
    log: EventLog,
    rates: ConversionRates | PeriodRates,
    places: Places,
    *,
    seed: int = 0,
    conditional: bool = True,
    complete: bool = False,
    share_boxes: bool = True,
) -> Views:
    """Draw the latent of every view of a log, for a replay.

    Conditional: ``U ~ Uniform(C_p(s-), C_p(s)]`` given the promise p shown and the option s
    chosen, so that a promise that is no slower never loses an order. Independent: U and the size
    of every order anew, whatever happened; for comparison.

    Conversion is then a deterministic function of the promise. A view without an order wants a
    size that its product was ordered in; views of one customer at one time are a basket.

    Args:
        log: What happened. It holds no latent.
        rates: Conversion rates, usually ``estimate_rates(log)``. The systems must convert at the
            same rates; those by period come with ``PeriodRates.at``.
        places: Places of the systems that will serve the views; a customer lives in the
            nearest one of the same region.
        seed: Of the latents and sizes.
        conditional: Given history, or independent of it.
        complete: Whether to keep views that convert under no promise (``can_convert``), wanting 0
            units. They change nothing but the log that a replay writes, and are most of the views.
        share_boxes: Whether views of one customer at one time are one basket, whose lines share
            boxes; otherwise each is a basket of its own.

    Returns:
        Views by period of the log's calendar.

    Raises:
        ValueError: Naming table and row, if a view's product, customer, promise or option does not
            exist, its option is faster than its promise or has no probability under it, or its
            region is not its customer's, or has no place; if the rates are of other products or
            periods.
    """
    check_views(log)
    _require_extent(log, rates)
    rng_latent, rng_size = (np.random.default_rng([seed, stream]) for stream in range(2))
    names = ("time", "period", "product", "region", "quantity")
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
    candidate = can_convert(latent, best_rate(cumulative))
    latent, quantity = np.where(candidate, latent, NEVER), np.where(candidate, quantity, 0)
    homes = view_homes(log)
    place = _places_of(places, homes, column["region"])
    require(
        places.region[place] == column["region"],
        "glance_views.region",
        column["region"],
        "the region of a place near its customer",
    )
    # Baskets: a stable order by time, then customer; a new session where either changes.
    order = in_order(log, homes)
    time, customer = column["time"][order], homes.customer[order]
    change = np.ones(len(order), np.bool_)
    if share_boxes:
        change[1:] = (time[1:] != time[:-1]) | (customer[1:] != customer[:-1])
    periods = np.bincount(column["period"], minlength=log["calendar"].num_rows)
    views = Views(
        time=time,
        product=product[order],
        place=place[order].astype(np.int32),
        region=column["region"][order],
        customer=customer.astype(np.int32),
        quantity=quantity[order].astype(np.int32),
        session=np.cumsum(change) - 1,
        latent=latent[order],
        offsets=np.concatenate([[0], np.cumsum(periods)]),
    )
    return views if complete else views.select(candidate[order])


def _places_of(places: Places, homes: Homes, region: IntArray) -> IntArray:
    """Return the place of each view, by way of its customer: there are fewer of them."""
    _, first, which = np.unique(homes.customer, return_index=True, return_inverse=True)
    where = (homes.latitude[first], homes.longitude[first], region[first])
    return nearest_place(places, *where)[which]


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
    low, high = interval_ends(shown, option)
    likely = high > low
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
        msg = "glance_views.quantity is 0 everywhere, must be above 0 in at least 1 row"
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
