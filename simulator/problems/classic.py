"""Classic inventory problems with known optima, set up in the simulator.

Every constructor returns the simulator, its parameters, and ``sample(key, periods, batch=None)``:
one scenario, or with ``batch`` as many as that with the batch last, for ``batch_returns``. Units
are real, unless demand is discrete and policies order whole units. Trajectories start empty.
Optimal policies and costs: ``draingym.policies.bounds.optimal``,
``draingym.policies.bounds.lost_sales``.

*Timing.* The literature's convention for these problems is: order, then demand, then cost on what
is left; an order with lead time L is on hand L periods later, at the start of the period; stock in
transit is free. A store so sees L + 1 demands before its order helps. Ours
(``draingym.simulator.dynamics``) is: act, arrivals, demand, costs. They are the same with lead
times unchanged, if parents may ship what arrives in the period (``ship_arrivals``): what the
literature has on hand when it orders is our ``on_hand + pipeline[0]``, and both are observed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from draingym.common.arrays import require_range, require_whole
from draingym.simulator.core import Simulator
from draingym.simulator.kernels import LocalDemand, LocalDemandParams
from draingym.simulator.params import make_params
from draingym.simulator.precision import real
from draingym.simulator.scenarios.demand import Demand, Normal
from draingym.simulator.scenarios.series import scenario_from_views
from draingym.simulator.types import Dynamics, Params, Scenario

MOST_LEAD = 1000  # periods; what is in transit is a row of the state for each

Sampler = Callable[..., Scenario]
Problem = tuple[Simulator, Params, Sampler]


def _problem(
    parent: Sequence[int],
    lead_times: Sequence[int],
    demand: Demand,
    *,
    backlog: bool,
    **costs: float | Sequence[float] | None,
) -> Problem:
    """Set up a tree whose leaves serve one region each, in order."""
    for lead_time in lead_times:
        require_whole("lead_time", lead_time, high=MOST_LEAD)
    nodes = len(parent)
    leaves = [n for n in range(nodes) if n not in parent]
    if len(leaves) != demand.regions:
        raise ValueError(
            f"demand has {demand.regions} regions, must have {len(leaves)}: one a leaf"
        )
    share = np.zeros((nodes, demand.regions))
    share[leaves, np.arange(demand.regions)] = 1.0
    kernel = LocalDemandParams(share=real(share), unit_ship_cost=jnp.zeros(nodes))
    params = make_params(np.asarray(parent), kernel, **costs)  # type: ignore[arg-type]
    lead = np.eye(max(lead_times) + 1)[list(lead_times)]
    dynamics = Dynamics(whole_units=False, ship_arrivals=True)
    simulator = Simulator(kernel=LocalDemand(backlog=backlog), dynamics=dynamics)
    return simulator, params, partial(_sample, demand, lead)


def _sample(
    demand: Demand,
    lead: NDArray[np.floating[Any]],
    key: Array,
    periods: int,
    batch: int | None = None,
) -> Scenario:
    """Draw a scenario, or a batch of them, which is the last axis."""
    shape = (periods, demand.regions)
    key_demand, key_noise = jax.random.split(key)
    # Views are put in when they are drawn, with their batch; the mean is known.
    scenario = scenario_from_views(np.zeros(shape), lead, key_noise, forecast=demand.mean)
    views = demand.sample(key_demand, shape if batch is None else (*shape, batch))
    return replace(scenario, series=replace(scenario.series, glance_views=views))


def single_store(
    *,
    lead_time: int = 1,
    holding_cost: float = 1.0,
    unmet_cost: float = 9.0,
    mean_demand: float = 5.0,
    sd_demand: float = 1.6,
    backlog: bool = True,
    demand: Demand | None = None,
) -> Problem:
    """Set up one store with a fixed lead time; with normal demand unless told otherwise.

    Each period: order, arrivals of the order placed ``lead_time`` periods ago, demand, cost
    ``holding_cost * stock + unmet_cost * (waiting or lost)``. This is the literature's timing.

    Args:
        lead_time: Periods from order to arrival, at least 0.
        holding_cost: Currency per unit on hand at a period's end.
        unmet_cost: Currency per unit waiting (or lost) at a period's end.
        mean_demand: Units a period, of normals clipped at zero.
        sd_demand: Units a period.
        backlog: Whether unmet demand waits, or is lost.
        demand: In place of the normals.

    Returns:
        The simulator, its parameters, and ``sample``; see this module.

    Raises:
        ValueError: If the lead time or a standard deviation is negative.

    Source:
        With backlog, the critical fractile of demand over lead time + 1 periods (Zipkin 2000). With
        lost sales and Poisson demand: Zipkin (2008), "Old and new methods for lost-sales inventory
        systems".
    """
    require_range("mean_demand", mean_demand, low=0.0)
    require_range("sd_demand", sd_demand, low=0.0)
    normal = Normal(means=(mean_demand,), sds=(sd_demand,))
    return _problem(
        [-1],
        [lead_time],
        normal if demand is None else demand,
        backlog=backlog,
        holding_cost=holding_cost,
        unmet_cost=unmet_cost,
    )


def serial_line(
    *,
    lead_times: Sequence[int] = (2, 4, 3, 4),
    holding_cost: Sequence[float] = (0.1, 0.2, 0.5, 1.0),
    unmet_cost: float = 9.0,
    demand: Demand | None = None,
) -> Problem:
    """Set up a serial line with backlog at its last stage, the store.

    The literature's timing, see this module. Goods in transit are free.

    Args:
        lead_times: Periods to each stage from the one before, the first from the vendor; at least
            0 for the store and 1 for the others.
        holding_cost: Currency per unit on hand at a period's end, by stage.
        unmet_cost: Currency per unit waiting at the store at a period's end.
        demand: Of the store; Normal(5, 2) clipped at zero when not given.

    Returns:
        The simulator, its parameters, and ``sample``; see this module.

    Raises:
        ValueError: If a lead time is too short, or lengths differ.

    Source:
        Clark and Scarf (1960). Stages of a lead time of 0 that are no store would ship on what
        arrived the same period, which the order of events does not allow.
    """
    stages = len(lead_times)
    if len(holding_cost) != stages or stages == 0:
        raise ValueError(
            f"holding_cost has {len(holding_cost)} entries, must have as many as lead_times, "
            f"{stages}, at least 1"
        )
    if any(lead < 1 for lead in lead_times[:-1]):
        raise ValueError(f"lead_times is {tuple(lead_times)}, must be at least 1 before the store")
    return _problem(
        list(range(-1, stages - 1)),
        list(lead_times),
        Normal(means=(5.0,), sds=(2.0,)) if demand is None else demand,
        backlog=True,
        holding_cost=list(holding_cost),
        unmet_cost=[0.0] * (stages - 1) + [unmet_cost],
    )


def serial_in_transit(
    *,
    lead_times: Sequence[int] = (2, 1, 1),
    echelon_holding_cost: Sequence[float] = (2.0, 2.0, 3.0),
    unmet_cost: float = 37.12,
    demand: Demand | None = None,
) -> Problem:
    """Set up a serial line that also pays for goods in transit; by default a textbook's example.

    In the source an order faces the demand of L periods, not L + 1, and goods on their way to a
    stage cost what they cost where they came from. Mapped to our order of events: the store's lead
    time is one less (it sees the demand of its arrival period), so goods spend one period less on
    their way to it, which is charged as a transfer cost; other lead times stay.

    Args:
        lead_times: Periods to each stage, upstream first; all at least 1.
        echelon_holding_cost: Currency per unit and period that a stage adds, upstream first.
        unmet_cost: Currency per unit waiting at the store at a period's end.
        demand: Of the store; Normal(5, 1) when not given.

    Returns:
        The simulator, its parameters, and ``sample``; see this module.

    Raises:
        ValueError: If a lead time is below 1, or lengths differ.

    Source:
        Snyder and Shen, Fundamentals of Supply Chain Theory, example 6.1 (stages 3, 2, 1 there).
    """
    stages = len(lead_times)
    if len(echelon_holding_cost) != stages or stages == 0:
        raise ValueError(
            f"echelon_holding_cost has {len(echelon_holding_cost)} entries, must have as many as "
            f"lead_times, {stages}, at least 1"
        )
    if min(lead_times) < 1:
        raise ValueError(f"lead_times is {tuple(lead_times)}, must be at least 1")
    local = np.cumsum(echelon_holding_cost)
    upstream = [0.0, *local[:-1]]  # what a unit costs where it comes from; the vendor's are free
    return _problem(
        list(range(-1, stages - 1)),
        [*lead_times[:-1], lead_times[-1] - 1],
        Normal(means=(5.0,), sds=(1.0,)) if demand is None else demand,
        backlog=True,
        holding_cost=local.tolist(),
        unmet_cost=[0.0] * (stages - 1) + [unmet_cost],
        transit_cost=upstream,
        transfer_cost=[0.0] * (stages - 1) + [upstream[-1]],
    )


def transshipment(
    *,
    demand: Normal,
    warehouse_lead_time: int = 3,
    store_lead_time: int = 2,
    warehouse_holding_cost: float = 0.0,
    holding_cost: float = 1.0,
    unmet_cost: float = 4.0,
) -> Problem:
    """Set up one warehouse that allots what arrives to its stores.

    Node 0 is the warehouse, the others are stores with a backlog. The literature's timing, see
    this module. In the literature the warehouse stores nothing, and its bound
    (``policies.bounds.optimal.transshipment_bound``) is one of such policies. Nothing here keeps a
    policy from storing: what it leaves in the warehouse costs ``warehouse_holding_cost``.

    Args:
        demand: Of the stores, one mean each.
        warehouse_lead_time: Periods from the vendor to the warehouse, at least 1.
        store_lead_time: Periods from the warehouse to every store, at least 0.
        warehouse_holding_cost: Currency per unit on hand in the warehouse at a period's end.
        holding_cost: The same, in a store.
        unmet_cost: Currency per unit waiting in a store at a period's end.

    Returns:
        The simulator, its parameters, and ``sample``; see this module.

    Raises:
        ValueError: If a lead time is too short.

    Source:
        Eppen and Schrage (1981); Federgruen and Zipkin (1984).
    """
    if warehouse_lead_time < 1:
        raise ValueError(f"warehouse_lead_time is {warehouse_lead_time}, must be at least 1 period")
    stores = demand.regions
    return _problem(
        [-1] + [0] * stores,
        [warehouse_lead_time] + [store_lead_time] * stores,
        demand,
        backlog=True,
        holding_cost=[warehouse_holding_cost] + [holding_cost] * stores,
        unmet_cost=[0.0] + [unmet_cost] * stores,
    )
