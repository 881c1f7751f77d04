"""What the terms of a network cost in a period, arc by arc and node by node."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from draingym.simulator.terms import Terms

# Fewer units are none: what rounding leaves of stock, or of a request, must not cost a fee.
LEAST_UNITS = 1e-4


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Flows:
    """What moved in a period, beside what every ``Transition`` has."""

    arrived: Float[Array, " E"]  # units that were due, let in or not
    short: Float[Array, " E"]  # units claimed that the source did not ship
    refused: Float[Array, " E"]  # units for which there was no room in the store
    gate: Float[Array, " E"]  # units set aside at the source at the period's end
    door: Float[Array, " E"]  # units at the door at the period's end
    parts: Float[Array, " E"]  # parts that wait for others at the period's end
    wasted: Float[Array, " N"]  # units that expired
    spilled: Float[Array, " N"]  # units for which their age class had no place
    used: Float[Array, " N"]  # units of stock that left the node for others


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """Who pays what in a period, in currency; ``total`` is what the terms take off the reward.

    Holding, transit and unmet demand are the transition's costs, here by node and arc.
    """

    flows: Flows
    requests: Float[Array, " E"]  # unit costs of requests
    fees: Float[Array, " E"]  # of orders and shipments
    shipments: Float[Array, " E"]  # unit costs of shipments
    receipts: Float[Array, " E"]  # unit costs of arrivals
    paid: Float[Array, " E"]  # by the target to the source; a vendor's leaves the network
    short: Float[Array, " E"]
    dock: Float[Array, " E"]
    transit: Float[Array, " E"]
    refused: Float[Array, " N"]
    wasted: Float[Array, " N"]
    revenue: Float[Array, " N"]
    holding: Float[Array, " N"]
    unmet: Float[Array, " N"]
    salvage: Float[Array, " N"]
    total: Float[Array, ""]  # terms' costs less their revenue


def charge(
    terms: Terms,
    flows: Flows,
    *,
    source: Int[Array, " E"],
    ordered: Float[Array, " E"],
    shipped: Float[Array, " E"],
    refused: Float[Array, " N"],
    sold: Float[Array, " N"],
    unmet: Float[Array, " N"],
    revenue: Float[Array, " N"],
    holding: Float[Array, " N"],
    unmet_cost: Float[Array, " N"],
    transit: Float[Array, " E"],
    on_hand: Float[Array, " N"],
    on_way: Float[Array, " E"],
    left: Float[Array, " N"],
) -> Ledger:
    """Return the period's ledger.

    Args:
        terms: The period's.
        flows: What moved.
        source: [E] node that ships; -1 is the vendor.
        ordered: [E] units requested.
        shipped: [E] units shipped.
        refused: [N] units for which there was no room.
        sold: [N] units sold to customers.
        unmet: [N] units of demand lost, or waiting.
        revenue: [N] currency of the transition, as are those that follow.
        holding: [N].
        unmet_cost: [N].
        transit: [E].
        on_hand: [N] units at the period's end.
        on_way: [E] units.
        left: [N] units on hand, where the trajectory ends.

    Gradients: exact to amounts and unit costs; fees have none to amounts.
    """

    def times(rate: Array | None, units: Array) -> Array:
        return jnp.zeros_like(units) if rate is None else rate * units

    def once(fee: Array | None, units: Array) -> Array:
        return jnp.zeros_like(units) if fee is None else jnp.where(units > LEAST_UNITS, fee, 0.0)

    requests = times(terms.request_cost, ordered)
    fees = once(terms.request_fee, ordered) + once(terms.ship_fee, shipped)
    shipments = times(terms.ship_cost, shipped)
    receipts = times(terms.receive_cost, flows.arrived)
    paid = times(terms.transfer_price, shipped)
    short = times(terms.short_cost, flows.short)
    dock = times(terms.dock_cost, flows.gate + flows.door + flows.parts)
    turned_away = times(terms.refuse_cost, refused)
    wasted = times(terms.waste_cost, flows.wasted)
    sales = times(terms.sale_price, sold)
    missed = times(terms.unmet_price, unmet)
    held = times(terms.held_price, on_hand)
    moving = times(terms.transit_price, on_way)
    salvage = times(terms.salvage, left)
    by_arc = requests + fees + shipments + receipts + short + dock + moving
    total = jnp.sum(by_arc + jnp.where(source < 0, paid, 0.0))
    total = total + jnp.sum(turned_away + wasted + missed + held - sales - salvage)
    return Ledger(
        flows=flows,
        requests=requests,
        fees=fees,
        shipments=shipments,
        receipts=receipts,
        paid=paid,
        short=short,
        dock=dock,
        transit=transit + moving,
        refused=turned_away,
        wasted=wasted,
        revenue=revenue + sales,
        holding=holding + held,
        unmet=unmet_cost + missed,
        salvage=salvage,
        total=total,
    )
