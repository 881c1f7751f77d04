"""A share of a total that may be next to nothing, with a derivative that is finite all the same."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LEAST_WHOLE = 1e-20  # of less there is no share to be had: its inverse is no number of float32


@jax.custom_jvp
def ratio(part: Float[Array, "*shape"], whole: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return ``part / whole``, or 0 where the whole is below ``LEAST_WHOLE``.

    JAX's own derivative of a quotient holds ``1 / whole**2``, which overflows in float32 long
    before the whole does, and is then multiplied by 0: NaN.

    Args:
        part: At least 0, of the order of the whole.
        whole: At least 0.

    Gradients: exact: ``(d part - ratio * d whole) / whole``; 0 below ``LEAST_WHOLE``.
    """
    return jnp.where(whole >= LEAST_WHOLE, part / jnp.maximum(whole, LEAST_WHOLE), 0.0)


@ratio.defjvp
def _ratio_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    part, whole = primals
    d_part, d_whole = tangents
    value = ratio(part, whole)
    inverse = jnp.where(whole >= LEAST_WHOLE, 1.0 / jnp.maximum(whole, LEAST_WHOLE), 0.0)
    return value, (d_part - value * d_whole) * inverse
