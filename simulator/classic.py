"""Classic inventory problems, set up in the simulator."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from simulator.core import Simulator
from simulator.kernels import LocalDemand, LocalDemandParams
from simulator.params import make_params
from simulator.scenarios import scenario_from_views
from simulator.types import Params, Scenario


def single_store(
    *,
    lead_time: int = 1,
    holding_cost: float = 1.0,
    unmet_cost: float = 9.0,
    mean_demand: float = 5.0,
    sd_demand: float = 1.6,
    backlog: bool = True,
) -> tuple[Simulator, Params, Callable[[Array, int], Scenario]]:
    """Set up one store with normal demand, clipped at zero, and a fixed lead time.

    Each period: order, arrivals of the order placed ``lead_time`` periods ago, demand, cost
    ``holding_cost * stock + unmet_cost * (waiting or lost)``. Units are real.

    Args:
        lead_time: Periods from order to arrival, at least 0.
        holding_cost: Currency per unit on hand at a period's end.
        unmet_cost: Currency per unit waiting (or lost) at a period's end.
        mean_demand: Units a period.
        sd_demand: Units a period.
        backlog: Whether unmet demand waits, or is lost.

    Returns:
        The simulator, its parameters, and ``sample(key, periods) -> Scenario``.

    Raises:
        ValueError: If the lead time or a standard deviation is negative.

    Source:
        Optimal base stock with backlog: the critical fractile of demand over lead time + 1 periods.
    """
    if lead_time < 0:
        raise ValueError(f"lead_time is {lead_time}, must be at least 0 periods")
    if sd_demand < 0:
        raise ValueError(f"sd_demand is {sd_demand}, must be at least 0 units")
    kernel = LocalDemandParams(share=jnp.ones((1, 1)), unit_ship_cost=jnp.zeros(1))
    params = make_params([-1], kernel, holding_cost=holding_cost, unmet_cost=unmet_cost)
    lead: Float[Array, "1 lead"] = jax.nn.one_hot(jnp.array([lead_time]), lead_time + 1)

    def sample(key: Array, periods: int) -> Scenario:
        key_demand, key_noise = jax.random.split(key)
        demand = mean_demand + sd_demand * jax.random.normal(key_demand, (periods, 1))
        return scenario_from_views(jnp.maximum(demand, 0.0), lead, key_noise)

    return Simulator(kernel=LocalDemand(backlog=backlog), whole_units=False), params, sample
