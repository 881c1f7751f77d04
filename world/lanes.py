"""Units by lane: how many a node shipped to a region, by product and period, where it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import IntArray

LANE = ("product", "period", "lane")  # dimensions of a panel's lanes, a slot for each


def lane_slots(
    product: NDArray[Any],
    period: NDArray[Any],
    node: NDArray[Any],
    region: NDArray[Any],
    units: NDArray[Any],
    shape: tuple[int, int],
) -> dict[str, IntArray]:
    """Return the lanes that shipped units by product and period, a slot for each.

    Few lanes are used in a period: a network of 20 nodes and 99 regions has 1,980, and a product
    of ten units uses ten at most.

    Args:
        product: [M] index; any order, and a lane may come more than once.
        period: [M] index.
        node: [M] index of where units came from.
        region: [M] index of where they went.
        units: [M] whole, above 0.
        shape: Products P and periods T.

    Returns:
        ``node``, ``region`` and ``units``, [P, T, S] each, by node and then region; S is the
        largest number of lanes of a product and period, at least 1, and slots after the last lane
        hold 0 in all three.
    """
    index = np.stack([product, period, node, region]).astype(np.int64)
    sizes = (*shape, *(int(x.max(initial=0)) + 1 for x in index[2:]))
    flat, inverse = np.unique(np.ravel_multi_index(tuple(index), sizes), return_inverse=True)
    total = np.rint(np.bincount(inverse, weights=units, minlength=flat.size)).astype(np.int64)
    at_product, at_period, at_node, at_region = np.unravel_index(flat, sizes)
    row = at_product * shape[1] + at_period
    lanes = np.bincount(row, minlength=shape[0] * shape[1])
    slot = np.arange(row.size) - np.repeat(np.cumsum(lanes) - lanes, lanes)
    slots = max(int(lanes.max(initial=0)), 1)
    found = {}
    for name, values in (("node", at_node), ("region", at_region), ("units", total)):
        dense = np.zeros((lanes.size, slots), np.int64)
        dense[row, slot] = values
        found[name] = dense.reshape(*shape, slots)
    return found


def join_periods(parts: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Return the lanes of one set of periods after the other, with slots enough for all."""
    most = max(values.shape[-1] for part in parts for values in part.values())
    return {
        name: np.concatenate([with_slots(part[name], most) for part in parts], axis=1)
        for name in parts[0]
    }


def with_slots(values: NDArray[Any], number: int) -> NDArray[Any]:
    """Return lanes [P, T, S] with ``number`` slots, at least S, of which the new ones are empty."""
    return np.pad(values, ((0, 0), (0, 0), (0, number - values.shape[-1])))
