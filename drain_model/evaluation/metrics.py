"""How good forecasts are: quantile losses and energy score; the CRPS is in ``common.scores``.

NumPy only; samples have the leading axis ``S``. "Total" metrics sum each *joint* sample over
nodes first: ``crps(samples.sum(-1), actual.sum(-1))``.

Source: Outbound, section 6; METHODS section 2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import require_range

FloatArray = NDArray[np.float64]


def quantile_loss(actual: NDArray[Any], quantile: NDArray[Any], level: float) -> FloatArray:
    """Return ``max(tau (y - q), (tau - 1)(y - q))``.

    Args:
        actual: [...] what happened.
        quantile: [...] the forecast quantile.
        level: tau in (0, 1).

    Returns:
        [...], in the unit of ``actual``.

    >>> quantile_loss(np.array([3.0, 1.0]), np.array([2.0, 2.0]), 0.9).round(2).tolist()
    [0.9, 0.1]
    """
    error = np.asarray(actual, dtype=np.float64) - quantile
    loss: FloatArray = np.maximum(level * error, (level - 1.0) * error)
    return loss


def sample_quantile(samples: NDArray[Any], level: float, *, ordered: bool = False) -> NDArray[Any]:
    """Return the smallest sample that at least a share ``level`` of the samples [S, ...] reach.

    The inverse of the empirical distribution: whole units stay whole.

    Args:
        samples: [S, ...].
        level: In (0, 1).
        ordered: Whether the samples ascend already.

    Returns:
        [...], of the samples' type.

    >>> int(sample_quantile(np.array([4, 1, 3, 2]), 0.5))
    2
    """
    number = samples.shape[0]
    index = max(math.ceil(level * number - 1e-9), 1) - 1
    values = samples if ordered else np.partition(samples, index, axis=0)
    found: NDArray[Any] = values[index]
    return found


def scaled_quantile_loss(actual: NDArray[Any], quantile: NDArray[Any], level: float) -> float:
    """Return the sum of quantile losses over the sum of what happened.

    Raises:
        ValueError: If nothing happened.
    """
    total = float(np.sum(actual))
    if total <= 0.0:
        raise ValueError(f"actual sums to {total}, must be above 0 to scale a loss by it")
    return float(np.sum(quantile_loss(actual, quantile, level))) / total


def energy_score(samples: NDArray[Any], actual: NDArray[Any], *, block: int = 16) -> FloatArray:
    """Return the fair energy score of joint samples of a vector.

    ``(1/M) sum ||x_m - y|| - 1 / (2 M (M - 1)) sum sum ||x_m - x_m'||``; for N = 1 the CRPS.
    Strictly proper for the joint distribution. Distances of pairs come from inner products, so
    that work is in matrix products and memory is ``block M^2``.

    Args:
        samples: [M, ..., N], M at least 2.
        actual: [..., N].
        block: Vectors scored at once.

    Returns:
        [...], in the unit of ``actual``.

    Raises:
        ValueError: If there are fewer than 2 samples, or shapes disagree.

    Source: Gneiting and Raftery (2007), section 4.3; fair form as for the CRPS.

    >>> energy_score(np.array([[[3.0, 4.0]], [[0.0, 0.0]]]), np.array([[0.0, 0.0]])).tolist()
    [0.0]
    """
    number = samples.shape[0]
    require_range("len(samples)", number, low=2)
    if samples.shape[1:] != actual.shape:
        raise ValueError(f"samples have shape {samples.shape}, must be (M, *{actual.shape})")
    nodes = actual.shape[-1]
    drawn, y = samples.reshape(number, -1, nodes), actual.reshape(-1, nodes)
    score = np.empty(y.shape[0])
    for start in range(0, y.shape[0], block):
        part = slice(start, start + block)
        # Relative to what happened: small numbers, so that squares do not cancel.
        x = np.moveaxis(drawn[:, part], 0, 1).astype(np.float64) - y[part, None]
        square = np.einsum("cmn,cmn->cm", x, x)
        pairs = square[:, :, None] + square[:, None, :] - 2.0 * (x @ np.swapaxes(x, 1, 2))
        # What cancellation leaves of the zero between equal samples is none.
        pairs[pairs < 1e-12 * (square.max(initial=0.0) + 1.0)] = 0.0
        spread = np.sqrt(pairs, out=pairs).sum(axis=(1, 2)) / (2.0 * number * (number - 1))
        score[part] = np.sqrt(square).mean(axis=1) - spread
    return score.reshape(actual.shape[:-1])
