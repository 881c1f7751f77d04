"""Log scores of what happened from samples alone, by one estimator for all models.

Samples of a finite number give zero to much that can happen, so one more sample is spread evenly
over all that can (add-one smoothing, of one sample in all): a forecast that no sample bears out
costs about log M. A closest node or a forest has no other likelihood; a neural model has its own
as well (``evaluation.ExactScores``), which this estimator lies above.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
# Units (as a share) and log cost around what happened that count as near it.
_UNITS_WINDOW = 0.1
_COST_WINDOW = 0.05


def class_log_score(
    samples: NDArray[Any], actual: NDArray[Any], available: NDArray[Any], num_atoms: int
) -> FloatArray:
    """Return ``-log P(min(O, K) = min(y, K))``, the cross entropy of an entry.

    ``P = (#{min(x, K) = min(y, K)} + 1 / m) / (M + 1)``, m the number of classes that stock
    allows.

    Args:
        samples: [M, ...] whole units.
        actual: [...] units.
        available: [...] units; with none, only 0 can happen.
        num_atoms: K.

    Returns:
        [...] nats.

    >>> samples = np.array([[0.0], [0.0], [1.0]])
    >>> class_log_score(samples, np.zeros(1), np.full(1, 9.0), 1).round(4).tolist()
    [0.47]
    """
    target = np.minimum(np.rint(actual), num_atoms)
    hits = np.sum(np.minimum(samples, num_atoms) == target, axis=0)
    possible = np.minimum(np.floor(available), num_atoms) + 1.0
    score: FloatArray = -np.log((hits + 1.0 / possible) / (samples.shape[0] + 1.0))
    return score


def tail_log_score(
    samples: NDArray[Any], actual: NDArray[Any], available: NDArray[Any], num_atoms: int
) -> FloatArray:
    """Return ``-log P(O = y | O >= K)`` for y >= K.

    ``P = (#{x in W} / w + 1 / (A - K + 1)) / (#{x >= K} + 1)``: W are the w whole numbers within
    10% of y in K .. A - 1, as samples hit a single large number rarely; A, all of the stock, is
    on its own.

    Args:
        samples: [M, ...] whole units.
        actual: [...] units.
        available: [...] units, A.
        num_atoms: K.

    Returns:
        [...] nats; 0 where y < K.
    """
    y, stock = np.rint(actual).astype(np.float64), np.floor(available).astype(np.float64)
    in_tail = y >= num_atoms
    width = np.floor(_UNITS_WINDOW * y)
    bound = y >= stock
    low = np.where(bound, y, np.maximum(y - width, num_atoms))
    high = np.where(bound, y, np.minimum(y + width, stock - 1.0))
    near = np.sum((samples >= low) & (samples <= high), axis=0)
    number = np.sum(samples >= num_atoms, axis=0)
    length = np.maximum(high - low + 1.0, 1.0)
    possible = np.maximum(stock - num_atoms + 1.0, 1.0)
    score: FloatArray = -np.log((near / length + 1.0 / possible) / (number + 1.0))
    return np.where(in_tail, score, 0.0)


def tail_quantiles(
    ordered: NDArray[Any], levels: tuple[float, ...], num_atoms: int
) -> NDArray[Any]:
    """Return quantiles of the samples that are at least K, [L, ...]; K where there are none.

    Args:
        ordered: [M, ...] ascending samples.
        levels: ``L`` levels in (0, 1).
        num_atoms: K.
    """
    number = np.sum(ordered >= num_atoms, axis=0)
    first = ordered.shape[0] - number
    index = [
        np.minimum(
            first + np.maximum(np.ceil(t * number - 1e-9).astype(np.int64), 1) - 1,
            ordered.shape[0] - 1,
        )
        for t in levels
    ]
    found = np.take_along_axis(ordered, np.stack(index), axis=0)
    return np.where(number > 0, found, ordered.dtype.type(num_atoms))


def cost_log_score(
    outbound: NDArray[Any],
    cost: NDArray[Any],
    actual_outbound: NDArray[Any],
    actual_cost: NDArray[Any],
    log_range: tuple[float, float],
) -> FloatArray:
    """Return minus the log density of the log cost of a unit, given that something ships.

    The density averaged over ``log c +- 0.05``, as the drain model's loss has it:
    ``(#{|log x - log c| <= h} / 2h + 1 / R) / (#{units > 0} + 1)``, R the length of the range.

    Args:
        outbound: [M, ...] sampled units.
        cost: [M, ...] their cost, currency.
        actual_outbound: [...] units.
        actual_cost: [...] currency.
        log_range: Least and greatest log cost of a unit that one sample more is spread over.

    Returns:
        [...] nats; 0 where nothing shipped.
    """
    shipped = (actual_outbound > 0) & (actual_cost > 0)
    target = np.log(np.where(shipped, actual_cost / np.maximum(actual_outbound, 1.0), 1.0))
    some = (outbound > 0) & (cost > 0)
    drawn = np.log(np.where(some, cost, 1.0) / np.where(some, outbound, 1.0))
    near = np.sum(some & (np.abs(drawn - target) <= _COST_WINDOW), axis=0)
    spread = max(log_range[1] - log_range[0], 0.0) + 2.0 * _COST_WINDOW
    density = (near / (2.0 * _COST_WINDOW) + 1.0 / spread) / (np.sum(some, axis=0) + 1.0)
    return np.where(shipped, -np.log(density), 0.0)
