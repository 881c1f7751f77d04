"""The rise of demand with a discount: piecewise linear in tenths, the rule of price responses.

Forecasters learn such a rise, and the simulator plays it.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from draingym.common.arrays import FloatArray

# The steepest discount, the width of a piece of the response, and how many pieces there are.
MAX_DISCOUNT = 0.7
PIECE = 0.1
PIECES = 7
_LEAST = 1e-30  # of a rise, so that it has a finite number before the softplus


def risen(delta: Float[Array, "*b pieces"], discount: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Return ``sum_{n <= m} delta_n + (d - 0.1 m) delta_{m+1} / 0.1`` with ``m = floor(10 d)``.

    Continuous in the discount, and non-decreasing where no ``delta`` is negative.

    Args:
        delta: [*b, 7] rise over each tenth of discount.
        discount: [*b] in [0, 0.7]; the last piece goes on beyond it.

    Gradients: exact almost everywhere. At a kink, a multiple of 0.1, the derivative is that of a
    larger discount; at 0.7 that of a smaller one.

    Source: Zalando, section 3.2.6, equation 10, in the continuous form of METHODS section 8.

    >>> float(risen(jnp.asarray([1.0, 2.0, 0, 0, 0, 0, 0]), jnp.asarray(0.15)))
    2.0
    """
    pieces = jnp.arange(PIECES).reshape((1,) * discount.ndim + (PIECES,))
    # How far the discount reaches into each piece, from 0 to 1.
    reach = discount[..., None] / PIECE - pieces.astype(delta.dtype)
    ends = pieces < PIECES - 1  # the last piece goes on: discounts end with it
    inside = jnp.where(reach < 0, 0.0, jnp.where((reach >= 1) & ends, 1.0, reach))
    total: Array = jnp.sum(inside * delta, axis=-1)
    return total


def before_softplus(values: ArrayLike) -> FloatArray:
    """Return x such that ``log(1 + exp(x))`` is the values, which are at least 0.

    >>> before_softplus(np.log(2.0)).round(6).item()
    0.0
    """
    given = np.maximum(np.asarray(values, np.float64), _LEAST)
    found: FloatArray = given + np.log(-np.expm1(-given))
    return found
