"""One node's draw under its stock: censored or truncated, with derivative and likelihood.

Two ways to respect ``0 <= O <= A``, one to be chosen for training and sampling alike:

- ``censored``: ``O = min(draw, A)``; all mass beyond the stock collects at it;
- ``truncated``: ``P(O = k) = p_k / F(A)`` for k <= A; mass beyond the stock spreads below it.
"""

from __future__ import annotations

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.drain_model.distributions.hybrid import Hybrid
from draingym.simulator import hard_draw, straight_through

Cap = Literal["censored", "truncated"]
_FLOOR = 1e-6
_TINY = 1e-30


def check_cap(cap: str) -> None:
    """Raise if ``cap`` is not one of ``Cap``.

    Raises:
        ValueError: If so.
    """
    if cap not in get_args(Cap):
        raise ValueError(f"cap is {cap!r}, must be one of {get_args(Cap)}")


def censored_draw(
    dist: Hybrid, available: Float[Array, "*b"], uniform: Float[Array, "*b"]
) -> Float[Array, "*b"]:
    """Return ``min(draw, available)`` for whole available units, with a useful derivative.

    Below the stock the draw is the hybrid's own atom, the tail's whole numbers included. At the
    stock all remaining mass is one atom: ``F_at = 1``, a constant.

    Args:
        dist: Of the draw.
        available: [...] whole units, at least 0.
        uniform: [...] in [0, 1).

    Returns:
        [...] whole units.

    Gradients:
        With respect to the distribution: ``simulator.hard_draw`` on the *censored* distribution,
        exactly unbiased for linear functions of the result. With respect to the stock: 1 where
        more was drawn than there is, 0 where less; at a tie of draw and stock the position v of
        the uniform in the atom, so that the mean lies halfway between the value of the last unit,
        ``P(O >= A)``, and of the next, ``P(O > A)``: right to first order under randomised
        rounding of the stock. At zero stock a tie counts 0: there is only the next unit.
    """
    units, slope = censored_parts(dist, available, uniform)
    # Adds the slope in the stock to the derivative, and nothing to the value.
    return units + straight_through(jnp.zeros_like(available), slope * available)


def censored_parts(
    dist: Hybrid, available: Float[Array, "*b"], uniform: Float[Array, "*b"]
) -> tuple[Float[Array, "*b"], Float[Array, "*b"]]:
    """Return the draw, differentiable in the distribution alone, and its slope in the stock."""
    drawn = dist.ppf(uniform)
    limit = jax.lax.stop_gradient(available)
    bound = drawn >= limit
    value = jnp.where(bound, limit, drawn)
    below = dist.cdf(value - 1.0)
    at = dist.cdf(value)
    floor = jnp.asarray(_FLOOR, uniform.dtype)
    share = jnp.clip((uniform - below) / jnp.maximum(at - below, floor), 0.0, 1.0)
    upto = jnp.where(bound, 1.0, at)
    position = jnp.clip((uniform - below) / jnp.maximum(upto - below, floor), 0.0, 1.0)
    units = hard_draw(value, position, below, upto)
    tie = jnp.where(limit > 0, share, 0.0)
    slope = jnp.where(drawn > limit, 1.0, jnp.where(drawn == limit, tie, 0.0))
    return units, jax.lax.stop_gradient(slope)


def truncated_draw(
    dist: Hybrid, available: Float[Array, "*b"], uniform: Float[Array, "*b"]
) -> Float[Array, "*b"]:
    """Return the smallest whole k with ``u F(A) <= F(k)``: a draw given that stock suffices.

    Args:
        dist: Of the draw.
        available: [...] whole units, at least 0.
        uniform: [...] in [0, 1).

    Returns:
        [...] whole units, at most ``available``.

    Gradients:
        With respect to the distribution: ``simulator.hard_draw`` on ``F(k) / F(A)``, exactly
        unbiased for linear functions of the result. With respect to the stock: half of what the
        same uniform draws from one unit more, less what it draws from one unit less; exactly
        halfway, in the mean, between the value of the last unit and of the next. At zero stock
        the next unit counts in full.

    Source:
        METHODS section 3, truncation. ``F`` is interpolated only in the sense of that difference.
    """
    limit = jax.lax.stop_gradient(available)
    frozen = jax.lax.stop_gradient(dist)

    def draw(stock: Array) -> Array:
        return jnp.minimum(frozen.ppf(uniform * frozen.cdf(stock)), stock)

    value = draw(limit)
    top = jnp.maximum(dist.cdf(limit), _TINY)
    below = dist.cdf(value - 1.0) / top
    at = jnp.where(value >= limit, 1.0, dist.cdf(value) / top)
    position = (uniform - below) / jnp.maximum(at - below, jnp.asarray(_FLOOR, uniform.dtype))
    units = hard_draw(value, jnp.clip(position, 0.0, 1.0), below, at)
    more, less = draw(limit + 1.0), draw(jnp.maximum(limit - 1.0, 0.0))
    slope = jnp.where(limit > 0, 0.5 * (more - less), more - value)
    slope = jax.lax.stop_gradient(slope)
    return units + straight_through(jnp.zeros_like(available), slope * available)


def capped_draw(
    dist: Hybrid, available: Float[Array, "*b"], uniform: Float[Array, "*b"], cap: Cap
) -> Float[Array, "*b"]:
    """Return ``censored_draw`` or ``truncated_draw``."""
    draw = censored_draw if cap == "censored" else truncated_draw
    return draw(dist, available, uniform)


def capped_log_prob(
    dist: Hybrid, units: Float[Array, "*b"], available: Float[Array, "*b"], cap: Cap
) -> Float[Array, "*b"]:
    """Return the log probability of what ``capped_draw`` returns; ``-inf`` if it never does."""
    k = jnp.clip(units, 0.0, available)
    if cap == "truncated":
        found = dist.log_prob(k) - dist.log_cdf(available)
    else:
        beyond = dist.log_atoms_at_least(k) + jnp.where(
            k < dist.num_atoms, 0.0, dist.log_tail_at_least(k)
        )
        found = jnp.where(k >= available, beyond, dist.log_prob(k))
    return jnp.where(k == units, found, -jnp.inf)


def capped_interval(
    dist: Hybrid, units: Float[Array, "*b"], available: Float[Array, "*b"], cap: Cap
) -> tuple[Float[Array, "*b"], Float[Array, "*b"]]:
    """Return the ends of the uniforms for which ``capped_draw`` returns ``units``."""
    below, at = dist.cdf(units - 1.0), dist.cdf(units)
    if cap == "truncated":
        top = jnp.maximum(dist.cdf(available), _TINY)
        below, at = below / top, at / top
    return below, jnp.where(units >= available, 1.0, at)
