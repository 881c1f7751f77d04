"""The end of a period: what is too old expires, late arrivals are stowed, and all is charged."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.simulator.draws import lesser
from draingym.simulator.dynamics import Acted
from draingym.simulator.network.ages import fresh, grow_old, issue
from draingym.simulator.network.arcs import in_transit, into, sum_at
from draingym.simulator.network.charges import Flows, Ledger, charge
from draingym.simulator.network.stowing import put_away, receive_at, terms_of
from draingym.simulator.types import (
    Drain,
    Dynamics,
    Observation,
    Params,
    PyTree,
    Series,
    State,
    Transition,
)


def settle(
    params: Params,
    observation: Observation,
    action: Float[Array, " E"],
    acted: Acted,
    drain: Drain,
    memory: PyTree,
    series: Series,
    dynamics: Dynamics,
) -> tuple[State, Transition]:
    """Take the drain out of the stock, let what is too old expire, and charge the period.

    ``reward = price * sum(outbound) + salvage - ship - purchase - transfer - holding - unmet -
    transit - capacity - terms``. Units are paid to the vendor when they are due (and what the terms
    charge, when it happens). Salvage is credited once, in the last period, for units on hand and in
    transit between nodes. Holding, transit and storage are charged on what is on hand, or on its
    way, when the period ends, after late arrivals; storage at the node's prices, and at the
    period's where there is one (``Series.storage_price``).

    Args:
        params: Costs, limits and structure.
        observation: What the policy saw.
        action: [E] what it asked for.
        acted: The flows up to the drain.
        drain: What customers took.
        memory: The kernel's memory after the drain.
        series: The period's exogenous values, without the time axis.
        dynamics: Whether arrivals are stowed only now, and what becomes of those without room.

    Returns:
        The next state, and the transition with every flow and cost.

    Source:
        Reward after Madeka et al. 2022 with ship costs; a reconstruction.
    """
    on_hand = acted.available - drain.outbound
    acted, on_hand, wasted = _close(params, series, dynamics, acted, drain, on_hand)
    nodes = on_hand.shape[0]
    from_vendor = params.source < 0
    revenue = series.price * jnp.sum(drain.outbound)
    purchase = series.unit_cost * jnp.sum(jnp.where(from_vendor, acted.arrived, 0.0))
    holding_by = (params.holding_cost + params.holding_rate * series.unit_cost) * on_hand  # node
    unmet_by = params.unmet_cost * (drain.lost + drain.waiting)
    holding, unmet = jnp.sum(holding_by), jnp.sum(unmet_by)
    transfer, owned = jnp.zeros(()), on_hand
    if nodes > 1:
        transfer = jnp.sum(jnp.where(from_vendor, 0.0, params.transfer_cost * acted.shipped))
        on_way = jnp.where(from_vendor, 0.0, in_transit(acted.pipeline))
        owned = on_hand + into(params.target, on_way, nodes)
    salvage = jnp.where(series.last, params.salvage_rate * series.unit_cost * jnp.sum(owned), 0.0)
    reward = revenue + salvage - jnp.sum(drain.ship_cost) - purchase - transfer - holding - unmet
    transit = capacity = jnp.zeros(())
    transit_by = jnp.zeros_like(acted.arrived)  # arc
    if params.transit_cost is not None:
        transit_by = params.transit_cost * in_transit(acted.pipeline)
        transit = jnp.sum(transit_by)
        reward = reward - transit
    if params.capacity is not None:
        capacity = _storage(params, on_hand)
    if series.storage_price is not None:
        capacity = capacity + jnp.sum(series.storage_price * on_hand)
    if params.capacity is not None or series.storage_price is not None:
        reward = reward - capacity
    ledger = _ledger(
        params, series, acted, drain, on_hand, wasted, holding_by, unmet_by, transit_by
    )
    if ledger is not None:
        reward = reward - ledger.total
    state = State(
        on_hand=on_hand,
        pipeline=acted.pipeline,
        waiting=drain.waiting,
        memory=memory,
        owed=acted.owed,
        gate=acted.gate,
        door=acted.door,
        parts=acted.parts,
        ages=acted.ages,
        queue=acted.queue,
    )
    transition = Transition(
        observation=observation,
        action=action,
        ordered=acted.ordered,
        shipped=acted.shipped,
        transferred=acted.transferred,
        stowed=acted.stowed,
        available=acted.available,
        outbound=drain.outbound,
        lost=drain.lost,
        waiting=drain.waiting,
        on_hand=on_hand,
        revenue=revenue,
        ship_cost=drain.ship_cost,
        purchase_cost=purchase,
        transfer_cost=transfer,
        holding_cost=holding,
        unmet_cost=unmet,
        salvage=salvage,
        transit_cost=transit,
        capacity_cost=capacity,
        reward=reward,
        terminated=jnp.zeros((), bool),
        truncated=series.last,
        owed=acted.owed,
        ledger=ledger,
    )
    return state, transition


def _close(
    params: Params,
    series: Series,
    dynamics: Dynamics,
    acted: Acted,
    drain: Drain,
    on_hand: Float[Array, " N"],
) -> tuple[Acted, Float[Array, " N"], Float[Array, " N"]]:
    """Return the flows, the stock, and what expired, after all that follows the drain."""
    wasted = jnp.zeros_like(on_hand)
    ages = acted.ages
    if ages is not None and params.perishable is not None:
        ages, wasted = grow_old(issue(ages, params.perishable, drain.outbound), params.perishable)
        on_hand = on_hand - wasted
        acted = replace(acted, ages=ages)
    if dynamics.late_arrivals:
        received = receive_at(
            params,
            terms_of(params, series),
            dynamics,
            acted.door,
            acted.parts,
            acted.arrived,
            on_hand,
        )
        spilled = None
        if ages is not None:
            ages, spilled = put_away(params, series, ages, acted.arrived, received, None)
            on_hand = on_hand - spilled
        on_hand = on_hand + received.stowed
        acted = replace(
            acted,
            stowed=received.stowed,
            received=received,
            door=received.door,
            parts=received.parts,
            ages=ages,
            spilled=spilled,
        )
    refused = None if acted.received is None else acted.received.refused
    if dynamics.send_back and refused is not None:
        back = sum_at(params.source, refused, on_hand.shape[0])
        on_hand = on_hand + back
        if ages is not None and params.perishable is not None:
            ages = ages + fresh(params.perishable, back, ages.shape[0])
            acted = replace(acted, ages=ages)
    return acted, on_hand, wasted


def _ledger(
    params: Params,
    series: Series,
    acted: Acted,
    drain: Drain,
    on_hand: Float[Array, " N"],
    wasted: Float[Array, " N"],
    holding: Float[Array, " N"],
    unmet_cost: Float[Array, " N"],
    transit: Float[Array, " E"],
) -> Ledger | None:
    """Return what the terms charge, and every cost by node and arc; None without terms."""
    terms = terms_of(params, series)
    if terms is None or acted.short is None or acted.used is None:
        return None
    none, nowhere = jnp.zeros_like(acted.arrived), jnp.zeros_like(on_hand)
    refused = None if acted.received is None else acted.received.refused
    flows = Flows(
        arrived=acted.arrived,
        short=acted.short,
        refused=none if refused is None else refused,
        gate=none if acted.gate is None else acted.gate,
        door=none if acted.door is None else acted.door,
        parts=none if acted.parts is None else acted.parts,
        wasted=wasted,
        spilled=nowhere if acted.spilled is None else acted.spilled,
        used=acted.used,
    )
    return charge(
        terms,
        flows,
        source=params.source,
        ordered=acted.ordered,
        shipped=acted.shipped,
        refused=into(params.target, flows.refused, on_hand.shape[0]),
        sold=drain.outbound,
        unmet=drain.lost + drain.waiting,
        revenue=series.price * drain.outbound,
        holding=holding,
        unmet_cost=unmet_cost,
        transit=transit,
        on_hand=on_hand,
        on_way=in_transit(acted.pipeline),
        left=jnp.where(series.last, on_hand, 0.0),
    )


def _storage(params: Params, on_hand: Float[Array, " N"]) -> Float[Array, ""]:
    """Return the cost of storage: one price within a node's capacity, another above it."""
    if params.capacity is None or params.capacity_price is None or params.overflow_price is None:
        return jnp.zeros(())
    within = lesser(on_hand, params.capacity)  # at the limit the last unit is still within
    return jnp.sum(params.capacity_price * within + params.overflow_price * (on_hand - within))
