"""Yesterday: a historical policy runs in the hidden truth and leaves an event log."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from draingym.demo.config import LoopConfig
from draingym.oracle.replays.environment import OracleRun, run
from draingym.oracle.systems import Systems, build_systems
from draingym.policies import Historical, OrderUpToParams, tree_of
from draingym.simulator import (
    HISTORY_LENGTH,
    Dynamics,
    History,
    Initial,
    Scenario,
    make_market,
    params_from_network,
    sample_noise,
    smoothed,
)
from draingym.world.orders import World
from draingym.world.views import attribute_matrix


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoricalPolicy:
    """The policy that wrote the log, with its parameters."""

    policy: Historical
    params: OrderUpToParams


def historical_policy(world: World, config: LoopConfig) -> HistoricalPolicy:
    """Return the policy that wrote the log; its covers are days, whatever the period."""
    days = world.period_days
    return HistoricalPolicy(
        policy=Historical(tree=tree_of(world.network)),
        params=OrderUpToParams(
            buy_cover=jnp.float32(config.history_buy_cover_days / days),
            place_cover=jnp.float32(config.history_place_cover_days / days),
            safety=jnp.float32(1.0),
        ),
    )


def true_systems(world: World, config: LoopConfig) -> Systems:
    """Return the emulated systems with the customers' true conversion rates."""
    return build_systems(
        world.network,
        world.places,
        world.products,
        world.rates,
        world.mean_daily_demand,
        config.oracle,
    )


def history_scenario(world: World, config: LoopConfig) -> Scenario:
    """Return the world's exogenous series over all periods, and where its shelves started.

    The forecast is the smoothed views of each region times what a view of the product is worth;
    before anything was seen, the product's mean demand by population. Shelves start with the
    historical cover of the mean demand, spread evenly over nodes that serve customers and are open;
    nothing is in transit.
    """
    network, products = world.network, world.products
    worth = (products.conversion * products.units_per_order)[:, None, None]  # units a view
    population = network.population / network.population.sum()
    planned = world.mean_daily_demand[:, None] * world.period_days * population
    views = world.glance_views()
    market = make_market(
        glance_views=views,
        forecast=worth * smoothed(views, 7.0 / world.period_days, planned / worth[..., 0]),
        price=products.price,
        unit_cost=products.unit_cost,
        attributes=attribute_matrix(products),
        calendar=world.calendar,
    )
    there = np.asarray(network.active_from) <= 0
    serves = np.asarray(network.serves_customers) & there
    near = config.history_place_cover_days / serves.sum()
    far = config.history_buy_cover_days - config.history_place_cover_days
    behind = there & ~serves
    cover = np.where(serves, near, np.where(behind, max(far, 1.0) / max(behind.sum(), 1), 0.0))
    nodes, leads = network.lead_time.shape
    nothing = jnp.zeros((products.num_products, HISTORY_LENGTH, nodes))
    initial = Initial(
        on_hand=jnp.asarray(np.rint(world.mean_daily_demand[:, None] * cover), float),
        pipeline=jnp.zeros((products.num_products, leads - 1, nodes)),
        history=History(outbound=nothing, ship_cost=nothing, available=nothing),
    )
    key_series, _ = _keys(config)
    return Scenario(initial=initial, series=sample_noise(market, network.lead_time, 0, key_series))


def _keys(config: LoopConfig) -> tuple[jax.Array, jax.Array]:
    """Return the keys of history's series and of its policy."""
    key_series, key_policy = jax.random.split(jax.random.key(config.seed))
    return key_series, key_policy


def run_history(world: World, config: LoopConfig) -> OracleRun:
    """Run the historical policy through all periods of the hidden truth, recorded."""
    yesterday = historical_policy(world, config)
    _, key_policy = _keys(config)
    return run(
        true_systems(world, config),
        world.views,
        params_from_network(world.network, config.economics, None, period_days=world.period_days),
        yesterday.policy,
        yesterday.params,
        history_scenario(world, config),
        dynamics=Dynamics(),
        key=key_policy,
        seed=config.seed,
        record=True,
    )
