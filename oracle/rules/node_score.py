"""Which node ships a line: the score that greedy fulfilment minimises, written once."""

from __future__ import annotations

import math

import numba

from draingym.oracle.rules.ship_cost import box_rate


@numba.njit(cache=True, inline="always")
def greedy_score(  # type: ignore[no-untyped-def]
    rates, zone, lane, before_lb, weight_lb, units, stock, scarcity_units, opportunity_cost
):
    """Return the score of shipping units of a line from a node, USD per unit; the lowest wins.

    What the box's bill grows by, lane included, and the opportunity cost of taking units where they
    are scarce, which falls exponentially in the stock.

    Args:
        rates: [4] the rate card.
        zone: Carrier zone from the node to the customer.
        lane: Price level of the lane.
        before_lb: Weight already in the basket's box from the node; below 0 if it has none yet.
        weight_lb: Of one unit.
        units: To be shipped, at least 1.
        stock: Units of the product at the node, those to be shipped included.
        scarcity_units: Stock at which the opportunity cost fell to 1/e.
        opportunity_cost: USD per unit where there is no stock.
    """
    added = units * weight_lb
    if before_lb >= 0.0:
        bill = box_rate(rates, zone, before_lb + added) - box_rate(rates, zone, before_lb)
    else:
        bill = box_rate(rates, zone, added)
    return lane * bill / units + opportunity_cost * math.exp(-(stock / scarcity_units))
