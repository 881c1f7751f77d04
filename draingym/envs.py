"""Ready-made Gymnasium environments, registered under ``draingym/``.

``gymnasium.make("draingym/Placement-v0")`` works once draingym is imported, and
``gymnasium.make("draingym:draingym/Placement-v0")`` imports it: Gymnasium 1.0 gave up its entry
points for installed packages.
"""

from __future__ import annotations

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from drain_model import ClosestNode, ClosestNodeParams
from simulator import (
    Economics,
    InventoryEnv,
    Scenario,
    Simulator,
    params_from_network,
    scenario_from_views,
    single_store,
)
from world.network import NetworkConfig, build_network


def single_store_env(
    *,
    lead_time: int = 1,
    holding_cost: float = 1.0,
    unmet_cost: float = 9.0,
    backlog: bool = False,
    horizon: int = 100,
    max_request: float = 30.0,
    render_mode: str | None = None,
) -> InventoryEnv:
    """Make one store with Normal(5, 1.6) demand; see ``simulator.single_store``.

    Args:
        lead_time: Periods from order to arrival.
        holding_cost: Currency per unit left at a period's end.
        unmet_cost: Currency per unit lost, or waiting.
        backlog: Whether unmet demand waits.
        horizon: Periods of an episode.
        max_request: Units requested by an action of 1.
        render_mode: ``None``.

    Returns:
        The environment.
    """
    simulator, params, sample = single_store(
        lead_time=lead_time, holding_cost=holding_cost, unmet_cost=unmet_cost, backlog=backlog
    )
    return InventoryEnv(
        simulator, params, lambda key: sample(key, horizon), max_request, render_mode
    )


def placement_env(
    *,
    num_nodes: int = 6,
    num_regions: int = 30,
    units_per_period: float = 30.0,
    units_per_view: float = 0.1,
    price: float = 30.0,
    unit_cost: float = 20.0,
    horizon: int = 60,
    render_mode: str | None = None,
) -> InventoryEnv:
    """Make a product that is bought upstream and placed in US fulfilment nodes.

    Views of a region are Poisson, in proportion to its population, around a level that follows a
    log-normal random walk. Customers are served by a softmax of distance over nodes with stock
    (the closest-node kernel). Actions are shares of ten periods' mean demand.

    Args:
        num_nodes: Fulfilment nodes, chosen from real logistics metros; one upstream node is added.
        num_regions: Customer regions, at most 99.
        units_per_period: Mean demand over all regions, units.
        units_per_view: Probability that a view buys, in (0, 1].
        price: Currency a unit.
        unit_cost: Currency a unit.
        horizon: Periods (days) of an episode.
        render_mode: ``None``.

    Returns:
        The environment.

    Raises:
        ValueError: If a size is not positive, or ``units_per_view`` is not in (0, 1].
    """
    if not 0 < units_per_view <= 1:
        raise ValueError(f"units_per_view is {units_per_view}, must be in (0, 1]")
    if not units_per_period > 0:
        raise ValueError(f"units_per_period is {units_per_period}, must be above 0")
    if horizon < 1:
        raise ValueError(f"horizon is {horizon}, must be at least 1 period")
    network = build_network(NetworkConfig(num_nodes=num_nodes, num_regions=num_regions))
    most = 2.5 * units_per_period  # the random walk below stays within a factor of 2
    kernel = ClosestNode(
        max_orders=math.ceil(most + 6 * math.sqrt(most) + 6), num_nodes=network.num_nodes
    )
    kernel_params = ClosestNodeParams(
        distance_km=jnp.asarray(network.distance_km, jnp.float32),
        serves=jnp.asarray(network.serves_customers),
        active_from=jnp.asarray(network.active_from, jnp.int32),
        temperature=jnp.float32(0.005),
        rate_scale=jnp.float32(1.0),
        # Half the list price of US ground parcel for three pounds, over distance.
        cost_fixed=jnp.float32(3.5),
        cost_per_km=jnp.float32(0.0015),
    )
    simulator = Simulator(kernel=kernel)
    params = params_from_network(network, Economics(), kernel_params)
    population = jnp.asarray(network.population / network.population.sum(), jnp.float32)
    mean_views = units_per_period / units_per_view
    attributes = jnp.log(jnp.array([price, 3.0, units_per_view]))

    def sample(key: jax.Array) -> Scenario:
        key_walk, key_views, key_noise = jax.random.split(key, 3)
        walk = jnp.cumsum(0.08 * jax.random.normal(key_walk, (horizon,)))
        level = mean_views * jnp.exp2(jnp.tanh(walk))
        views = jax.random.poisson(key_views, level[:, None] * population[None, :])
        scenario = scenario_from_views(
            views.astype(jnp.float32),
            network.lead_time,
            key_noise,
            num_uniforms=kernel.num_uniforms,
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

    return InventoryEnv(
        simulator,
        params,
        sample,
        np.full(network.num_nodes, 10.0 * units_per_period),
        render_mode,
    )
