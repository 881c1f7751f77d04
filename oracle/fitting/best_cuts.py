"""Where to cut numbers so that fewest labels are wrong: exactly, by sorting."""

from __future__ import annotations

import numpy as np

from draingym.common.arrays import BoolArray, FloatArray


def threshold(values: FloatArray, below: BoolArray, above: BoolArray) -> tuple[float, float]:
    """Return where to cut so that fewest are wrong, and how many fewer than without a cut.

    Args:
        values: [M] what is cut.
        below: [M] wrong where the value lies below the cut.
        above: [M] wrong where it does not.

    Returns:
        The cut, halfway between two values; infinite where all lie best below it.

    >>> threshold(np.array([1.0, 2.0, 3.0, 4.0]), np.arange(4) > 1, np.arange(4) < 2)
    (2.5, 2.0)
    """
    order = np.argsort(values, kind="stable")
    sorted_, count = values[order], values.size
    lost = np.zeros(count + 1)
    lost[1:] = np.cumsum(below[order].astype(np.float64) - above[order])
    lost += above.sum()
    ends = np.ones(count + 1, np.bool_)
    ends[1:-1] = sorted_[1:] != sorted_[:-1]
    best = int(np.argmin(np.where(ends, lost, np.inf)))
    gain = float(lost[-1] - lost[best])
    if best == count:
        return np.inf, 0.0
    low = sorted_[best - 1] if best else sorted_[0]
    return float(0.5 * (low + sorted_[best])), gain


def cuts(values: FloatArray, wrong: BoolArray) -> tuple[float, ...]:
    """Return where to cut ascending values into labels 0, 1, ... so that fewest are wrong, exactly.

    Args:
        values: [M] ascending.
        wrong: [M, J] whether the label j is wrong for the value.

    Returns:
        J - 1 upper ends of the labels, ascending; -1 for a label that comes first and has no value,
        infinite where no later label has one.
    """
    count, labels = wrong.shape
    ends = np.ones(count + 1, np.bool_)
    ends[1:-1] = values[1:] != values[:-1]
    total = np.zeros((count + 1, labels))
    total[1:] = np.cumsum(wrong, axis=0)
    cost = total[:, 0].copy()
    cost[~ends] = np.inf
    chosen = []
    for label in range(1, labels):
        open_cost = cost - total[:, label]
        least = np.minimum.accumulate(open_cost)
        new = np.concatenate([[True], least[1:] < least[:-1]])
        chosen.append(np.maximum.accumulate(np.where(new, np.arange(count + 1), 0)))
        cost = least + total[:, label]
        cost[~ends] = np.inf
    at, found = count, []
    for start in reversed(chosen):
        at = int(start[at])
        found.append(at)
    found.reverse()
    return tuple(_between(values, k) for k in found)


def _between(values: FloatArray, k: int) -> float:
    if k == 0:
        return -1.0
    return np.inf if k == values.size else float(0.5 * (values[k - 1] + values[k]))
