"""Environments on a US network: buy and place, order per node, place and discount."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from drain_model import ClosestNode, ClosestNodeParams
from draingym.rendering import MapPicture
from simulator import (
    Economics,
    FunctionalEnv,
    LocalDemand,
    LocalDemandParams,
    PricedDemand,
    PricedDemandParams,
    PricedSimulator,
    Scenario,
    Simulator,
    make_price_response,
    params_from_network,
    scenario_from_views,
)
from simulator.pricing import MAX_DISCOUNT
from world.network import Network, NetworkConfig, build_network

# Half the list price of US ground parcel for three pounds, over distance: currency, and per km.
_SHIP_FIXED, _SHIP_PER_KM = 3.5, 0.0015
# How fast the odds of a node fall with its distance, 1 / km.
_TEMPERATURE = 0.005
# Factors of demand at discounts of 0.1 to 0.7. Ours: a margin is best at a discount near 0.2.
LIFT = (1.35, 1.8, 2.3, 2.85, 3.4, 3.9, 4.3)


def placement(
    *,
    num_nodes: int = 6,
    num_regions: int = 30,
    units_per_period: float = 30.0,
    units_per_view: float = 0.1,
    price: float = 30.0,
    unit_cost: float = 20.0,
    horizon: int = 60,
) -> FunctionalEnv:
    """A product that is bought upstream and placed in US fulfilment nodes.

    Views of a region are counts with a Poisson's mean and variance (drawn by the normal law of
    their square root), in proportion to its population, around a level that follows a log-normal
    random walk. Customers are served by a softmax of distance over nodes with stock
    (the closest-node kernel). Actions are shares of ten periods' mean demand.

    Args:
        num_nodes: Fulfilment nodes, chosen from real logistics metros; one upstream node is added.
        num_regions: Customer regions, at most 99.
        units_per_period: Mean demand over all regions, units.
        units_per_view: Probability that a view buys, in (0, 1].
        price: Currency a unit.
        unit_cost: Currency a unit.
        horizon: Periods (days) of an episode.

    Returns:
        The problem.

    Raises:
        ValueError: If a size is not positive, or ``units_per_view`` is not in (0, 1].

    Source:
        *Outbound Modeling for Inventory Management* for the setting; the numbers are ours.
    """
    return _closest_node(
        build_network(NetworkConfig(num_nodes=num_nodes, num_regions=num_regions)),
        units_per_period=units_per_period,
        units_per_view=units_per_view,
        price=price,
        unit_cost=unit_cost,
        horizon=horizon,
    )


def order_per_node(
    *,
    num_nodes: int = 6,
    num_regions: int = 30,
    units_per_period: float = 30.0,
    units_per_view: float = 0.1,
    price: float = 30.0,
    unit_cost: float = 20.0,
    horizon: int = 60,
) -> FunctionalEnv:
    """A product that every fulfilment node orders for itself from the vendor.

    The same customers as in ``placement``; there is no upstream node, and what was bought for one
    node cannot be placed in another.

    Args:
        num_nodes: Fulfilment nodes, chosen from real logistics metros.
        num_regions: Customer regions, at most 99.
        units_per_period: Mean demand over all regions, units.
        units_per_view: Probability that a view buys, in (0, 1].
        price: Currency a unit.
        unit_cost: Currency a unit.
        horizon: Periods (days) of an episode.

    Returns:
        The problem.

    Raises:
        ValueError: If a size is not positive, or ``units_per_view`` is not in (0, 1].

    Source:
        The direct mode of METHODS section 7; the numbers are ours.
    """
    network = NetworkConfig(num_nodes=num_nodes, num_upstream=0, num_regions=num_regions)
    return _closest_node(
        build_network(network),
        units_per_period=units_per_period,
        units_per_view=units_per_view,
        price=price,
        unit_cost=unit_cost,
        horizon=horizon,
    )


def pricing(
    *,
    num_nodes: int = 4,
    num_regions: int = 30,
    units_per_period: float = 30.0,
    units_per_view: float = 0.1,
    price: float = 45.0,
    unit_cost: float = 20.0,
    lift: Sequence[float] = LIFT,
    horizon: int = 60,
) -> FunctionalEnv:
    """Placement and discount of a product together: the last action is the discount, up to 0.7.

    Demand rises with the discount by ``simulator.pricing``. It is local: a region's demand is split
    over nodes by a softmax of distance, and lost where its node has no stock. Units are real, and
    the reward is differentiable in the discount too.

    Args:
        num_nodes: Fulfilment nodes, chosen from real logistics metros; one upstream node is added.
        num_regions: Customer regions, at most 99.
        units_per_period: Mean demand over all regions without a discount, units.
        units_per_view: Units of demand of a view, in (0, 1].
        price: List price, currency a unit.
        unit_cost: Currency a unit.
        lift: [7] factors of demand at discounts 0.1 to 0.7.
        horizon: Periods (days) of an episode.

    Returns:
        The problem.

    Raises:
        ValueError: If a size is not positive, ``units_per_view`` is not in (0, 1], or the factors
            do not rise from 1.

    Source:
        Zalando's monotone demand layer, METHODS section 8; the numbers are ours.
    """
    _check(units_per_period, units_per_view, horizon)
    network = build_network(NetworkConfig(num_nodes=num_nodes, num_regions=num_regions))
    weight = np.where(
        network.serves_customers[:, None], np.exp(-_TEMPERATURE * network.distance_km), 0.0
    )
    share = weight / weight.sum(axis=0)
    flow = share * (network.population / network.population.sum())
    km = (flow * network.distance_km).sum(axis=1) / np.maximum(flow.sum(axis=1), 1e-12)
    kernel_params = PricedDemandParams(
        kernel=LocalDemandParams(
            share=jnp.asarray(share * units_per_view, jnp.float32),
            unit_ship_cost=jnp.asarray(_SHIP_FIXED + _SHIP_PER_KM * km, jnp.float32),
        ),
        response=make_price_response(lift),
    )
    return FunctionalEnv(
        simulator=PricedSimulator(kernel=PricedDemand(kernel=LocalDemand()), whole_units=False),
        params=params_from_network(network, Economics(), kernel_params),
        sample=_sampler(network, 0, units_per_period, units_per_view, price, unit_cost, horizon),
        max_action=np.append(np.full(network.num_nodes, 10.0 * units_per_period), MAX_DISCOUNT),
        painter=_painter(network, units_per_period, units_per_view),
    )


def _closest_node(
    network: Network,
    *,
    units_per_period: float,
    units_per_view: float,
    price: float,
    unit_cost: float,
    horizon: int,
) -> FunctionalEnv:
    """Return a problem whose customers are served by near nodes with stock."""
    _check(units_per_period, units_per_view, horizon)
    most = 2.5 * units_per_period  # the random walk of the views stays within a factor of 2
    kernel = ClosestNode(
        max_orders=math.ceil(most + 6 * math.sqrt(most) + 6), num_nodes=network.num_nodes
    )
    kernel_params = ClosestNodeParams(
        distance_km=jnp.asarray(network.distance_km, jnp.float32),
        serves=jnp.asarray(network.serves_customers),
        active_from=jnp.asarray(network.active_from, jnp.int32),
        temperature=jnp.float32(_TEMPERATURE),
        rate_scale=jnp.float32(1.0),
        cost_fixed=jnp.float32(_SHIP_FIXED),
        cost_per_km=jnp.float32(_SHIP_PER_KM),
    )
    return FunctionalEnv(
        simulator=Simulator(kernel=kernel),
        params=params_from_network(network, Economics(), kernel_params),
        sample=_sampler(
            network,
            kernel.num_uniforms,
            units_per_period,
            units_per_view,
            price,
            unit_cost,
            horizon,
        ),
        max_action=np.full(network.num_nodes, 10.0 * units_per_period),
        painter=_painter(network, units_per_period, units_per_view),
    )


def _sampler(
    network: Network,
    num_uniforms: int,
    units_per_period: float,
    units_per_view: float,
    price: float,
    unit_cost: float,
    horizon: int,
) -> Callable[[jax.Array], Scenario]:
    """Return what draws views by region around a level that walks, and yesterday's as forecast."""
    population = jnp.asarray(network.population / network.population.sum(), jnp.float32)
    mean_views = units_per_period / units_per_view
    attributes = jnp.log(jnp.array([price, 3.0, units_per_view]))

    def sample(key: jax.Array) -> Scenario:
        key_walk, key_views, key_noise = jax.random.split(key, 3)
        walk = jnp.cumsum(0.08 * jax.random.normal(key_walk, (horizon,)))
        level = mean_views * jnp.exp2(jnp.tanh(walk))
        root = jnp.sqrt(level[:, None] * population[None, :])
        z = jax.random.normal(key_views, root.shape)
        # The square root of a Poisson count is nearly normal, with a deviation of one half.
        views = jnp.round(jnp.maximum(jnp.maximum(root + 0.5 * z, 0.0) ** 2 - 0.25, 0.0))
        scenario = scenario_from_views(
            views,
            network.lead_time,
            key_noise,
            num_uniforms=num_uniforms,
            price=price,
            unit_cost=unit_cost,
        )
        # What was seen the day before is the forecast; the first day expects the mean.
        before = jnp.concatenate([mean_views * population[None, :], views[:-1]])
        series = replace(
            scenario.series,
            forecast=before * units_per_view,
            attributes=jnp.broadcast_to(attributes[None, :], (horizon, attributes.shape[0])),
        )
        return replace(scenario, series=series)

    return sample


def _painter(
    network: Network, units_per_period: float, units_per_view: float
) -> Callable[[], MapPicture]:
    return lambda: MapPicture(network, units_per_view=units_per_view, full=10.0 * units_per_period)


def _check(units_per_period: float, units_per_view: float, horizon: int) -> None:
    if not 0 < units_per_view <= 1:
        raise ValueError(f"units_per_view is {units_per_view}, must be in (0, 1]")
    if not units_per_period > 0:
        raise ValueError(f"units_per_period is {units_per_period}, must be above 0")
    if horizon < 1:
        raise ValueError(f"horizon is {horizon}, must be at least 1 period")
