"""Tail risk: what a policy is worth on its worst products, and what is promised there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from draingym.common.bootstrap import RESAMPLES, Interval, interval, multiplicities

FloatArray = NDArray[np.float64]
SHARE = 0.1  # of the products: the worst tenth, rounded up


@dataclass(frozen=True, kw_only=True, slots=True)
class Tail:
    """A policy on the tenth of the products on which the reference finds it worst."""

    worth: Interval  # mean over them of its value in the reference, currency
    error: Interval  # mean over them of value less that in the reference, currency


def tail_of(promised: FloatArray, worth: FloatArray, share: float = SHARE) -> Tail:
    """Return a policy's tail risk: a conditional value at risk over products.

    The products are those of the least mean over replications of ``worth``. Each bootstrap draw
    resamples products and replications independently of each other and looks for its own worst.

    Args:
        promised: [R, P] values by replication and product in the column that promises.
        worth: [R, P] values in the reference, of the same products.
        share: Of the products that are the tail; rounded up to whole products.

    Returns:
        Mean worth and mean error of the promise over the tail, with 95% intervals.

    Raises:
        ValueError: If ``share`` is not in (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}, must be in (0, 1]")
    replications, products = worth.shape
    size = int(np.ceil(share * products - 1e-9))
    times = multiplicities(products, RESAMPLES, 0)
    weight = multiplicities(replications, RESAMPLES, 1) / replications
    point = _tail_means(worth.mean(axis=0)[None], promised.mean(axis=0)[None], None, size)
    drawn = _tail_means(weight @ worth, weight @ promised, times, size)
    return Tail(
        worth=interval(float(point[0][0]), drawn[0]),
        error=interval(float(point[1][0]), drawn[1]),
    )


def _tail_means(
    worth: FloatArray, promised: FloatArray, times: FloatArray | None, size: int
) -> tuple[FloatArray, FloatArray]:
    """Return [B] means of worth and of the promise's error over the worst products of each row.

    Args:
        worth: [B, P].
        promised: [B, P].
        times: [B, P] how often each product counts; once when not given.
        size: Products in the tail, counted as often as they count.
    """
    order = np.argsort(worth, axis=1, kind="stable")
    worst, error = (np.take_along_axis(x, order, axis=1) for x in (worth, promised - worth))
    each = np.ones_like(worst) if times is None else np.take_along_axis(times, order, axis=1)
    before = np.cumsum(each, axis=1) - each
    counted = np.clip(size - before, 0.0, each)
    return (counted * worst).sum(axis=1) / size, (counted * error).sum(axis=1) / size
