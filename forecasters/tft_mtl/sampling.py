"""Sample paths from quantiles: each period's own distribution, and the errors' dependence."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def quantile_at(
    knots: Float[Array, "*b L"], levels: Sequence[float], at: Float[Array, "*b"]
) -> Float[Array, "*b"]:
    """Return the quantile at any level in (0, 1): linear between knots, exponential beyond.

    Above the last level t the distribution has the tail ``q + b log((1 - t) / (1 - u))`` that goes
    on with the slope of the last piece; below the first level likewise.

    Args:
        knots: Quantiles at the levels, in order.
        levels: Two or more, rising, in (0, 1).
        at: Levels u.

    >>> float(quantile_at(jnp.asarray([1.0, 3.0]), (0.25, 0.75), jnp.asarray(0.5)))
    2.0
    """
    tau = np.asarray(levels)
    lead = (1,) * at.ndim
    first, width = (x.reshape((*lead, -1)) for x in (tau[:-1], np.diff(tau)))
    gap = jnp.diff(knots, axis=-1)
    reach = jnp.clip((at[..., None] - first) / width, 0.0, 1.0)
    inner = knots[..., 0] + jnp.sum(gap * reach, axis=-1)
    low = gap[..., 0] * (tau[0] / (tau[1] - tau[0]))
    high = gap[..., -1] * ((1 - tau[-1]) / (tau[-1] - tau[-2]))
    below = low * jnp.log(jnp.minimum(at / tau[0], 1.0))
    above = high * jnp.log(jnp.minimum((1 - at) / (1 - tau[-1]), 1.0))
    found: Array = inner + below - above
    return found


def levels_like(keys: Array, residuals: Float[Array, "R H"], number: int) -> Float[Array, "B N H"]:
    """Return levels in (0, 1), uniform in every period, and joint over them as errors were.

    A path takes the ranks that a validation window's errors have among all windows' of the same
    period: the empirical copula of the errors.

    Args:
        keys: [B] of random numbers.
        residuals: What points missed on validation windows.
        number: ``N``.
    """
    ranks = jnp.argsort(jnp.argsort(residuals, axis=0), axis=0)
    windows = residuals.shape[0]

    def paths(key: Array) -> Array:
        key_row, key_within = jax.random.split(key)
        row = jax.random.randint(key_row, (number,), 0, windows)
        within = jax.random.uniform(key_within, (number, 1), minval=1e-3, maxval=1.0 - 1e-3)
        return (ranks[row] + within) / windows

    found: Array = jax.vmap(paths)(keys)
    return found
