"""From sales to demand: what sizes out of stock would have sold, from what the others sold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import require, require_shape


def size_shares(sales: NDArray[np.float64], in_stock: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of each size in the demand of an article, from periods with all in stock.

    Args:
        sales: [..., T, K] units of each size, at least 0.
        in_stock: [..., T, K] whether the size could be bought throughout the period.

    Returns:
        [..., K] shares that sum to 1; nan where no period with all sizes in stock sold anything.

    Raises:
        ValueError: If sales are negative, or shapes differ.

    Source: Zalando, section 2.1: the shares do not change over time.

    Example:
        >>> sales = np.array([[2.0, 6.0], [4.0, 0.0]])  # periods, sizes
        >>> in_stock = np.array([[True, True], [True, False]])
        >>> size_shares(sales, in_stock).tolist()
        [0.25, 0.75]
    """
    _check(sales, in_stock)
    whole = np.sum(np.where(in_stock.all(axis=-1, keepdims=True), sales, 0.0), axis=-2)
    total = whole.sum(axis=-1, keepdims=True)
    return np.where(total > 0, whole / np.where(total > 0, total, 1.0), np.nan)


def impute_demand(
    sales: NDArray[np.float64],
    in_stock: NDArray[np.bool_],
    shares: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the demand of an article over all sizes, and where it is an estimate.

    Sizes are multinomial given the demand. Where those in stock sold s and have a share p of the
    demand, a size that is missing, of share p_k, would have sold ``s p_k / p``; at least what it
    did sell before it ran out.

    Args:
        sales: [..., T, K] units of each size, at least 0.
        in_stock: [..., T, K] whether the size could be bought throughout the period.
        shares: [..., K] of demand; ``size_shares`` when not given.

    Returns:
        [..., T] units; nan where no size was in stock, or the shares are not known and a size was
        missing. And [..., T] where the demand is not simply the sales: keep such periods out of
        an evaluation.

    Raises:
        ValueError: If sales are negative, or shapes differ.

    Source: Zalando, section 2.1, figure 4.

    Example:
        >>> sales = np.array([[2.0, 6.0], [4.0, 0.0]])  # periods, sizes
        >>> in_stock = np.array([[True, True], [True, False]])
        >>> demand, estimated = impute_demand(sales, in_stock)
        >>> demand.tolist(), estimated.tolist()
        ([8.0, 16.0], [False, True])
    """
    _check(sales, in_stock)
    shares = size_shares(sales, in_stock) if shares is None else np.asarray(shares, np.float64)
    require_shape("shares", shares, (*sales.shape[:-2], sales.shape[-1]))
    along = np.broadcast_to(shares[..., None, :], sales.shape)
    seen = np.sum(np.where(in_stock, sales, 0.0), axis=-1)
    share = np.sum(np.where(in_stock, along, 0.0), axis=-1)
    complete = in_stock.all(axis=-1)
    estimable = share > 0  # nan is not
    per_share = np.where(estimable, seen / np.where(estimable, share, 1.0), np.nan)
    missing = np.maximum(per_share[..., None] * along, sales)
    filled = seen + np.sum(np.where(in_stock, 0.0, missing), axis=-1)
    imputed: NDArray[np.bool_] = np.asarray(~complete)
    return np.where(imputed, filled, seen), imputed


def _check(sales: NDArray[np.float64], in_stock: NDArray[np.bool_]) -> None:
    require(np.asarray(sales >= 0), "sales", sales, "at least 0")
    require_shape("in_stock", in_stock, sales.shape)
