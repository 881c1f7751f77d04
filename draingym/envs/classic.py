"""Classic inventory problems as environments: store, serial line, warehouse with stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from draingym import simulator
from draingym.common.arrays import require_flag, require_range, require_whole, short
from draingym.envs.rendering import TreePicture
from draingym.simulator import LARGEST, FunctionalEnv, Normal, Scenario
from draingym.simulator.problems.classic import MOST_LEAD, Problem, Sampler

MOST_PERIODS = 100_000  # of an episode, all of whose draws are made before it


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
    _check_amounts(holding_cost=holding_cost, unmet_cost=unmet_cost, max_request=max_request)
    require_flag("backlog", backlog)
    problem, params, sample = simulator.single_store(
        lead_time=lead_time, holding_cost=holding_cost, unmet_cost=unmet_cost, backlog=backlog
    )
    return FunctionalEnv(
        simulator=problem,
        params=params,
        sample=partial(sample, periods=horizon),
        max_action=np.array([max_request]),
        painter=partial(TreePicture, [-1], ["store"], full=max_request),
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
    """A serial line, upstream to downstream, that sells with backlog; ``simulator.serial_line``.

    Demand is normal, clipped at zero. Every stage starts with the mean demand of its lead time and
    a period. An action of 1 requests four periods' mean demand.

    Args:
        lead_times: Periods from the stage before (the vendor for the first) to each stage; at least
            0 for the last and 1 for the others.
        holding_costs: Currency per unit on hand at a period's end, by stage.
        unmet_cost: Currency per unit that waits at a period's end.
        mean_demand: Units a period.
        sd_demand: Units a period.
        horizon: Periods of an episode.

    Returns:
        The problem.

    Raises:
        ValueError: If stages have no lead time or cost each, a lead time is too short, a cost or
            the deviation is negative, the mean is not positive, or the horizon is below 1.

    Source:
        Clark and Scarf (1960). At the defaults, the four-stage line of the literature on learned
        policies, the optimum is 10.73 a period: echelon levels (83.2, 72.8, 49.0, 32.35), which
        are local levels (10.4, 23.8, 16.65, 32.35).
    """
    for name, values in (("lead_times", lead_times), ("holding_costs", holding_costs)):
        if isinstance(values, str | bytes) or not isinstance(values, Sequence | np.ndarray):
            raise ValueError(f"{name} is {short(values)}, must be a list of one number a stage")
    for i, cost in enumerate(holding_costs):
        require_range(f"holding_costs[{i}]", cost, low=0.0, high=LARGEST)
    _check_amounts(unmet_cost=unmet_cost, sd_demand=sd_demand)
    require_range("mean_demand", mean_demand, low=0.0, high=LARGEST, open_low=True)
    stages = len(lead_times)
    if stages < 1 or len(holding_costs) != stages:
        raise ValueError(
            f"lead_times has {stages} entries, holding_costs {len(holding_costs)}, must be the "
            "same, at least 1"
        )
    demand = Normal(means=(mean_demand,), sds=(sd_demand,))
    return _stocked(
        simulator.serial_line(
            lead_times=lead_times,
            holding_cost=holding_costs,
            unmet_cost=unmet_cost,
            demand=demand,
        ),
        names=[*(f"stage {i + 1}" for i in range(stages - 1)), "store"],
        lead_times=lead_times,
        flow=np.full(stages, mean_demand),
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
    """One warehouse that feeds stores, which sell with backlog; see ``simulator.transshipment``.

    It differs from that problem in two things: the warehouse is charged for what it keeps, and
    demand is drawn with other means and clipped at zero. The demand of store i has mean
    ``3 + 4 (i + 1/2) / n`` and a deviation of 0.3 times that; all pairs of stores have the same
    correlation. Every node starts with the mean demand of its lead time and a period. An action of
    1 requests four periods' mean demand.

    Args:
        num_stores: ``n``, at least 1.
        warehouse_lead_time: Periods from vendor to warehouse, at least 1.
        store_lead_time: Periods from warehouse to stores.
        warehouse_holding_cost: Currency per unit on hand at a period's end.
        holding_cost: The same, at the stores.
        unmet_cost: Currency per unit that waits at a period's end.
        correlation: Of demand between two stores, in [0, 1].
        horizon: Periods of an episode.

    Returns:
        The problem.

    Raises:
        ValueError: If there is no store, a lead time is too short, a cost is negative, the
            correlation is not in [0, 1], or the horizon is below 1.

    Source:
        The one-warehouse, many-stores problem of hindsight differentiable policy optimisation; the
        means are ours. Policies that keep nothing in the warehouse cost at least
        ``policies.bounds.optimal.transshipment_bound`` (Federgruen and Zipkin 1984), and equal
        fractiles come within 0.3% of it.
    """
    require_whole("num_stores", num_stores, low=1, high=10_000)
    require_whole("warehouse_lead_time", warehouse_lead_time, low=1, high=MOST_LEAD)
    require_whole("store_lead_time", store_lead_time, high=MOST_LEAD)
    _check_amounts(
        warehouse_holding_cost=warehouse_holding_cost,
        holding_cost=holding_cost,
        unmet_cost=unmet_cost,
    )
    mean = 3.0 + 4.0 * (np.arange(num_stores) + 0.5) / num_stores
    demand = Normal(
        means=tuple(mean.tolist()), sds=tuple((0.3 * mean).tolist()), correlation=correlation
    )
    return _stocked(
        simulator.transshipment(
            demand=demand,
            warehouse_lead_time=warehouse_lead_time,
            store_lead_time=store_lead_time,
            warehouse_holding_cost=warehouse_holding_cost,
            holding_cost=holding_cost,
            unmet_cost=unmet_cost,
        ),
        names=["warehouse", *(f"store {i + 1}" for i in range(num_stores))],
        lead_times=[warehouse_lead_time] + [store_lead_time] * num_stores,
        flow=np.append(mean.sum(), mean),
        horizon=horizon,
    )


def _stocked(
    problem: Problem,
    *,
    names: Sequence[str],
    lead_times: Sequence[int],
    flow: np.ndarray,
    horizon: int,
) -> FunctionalEnv:
    """Return a problem of ``simulator`` whose nodes start with the demand behind them.

    Args:
        problem: The problem.
        names: Of the nodes.
        lead_times: Periods to each node.
        flow: [N] mean demand behind each node, units a period.
        horizon: Periods of an episode.
    """
    _check_horizon(horizon)
    line, params, sample = problem
    on_hand = jnp.asarray(flow * (np.asarray(lead_times) + 1), jnp.float32)
    parent = np.asarray(params.parent).tolist()

    return FunctionalEnv(
        simulator=line,
        params=params,
        sample=partial(_stocked_scenario, sample, on_hand, horizon),
        max_action=4.0 * flow,
        painter=partial(TreePicture, parent, names, full=8.0 * float(flow.max())),
    )


def _stocked_scenario(
    sample: Sampler, on_hand: jax.Array, horizon: int, key: jax.Array
) -> Scenario:
    """Draw a scenario that starts with stock, [N] units."""
    scenario = sample(key, horizon)
    return replace(scenario, initial=replace(scenario.initial, on_hand=on_hand))


def _check_amounts(**amounts: float) -> None:
    """Raise ``ValueError`` unless costs and units, by name, are numbers within their bounds."""
    for name, value in amounts.items():
        require_range(name, value, low=0.0, high=LARGEST)


def _check_horizon(horizon: int) -> None:
    require_whole("horizon", horizon, low=1, high=MOST_PERIODS)
