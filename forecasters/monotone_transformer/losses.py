"""The log-scale Taylor loss, and the paper's demand error and bias."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from numpy.typing import ArrayLike


def taylor(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Return ``v(x) = 1 + x + x^2 / 2 + x^3 / 6``, of third order to ``exp(x)``.

    Source: Zalando, section 3.4, below equation 12.

    >>> float(taylor(jnp.asarray(2.0))).__round__(3)
    6.333
    """
    return 1.0 + x * (1.0 + x * (1.0 / 2.0 + x / 6.0))


def taylor_loss(
    predicted: Float[Array, "*b H"],
    actual: Float[Array, "*b H"],
    weight: Float[Array, "*b"],
    mask: Bool[Array, "*b H"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return the weighted sum of ``(v(predicted) - v(actual))^2``, and the sum of the weights.

    Args:
        predicted: Log-scale demand.
        actual: Log-scale demand; anything where it does not count.
        weight: Of each series; the paper's is a market's share of demand.
        mask: Where a period counts.

    Source: Zalando, equation 12.
    """
    share = jnp.where(mask, weight[..., None], 0.0)
    error = taylor(predicted) - taylor(jnp.where(mask, actual, 0.0))
    return jnp.sum(share * error**2), jnp.sum(share)


def demand_error(predicted: ArrayLike, actual: ArrayLike, list_price: ArrayLike = 1.0) -> float:
    """Return ``sqrt(sum b (p - q)^2 / sum b q^2)``; nan if nothing was demanded.

    Args:
        predicted: [...] units.
        actual: [...] units; nan where unknown or imputed, which does not count.
        list_price: b, of the shape of the others or one that broadcasts to it.

    Source: Zalando, equation 13.

    >>> demand_error([1.0, 5.0], [2.0, 3.0], [1.0, 2.0]).__round__(4)
    0.6396
    """
    p, q, b = _counted(predicted, actual, list_price)
    square = float(np.sum(b * q**2))
    return float(np.sqrt(np.sum(b * (p - q) ** 2) / square)) if square else np.nan


def demand_bias(predicted: ArrayLike, actual: ArrayLike, list_price: ArrayLike = 1.0) -> float:
    """Return ``sum b (p - q) / sum b q``; nan if nothing was demanded. See ``demand_error``.

    Source: Zalando, equation 14.

    >>> demand_bias([1.0, 5.0], [2.0, 3.0], [1.0, 2.0])
    0.375
    """
    p, q, b = _counted(predicted, actual, list_price)
    total = float(np.sum(b * q))
    return float(np.sum(b * (p - q)) / total) if total else np.nan


def _counted(*values: ArrayLike) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
    arrays = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in values))
    known = ~np.isnan(arrays[1])
    return [array[known] for array in arrays]
