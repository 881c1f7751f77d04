"""What sources ship of what is claimed from them."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from draingym.simulator.draws import lesser, round_shipments, straight_through
from draingym.simulator.network.arcs import ends_of
from draingym.simulator.network.rationing import in_order
from draingym.simulator.ratio import ratio
from draingym.simulator.terms import Terms
from draingym.simulator.types import MOST_UNITS, Dynamics, Params, Series, State


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Shipment:
    """What left the sources in a period."""

    shipped: Float[Array, " E"]  # units
    transferred: Float[Array, " N"]  # units that left the node on all its arcs
    used: Float[Array, " N"]  # units of the node's stock that they took
    unmet: Bool[Array, " E"]  # whether a limit, or the source's stock, kept back some of the claim


def ship(
    params: Params,
    state: State,
    claim: Float[Array, " E"],
    stock: Float[Array, " N"],
    series: Series,
    terms: Terms | None,
    dynamics: Dynamics,
) -> Shipment:
    """Ship what is claimed, as far as the arcs' limits and the sources' stock allow.

    ``shipped_e = want_e * min(1, room / sum of what is wanted of the source)`` with ``want =
    min(claim, ship_limit)`` and ``room = min(stock * yields, source_limit)``; or one arc after the
    other (``by_rank``, see ``rationing.in_order``). The vendor is never short, but ships no more
    whole units than ``MOST_UNITS`` allow the network to hold.

    Whole units are counted exactly: a claim is at most ``MOST_UNITS``, and what roots get together
    is cut to what is left of ``MOST_UNITS`` by all that is on hand or in transit, in proportion.

    Args:
        params: Structure.
        state: At the start of the period.
        claim: [E] units.
        stock: [N] units that can be shipped.
        series: The period's exogenous values.
        terms: The period's.
        dynamics: Whether units are whole, and who is served first.

    Gradients:
        Exact almost everywhere on reals; the kinks are where a source's room equals what is wanted
        of it (derivative of the side that is not short) and at a limit. Through the rounding,
        straight through, or none (``through_rounding``).
    """
    whole_units = dynamics.whole_units
    source = params.source
    nodes = stock.shape[0]
    amount, limited = claim, None
    if terms is not None and terms.ship_limit is not None:
        amount, limited = lesser(claim, terms.ship_limit), claim > terms.ship_limit
    free, bought = jnp.full((), jnp.inf), jnp.ones(())  # what the vendor may ship, part of orders
    if whole_units:
        held = jnp.sum(state.on_hand) + jnp.sum(state.pipeline)
        for waits in (state.gate, state.door, state.parts):
            held = held if waits is None else held + jnp.sum(waits)
        free = MOST_UNITS - jnp.where(held > MOST_UNITS, MOST_UNITS, held)
        free = straight_through(jnp.floor(free), free)  # what is held may be part of a unit
        orders = jnp.sum(jnp.where(source >= 0, 0.0, amount))
        bought = jnp.where(orders > free, ratio(free, orders), 1.0)

    def rounded(amount: Float[Array, " E"], stock: Float[Array, " N"]) -> Float[Array, " E"]:
        whole = round_shipments(amount, source, stock, series.round_uniform, free)
        return whole if dynamics.through_rounding else jax.lax.stop_gradient(whole)

    if nodes == 1:  # no arc has a node as its source: nothing to ration
        if whole_units:
            amount = rounded(amount * bought, stock)
        none = jnp.zeros_like(stock)
        unmet = jnp.zeros_like(source, bool) if limited is None else limited
        return Shipment(shipped=amount, transferred=none, used=none, unmet=unmet)

    of_arcs, of_source = ends_of(source, nodes)
    room = stock
    if terms is not None and terms.yields is not None:
        room = stock * terms.yields
    if terms is not None and terms.source_limit is not None:
        room = lesser(room, terms.source_limit)
    if whole_units and terms is not None:  # a yield, or an age, may leave part of a unit
        room = straight_through(jnp.floor(room), room)
    if dynamics.by_rank:
        bound = jnp.where(source >= 0, of_source(room), jnp.inf)
        rank = jnp.zeros(source.shape) if params.rank is None else params.rank
        served = in_order(amount, source, rank, bound)
        unmet = served < amount
        amount = served * jnp.where(source >= 0, 1.0, bought) if whole_units else served
    else:
        demanded = of_arcs(amount)
        short = demanded > room
        fill = jnp.where(short, ratio(room, jnp.where(short, demanded, 1.0)), 1.0)
        # An arc's part of what it claims.
        part = of_source(fill) + jnp.where(source >= 0, 0.0, bought)
        unmet = of_source(short.astype(stock.dtype)) > 0
        amount = amount * part
    if limited is not None:
        unmet = unmet | limited
    if whole_units:
        amount = rounded(amount, room)
        transferred = of_arcs(amount)
    else:
        # Rationed shipments add up to the stock only to rounding error: stock is a limit.
        transferred = lesser(of_arcs(amount), room)
    used = transferred
    if terms is not None and terms.yields is not None:
        used = lesser(transferred / terms.yields, stock)
    return Shipment(shipped=amount, transferred=transferred, used=used, unmet=unmet)


def depart(
    gate: Float[Array, " E"], shipped: Float[Array, " E"], limit: Float[Array, " E"]
) -> tuple[Float[Array, " E"], Float[Array, " E"]]:
    """Return the units that leave their source, and those set aside for a later period.

    Gradients: exact almost everywhere; that of the side that binds.
    """
    ready = gate + shipped
    leaving = lesser(ready, limit)
    return leaving, ready - leaving


def on_the_way(
    pipeline: Float[Array, "rows E"],
    pieces: Float[Array, "leads E"],
    stands: Float[Array, " E"] | None,
) -> Float[Array, "rows E"]:
    """Return what is in transit after a period, the next period's arrivals first.

    Args:
        pipeline: What was in transit before; row 0 has arrived.
        pieces: [L+1, E] shipped in the period, by periods to arrival; row 0 has arrived.
        stands: [E] above 0 where nothing moves on at the period's end: what is shipped in the next
            joins what is still at the start of its way. The pipeline has L+1 rows then, L without.
    """
    if stands is None:
        return pieces[1:] + jnp.concatenate([pipeline[1:], jnp.zeros_like(pieces[1:2])])
    left = (pipeline + pieces)[1:]
    none = jnp.zeros_like(pieces[:1])
    still = jnp.concatenate([none, left])
    return jnp.where(stands[None, :] > 0, still, jnp.concatenate([left, none]))
