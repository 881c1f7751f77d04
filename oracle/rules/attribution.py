"""Who pays for a box: its bill shared among its lines by weight and volume, to the last bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from draingym.common.arrays import require
from draingym.oracle.rules.ship_cost import COST_QUANTUM

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Pounds a cubic foot of a packed unit, median, and the sd of its logarithm (ours). Carriers bill
# by volume below 12.4 (a pound for every 139 cubic inches), which light parcels are.
DENSITY, DENSITY_SD = 10.0, 0.5


def draw_volumes(weight_lb: ArrayLike, *, seed: int = 0) -> FloatArray:
    """Draw the volume of a unit of each product, where a log knows weights alone.

    Args:
        weight_lb: [P] weight of a unit.
        seed: Of the densities.

    Returns:
        [P] cubic feet per unit.

    Example:
        >>> draw_volumes([1.0, 2.0], seed=0).shape
        (2,)
    """
    weight = np.asarray(weight_lb, np.float64)
    normal = np.random.default_rng([seed, 3]).standard_normal(weight.shape)
    return np.asarray(weight / (DENSITY * np.exp(DENSITY_SD * normal)), np.float64)


def attribute(
    bill: ArrayLike,
    box: ArrayLike,
    weight: ArrayLike,
    volume: ArrayLike,
    *,
    volume_share: float = 0.5,
) -> FloatArray:
    """Share the bills of boxes among their lines.

    A line pays ``(1 - v) weight / weight of the box + v volume / volume of the box`` of the bill,
    rounded down to about a tenth of a cent; the last line of a box pays the rest. The shares of a
    box sum to its bill exactly, in any order.

    Args:
        bill: [B] bill of each box, USD, at least 0.
        box: [S] box of each line, an index into ``bill``.
        weight: [S] of all the units of the line, above 0.
        volume: [S] the same, above 0; any unit, as for weight.
        volume_share: v in [0, 1]; 0 goes by weight alone.

    Returns:
        [S] USD.

    Raises:
        ValueError: If a number is out of its bounds, or a box has a bill and no line.

    Source:
        The paper's appendix D: the bill of a box split across its units by volume and weight.

    >>> attribute([8.0], [0, 0], [1.0, 3.0], [1.0, 1.0]).tolist()
    [3.0, 5.0]
    """
    bills, pounds, space = (np.asarray(x, np.float64) for x in (bill, weight, volume))
    line = np.asarray(box, np.int64)
    if not 0.0 <= volume_share <= 1.0:
        msg = f"volume_share is {volume_share}, must be in [0, 1]"
        raise ValueError(msg)
    require(np.isfinite(bills) & (bills >= 0), "bill", bills, "finite and at least 0")
    require((line >= 0) & (line < len(bills)), "box", line, f"in [0, {len(bills)})")
    for name, values in (("weight", pounds), ("volume", space)):
        require(np.isfinite(values) & (values > 0), name, values, "finite and above 0")
    lines = np.bincount(line, minlength=len(bills))
    require((lines > 0) | (bills == 0), "bill", bills, "0 where a box has no line")
    portion = np.zeros(len(line))
    for part, values in ((1.0 - volume_share, pounds), (volume_share, space)):
        total = np.bincount(line, weights=values, minlength=len(bills))
        portion += part * values / total[line]
    cost = np.floor(bills[line] * portion / COST_QUANTUM) * COST_QUANTUM
    # The last line of each box. Every number is a multiple of the bill's last bit, so that the
    # difference and all sums are exact.
    last = np.zeros(len(bills), np.int64)
    np.maximum.at(last, line, np.arange(len(line)))
    ends = last[lines > 0]
    cost[ends] = 0.0
    others = np.bincount(line, weights=cost, minlength=len(bills))
    cost[ends] = (bills - others)[lines > 0]
    return np.asarray(cost, np.float64)
