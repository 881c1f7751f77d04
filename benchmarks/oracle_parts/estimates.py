"""Bias and variance of an estimate, and what a lower variance is worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def variance_factor(
    conditional: FloatArray, independent: FloatArray, resamples: int = 4000
) -> tuple[float, float, float]:
    """Return the factor by which conditional conversion cuts the variance, and its interval.

    The factor is the geometric mean over worlds and pairs of policies of var(independent) /
    var(conditional). The 95% interval resamples seeds, within each world, the same for all pairs.

    Args:
        conditional: [W, S, D] differences by world, seed and pair.
        independent: [W, S, D] the same.
        resamples: Of the bootstrap.

    Returns:
        The factor, and the ends of its interval.

    >>> x = np.random.default_rng(0).normal(size=(1, 50, 1))
    >>> round(variance_factor(x, 3.0 * x, 100)[0], 6)
    9.0
    """

    def factor(first: FloatArray, second: FloatArray) -> float:
        ratio = np.log(second.var(axis=1, ddof=1)) - np.log(first.var(axis=1, ddof=1))
        return float(np.exp(ratio.mean()))

    rng = np.random.default_rng(0)
    worlds, seeds, _ = conditional.shape

    def drawn() -> float:
        while True:
            rows = [rng.integers(seeds, size=(worlds, seeds, 1)) for _ in range(2)]
            first, second = (
                np.take_along_axis(x, r, axis=1)
                for x, r in zip((conditional, independent), rows, strict=True)
            )
            # A resample of one seed alone has no variance.
            if all((x.std(axis=1) > 0).all() for x in (first, second)):
                return factor(first, second)

    low, high = np.quantile([drawn() for _ in range(resamples)], [0.025, 0.975])
    return factor(conditional, independent), float(low), float(high)


def summary(truth: FloatArray, found: FloatArray) -> dict[str, float]:
    """Return truth, bias, spread and error of an estimate.

    Args:
        truth: [W] by world.
        found: [W, S] by world and seed.
    """
    error = found - truth[:, None]
    bias = error.mean(axis=1)
    worlds = len(bias)
    return {
        "truth": float(truth.mean()),
        "bias": float(bias.mean()),
        "bias_se": float(bias.std(ddof=1) / np.sqrt(worlds)) if worlds > 1 else float("nan"),
        "sd": float(np.sqrt(found.var(axis=1, ddof=1).mean())),
        "rmse": float(np.sqrt((error**2).mean())),
    }
