"""The cost of a unit: its log is known by quantiles, exponential beyond the first and the last.

Pure functions on arrays of quantiles (knots). Nothing gathers: piecewise-linear curves are sums
over their pieces, which differentiate and run faster than look-ups.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.drain_model.distributions.levels import NUM_LEVELS, STEP

_LOG2 = math.log(2.0)
_MIN_GAP = 1e-3  # log currency: knots are at least this far apart
# The log cost's upper tail decays at least this fast, so that cost has a mean and a variance.
_MAX_SCALE = 0.45
_TINY = 1e-12


def cost_knots(
    raw: Float[Array, "*shape Q"], mean: Float[Array, ""], scale: Float[Array, ""]
) -> Float[Array, "*shape Q"]:
    """Map a network's outputs to increasing quantiles of the log cost of a unit.

    The middle quantile is ``mean + scale raw_5``; the others lie softplus gaps below and above.

    Args:
        raw: [..., 9].
        mean: Log currency a unit, over the training data.
        scale: Its standard deviation.

    Returns:
        [..., 9] quantiles of log cost a unit at LEVELS.
    """
    middle = NUM_LEVELS // 2
    gaps = 0.3 * scale * jax.nn.softplus(raw) + _MIN_GAP
    centre = mean + scale * raw[..., middle : middle + 1]
    below = centre - jnp.flip(jnp.cumsum(jnp.flip(gaps[..., :middle], -1), axis=-1), -1)
    above = centre + jnp.cumsum(gaps[..., middle + 1 :], axis=-1)
    return jnp.concatenate([below, centre, above], axis=-1)


def _scales(knots: Array) -> tuple[Array, Array]:
    lower = (knots[..., 1] - knots[..., 0]) / _LOG2
    upper = jnp.minimum((knots[..., -1] - knots[..., -2]) / _LOG2, _MAX_SCALE)
    return lower, upper


def cost_ppf(
    knots: Float[Array, "*shape Q"], level: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return the quantile of the cost of a unit at a level in (0, 1), currency.

    Linear in the log between knots, exponential beyond the first and last: never negative.
    """
    lower, upper = _scales(knots)
    position = (level[..., None] - STEP) / STEP - jnp.arange(NUM_LEVELS - 1).reshape(
        (1,) * level.ndim + (NUM_LEVELS - 1,)
    )
    inside = jnp.sum(jnp.diff(knots, axis=-1) * jnp.clip(position, 0.0, 1.0), axis=-1)
    low = jnp.minimum(jnp.log(jnp.maximum(level, 1e-6) / STEP), 0.0)
    high = jnp.minimum(jnp.log(jnp.maximum(1.0 - level, 1e-6) / STEP), 0.0)
    return jnp.exp(knots[..., 0] + inside + lower * low - upper * high)


def cost_cdf(
    knots: Float[Array, "*shape Q"], cost: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return the probability that a unit costs at most ``cost`` > 0; the inverse of the ppf."""
    lower, upper = _scales(knots)
    x = jnp.log(cost)
    inside = jnp.clip((x[..., None] - knots[..., :-1]) / jnp.diff(knots, axis=-1), 0.0, 1.0)
    low = jnp.exp(jnp.minimum(x - knots[..., 0], 0.0) / lower)
    high = -jnp.expm1(-jnp.maximum(x - knots[..., -1], 0.0) / upper)
    return STEP * (jnp.sum(inside, axis=-1) + low + high)


def cost_log_mass(
    knots: Float[Array, "*shape Q"], cost: Float[Array, "*shape"], half_width: float
) -> Float[Array, "*shape"]:
    """Return the log density of the log cost of a unit, averaged over ``log cost +- half_width``.

    ``log([F(x + h) - F(x - h)] / 2h)``. This is what to maximise. The density itself jumps at the
    knots: its derivative at a fixed cost misses that the cost changes sides, so that descending
    it narrows every gap. F is continuous in the knots, and its derivative misses nothing.

    Args:
        knots: [..., 9] log quantiles.
        cost: [...] currency a unit, above 0.
        half_width: h, in log currency; small against the spread of the cost.

    Returns:
        [...].
    """
    lower, upper = _scales(knots)
    a, b = jnp.log(cost) - half_width, jnp.log(cost) + half_width
    start, gaps = knots[..., :-1], jnp.diff(knots, axis=-1)
    linear = jnp.clip((b[..., None] - start) / gaps, 0.0, 1.0) - jnp.clip(
        (a[..., None] - start) / gaps, 0.0, 1.0
    )
    first, last = knots[..., 0], knots[..., -1]
    low = jnp.exp(jnp.minimum(b - first, 0.0) / lower) - jnp.exp(
        jnp.minimum(a - first, 0.0) / lower
    )
    high = jnp.exp(-jnp.maximum(a - last, 0.0) / upper) - jnp.exp(
        -jnp.maximum(b - last, 0.0) / upper
    )
    mass = STEP * (jnp.sum(linear, axis=-1) + low + high)
    return jnp.log(mass + _TINY) - math.log(2.0 * half_width)
