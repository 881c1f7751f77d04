"""What a box costs: zone, weight, lane and noise."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from draingym.oracle.config import OracleConfig

FloatArray = NDArray[np.float64]

KM_PER_MILE = 1.609344
# Bills are whole multiples of this, about a tenth of a cent. It is a power of two, so that sums of
# bills and of shares are exact in any order.
COST_QUANTUM = 2.0**-10


def zone_of(distance_km: ArrayLike, bands_miles: tuple[float, ...]) -> NDArray[np.int64]:
    """Return the carrier zone: one, and one more for every band that the distance exceeds.

    >>> zone_of([0.0, 100.0, 5000.0], (50, 150, 300, 600, 1000, 1400, 1800)).tolist()
    [1, 2, 8]
    """
    miles = np.asarray(distance_km) / KM_PER_MILE
    return 1 + np.searchsorted(np.asarray(bands_miles), miles, side="left")


def rate_card(config: OracleConfig) -> FloatArray:
    """Return [4] the contract rates, USD: per box, per lb, per zone, per lb and zone."""
    list_rates = (
        config.box_cost,
        config.box_cost_per_lb,
        config.box_cost_per_zone,
        config.box_cost_per_lb_zone,
    )
    return config.rate_scale * np.array(list_rates)


@numba.njit(cache=True, inline="always")
def box_rate(rates, zone, weight_lb):  # type: ignore[no-untyped-def]
    """Return a box's price before lane and noise, USD: ``a + b lb + c zone + d lb zone``."""
    return rates[0] + rates[1] * weight_lb + (rates[2] + rates[3] * weight_lb) * zone


@numba.njit(cache=True, inline="always")
def whole_bill(bill):  # type: ignore[no-untyped-def]
    """Return a bill as a whole number of ``COST_QUANTUM``, at least one.

    >>> whole_bill(2.0), whole_bill(0.0)
    (2048.0, 1.0)
    """
    return max(1.0, np.rint(bill / COST_QUANTUM))


def lane_effects(config: OracleConfig, num_nodes: int, num_regions: int) -> FloatArray:
    """Return [N, Z] the persistent price level of every lane, log-normal with mean one.

    A share ``lane_node_share`` of the logarithm's variance is common to all lanes of a node.
    """
    rng = np.random.default_rng([config.seed, 1])
    node = rng.standard_normal((num_nodes, 1))
    lane = rng.standard_normal((num_nodes, num_regions))
    share = config.lane_node_share
    normal = np.sqrt(share) * node + np.sqrt(1.0 - share) * lane
    return np.asarray(
        np.exp(config.lane_effect_sd * normal - 0.5 * config.lane_effect_sd**2), np.float64
    )


@numba.njit(cache=True, inline="always")
def mix_bits(word):  # type: ignore[no-untyped-def]
    """Return the splitmix64 finaliser of a 64-bit word."""
    word = word + np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@numba.njit(cache=True, inline="always")
def box_noise(seed, session, node, sd):  # type: ignore[no-untyped-def]
    """Return the multiplicative cost noise of a basket's box from a node, mean one.

    A function of (seed, session, node) alone, so that two policies that ship the same basket from
    the same node pay the same, whatever else they do.
    """
    word = mix_bits(mix_bits(mix_bits(np.uint64(seed)) ^ np.uint64(session)) ^ np.uint64(node))
    other = mix_bits(word)
    first = 1.0 - float(word >> np.uint64(11)) * 2.0**-53
    second = float(other >> np.uint64(11)) * 2.0**-53
    normal = math.sqrt(-2.0 * math.log(first)) * math.cos(2.0 * math.pi * second)
    return math.exp(sd * normal - 0.5 * sd * sd)
