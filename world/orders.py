"""From real order lines to a world: products, places, customers, glance views with a latent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import numpy as np

from world.arrays import (
    FloatArray,
    Int32Array,
    IntArray,
    require,
    require_range,
    require_shape,
)
from world.network import Network, NetworkConfig
from world.views import ConversionRates, Places, Products, Views


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderLines:
    """Order lines of a retailer, real or synthetic, in order of day and customer.

    The lines of one customer on one day are one basket.

    Raises:
        ValueError: If shapes disagree, or a value is out of its bounds.
    """

    source: str  # where they come from, for reports
    first_date: date  # the date of day 0
    num_customers: int
    product_id: tuple[str, ...]
    day: Int32Array  # [M] days since ``first_date``, ascending
    customer: Int32Array  # [M] in [0, num_customers)
    product: Int32Array  # [M] index into ``product_id``
    quantity: Int32Array  # [M] units, >= 1
    unit_price: FloatArray  # [M] currency a unit, > 0
    unit_cost: FloatArray  # [M] currency a unit, >= 0

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        if self.day.ndim != 1 or not self.day.size:
            raise ValueError(f"order_lines.day has shape {self.day.shape}: must be (M,), M >= 1")
        for name in ("customer", "product", "quantity", "unit_price", "unit_cost"):
            require_shape(f"order_lines.{name}", getattr(self, name), self.day.shape)
        require(self.day >= 0, "order_lines.day", self.day, ">= 0")
        later = np.diff(self.day, prepend=self.day[:1]) >= 0
        require(later, "order_lines.day", self.day, "ascending")
        bounds = (("customer", self.num_customers), ("product", len(self.product_id)))
        for name, bound in bounds:
            values = getattr(self, name)
            inside = (values >= 0) & (values < bound)
            require(inside, f"order_lines.{name}", values, f"in [0, {bound})")
        require(self.quantity >= 1, "order_lines.quantity", self.quantity, ">= 1")
        positive = np.isfinite(self.unit_price) & (self.unit_price > 0.0)
        require(positive, "order_lines.unit_price", self.unit_price, "finite and > 0")
        positive = np.isfinite(self.unit_cost) & (self.unit_cost >= 0.0)
        require(positive, "order_lines.unit_cost", self.unit_cost, "finite and >= 0")

    @property
    def num_lines(self) -> int:
        """How many order lines there are, ``M``."""
        return int(self.day.size)

    @property
    def num_days(self) -> int:
        """How many days they cover."""
        return int(self.day[-1]) + 1


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
    mean_unit_price: float = 30.0  # * sales-weighted, after one factor for all products
    min_margin: float = 0.30  # * 1 - unit cost / price is at least this
    weight_median_lb: float = 2.5  # * of the log-normal weight of a unit
    weight_sd: float = 0.6  # * of the log of the weight
    view_dispersion: float = 4.0  # * size parameter of the negative binomial of other views
    smoothing_days: int = 7  # * window over which other views follow a product's orders
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        require_range("world.num_products", self.num_products, low=1)
        require_range("world.max_line_quantity", self.max_line_quantity, low=1)
        for name in ("conversion_mean", "min_margin"):
            value = getattr(self, name)
            require_range(f"world.{name}", value, low=0, high=1, open_low=True, open_high=True)
        for name in (
            "conversion_concentration",
            "mean_unit_price",
            "weight_median_lb",
            "view_dispersion",
        ):
            require_range(f"world.{name}", getattr(self, name), low=0.0, open_low=True)
        require_range("world.weight_sd", self.weight_sd, low=0.0)
        require_range("world.smoothing_days", self.smoothing_days, low=1)
        require_range("world.seed", self.seed, low=0)
        if not self.capacity_slack > 0.0:
            raise ValueError(f"world.capacity_slack = {self.capacity_slack}: must be > 0")
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
    """Everything nobody controls. ``views`` and ``rates`` are the hidden truth, never logged."""

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
    mean_daily_demand: FloatArray  # [P] units a day that would convert under the best promise

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


def build_world(order_lines: OrderLines, config: WorldConfig | None = None) -> World:
    """Turn order lines into a world with glance views, places and a network.

    1. Drop wholesale lines, keep the best-selling products by units, and whole periods only.
    2. Give every customer a three-digit zip by population, and every basket a time of the day.
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

    Returns:
        The world; the same bytes for the same arguments.

    Raises:
        ValueError: If there are too few products or no whole period.

    Source: issue of the whole loop; Outbound, section 3, for views and promises.
    """
    from world.build import assemble

    return assemble(order_lines, WorldConfig() if config is None else config)
