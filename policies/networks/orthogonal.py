"""Orthogonal weights to start from, by products of matrices alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# The smallest singular value grows by half each time until it is near 1: from a millionth on.
_ITERATIONS = 40


def orthogonal(key: Array, inputs: int, outputs: int, gain: float = 1.0) -> Float[Array, "I O"]:
    """Return a random matrix whose singular values are all ``gain``, uniform over the rotations.

    It is the polar factor of a Gaussian matrix, by the iteration of Newton and Schulz, where
    ``jax.nn.initializers.orthogonal`` takes a decomposition of LAPACK's: several of those at once,
    as under ``vmap``, hang on a processor of few cores (JAX 0.10.2, two cores).

    Source: Higham (2008), "Functions of Matrices", section 8.3.

    >>> x = orthogonal(jax.random.key(0), 5, 3)
    >>> bool(jnp.allclose(x.T @ x, jnp.eye(3), atol=1e-5))
    True
    """
    tall = (max(inputs, outputs), min(inputs, outputs))
    drawn = jax.random.normal(key, tall)
    with jax.default_matmul_precision("highest"):
        start = drawn / jnp.linalg.norm(drawn)

        def step(_: Array, x: Array) -> Array:
            return 1.5 * x - 0.5 * x @ (x.T @ x)

        found: Array = jax.lax.fori_loop(0, _ITERATIONS, step, start)
    return gain * (found if inputs >= outputs else found.T)


def dense(key: Array, inputs: int, outputs: int, gain: float) -> dict[str, Array]:
    """Return a dense layer with orthogonal weights, no bias yet."""
    return {"weight": orthogonal(key, inputs, outputs, gain), "bias": jnp.zeros(outputs)}
