"""One period of the network: the order of events, and nothing else.

1. observe: stock and transit at the start of the period, forecasts made before it;
2. act: every node requests units from its parent (roots from the vendor). A parent that is short
   rations in proportion to the requests. What it cannot ship is forgotten, or owed and shipped
   first of all when stock comes (``hold_requests``). Any source may accept a share of a request
   only (``Series.fill_rate``); the rest is cancelled. The vendor is never short, but ships no more
   whole units than ``MOST_UNITS`` allow the network to hold. A parent ships from the stock it
   holds when the period starts; with ``ship_arrivals`` also from what arrives this period of
   earlier shipments (so that a node can pass goods on at once, and stores nothing);
3. arrivals: what is due this period, shipments with a lead time of zero included, is stowed. A
   shipment may arrive in pieces, by ``Series.lead_share``;
4. drain: customers take units out of the available stock (a ``DrainKernel``, or the oracle);
5. costs and reward on the stock that is left.

A unit shipped in period t with a lead time of l can be sold from period t + l on, and be shipped
on by a parent from period t + l (``ship_arrivals``) or t + l + 1.

What differs from problem to problem is a value of ``Dynamics``. ``act`` and ``settle`` are what the
simulator and the oracle share: they differ in step 4 alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from draingym.simulator.draws import lesser, round_shipments, split_shipments
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

    ordered: Float[Array, " N"]  # units requested by nodes that exist
    shipped: Float[Array, " N"]  # units the parent (or vendor) shipped towards the node
    transferred: Float[Array, " N"]  # units that left the node for its children
    stowed: Float[Array, " N"]  # units that arrived
    available: Float[Array, " N"]  # units customers can buy
    pipeline: Float[Array, "L N"]  # units in transit at the end of the period
    owed: Float[Array, " N"] | None = None  # units the parent still owes; None: not held


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
    )


def total_of(chosen: Bool[Array, "N M"], amount: Float[Array, " M"]) -> Float[Array, " N"]:
    """Return ``sum_m chosen[n, m] * amount[m]``: over a node's children, or of its one parent."""
    # Exact for whole units: accelerators would otherwise round the factors of a product.
    total: Array = jnp.matmul(
        chosen.astype(amount.dtype), amount, precision=jax.lax.Precision.HIGHEST
    )
    return total


def act(
    params: Params,
    state: State,
    action: Float[Array, " N"],
    series: Series,
    dynamics: Dynamics,
) -> Acted:
    """Ship what was requested, as far as parents can, and stow what arrives.

    ``shipped_n = claim_n * min(1, stock_parent / claims of the parent's children)``, where a claim
    is ``request * fill_rate``, plus what is owed. Roots get their claims from the vendor.

    Whole units are counted exactly: a claim is cut to ``MOST_UNITS``, and what roots get together
    to what is left of ``MOST_UNITS`` by all that is on hand or in transit, in proportion.

    Args:
        params: Costs, limits and structure.
        state: The state at the end of the last period.
        action: [N] units requested by each node from its parent; negative requests count as 0.
        series: The period's exogenous values, without the time axis.
        dynamics: Whether units are whole (rounded at random, straight-through derivative), claims
            are held, and arrivals shipped on.

    Returns:
        The flows of the period up to the drain.

    Gradients:
        Exact almost everywhere on reals; the kinks are at a request of 0 and where a parent's
        stock equals its claims (derivative of the side that is not short). Through the rounding,
        straight through. A claim above ``MOST_UNITS`` has none; where roots' orders are cut, it is
        that of the cut orders.
    """
    whole_units, ship_arrivals = dynamics.whole_units, dynamics.ship_arrivals
    requested = jnp.where(exists(params, series), jnp.maximum(action, 0.0), 0.0)
    # What a source does not accept is cancelled.
    accepted = requested if series.fill_rate is None else requested * series.fill_rate
    claim = accepted if state.owed is None else accepted + state.owed
    parent = params.parent
    nodes = state.on_hand.shape[0]
    # What is on the shelf when parents ship; what is due arrives before or after, all the same.
    due = state.pipeline[0] if state.pipeline.shape[0] > 0 else jnp.zeros_like(state.on_hand)
    stock = state.on_hand + due if ship_arrivals else state.on_hand

    if whole_units:
        claim = jnp.where(claim > MOST_UNITS, MOST_UNITS, claim)
    amount = claim
    room, bought = jnp.full((), jnp.inf), jnp.ones(())  # what the vendor may ship, part of orders
    if whole_units:
        held = jnp.sum(state.on_hand) + jnp.sum(state.pipeline)
        room = MOST_UNITS - jnp.where(held > MOST_UNITS, MOST_UNITS, held)
        orders = jnp.sum(jnp.where(parent >= 0, 0.0, amount))
        bought = jnp.where(orders > room, room / jnp.where(orders > 0, orders, 1.0), 1.0)
    transferred = jnp.zeros_like(state.on_hand)
    unmet = jnp.zeros_like(parent, bool)  # whether the node's parent is short
    if nodes == 1:  # no node has a parent: nothing to ration
        if whole_units:
            amount = round_shipments(amount * bought, parent, stock, series.round_uniform, room)
    else:
        feeds = parent[None, :] == jnp.arange(nodes)[:, None]
        demanded = total_of(feeds, claim)
        short = demanded > stock
        # Stock may be a rounding error below zero where nothing is claimed: never divide by zero.
        fill = jnp.where(short, stock / jnp.where(demanded > 0, demanded, 1.0), 1.0)
        # A node's part of what it claims.
        part = total_of(feeds.T, fill) + jnp.where(parent >= 0, 0.0, bought)
        unmet = total_of(feeds.T, short.astype(stock.dtype)) > 0
        amount = amount * part
        if whole_units:
            amount = round_shipments(amount, parent, stock, series.round_uniform, room)
            transferred = total_of(feeds, amount)
        else:
            # Rationed shipments add up to the stock only to rounding error: stock is a limit.
            transferred = lesser(total_of(feeds, amount), stock)
    shipped = amount

    if whole_units and series.split_uniform is not None:
        pieces = split_shipments(shipped, series.lead_share, series.split_uniform)
    else:
        pieces = series.lead_share.T * shipped[None, :]
    stowed = due + pieces[0]
    later = jnp.concatenate([state.pipeline[1:], jnp.zeros_like(pieces[1:2])])
    return Acted(
        ordered=requested,
        shipped=shipped,
        transferred=transferred,
        stowed=stowed,
        # Never below zero: what left is at most the stock, and what is added is not negative.
        available=(stock - transferred) + (pieces[0] if ship_arrivals else stowed),
        pipeline=pieces[1:] + later,
        owed=jnp.where(unmet, jnp.maximum(claim - shipped, 0.0), 0.0)
        if dynamics.hold_requests
        else None,
    )


def settle(
    params: Params,
    observation: Observation,
    action: Float[Array, " N"],
    acted: Acted,
    drain: Drain,
    memory: PyTree,
    series: Series,
) -> tuple[State, Transition]:
    """Take the drain out of the stock and charge the period.

    ``reward = price * sum(outbound) + salvage - ship - purchase - transfer - holding - unmet -
    transit - capacity``. Units are paid to the vendor when they are stowed. Salvage is credited
    once, in the last period, for units on hand and in transit between nodes. Transit and storage
    are charged on what is on its way, or on hand, when the period ends; storage at the node's
    prices, and at the period's where there is one (``Series.storage_price``).

    Args:
        params: Costs, limits and structure.
        observation: What the policy saw.
        action: [N] what it asked for.
        acted: The flows up to the drain.
        drain: What customers took.
        memory: The kernel's memory after the drain.
        series: The period's exogenous values, without the time axis.

    Returns:
        The next state, and the transition with every flow and cost.

    Source:
        Reward after Madeka et al. 2022 with ship costs; a reconstruction.
    """
    on_hand = acted.available - drain.outbound
    from_vendor = params.parent < 0
    revenue = series.price * jnp.sum(drain.outbound)
    purchase = series.unit_cost * jnp.sum(jnp.where(from_vendor, acted.stowed, 0.0))
    holding = jnp.sum((params.holding_cost + params.holding_rate * series.unit_cost) * on_hand)
    unmet = jnp.sum(params.unmet_cost * (drain.lost + drain.waiting))
    transfer, owned = jnp.zeros(()), on_hand
    if on_hand.shape[0] > 1:
        transfer = jnp.sum(jnp.where(from_vendor, 0.0, params.transfer_cost * acted.shipped))
        owned = on_hand + jnp.where(from_vendor, 0.0, jnp.sum(acted.pipeline, axis=0))
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
    state = State(
        on_hand=on_hand,
        pipeline=acted.pipeline,
        waiting=drain.waiting,
        memory=memory,
        owed=acted.owed,
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
    )
    return state, transition


def _storage(params: Params, on_hand: Float[Array, " N"]) -> Float[Array, ""]:
    """Return the cost of storage: one price within a node's capacity, another above it."""
    if params.capacity is None or params.capacity_price is None or params.overflow_price is None:
        return jnp.zeros(())
    within = lesser(on_hand, params.capacity)  # at the limit the last unit is still within
    return jnp.sum(params.capacity_price * within + params.overflow_price * (on_hand - within))
