"""A distribution around a point: what points missed on the validation windows, added to it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def with_errors(
    point: Float[Array, "B H"],
    scale: Float[Array, " B"],
    keys: Array,
    residuals: Float[Array, "R H"],
    number: int,
    *,
    nonnegative: bool,
) -> Float[Array, "B N H"]:
    """Return a point plus whole rows of errors, so that a sample is joint over the horizon.

    Args:
        point: Units.
        scale: Units, of each series.
        keys: [B] of random numbers.
        residuals: What points missed, over their scale.
        number: ``N``.
        nonnegative: Whether demand is never negative.
    """

    def rows(key: Array) -> Array:
        return residuals[jax.random.randint(key, (number,), 0, residuals.shape[0])]

    found = point[:, None, :] + jax.vmap(rows)(keys) * scale[:, None, None]
    return jnp.maximum(found, 0.0) if nonnegative else found
