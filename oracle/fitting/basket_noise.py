"""What moves the choice of a node for unknown reasons: how much of it a basket has in common.

The lines of a basket go together for two reasons: the box of a node that they open is paid once,
and whatever spoke for that node may speak for it again. Scores know the first. Of what they do not
know, a part is the line's (as a number of its own for each line and node) and a part is the
basket's (one for all of its lines). The likelihood of a basket is the mean of its lines' logits
over what the basket may have in common, which is drawn.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from draingym.common.arrays import BoolArray, FloatArray, IntArray

DRAWS = 32  # of what a basket has in common
MOST_LINES = 12_000  # that are looked at: the first ones
EVALUATIONS = 80


def split_noise(
    score: FloatArray,
    could: BoolArray,
    node: IntArray,
    basket: IntArray,
    noise: float,
    *,
    least: float,
    gain: float,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the scales of what chooses nodes for unknown reasons, by line and by basket.

    Args:
        score: [M, N] of each node for each line, known reasons alone; the lowest is best.
        could: [M, N] whether the node could have shipped the line.
        node: [M] chosen.
        basket: [M] of the line; lines of one basket are neighbours.
        noise: Scale of a logit that knows no baskets.
        least: Scale that either is at least told apart from.
        gain: Log likelihood that a common part must be worth, to be told from none.
        seed: Of the draws.

    Returns:
        By line and by basket; ``(noise, 0.0)`` where nothing tells of a common part.
    """
    change = np.flatnonzero(np.r_[True, basket[1:] != basket[:-1]]) if basket.size else basket
    change = change[change < MOST_LINES]
    if change.size < 2 or np.diff(change).max() < 2:
        return noise, 0.0  # no basket has two lines with a choice
    if basket.size > MOST_LINES:
        stop, starts = int(change[-1]), change[:-1]
    else:
        stop, starts = basket.size, change
    rows = slice(0, stop)
    here = np.where(could[rows], score[rows], np.inf)
    shift = np.log(-np.log(_uniform(starts.size, score.shape[1], seed)))
    lines = np.diff(np.r_[starts, stop])
    chosen = (np.arange(stop), node[rows])

    def lost(logs: FloatArray) -> float:
        """Return the negative log likelihood at the logarithms of both scales."""
        line, common = np.exp(np.clip(logs, np.log(least) - 3.0, 50.0))
        each = np.empty((DRAWS, starts.size))
        for k in range(DRAWS):
            moved = -(here + common * np.repeat(shift[k], lines, axis=0)) / line
            best = moved.max(axis=1)
            whole = best + np.log(np.exp(moved - best[:, None]).sum(axis=1))
            each[k] = np.add.reduceat(moved[chosen] - whole, starts)
        top = each.max(axis=0)
        return -float((top + np.log(np.exp(each - top).mean(axis=0))).sum())

    alone = lost(np.array([np.log(noise), -np.inf]))
    found = minimize(
        lost,
        np.log([max(0.7 * noise, least), max(0.7 * noise, least)]),
        method="Nelder-Mead",
        options={"maxfev": EVALUATIONS, "xatol": 0.02, "fatol": 0.5},
    )
    line, common = np.exp(found.x)
    if common < least or alone - found.fun < gain:
        return noise, 0.0
    return float(max(line, least)), float(common)


def _uniform(baskets: int, nodes: int, seed: int) -> FloatArray:
    """Return [DRAWS, B, N] numbers in (0, 1)."""
    return np.random.default_rng([seed, 19]).uniform(1e-12, 1.0 - 1e-12, (DRAWS, baskets, nodes))
