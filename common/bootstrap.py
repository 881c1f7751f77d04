"""Bootstrap over products: ratios of sums, paired by drawing the same products for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import require_range

FloatArray = NDArray[np.float64]
RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """An estimate with a bootstrap interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """Return mean, low and high, as reports have them."""
        return {"mean": self.value, "low": self.low, "high": self.high}


def multiplicities(products: int, resamples: int, seed: int) -> FloatArray:
    """Return how often each resample draws each product, [B, P]; the same for the same arguments.

    >>> multiplicities(3, 2, 0).sum(axis=1).tolist()
    [3.0, 3.0]
    """
    require_range("resamples", resamples, low=1)
    even = np.full(products, 1.0 / products)
    drawn = np.random.default_rng(seed).multinomial(products, even, size=resamples)
    return drawn.astype(np.float64)


def interval(value: float, draws: NDArray[Any], level: float = 0.95) -> Interval:
    """Return a value with the percentiles of its bootstrap draws; nan where none is finite.

    Raises:
        ValueError: If ``level`` is not in (0, 1).
    """
    require_range("level", level, low=0.0, high=1.0, open_low=True, open_high=True)
    finite = np.asarray(draws)[np.isfinite(draws)]
    if not finite.size:
        return Interval(value=float(value), low=np.nan, high=np.nan)
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value=float(value), low=float(low), high=float(high))


def bootstrap(
    numerator: NDArray[Any],
    denominator: NDArray[Any],
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return ``sum a / sum b`` with an interval from resampled products.

    A mean with b the number of entries; one model relative to another with b the other's scores.

    Args:
        numerator: [P] a of every product.
        denominator: [P] b.
        level: Of the interval, in (0, 1).
        resamples: Bootstrap samples of products, with replacement.
        seed: At least 0; intervals of one seed are of the same resampled products.

    Returns:
        The ratio, and percentiles of its bootstrap distribution.

    Raises:
        ValueError: If shapes disagree or a setting is out of its bounds.

    >>> bootstrap(np.array([2.0, 4.0]), np.array([1.0, 2.0])).to_dict()
    {'mean': 2.0, 'low': 2.0, 'high': 2.0}
    """
    a, b = (np.asarray(x, dtype=np.float64) for x in (numerator, denominator))
    if a.ndim != 1 or a.shape != b.shape or not a.size:
        raise ValueError(f"numerator has shape {a.shape}, must be (P,) as {b.shape}, P >= 1")
    value, draws = ratios(a[None], b[None], multiplicities(a.size, resamples, seed))
    return interval(float(value[0]), draws[:, 0], level)


def draw_means(values: FloatArray, resamples: int = RESAMPLES, seed: int = 0) -> FloatArray:
    """Return bootstrap draws of means over replications and products.

    Replications and products are drawn with replacement, independently of each other; the draws
    are the same for all leading entries, and for all calls with the same numbers of both.

    Args:
        values: [M, R, P].
        resamples: B, at least 1.
        seed: Of the draws.

    Returns:
        [B, M].
    """
    _, replications, products = values.shape
    by_product = multiplicities(products, resamples, seed) / products
    by_replication = multiplicities(replications, resamples, seed + 1) / replications
    draws: FloatArray = np.einsum(
        "br,mrp,bp->bm", by_replication, values, by_product, optimize="optimal"
    )
    return draws


def ratios(
    numerators: FloatArray, denominators: FloatArray, drawn: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return ratios of sums over all products, and over each resample's.

    Args:
        numerators: [C, P].
        denominators: [C, P].
        drawn: [B, P], of ``multiplicities``.

    Returns:
        [C] ratios and [B, C] draws; not finite where nothing counts.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        value = numerators.sum(axis=1) / denominators.sum(axis=1)
        draws = (drawn @ numerators.T) / (drawn @ denominators.T)
    return value, draws


def plain(value: Any) -> Any:
    """Return intervals, arrays and mappings as JSON has them; what is not finite is None."""
    if isinstance(value, Interval):
        return plain(value.to_dict())
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
