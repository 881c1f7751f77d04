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
    make_series,
    params_from_network,
)
from draingym.simulator.scenarios.series import smooth_views
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


def run_history(world: World, config: LoopConfig) -> OracleRun:
    """Run the historical policy through all periods of the hidden truth, recorded.

    Shelves start with the historical cover of the true mean demand, spread evenly over nodes that
    serve customers; nothing is in transit.
    """
    network = world.network
    views = world.glance_views()
    seen = np.maximum(views.sum(axis=(1, 2)), 1)
    days = world.num_periods * world.period_days
    units_per_view = world.mean_daily_demand * days / seen
    key_series, key_policy = jax.random.split(jax.random.key(config.seed))
    series = make_series(
        glance_views=views,
        forecast=smooth_views(views, 7.0 / world.period_days) * units_per_view[:, None, None],
        price=world.products.price,
        unit_cost=world.products.unit_cost,
        attributes=attribute_matrix(world.products),
        calendar=world.calendar,
        lead_time=network.lead_time,
        num_uniforms=0,
        key=key_series,
    )
    serves = np.asarray(network.serves_customers)
    near = config.history_place_cover_days / serves.sum()
    far = config.history_buy_cover_days - config.history_place_cover_days
    cover = np.where(serves, near, max(far, 1.0) / max((~serves).sum(), 1))
    nodes, leads = network.lead_time.shape
    products = world.products.num_products
    nothing = jnp.zeros((products, HISTORY_LENGTH, nodes))
    initial = Initial(
        on_hand=jnp.asarray(np.rint(world.mean_daily_demand[:, None] * cover), jnp.float32),
        pipeline=jnp.zeros((products, leads - 1, nodes)),
        history=History(outbound=nothing, ship_cost=nothing, available=nothing),
    )
    yesterday = historical_policy(world, config)
    return run(
        true_systems(world, config),
        world.views,
        params_from_network(network, config.economics, None),
        yesterday.policy,
        yesterday.params,
        Scenario(initial=initial, series=series),
        dynamics=Dynamics(),
        key=key_policy,
        seed=config.seed,
        record=True,
    )
