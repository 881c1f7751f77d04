"""Classic inventory problems as environments: store, serial line, warehouse with stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from draingym import simulator
from draingym.envs.rendering import TreePicture
from draingym.simulator import (
    FunctionalEnv,
    LocalDemand,
    LocalDemandParams,
    Normal,
    Scenario,
    Simulator,
    make_params,
    scenario_from_views,
)


def single_store(
    *,
    lead_time: int = 1,
    holding_cost: float = 1.0,
    unmet_cost: float = 9.0,
    backlog: bool = False,
    horizon: int = 100,
    max_request: float = 30.0,
) -> FunctionalEnv:
    """One store with Normal(5, 1.6) demand; see ``simulator.single_store``.

    Args:
        lead_time: Periods from order to arrival.
        holding_cost: Currency per unit left at a period's end.
        unmet_cost: Currency per unit lost, or waiting.
        backlog: Whether unmet demand waits.
        horizon: Periods of an episode.
        max_request: Units requested by an action of 1.

    Returns:
        The problem.

    Raises:
        ValueError: If the lead time or a cost is negative, or the horizon below 1.

    Source:
        The classic periodic-review store; optimal costs are in the tests of ``simulator``.
    """
    _check_horizon(horizon)
    problem, params, sample = simulator.single_store(
        lead_time=lead_time, holding_cost=holding_cost, unmet_cost=unmet_cost, backlog=backlog
    )
    return FunctionalEnv(
        simulator=problem,
        params=params,
        sample=lambda key: sample(key, horizon),
        max_action=np.array([max_request]),
        painter=lambda: TreePicture([-1], ["store"], full=max_request),
    )


def serial(
    *,
    lead_times: Sequence[int] = (2, 4, 3, 4),
    holding_costs: Sequence[float] = (0.1, 0.2, 0.5, 1.0),
    unmet_cost: float = 9.0,
    mean_demand: float = 5.0,
    sd_demand: float = 2.0,
    horizon: int = 100,
) -> FunctionalEnv:
    """A serial line, upstream to downstream, whose last stage sells with backlog.

    Demand is normal, clipped at zero. Every stage starts with its lead time's mean demand. An
    action of 1 requests four periods' mean demand.

    Args:
        lead_times: Periods from the stage before (the vendor for the first) to each stage.
        holding_costs: Currency per unit on hand at a period's end, by stage.
        unmet_cost: Currency per unit that waits at a period's end.
        mean_demand: Units a period.
        sd_demand: Units a period.
        horizon: Periods of an episode.

    Returns:
        The problem.

    Raises:
        ValueError: If stages have no lead time or cost each, a lead time, a cost or the deviation
            is negative, the mean is not positive, or the horizon is below 1.

    Source:
        The four-stage line of Clark and Scarf's problem in the literature on learned policies.
    """
    stages = len(lead_times)
    if stages < 1 or len(holding_costs) != stages:
        raise ValueError(
            f"lead_times has {stages} entries, holding_costs {len(holding_costs)}, must be the "
            "same, at least 1"
        )
    share = np.zeros((stages, 1), np.float32)
    share[-1] = 1.0
    return _tree(
        parent=range(-1, stages - 1),
        names=[*(f"stage {i + 1}" for i in range(stages - 1)), "store"],
        lead_times=lead_times,
        holding_cost=holding_costs,
        unmet_cost=unmet_cost,
        share=share,
        demand=Normal(means=(mean_demand,), sds=(sd_demand,)),
        horizon=horizon,
    )


def one_warehouse_many_stores(
    *,
    num_stores: int = 5,
    warehouse_lead_time: int = 3,
    store_lead_time: int = 2,
    warehouse_holding_cost: float = 0.5,
    holding_cost: float = 1.0,
    unmet_cost: float = 4.0,
    correlation: float = 0.5,
    horizon: int = 100,
) -> FunctionalEnv:
    """One warehouse that feeds stores, which sell with backlog.

    The demand of store i has mean ``3 + 4 (i + 1/2) / n`` and a deviation of 0.3 times that; all
    pairs of stores have the same correlation, and demand is clipped at zero. Every node starts with
    its lead time's mean demand. An action of 1 requests four periods' mean demand.

    Args:
        num_stores: ``n``, at least 1.
        warehouse_lead_time: Periods from vendor to warehouse.
        store_lead_time: Periods from warehouse to stores.
        warehouse_holding_cost: Currency per unit on hand at a period's end.
        holding_cost: The same, at the stores.
        unmet_cost: Currency per unit that waits at a period's end.
        correlation: Of demand between two stores, in [0, 1].
        horizon: Periods of an episode.

    Returns:
        The problem.

    Raises:
        ValueError: If there is no store, a lead time or a cost is negative, the correlation is not
            in [0, 1], or the horizon is below 1.

    Source:
        The one-warehouse, many-stores problem of hindsight differentiable policy optimisation; the
        means are ours.
    """
    if num_stores < 1:
        raise ValueError(f"num_stores is {num_stores}, must be at least 1")
    mean = 3.0 + 4.0 * (np.arange(num_stores) + 0.5) / num_stores
    demand = Normal(
        means=tuple(mean.tolist()), sds=tuple((0.3 * mean).tolist()), correlation=correlation
    )
    return _tree(
        parent=[-1] + [0] * num_stores,
        names=["warehouse", *(f"store {i + 1}" for i in range(num_stores))],
        lead_times=[warehouse_lead_time] + [store_lead_time] * num_stores,
        holding_cost=[warehouse_holding_cost] + [holding_cost] * num_stores,
        unmet_cost=unmet_cost,
        share=np.eye(num_stores + 1, num_stores, -1, dtype=np.float32),
        demand=demand,
        horizon=horizon,
    )


def _tree(
    *,
    parent: Sequence[int],
    names: Sequence[str],
    lead_times: Sequence[int],
    holding_cost: Sequence[float],
    unmet_cost: float,
    share: np.ndarray,
    demand: Normal,
    horizon: int,
) -> FunctionalEnv:
    """Return a tree with fixed lead times, normal demand and backlog, in real units."""
    _check_horizon(horizon)
    if min(lead_times) < 0:
        raise ValueError(f"lead_times is {lead_times}, must be at least 0 periods each")
    if not (demand.mean > 0).all():
        raise ValueError(f"demand has means {demand.mean}, must be > 0 units")
    tree = list(parent)
    kernel = LocalDemandParams(share=jnp.asarray(share), unit_ship_cost=jnp.zeros(len(tree)))
    holding = np.asarray(holding_cost)
    params = make_params(tree, kernel, holding_cost=holding, unmet_cost=unmet_cost)
    lead = np.eye(max(lead_times) + 1)[np.asarray(lead_times)]
    flow = share @ demand.mean  # mean demand behind each node, its children's included
    for child in reversed(range(len(tree))):
        if tree[child] >= 0:
            flow[tree[child]] += flow[child]
    start = flow * (np.asarray(lead_times) + 1)
    shape = (horizon, demand.regions)

    def sample(key: jax.Array) -> Scenario:
        key_demand, key_noise = jax.random.split(key)
        units = demand.sample(key_demand, shape)
        scenario = scenario_from_views(units, lead, key_noise, on_hand=start)
        expected = jnp.broadcast_to(jnp.asarray(demand.mean, jnp.float32)[None], shape)
        return replace(scenario, series=replace(scenario.series, forecast=expected))

    return FunctionalEnv(
        simulator=Simulator(kernel=LocalDemand(backlog=True), whole_units=False),
        params=params,
        sample=sample,
        max_action=4.0 * flow,
        painter=lambda: TreePicture(tree, names, full=8.0 * float(flow.max())),
    )


def _check_horizon(horizon: int) -> None:
    if horizon < 1:
        raise ValueError(f"horizon is {horizon}, must be at least 1 period")
