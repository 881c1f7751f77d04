"""Quantiles that a network learns: their order, their loss, and sample paths drawn from them."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from draingym.common.arrays import FloatArray


def require_levels(name: str, levels: Sequence[float]) -> None:
    """Refuse levels that do not rise within (0, 1), and a single one; none are well.

    Raises:
        ValueError: Naming the field.
    """
    rises = all(a < b for a, b in zip((0.0, *levels), (*levels, 1.0), strict=True))
    if len(levels) == 1 or not rises:
        raise ValueError(
            f"{name} is {tuple(levels)}, must rise within (0, 1), two or more; or none"
        )


def rising(raw: Float[Array, "*b L"]) -> Float[Array, "*b L"]:
    """Return quantiles in order: the first, and then what each adds."""
    first, more = raw[..., :1], jax.nn.softplus(raw[..., 1:])
    return jnp.cumsum(jnp.concatenate([first, more], axis=-1), axis=-1)


def exponential_start(levels: Sequence[float]) -> FloatArray:
    """Return what ``rising`` turns into the quantiles of an exponential of mean 1, [L].

    Of what is never below 0 and has that mean, the distribution that assumes least: where a network
    may well begin.

    >>> [f"{x:.3f}" for x in rising(exponential_start((0.5, 0.9)))]
    ['0.693', '2.303']
    """
    quantiles = -np.log1p(-np.asarray(levels))
    found: FloatArray = np.append(quantiles[:1], np.log(np.expm1(np.diff(quantiles))))
    return found


def pinball(
    quantiles: Float[Array, "*b L"], actual: Float[Array, "*b"], levels: Sequence[float]
) -> Float[Array, "*b"]:
    """Return ``mean_l max(tau_l (y - q_l), (tau_l - 1)(y - q_l))``."""
    tau = jnp.asarray(levels, quantiles.dtype).reshape((1,) * actual.ndim + (len(levels),))
    error = actual[..., None] - quantiles
    return jnp.mean(jnp.maximum(tau * error, (tau - 1.0) * error), axis=-1)


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


def paths_of(
    knots: Float[Array, "B H L"],
    levels: Sequence[float],
    keys: Array,
    residuals: Float[Array, "R H"],
    number: int,
) -> Float[Array, "B N H"]:
    """Return paths with each period's own quantiles, joint over periods as errors were.

    Args:
        knots: Quantiles at the levels, in order.
        levels: Two or more, rising, in (0, 1).
        keys: [B] of random numbers.
        residuals: What points missed on validation windows.
        number: ``N``.
    """
    at = levels_like(keys, residuals, number)
    return quantile_at(jnp.broadcast_to(knots[:, None], (*at.shape, len(levels))), levels, at)
