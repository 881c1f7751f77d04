"""JAX's default float everywhere: float32, or float64 with ``JAX_ENABLE_X64=1``.

What is random is drawn in float32 in both, so that a key gives the same numbers.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from draingym.simulator.types import PyTree


def real(values: ArrayLike) -> Array:
    """Return an array of the default float."""
    if isinstance(values, np.ndarray | np.generic):  # as it is: nothing to compile for its shape
        put: Array = jax.device_put(np.asarray(values, jax.dtypes.canonicalize_dtype(float)))
        return put
    return jnp.asarray(values, float)


def as_real(tree: PyTree) -> PyTree:
    """Return a pytree whose float32 and float64 leaves are of the default float.

    A loop carries one type from beginning to end, whatever it was given. Without float64 this does
    nothing. Other types (whole numbers, bfloat16) stay.
    """

    def cast(leaf: Array) -> Array:
        return real(leaf) if leaf.dtype in (np.float32, np.float64) else leaf

    return jax.tree.map(cast, tree)


def uniform(key: Array, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
    """Draw uniforms in [0, 1)."""
    return real(jax.random.uniform(key, shape, jnp.float32))


def normal(key: Array, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
    """Draw standard normals."""
    return real(jax.random.normal(key, shape, jnp.float32))
