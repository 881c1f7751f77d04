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
``Dynamics``. ``act`` and ``settlement.settle`` are what simulator and oracle share: they differ in
step 4 alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.simulator.draws import split_shipments
from draingym.simulator.network.ages import fresh, issue
from draingym.simulator.network.arcs import into
from draingym.simulator.network.receiving import Received
from draingym.simulator.network.requesting import delayed, requested_by
from draingym.simulator.network.shipping import depart, on_the_way, ship
from draingym.simulator.network.stowing import put_away, receive_at, terms_of
from draingym.simulator.types import (
    MOST_UNITS,
    Dynamics,
    Observation,
    Params,
    Series,
    State,
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
        forecast_cv=series.forecast_cv,
        gate=state.gate,
        door=state.door,
        parts=state.parts,
        ages=state.ages,
        queue=state.queue,
        demand=series.shown,
    )


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
        return receive_at(params, terms, dynamics, state.door, state.parts, arrivals, shelf)

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
            ages, spilled = put_away(params, series, ages, arrived, received, counted)
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
