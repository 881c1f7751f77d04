"""Everything about the emulated systems that stays the same from one view to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from draingym.common.arrays import require
from draingym.oracle.config import OracleConfig
from draingym.oracle.rules.promise import transit_days
from draingym.oracle.rules.ship_cost import lane_effects, rate_card, zone_of
from draingym.world.geography import great_circle_km
from draingym.world.network import Network
from draingym.world.views import ConversionRates, Places, Products

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Systems:
    """Tables for the loop over views: promise, conversion, fulfilment and ship cost.

    ``P`` products, ``N`` nodes, ``Z`` regions, ``K`` places.
    """

    serves: NDArray[np.bool_]  # [N] whether customers are served from the node
    active_from: NDArray[np.int64]  # [N] first period in which the node exists
    transit_days: NDArray[np.int64]  # [N, K]
    zone: NDArray[np.int64]  # [N, K] carrier zone
    nearest_node: NDArray[np.int64]  # [K] nearest node that serves customers
    lane_effect: FloatArray  # [N, Z] persistent factor on a box's rate, mean one
    weight_lb: FloatArray  # [P] a unit
    cumulative: FloatArray  # [P, 4, 4] C_p(s): product, promise, option; 1 for ``none``
    scarcity_units: FloatArray  # [P, N] stock at which the opportunity cost fell to 1/e
    daily_capacity: FloatArray  # [N] units per day over all products
    rates: FloatArray  # [4] USD per box, lb, zone, lb zone
    processing_days: int
    cutoff_hour: float
    opportunity_cost: float  # USD per unit where there is no cover
    cost_noise_sd: float
    distance_km: FloatArray | None = None  # [N, K] for the closest planner
    # USD per unit against a lane that no bill shows, [N, Z]; none where not given.
    lane_preference: FloatArray | None = None
    # USD per unit: scales of what chooses nodes for unknown reasons, by line and by basket.
    choice_noise: float = 0.0
    basket_noise: float = 0.0
    two_days: bool = True  # whether anybody is promised 2d; two days are 3d+ where nobody is

    def __post_init__(self) -> None:
        """Check shapes and bounds."""
        nodes, places = self.transit_days.shape
        products = self.weight_lb.shape[0]
        regions = self.lane_effect.shape[-1]
        shapes = {
            "serves": (nodes,),
            "active_from": (nodes,),
            "zone": (nodes, places),
            "nearest_node": (places,),
            "lane_effect": (nodes, regions),
            "cumulative": (products, 4, 4),
            "scarcity_units": (products, nodes),
            "daily_capacity": (nodes,),
            "rates": (4,),
        }
        if self.lane_preference is not None:
            shapes["lane_preference"] = (nodes, regions)
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                msg = f"systems.{name} has shape {getattr(self, name).shape}, must be {shape}"
                raise ValueError(msg)
        if not self.serves.any():
            msg = "systems.serves is False everywhere, must hold at least one True"
            raise ValueError(msg)
        positive = ("lane_effect", "weight_lb", "scarcity_units", "daily_capacity")
        for name in positive:
            require(getattr(self, name) > 0, f"systems.{name}", getattr(self, name), "above 0")

    @property
    def preference(self) -> FloatArray:
        """[N, Z] USD per unit against a lane that no bill shows."""
        given = self.lane_preference
        return np.zeros_like(self.lane_effect) if given is None else given

    @property
    def num_products(self) -> int:
        """How many products there are."""
        return int(self.weight_lb.shape[0])

    @property
    def num_nodes(self) -> int:
        """How many nodes there are, those that serve no customers included."""
        return int(self.serves.shape[0])

    def open_nodes(self, period: int) -> NDArray[np.int64]:
        """Return the nodes that serve customers in a period."""
        return np.flatnonzero(self.serves & (self.active_from <= period))

    def with_rates(self, rates: ConversionRates) -> Systems:
        """Return the same systems with customers who convert at other rates."""
        return replace(self, cumulative=rates.cumulative)


def market_share(
    place_distance_km: FloatArray, population: FloatArray, serves: NDArray[np.bool_]
) -> FloatArray:
    """Return [N] the share of the population whose nearest serving node each node is.

    >>> market_share(np.array([[1.0, 9.0], [5.0, 2.0]]), np.array([3.0, 1.0]), np.ones(2, bool))
    array([0.75, 0.25])
    """
    distance = np.where(serves[:, None], place_distance_km, np.inf)
    people = np.bincount(distance.argmin(axis=0), weights=population, minlength=len(serves))
    return np.asarray(people / population.sum(), np.float64)


def build_systems(
    network: Network,
    places: Places,
    products: Products,
    rates: ConversionRates,
    mean_daily_demand: ArrayLike,
    config: OracleConfig | None = None,
) -> Systems:
    """Tabulate the emulated systems of a world.

    A node's capacity is ``capacity_factor`` times the mean daily demand of its market (the places
    it is the nearest serving node of), and at most what the network says. A product is scarce at
    a node when its stock covers fewer than ``scarcity_days`` days of that market's demand.

    Args:
        network: Nodes and regions.
        places: Where customers live.
        products: The products, for their weight.
        rates: How views convert under each promise.
        mean_daily_demand: [P] units per day that would be bought under the best promise.
        config: Numbers of the systems.

    Returns:
        The tables.

    Raises:
        ValueError: If a table has the wrong shape or a value is out of bounds.
    """
    config = OracleConfig() if config is None else config
    demand = np.asarray(mean_daily_demand, np.float64)
    if demand.shape != products.weight_lb.shape:
        msg = f"mean_daily_demand has shape {demand.shape}, must be {products.weight_lb.shape}"
        raise ValueError(msg)
    require(np.isfinite(demand) & (demand >= 0), "mean_daily_demand", demand, "at least 0")
    distance = great_circle_km(
        network.node_latitude[:, None],
        network.node_longitude[:, None],
        places.latitude[None, :],
        places.longitude[None, :],
    )
    serves = np.asarray(network.serves_customers, bool)
    share = market_share(distance, places.population, serves)
    # A node that is nobody's nearest gets a hundredth of a fair share: it exists for overflow.
    share = np.maximum(share, 0.01 / max(1, int(serves.sum())))
    capacity = np.maximum(config.capacity_factor * demand.sum() * share, 1.0)
    return Systems(
        serves=serves,
        active_from=np.asarray(network.active_from, np.int64),
        transit_days=transit_days(distance, config.transit_bands_km),
        zone=zone_of(distance, config.zone_bands_miles),
        nearest_node=np.where(serves[:, None], distance, np.inf).argmin(axis=0),
        lane_effect=lane_effects(config, len(network.node_name), len(network.region_name)),
        weight_lb=np.asarray(products.weight_lb, np.float64),
        cumulative=rates.cumulative,
        scarcity_units=np.maximum(config.scarcity_days * demand[:, None] * share, 1e-3),
        daily_capacity=np.minimum(capacity, network.daily_capacity),
        rates=rate_card(config),
        processing_days=config.processing_days,
        cutoff_hour=config.cutoff_hour,
        opportunity_cost=config.opportunity_cost,
        cost_noise_sd=config.cost_noise_sd,
        distance_km=distance,
    )
