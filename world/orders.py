"""From real order lines to a world: products, places, customers, glance views with a latent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import numpy as np

from draingym.common.arrays import (
    BoolArray,
    FloatArray,
    Int32Array,
    IntArray,
    require_range,
    require_seed,
    require_whole,
)
from draingym.common.config import require_fields
from draingym.world.calendar import calendar_features
from draingym.world.draws import daily_orders, other_views, random_hours, streams, unit_prices
from draingym.world.geography import great_circle_km, load_places, merge_regions
from draingym.world.ground import Ground
from draingym.world.lines import OrderLines
from draingym.world.network import Network, NetworkConfig, build_network
from draingym.world.views import ConversionRates, Places, Products, Views

__all__ = ["OrderLines", "World", "WorldConfig", "build_world"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldConfig:
    """How order lines become a world. Fields marked * are choices of ours, not from the papers.

    Raises:
        ValueError: If a field is out of its bounds.
    """

    num_products: int = 50  # the best sellers by units
    period_days: int = 1
    num_nodes: int = 6  # fulfilment nodes
    num_upstream: int = 1
    num_regions: int = 30
    max_lead_time: int | None = None  # periods; None for the shortest that holds every lead time
    vendor_lead_days: tuple[float, ...] = (0.0, 0.0, 0.0, 0.3, 0.4, 0.3)  # * by day
    transfer_lead_days: tuple[float, ...] = (0.0, 0.6, 0.4)  # * by day
    capacity_slack: float = 2.0  # * daily capacity over mean daily units; inf for no limit
    max_line_quantity: int = 24  # * lines with more units are wholesale and are dropped
    conversion_mean: float = 0.12  # * of the Beta that products' conversion is drawn from
    conversion_concentration: float = 40.0  # * a + b of that Beta
    # * sales-weighted, after one factor for all products; None to leave prices as they are
    mean_unit_price: float | None = 30.0
    min_margin: float = 0.30  # * 1 - unit cost / price is at least this
    weight_median_lb: float = 2.5  # * of the log-normal weight of a unit
    weight_sd: float = 0.6  # * of the log of the weight
    view_dispersion: float = 20.0  # * size parameter of the negative binomial of other views
    # * window over which other views follow orders: with one day, views are as bursty as orders, so
    # that a view of a product is worth as much on a busy day as on a quiet one
    smoothing_days: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        require_fields(self, "world")
        require_whole("world.num_products", self.num_products, low=1, high=10**6)
        require_whole("world.max_line_quantity", self.max_line_quantity, low=1, high=10**6)
        for name in ("conversion_mean", "min_margin"):
            value = getattr(self, name)
            require_range(f"world.{name}", value, low=0, high=1, open_low=True, open_high=True)
        for name in (
            "conversion_concentration",
            "mean_unit_price",
            "weight_median_lb",
            "view_dispersion",
        ):
            if getattr(self, name) is not None:
                value = getattr(self, name)
                require_range(f"world.{name}", value, low=0.0, high=1e9, open_low=True)
        require_range("world.weight_sd", self.weight_sd, low=0.0, high=5.0)
        require_whole("world.smoothing_days", self.smoothing_days, low=1, high=3660)
        require_seed(self.seed, "world.seed")
        if not self.capacity_slack > 0.0:
            raise ValueError(f"world.capacity_slack is {self.capacity_slack}, must be > 0")
        self.network_config(math.inf)

    def network_config(self, mean_daily_units: float) -> NetworkConfig:
        """Return the network's config, given the units sold a day over all products."""
        limited = math.isfinite(self.capacity_slack) and math.isfinite(mean_daily_units)
        return NetworkConfig(
            num_nodes=self.num_nodes,
            num_upstream=self.num_upstream,
            num_regions=self.num_regions,
            period_days=self.period_days,
            max_lead_time=self.max_lead_time,
            vendor_lead_days=self.vendor_lead_days,
            transfer_lead_days=self.transfer_lead_days,
            daily_capacity=self.capacity_slack * mean_daily_units if limited else math.inf,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """Everything nobody controls. ``views`` and ``rates`` are the hidden truth, never logged.

    >>> from draingym.world import WorldConfig, build_world
    >>> from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines
    >>> lines = synthetic_order_lines(SyntheticConfig(num_products=5, num_days=7), seed=0)
    >>> world = build_world(lines, WorldConfig(num_products=3, num_nodes=2, num_regions=4))
    >>> world.glance_views().shape  # products, periods, regions
    (3, 7, 4)
    >>> world.network.num_nodes, world.period_days
    (3, 1)
    """

    source: str
    first_date: date  # of day 0
    config: WorldConfig
    network: Network
    products: Products
    places: Places
    place_distance_km: FloatArray  # [N, K] great circle from node to place
    customer_place: Int32Array  # [C] the place each customer lives in
    rates: ConversionRates
    views: Views  # candidates and views that never convert
    calendar: FloatArray  # [T, E]
    calendar_name: tuple[str, ...]  # E names
    num_periods: int
    wholesale_lines: int  # order lines dropped because of their quantity
    mean_daily_demand: FloatArray  # [P] units per day that would convert under the best promise

    @property
    def period_days(self) -> int:
        """Length of a period in days."""
        return self.config.period_days

    @property
    def event_distance(self) -> FloatArray:
        """[T, events] signed distance in months of 30 days to each yearly event, clipped."""
        events = [i for i, name in enumerate(self.calendar_name) if name.startswith("event_")]
        return self.calendar[:, events]

    def glance_views(self) -> IntArray:
        """Return how often each product was viewed by period and region, [P, T, Z]."""
        return self.views.count(self.products.num_products, self.network.num_regions)


def build_world(
    order_lines: OrderLines, config: WorldConfig | None = None, ground: Ground | None = None
) -> World:
    """Turn order lines into a world with glance views, places and a network.

    1. Drop wholesale lines, keep the best-selling products by units, and whole periods only.
    2. Give every customer a place by population, and every basket a time of the day, where the
       orders do not tell.
    3. Every order line is a view that would convert under the best promise:
       U ~ Uniform(0, C_1d(any order)).
    4. Add views that never convert: per product, day and region a negative binomial count with
       mean orders (1 - c)/c, orders smoothed over days, U ~ Uniform(C_1d(any order), 1), by
       random customers of the region.
    5. Draw conversion rates and weights, rescale prices, clip costs to a margin.

    Every kind of draw has its own stream of ``config.seed``.

    Args:
        order_lines: Real or synthetic order lines.
        config: Sizes and distributions.
        ground: Nodes, places, homes and weights of one's own; without it a network of the US, as
            ``config`` describes it.

    Returns:
        The world; the same bytes for the same arguments.

    Raises:
        ValueError: If there are too few products or no whole period.

    Source: Outbound, section 3, for views and promises; the rest is a choice of ours.
    """
    config = WorldConfig() if config is None else config
    rng = streams(config.seed, _STREAMS)
    retail = order_lines.quantity <= config.max_line_quantity
    covered = order_lines.num_days if ground is None else ground.num_days
    num_periods = covered // config.period_days
    if num_periods < 1:
        raise ValueError(
            f"world.period_days is {config.period_days}, must be in [1, {covered}], the days that "
            "the order lines cover"
        )
    num_days = num_periods * config.period_days
    kept, product = _best_sellers(order_lines, retail & (order_lines.day < num_days), config)
    lines = order_lines.select(kept)
    weight = None if ground is None else ground.weight_lb
    products = _products(order_lines, lines, product, config, rng, weight)
    rates = ConversionRates.from_products(products)
    shape = (config.num_products, num_days)
    units = daily_orders(product, lines.day, shape, lines.quantity).sum(axis=1) / num_days

    if ground is None:
        network = build_network(config.network_config(float(units.sum())))
        places = _places(config.num_regions)
    else:
        network, places = ground.network, ground.places
    buyers, customer = np.unique(lines.customer, return_inverse=True)
    share = places.population / places.population.sum()
    home = rng["place"].choice(share.size, size=buyers.size, p=share).astype(np.int32)
    if ground is not None:
        told = ground.home[buyers]
        home = np.where(told >= 0, told, home).astype(np.int32)

    first = (np.diff(lines.day, prepend=-1) != 0) | (np.diff(customer, prepend=-1) != 0)
    basket = np.cumsum(first)
    if lines.hour is None:
        hour = random_hours(rng["hour"], int(basket[-1]))[basket - 1]
    else:
        hour = lines.hour[first][basket - 1]
    best = rates.best
    latent = best[product] * (1.0 - rng["latent"].random(product.size))

    seen = other_views(
        rng["other_views"],
        daily_orders(product, lines.day, shape, None),
        best,
        places.region[home],
        network.num_regions,
        dispersion=config.view_dispersion,
        smoothing_days=config.smoothing_days,
    )
    gap = np.clip(rng["other_latent"].random(seen.product.size), 1e-12, 1.0 - 1e-12)
    time = np.concatenate([lines.day + hour, seen.day + random_hours(rng["hour"], gap.size)])
    order = np.argsort(time, kind="stable")  # lines of a basket stay together
    session = np.concatenate([basket, basket[-1] + 1 + np.arange(gap.size)])[order]
    who = np.concatenate([customer, seen.customer]).astype(np.int32)[order]
    what = np.concatenate([product, seen.product]).astype(np.int32)[order]
    u = np.concatenate([latent, best[seen.product] + (1.0 - best[seen.product]) * gap])[order]
    quantity = np.concatenate([lines.quantity, np.zeros(gap.size, dtype=np.int32)])[order]
    time = time[order]
    views = Views(
        time=time,
        product=what,
        place=home[who],
        region=places.region[home[who]].astype(np.int32),
        customer=who,
        quantity=quantity.astype(np.int32),
        session=np.cumsum(np.diff(session, prepend=session[:1]) != 0).astype(np.int64),
        latent=u,
        offsets=np.searchsorted(
            np.floor(time / config.period_days), np.arange(num_periods + 1)
        ).astype(np.int64),
    )
    names, calendar = calendar_features(
        order_lines.first_date,
        num_periods,
        config.period_days,
        None if ground is None else ground.events,
    )
    return World(
        source=order_lines.source,
        first_date=order_lines.first_date,
        config=config,
        network=network,
        products=products,
        places=places,
        place_distance_km=great_circle_km(
            network.node_latitude[:, None],
            network.node_longitude[:, None],
            places.latitude,
            places.longitude,
        ),
        customer_place=home,
        rates=rates,
        views=views,
        calendar=calendar,
        calendar_name=names,
        num_periods=num_periods,
        wholesale_lines=int((~retail).sum()),
        mean_daily_demand=units,
    )


_STREAMS = ("conversion", "weight", "place", "hour", "latent", "other_views", "other_latent")


def _best_sellers(
    lines: OrderLines, usable: BoolArray, config: WorldConfig
) -> tuple[BoolArray, IntArray]:
    """Return which lines are of the best sellers, and their rank [kept lines], 0 the best."""
    units = np.bincount(
        lines.product[usable], weights=lines.quantity[usable], minlength=len(lines.product_id)
    )
    sold = int((units > 0.0).sum())
    if sold < config.num_products:
        raise ValueError(
            f"world.num_products is {config.num_products}, must be in [1, {sold}], the products "
            f"sold in {lines.source}"
        )
    rank = np.full(units.size, -1, dtype=np.int64)
    rank[np.argsort(-units, kind="stable")[: config.num_products]] = np.arange(config.num_products)
    kept = usable & (rank[lines.product] >= 0)
    return kept, rank[lines.product[kept]]


def _products(
    order_lines: OrderLines,
    lines: OrderLines,
    product: IntArray,
    config: WorldConfig,
    rng: dict[str, np.random.Generator],
    weight_lb: FloatArray | None,
) -> Products:
    """Return the best sellers with rescaled prices; rates, and weights not known, are drawn."""
    price, cost = unit_prices(
        product,
        lines.quantity,
        lines.unit_price,
        lines.unit_cost,
        mean_unit_price=config.mean_unit_price,
        min_margin=config.min_margin,
    )
    a = config.conversion_mean * config.conversion_concentration
    b = config.conversion_concentration - a
    conversion = np.clip(rng["conversion"].beta(a, b, size=price.size), 0.02, 0.8)
    z = rng["weight"].standard_normal(price.size)
    _, first = np.unique(product, return_index=True)
    weight = config.weight_median_lb * np.exp(config.weight_sd * z)
    if weight_lb is not None:
        told = weight_lb[lines.product[first]]
        weight = np.where(np.isnan(told), weight, told)
    return Products(
        id=tuple(order_lines.product_id[i] for i in lines.product[first]),
        price=price,
        unit_cost=cost,
        weight_lb=weight,
        conversion=conversion,
        units_per_order=np.bincount(product, weights=lines.quantity) / np.bincount(product),
    )


def _places(num_regions: int) -> Places:
    zips = load_places()
    return Places(
        name=zips.name,
        latitude=zips.latitude,
        longitude=zips.longitude,
        region=merge_regions(num_regions)[zips.zip2],
        population=zips.population,
    )
