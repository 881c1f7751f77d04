"""Which node ships a line: the score that greedy fulfilment minimises, written once."""

from __future__ import annotations

import math

import numba
import numpy as np

from draingym.oracle.rules.ship_cost import box_rate, mix_bits

_NO_PRODUCT = np.uint64(0xE7037ED1A0B428DB)  # stands for a basket where a line has its product


@numba.njit(cache=True, inline="always")
def greedy_score(  # type: ignore[no-untyped-def]
    rates,
    zone,
    lane,
    before_lb,
    weight_lb,
    units,
    stock,
    scarcity_units,
    opportunity_cost,
    preference,
):
    """Return the score of shipping units of a line from a node, USD per unit; the lowest wins.

    What the box's bill grows by, lane included, the opportunity cost of taking units where they
    are scarce, which falls exponentially in the stock, and what else speaks against the lane.

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
        preference: USD per unit against the lane that no bill shows; below 0 for it.
    """
    added = units * weight_lb
    if before_lb >= 0.0:
        bill = box_rate(rates, zone, before_lb + added) - box_rate(rates, zone, before_lb)
    else:
        bill = box_rate(rates, zone, added)
    scarce = opportunity_cost * math.exp(-(stock / scarcity_units))
    return lane * bill / units + scarce + preference


@numba.njit(cache=True, inline="always")
def choice_shift(session, product, node, scale, basket_scale):  # type: ignore[no-untyped-def]
    """Return what moves a score for reasons that nobody knows, USD per unit; 0 where scales are 0.

    ``scale log(-log u) + basket_scale log(-log v)``, uniform numbers: u is a function of (basket,
    product, node) alone and v of (basket, node), so that two policies meet the same, and lines of
    one basket have a part of it in common. The lowest of scores moved by one of them is a draw of a
    logit: P(n) = exp(-score_n / scale) / sum.
    """
    shift = 0.0
    word = mix_bits(np.uint64(session) ^ np.uint64(0xA0761D6478BD642F))
    if scale > 0.0:
        shift += scale * _gumbel(mix_bits(mix_bits(word ^ np.uint64(product)) ^ np.uint64(node)))
    if basket_scale > 0.0:
        shift += basket_scale * _gumbel(mix_bits(mix_bits(word ^ _NO_PRODUCT) ^ np.uint64(node)))
    return shift


@numba.njit(cache=True, inline="always")
def _gumbel(word):  # type: ignore[no-untyped-def]
    """Return ``log(-log u)`` for the u in (0, 1) that 52 bits of a word say."""
    uniform = (float(word >> np.uint64(12)) + 0.5) * 2.0**-52
    return math.log(-math.log(uniform))
