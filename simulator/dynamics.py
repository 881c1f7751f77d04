"""One period of the network: the order of events, and nothing else.

1. observe: stock and transit at the start of the period, forecasts made before it, and the
   period's own demand where it is shown (``Series.shown``);
2. act: units are requested on every arc. A source that is short rations, in proportion or in order
   (``draingym.simulator.network.shipping``). What it cannot ship is forgotten, or owed and shipped
   first of all when stock comes (``hold_requests``). Any source may accept a share of a request
   only (``Series.fill_rate``); the rest is cancelled. A source ships from the stock it holds when
   the period starts; with ``ship_arrivals`` also from what arrives this period of earlier
   shipments, and with more than one of ``passes`` from what others ship to it at once;
3. arrivals: what is due this period, shipments with a lead time of zero included, is stowed. A
   shipment may arrive in pieces, by ``Series.lead_share``. With ``late_arrivals`` this comes after
   step 4;
4. drain: customers take units out of the available stock (a ``DrainKernel``, or the oracle). What
   is left and too old expires;
5. costs and reward on the stock that is left.

A unit shipped in period t with a lead time of l can be sold from period t + l on (t + l + 1 with
``late_arrivals``), and be shipped on from period t + l (``ship_arrivals``) or t + l + 1.

Arcs and nodes are the same axis in a tree, where arc n replenishes node n. Mechanisms whose field
is None are out of the compiled program. What differs from problem to problem is a value of
``Dynamics``. ``act`` and ``settle`` are what the simulator and the oracle share: they differ in
step 4 alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.simulator.draws import lesser, split_shipments
from draingym.simulator.network.ages import arrive, fresh, grow_old, issue
from draingym.simulator.network.arcs import into, sum_at
from draingym.simulator.network.charges import Flows, Ledger, charge
from draingym.simulator.network.receiving import Received, receive
from draingym.simulator.network.requesting import delayed, requested_by
from draingym.simulator.network.shipping import depart, on_the_way, ship
from draingym.simulator.terms import Terms
from draingym.simulator.types import (
    MOST_UNITS,
    Drain,
    Dynamics,
    Observation,
    Params,
    PyTree,
    Series,
    State,
    Transition,
)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Acted:
    """The network after orders and arrivals, before the drain."""

    ordered: Float[Array, " E"]  # units requested by nodes that exist
    shipped: Float[Array, " E"]  # units the source shipped
    transferred: Float[Array, " N"]  # units that left the node for others
    stowed: Float[Array, " N"]  # units that arrived
    available: Float[Array, " N"]  # units customers can buy
    pipeline: Float[Array, "L E"]  # units in transit at the end of the period
    arrived: Float[Array, " E"]  # units that are due, let in or not
    owed: Float[Array, " E"] | None = None  # units the source still owes; None: not held
    # None where the mechanism is not there.
    short: Float[Array, " E"] | None = None  # units claimed that the source did not ship
    used: Float[Array, " N"] | None = None  # units of stock that were shipped, where there is yield
    received: Received | None = None  # what came in; None in a tree, and before late arrivals
    gate: Float[Array, " E"] | None = None  # units set aside at the source
    door: Float[Array, " E"] | None = None  # as it was, until something is received
    parts: Float[Array, " E"] | None = None
    ages: Float[Array, "A N"] | None = None
    spilled: Float[Array, " N"] | None = None  # units for which their age class had no place
    queue: Float[Array, "D E"] | None = None


def exists(params: Params, series: Series) -> Array:
    """Return [N] whether each node exists in the period."""
    return params.active_from <= series.period


def observe(params: Params, state: State, series: Series) -> Observation:
    """Return what a policy sees before it acts in the period of ``series`` (no time axis)."""
    return Observation(
        on_hand=state.on_hand,
        pipeline=state.pipeline,
        waiting=state.waiting,
        active=exists(params, series),
        forecast=series.forecast,
        price=series.price,
        unit_cost=series.unit_cost,
        attributes=series.attributes,
        calendar=series.calendar,
        owed=state.owed,
        storage_price=series.storage_forecast,
        gate=state.gate,
        door=state.door,
        parts=state.parts,
        ages=state.ages,
        queue=state.queue,
        demand=series.shown,
    )


def terms_of(params: Params, series: Series) -> Terms | None:
    """Return the period's terms, if there are any."""
    return params.terms if series.terms is None else series.terms


def act(
    params: Params,
    state: State,
    action: Float[Array, " E"],
    series: Series,
    dynamics: Dynamics,
) -> Acted:
    """Ship what was requested, as far as sources can, and stow what arrives.

    ``shipped_e = claim_e * min(1, stock of the source / claims on it)``, where a claim is ``request
    * fill_rate``, plus what is owed; see ``draingym.simulator.network.shipping`` for limits and
    other orders of service. The vendor ships all that is claimed.

    Args:
        params: Costs, limits and structure.
        state: The state at the end of the last period.
        action: [E] units requested on each arc; negative requests count as 0, and so does NaN where
            there are terms.
        series: The period's exogenous values, without the time axis.
        dynamics: Whether units are whole (rounded at random, straight-through derivative), claims
            are held, and arrivals shipped on.

    Returns:
        The flows of the period up to the drain.

    Gradients:
        Exact almost everywhere on reals; the kinks are at a request of 0 and where a source's
        stock equals its claims (derivative of the side that is not short). Through the rounding,
        straight through. A claim above ``MOST_UNITS`` has none; where roots' orders are cut, it is
        that of the cut orders.
    """
    terms = terms_of(params, series)
    nodes = state.on_hand.shape[0]
    open_now = exists(params, series)
    if params.target is not None:
        open_now = open_now[params.target]
    requested = jnp.where(open_now, jnp.maximum(action, 0.0), 0.0)
    if terms is not None:
        requested = requested_by(terms, requested, dynamics.rounding)
    # What a source does not accept is cancelled.
    accepted = requested if series.fill_rate is None else requested * series.fill_rate
    queue = state.queue
    if queue is not None and params.delay is not None:
        accepted, queue = delayed(queue, params.delay, accepted)
    claim = accepted if state.owed is None else accepted + state.owed
    if dynamics.whole_units:
        claim = jnp.where(claim > MOST_UNITS, MOST_UNITS, claim)
    # What is on the shelf when sources ship; what is due arrives before or after, all the same.
    due = state.pipeline[0] if state.pipeline.shape[0] > 0 else jnp.zeros_like(claim)

    def came(arrivals: Float[Array, " E"], shelf: Float[Array, " N"]) -> Received:
        return _receive(params, terms, dynamics, state.door, state.parts, arrivals, shelf)

    plain = _plain(params, state)  # what arrives is on the shelf, in a tree or not

    def on_shelf(arrivals: Float[Array, " E"]) -> Float[Array, " N"]:
        if plain:
            return into(params.target, arrivals, nodes)
        return came(arrivals, state.on_hand).stowed

    early = on_shelf(due) if dynamics.ship_arrivals else None  # arrivals that can be shipped
    for _ in range(dynamics.passes):
        stock = state.on_hand if early is None else state.on_hand + early
        shipment = ship(params, state, claim, stock, series, terms, dynamics)
        shipped = leaving = shipment.shipped
        gate = state.gate
        if gate is not None and terms is not None and terms.leave_limit is not None:
            leaving, gate = depart(gate, shipped, terms.leave_limit)
        if dynamics.whole_units and series.split_uniform is not None:
            pieces = split_shipments(leaving, series.lead_share, series.split_uniform)
        else:
            pieces = series.lead_share.T * leaving[None, :]
        counted, arrived = early, due + pieces[0]
        if dynamics.passes > 1:
            early = on_shelf(arrived)

    left = stock - shipment.used
    ages, spilled, received = state.ages, None, None
    if ages is not None and params.perishable is not None:
        if counted is not None:
            ages = ages + fresh(params.perishable, counted, ages.shape[0])
        ages = issue(ages, params.perishable, shipment.used)
    stowed = jnp.zeros_like(left)
    if dynamics.late_arrivals:
        available = left
    else:
        if not plain:
            received = came(arrived, state.on_hand if dynamics.ship_arrivals else left)
        stowed = into(params.target, arrived, nodes) if received is None else received.stowed
        # Never below zero: what left is at most the stock, and what is added is not negative.
        if counted is None:
            available = left + stowed
        elif plain and dynamics.passes == 1:
            available = left + into(params.target, pieces[0], nodes)
        else:
            available = left + (stowed - counted)
        if ages is not None and params.perishable is not None:
            ages, spilled = _put_away(params, series, ages, arrived, received, counted)
            available = available - spilled
    unshipped = None
    if dynamics.hold_requests or terms is not None:
        # Rounding leaves a claim a little short or over, where nothing kept it from shipping.
        unshipped = jnp.where(shipment.unmet, jnp.maximum(claim - shipped, 0.0), 0.0)
    return Acted(
        ordered=requested,
        shipped=shipped,
        transferred=shipment.transferred,
        stowed=stowed,
        available=available,
        pipeline=on_the_way(state.pipeline, pieces, None if terms is None else terms.stands),
        arrived=arrived,
        owed=unshipped if dynamics.hold_requests else None,
        short=None if terms is None else unshipped,
        used=None if terms is None else shipment.used,
        received=received,
        gate=gate,
        door=state.door if received is None else received.door,
        parts=state.parts if received is None else received.parts,
        ages=ages,
        spilled=spilled,
        queue=queue,
    )


def _plain(params: Params, state: State) -> bool:
    """Return whether all that arrives is stock at once."""
    return params.storage is None and params.assembly is None and state.door is None


def _receive(
    params: Params,
    terms: Terms | None,
    dynamics: Dynamics,
    door: Float[Array, " E"] | None,
    parts: Float[Array, " E"] | None,
    arrivals: Float[Array, " E"],
    shelf: Float[Array, " N"],
) -> Received:
    return receive(
        arrivals,
        shelf,
        params.target,
        terms,
        params.storage,
        params.assembly,
        door,
        parts,
        whole_units=dynamics.whole_units,
    )


def _put_away(
    params: Params,
    series: Series,
    ages: Float[Array, "A N"],
    arrived: Float[Array, " E"],
    received: Received | None,
    counted: Float[Array, " N"] | None,
) -> tuple[Float[Array, "A N"], Float[Array, " N"]]:
    """Return the shelf by age with what came in, and what its age class had no place for."""
    if params.perishable is None:
        raise ValueError("params.perishable is None, must be given where stock has an age")
    goods = arrived if received is None else received.goods
    made = None if received is None else received.made
    if counted is not None:  # of the youngest, and there already
        made = -counted if made is None else made - counted
    return arrive(ages, params.perishable, goods, made, params.target, series.age_share)


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
    holding = jnp.sum((params.holding_cost + params.holding_rate * series.unit_cost) * on_hand)
    unmet = jnp.sum(params.unmet_cost * (drain.lost + drain.waiting))
    transfer, owned = jnp.zeros(()), on_hand
    if nodes > 1:
        transfer = jnp.sum(jnp.where(from_vendor, 0.0, params.transfer_cost * acted.shipped))
        on_way = jnp.where(from_vendor, 0.0, jnp.sum(acted.pipeline, axis=0))
        owned = on_hand + into(params.target, on_way, nodes)
    salvage = jnp.where(series.last, params.salvage_rate * series.unit_cost * jnp.sum(owned), 0.0)
    reward = revenue + salvage - jnp.sum(drain.ship_cost) - purchase - transfer - holding - unmet
    transit = capacity = jnp.zeros(())
    if params.transit_cost is not None:
        transit = jnp.sum(params.transit_cost * jnp.sum(acted.pipeline, axis=0))
        reward = reward - transit
    if params.capacity is not None:
        capacity = _storage(params, on_hand)
    if series.storage_price is not None:
        capacity = capacity + jnp.sum(series.storage_price * on_hand)
    if params.capacity is not None or series.storage_price is not None:
        reward = reward - capacity
    ledger = _ledger(params, series, acted, drain, on_hand, wasted)
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
        received = _receive(
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
            ages, spilled = _put_away(params, series, ages, acted.arrived, received, None)
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
    unmet = drain.lost + drain.waiting
    rate = params.holding_cost + params.holding_rate * series.unit_cost
    on_way = jnp.sum(acted.pipeline, axis=0)
    return charge(
        terms,
        flows,
        source=params.source,
        ordered=acted.ordered,
        shipped=acted.shipped,
        refused=into(params.target, flows.refused, on_hand.shape[0]),
        sold=drain.outbound,
        unmet=unmet,
        revenue=series.price * drain.outbound,
        holding=rate * on_hand,
        unmet_cost=params.unmet_cost * unmet,
        transit=none if params.transit_cost is None else params.transit_cost * on_way,
        left=jnp.where(series.last, on_hand, 0.0),
    )


def _storage(params: Params, on_hand: Float[Array, " N"]) -> Float[Array, ""]:
    """Return the cost of storage: one price within a node's capacity, another above it."""
    if params.capacity is None or params.capacity_price is None or params.overflow_price is None:
        return jnp.zeros(())
    within = lesser(on_hand, params.capacity)  # at the limit the last unit is still within
    return jnp.sum(params.capacity_price * within + params.overflow_price * (on_hand - within))
