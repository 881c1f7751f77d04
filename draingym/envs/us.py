"""Environments on a US network: buy and place, order per node, place and discount.

All take the fields of ``Product`` as options.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from draingym.common.arrays import require_range, require_whole
from draingym.common.price_steps import MAX_DISCOUNT
from draingym.drain_model import ClosestNode, ClosestNodeParams
from draingym.envs.classic import MOST_PERIODS
from draingym.envs.rendering import MapPicture
from draingym.envs.shipped import shipped_checkpoint
from draingym.simulator import (
    LARGEST,
    Dynamics,
    Economics,
    FunctionalEnv,
    LocalDemand,
    LocalDemandParams,
    PricedDemand,
    PricedDemandParams,
    PricedSimulator,
    PyTree,
    Scenario,
    Simulator,
    last_period,
    make_price_response,
    params_from_network,
    scenario_from_views,
)
from draingym.simulator.precision import normal, real
from draingym.world.network import Network, NetworkConfig, build_network

# Half the list price of US ground parcel for three pounds, over distance: currency, and per km.
_SHIP_FIXED, _SHIP_PER_KM = 3.5, 0.0015
_WEIGHT_LB = 3.0
# How fast the odds of a node fall with its distance, 1 / km.
_TEMPERATURE = 0.005
# Factors of demand at discounts of 0.1 to 0.7. Ours: a margin is best at a discount near 0.2.
LIFT = (1.35, 1.8, 2.3, 2.85, 3.4, 3.9, 4.3)
# What the shipped drain model has seen most of.
_SEEN = {"units_per_period": 15.0, "units_per_view": 0.15}


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """What is sold, how much of it, and for how long.

    Raises:
        ValueError: If a value is of another type or out of its bounds: numbers are positive,
            ``units_per_view`` is at most 1, a price or cost 1e9, an episode 100,000 periods.
    """

    units_per_period: float = 30.0  # mean demand over all regions, without a discount
    units_per_view: float = 0.1  # probability that a view buys, in (0, 1]
    price: float = 30.0  # list price, currency a unit
    unit_cost: float = 20.0  # currency a unit
    horizon: int = 60  # periods (days) of an episode

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        require_range("units_per_view", self.units_per_view, low=0.0, high=1.0, open_low=True)
        for name in ("units_per_period", "price", "unit_cost"):
            value = getattr(self, name)
            require_range(name, value, low=0.0, high=LARGEST, open_low=True)
        most = 2.5 * self.units_per_period / self.units_per_view
        if most > LARGEST:
            raise ValueError(
                f"units_per_view is {self.units_per_view}, must be at least "
                f"{2.5 * self.units_per_period / LARGEST:g}: a period may have {most:g} views"
            )
        require_whole("horizon", self.horizon, low=1, high=MOST_PERIODS)


def placement(*, num_nodes: int = 6, num_regions: int = 30, **product: Any) -> FunctionalEnv:
    """A product that is bought upstream and placed in US fulfilment nodes.

    Views of a region are counts with a Poisson's mean and variance (drawn by the normal
    approximation of their square root), in proportion to its population, around a level that
    follows a log-normal random walk. Customers are served by a softmax of distance over nodes with
    stock (the closest-node kernel). Actions are shares of ten periods' mean demand.

    Args:
        num_nodes: Fulfilment nodes, chosen from real logistics metros; one upstream node is added.
        num_regions: Customer regions, at most 99.
        **product: See ``Product``.

    Returns:
        The problem.

    Raises:
        ValueError: If a size or a number of the product is out of its bounds.

    Source:
        *Outbound Modeling for Inventory Management* for the setting; the numbers are ours.
    """
    config = NetworkConfig(num_nodes=num_nodes, num_regions=num_regions)
    return _closest_node(build_network(config), Product(**product))


def order_per_node(*, num_nodes: int = 6, num_regions: int = 30, **product: Any) -> FunctionalEnv:
    """A product that every fulfilment node orders for itself from the vendor.

    The same customers as in ``placement``; there is no upstream node, and what was bought for one
    node cannot be placed in another.

    Args:
        num_nodes: Fulfilment nodes, chosen from real logistics metros.
        num_regions: Customer regions, at most 99.
        **product: See ``Product``.

    Returns:
        The problem.

    Raises:
        ValueError: If a size or a number of the product is out of its bounds.

    Source:
        The direct mode of METHODS section 7; the numbers are ours.
    """
    config = NetworkConfig(num_nodes=num_nodes, num_upstream=0, num_regions=num_regions)
    return _closest_node(build_network(config), Product(**product))


def placement_learned(
    *, num_nodes: int = 6, num_regions: int = 30, **product: Any
) -> FunctionalEnv:
    """``placement`` with customers and fulfilment as a drain model has learned them.

    The model ships with the package (``draingym.envs.shipped``): it was trained on events that the
    emulated systems wrote on the default network. It knows what left each node, not what customers
    would have bought: ``lost`` is 0, and a stockout shows as less revenue alone. Demand defaults to
    the middle of what the model has seen.

    Args:
        num_nodes: Fulfilment nodes; 6 are those of the training, in the same places.
        num_regions: Customer regions; 30 are those of the training.
        **product: See ``Product``; by default 15 units a period, and 0.15 units a view.

    Returns:
        The problem.

    Raises:
        ValueError: If a size or a number of the product is out of its bounds.

    Source:
        *Outbound Modeling for Inventory Management*; the numbers are ours.
    """
    config = NetworkConfig(num_nodes=num_nodes, num_regions=num_regions)
    return _learned(build_network(config), Product(**_SEEN | product))


def order_per_node_learned(
    *, num_nodes: int = 6, num_regions: int = 30, **product: Any
) -> FunctionalEnv:
    """``order_per_node`` with the shipped drain model; see ``placement_learned``.

    Args:
        num_nodes: Fulfilment nodes; 6 are those of the training, in the same places.
        num_regions: Customer regions; 30 are those of the training.
        **product: See ``Product``; by default 15 units a period, and 0.15 units a view.

    Returns:
        The problem.

    Raises:
        ValueError: If a size or a number of the product is out of its bounds.

    Source:
        *Outbound Modeling for Inventory Management*; the numbers are ours.
    """
    config = NetworkConfig(num_nodes=num_nodes, num_upstream=0, num_regions=num_regions)
    return _learned(build_network(config), Product(**_SEEN | product))


def pricing(
    *,
    num_nodes: int = 4,
    num_regions: int = 30,
    lift: Sequence[float] = LIFT,
    **product: Any,
) -> FunctionalEnv:
    """Placement and discount of a product together: the last action is the discount, up to 0.7.

    Demand rises with the discount by ``draingym.simulator.problems.pricing``. It is local: a
    region's demand is split over nodes by a softmax of distance, and lost where its node has no
    stock. Units are real, and the reward is differentiable in the discount too.

    Args:
        num_nodes: Fulfilment nodes, chosen from real logistics metros; one upstream node is added.
        num_regions: Customer regions, at most 99.
        lift: [7] factors of demand at discounts 0.1 to 0.7.
        **product: See ``Product``; the list price is 45 by default.

    Returns:
        The problem.

    Raises:
        ValueError: If a size or a number of the product is out of its bounds, or the factors do
            not rise from 1.

    Source:
        Zalando's monotone demand layer, METHODS section 8; the numbers are ours.
    """
    sold = Product(**{"price": 45.0} | product)
    network = build_network(NetworkConfig(num_nodes=num_nodes, num_regions=num_regions))
    weight = np.where(
        network.serves_customers[:, None], np.exp(-_TEMPERATURE * network.distance_km), 0.0
    )
    share = weight / weight.sum(axis=0)
    flow = share * (network.population / network.population.sum())
    km = (flow * network.distance_km).sum(axis=1) / np.maximum(flow.sum(axis=1), 1e-12)
    kernel_params = PricedDemandParams(
        kernel=LocalDemandParams(
            share=_single(share * sold.units_per_view),
            unit_ship_cost=_single(_SHIP_FIXED + _SHIP_PER_KM * km),
        ),
        response=make_price_response(lift),
    )
    return _environment(
        PricedSimulator(
            kernel=PricedDemand(kernel=LocalDemand()), dynamics=Dynamics(whole_units=False)
        ),
        kernel_params,
        network,
        sold,
        more_actions=[MAX_DISCOUNT],
    )


def _closest_node(network: Network, product: Product) -> FunctionalEnv:
    """Return a problem whose customers are served by near nodes with stock."""
    most = 2.5 * product.units_per_period  # the random walk of the views stays within a factor of 2
    kernel = ClosestNode(
        max_orders=math.ceil(most + 6 * math.sqrt(most) + 6), num_nodes=network.num_nodes
    )
    kernel_params = ClosestNodeParams(
        distance_km=_single(network.distance_km),
        serves=jax.device_put(network.serves_customers),
        active_from=jax.device_put(network.active_from.astype(np.int32)),
        temperature=jnp.float32(_TEMPERATURE),
        rate_scale=jnp.float32(1.0),
        cost_fixed=jnp.float32(_SHIP_FIXED),
        cost_per_km=jnp.float32(_SHIP_PER_KM),
    )
    return _environment(Simulator(kernel=kernel), kernel_params, network, product)


def _learned(network: Network, product: Product) -> FunctionalEnv:
    """Return a problem whose customers are the shipped drain model's."""
    from draingym.drain_model import Geography, LearnedDrain

    def places(kind: str) -> jax.Array:
        columns = [getattr(network, f"{kind}_{name}") for name in ("latitude", "longitude")]
        return _single(np.stack(columns, axis=-1))

    checkpoint = shipped_checkpoint()
    kernel, kernel_params = LearnedDrain.bind(
        checkpoint,
        Geography(
            node_coordinates=places("node"),
            region_coordinates=places("region"),
            distance_km=_single(network.distance_km),
        ),
        jax.device_put(network.serves_customers),
        jax.device_put(network.active_from),
    )
    return _environment(
        Simulator(kernel=kernel),
        kernel_params,
        network,
        product,
        calendar=checkpoint.num_calendar,
    )


def _single(values: np.ndarray) -> jax.Array:
    """Return numbers of the host as float32, in either precision, with nothing to compile."""
    single: jax.Array = jax.device_put(values.astype(np.float32))
    return single


def _environment(
    simulator: Simulator,
    kernel_params: PyTree,
    network: Network,
    product: Product,
    *,
    calendar: int = 0,
    more_actions: Sequence[float] = (),
) -> FunctionalEnv:
    """Return a problem on a network; an action of 1 requests ten periods' mean demand."""
    most = 10.0 * product.units_per_period
    return FunctionalEnv(
        simulator=simulator,
        params=params_from_network(network, Economics(), kernel_params, period_days=1.0),
        sample=partial(_sample, network, simulator.kernel.num_uniforms, product, calendar),
        max_action=np.append(np.full(network.num_nodes, most), more_actions),
        painter=partial(MapPicture, network, units_per_view=product.units_per_view, full=most),
    )


def _sample(
    network: Network, num_uniforms: int, product: Product, calendar: int, key: jax.Array
) -> Scenario:
    """Draw views by region around a level that walks, with yesterday's as forecast.

    Dates mean nothing here: the calendar's features are 0.
    """
    population = real(network.population / network.population.sum())
    mean_views = product.units_per_period / product.units_per_view
    attributes = real(np.log([product.price, _WEIGHT_LB, product.units_per_view]))
    horizon = product.horizon
    key_walk, key_views, key_noise = jax.random.split(key, 3)
    walk = jnp.cumsum(0.08 * normal(key_walk, (horizon,)))
    level = mean_views * jnp.exp2(jnp.tanh(walk))
    root = jnp.sqrt(level[:, None] * population[None, :])
    z = normal(key_views, root.shape)
    # The square root of a Poisson count is nearly normal, with a deviation of one half.
    views = jnp.round(jnp.maximum(jnp.maximum(root + 0.5 * z, 0.0) ** 2 - 0.25, 0.0))
    # What was seen the day before is the forecast; the first day expects the mean.
    expected = last_period(views, mean_views * population) * product.units_per_view
    scenario = scenario_from_views(
        views,
        network.lead_time,
        key_noise,
        forecast=expected,
        num_uniforms=num_uniforms,
        price=product.price,
        unit_cost=product.unit_cost,
    )
    series = replace(
        scenario.series,
        attributes=jnp.broadcast_to(attributes[None, :], (horizon, attributes.shape[0])),
        calendar=jnp.zeros((horizon, calendar)),
    )
    return replace(scenario, series=series)
