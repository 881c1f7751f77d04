"""Attention weights that a mask may leave nothing of."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

_LEAST = 1e-30  # of a sum of weights; keeps 0 / 0 at 0


def masked_softmax(score: Float[Array, "*b M"], mask: Bool[Array, "*b M"]) -> Float[Array, "*b M"]:
    """Return the softmax over what the mask leaves; 0 elsewhere, and everywhere if it leaves none.

    >>> masked_softmax(jnp.zeros(3), jnp.asarray([True, False, True])).tolist()
    [0.5, 0.0, 0.5]
    """
    score = jnp.where(mask, score, -jnp.inf)
    top = jax.lax.stop_gradient(jnp.max(score, axis=-1, keepdims=True))
    weight = jnp.exp(score - jnp.where(jnp.isfinite(top), top, 0.0))
    return weight / jnp.maximum(jnp.sum(weight, axis=-1, keepdims=True), _LEAST)


def dropout(values: Float[Array, "*b"], rate: float, key: Array | None) -> Float[Array, "*b"]:
    """Return values with a share of them set to 0 and the others scaled up; all without a key."""
    if key is None or rate == 0.0:
        return values
    keep = jax.random.bernoulli(key, 1.0 - rate, values.shape)
    return jnp.where(keep, values / (1.0 - rate), 0.0)


def folded(key: Array | None, number: int) -> Array | None:
    """Return the key of a part by its number; none of none."""
    return None if key is None else jax.random.fold_in(key, number)
