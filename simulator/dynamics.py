"""One period of the network: the order of events, and nothing else.

1. observe: stock and transit at the start of the period, forecasts made before it;
2. act: every node requests units from its parent; a parent that is short rations in proportion;
3. arrivals: what is due this period, orders with a lead time of zero included, is stowed;
4. drain: customers take units out of the available stock (a ``DrainKernel``, or the oracle);
5. costs and reward on the stock that is left.

``act`` and ``settle`` are what the simulator and the oracle share: they differ in step 4 alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from simulator.draws import lesser, round_shipments
from simulator.types import Drain, Observation, Params, PyTree, Series, State, Transition


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
    )


def act(
    params: Params, state: State, action: Float[Array, " N"], series: Series, *, whole_units: bool
) -> Acted:
    """Ship what was requested, as far as parents can, and stow what arrives.

    ``shipped_n = request_n * min(1, stock_parent / requests of the parent's children)``; the
    vendor is never short. A parent ships from the stock it holds when the period starts.

    Args:
        params: Costs, limits and structure.
        state: The state at the end of the last period.
        action: [N] units requested by each node from its parent; negative requests count as 0.
        series: The period's exogenous values, without the time axis.
        whole_units: Round shipments to whole units (randomised, straight-through derivative).

    Returns:
        The flows of the period up to the drain.

    Gradients:
        Exact almost everywhere on reals; through the rounding, straight through.
    """
    requested = jnp.where(exists(params, series), jnp.maximum(action, 0.0), 0.0)
    parent = params.parent
    has_parent = parent >= 0
    owner = jnp.where(has_parent, parent, 0)
    nodes = state.on_hand.shape[0]

    def by_parent(amount: Array) -> Array:
        return jnp.zeros(nodes, amount.dtype).at[owner].add(jnp.where(has_parent, amount, 0.0))

    demanded = by_parent(requested)
    fill = jnp.where(
        demanded > state.on_hand, state.on_hand / jnp.where(demanded > 0, demanded, 1.0), 1.0
    )
    amount = requested * jnp.where(has_parent, fill[owner], 1.0)
    if whole_units:
        shipped = round_shipments(amount, parent, state.on_hand, series.round_uniform)
        transferred = by_parent(shipped)
    else:
        # Rationed shipments add up to the stock only to rounding error: keep the stock a limit.
        shipped, transferred = amount, lesser(by_parent(amount), state.on_hand)
    transit = jnp.concatenate([state.pipeline, jnp.zeros((1, nodes), state.pipeline.dtype)])
    transit = transit + series.lead_share.T * shipped[None, :]
    return Acted(
        ordered=requested,
        shipped=shipped,
        transferred=transferred,
        stowed=transit[0],
        available=state.on_hand - transferred + transit[0],
        pipeline=transit[1:],
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

    ``reward = price * sum(outbound) + salvage - ship - purchase - transfer - holding - unmet``.
    Units are paid to the vendor when they are stowed. Salvage is credited once, in the last
    period, for units on hand and in transit between nodes.

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
    transfer = jnp.sum(jnp.where(from_vendor, 0.0, params.transfer_cost * acted.shipped))
    holding = jnp.sum((params.holding_cost + params.holding_rate * series.unit_cost) * on_hand)
    unmet = jnp.sum(params.unmet_cost * (drain.lost + drain.waiting))
    owned = on_hand + jnp.where(from_vendor, 0.0, jnp.sum(acted.pipeline, axis=0))
    salvage = jnp.where(series.last, params.salvage_rate * series.unit_cost * jnp.sum(owned), 0.0)
    reward = revenue + salvage - jnp.sum(drain.ship_cost) - purchase - transfer - holding - unmet
    state = State(on_hand=on_hand, pipeline=acted.pipeline, waiting=drain.waiting, memory=memory)
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
        reward=reward,
        terminated=jnp.zeros((), bool),
        truncated=series.last,
    )
    return state, transition
