"""Forecasts of views or demand by rules that know earlier periods alone.

Entry t of every rule depends on entries before t, and on ``first``: what was expected before
anything was seen. Time is the last axis but one: [..., T, Z].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from draingym.common.arrays import FloatArray
from draingym.simulator.bounds import require_numbers
from draingym.simulator.precision import real


def running_mean(values: Float[Array, "*P T Z"], first: ArrayLike = 0.0) -> Float[Array, "*P T Z"]:
    """Return the mean of all earlier periods.

    Args:
        values: [..., T, Z].
        first: What is expected of the first period, [..., Z] or a number.

    Returns:
        [..., T, Z].

    >>> running_mean(jnp.array([[2.0], [4.0], [9.0]]))[:, 0].tolist()
    [0.0, 2.0, 3.0]
    """
    seen = jnp.cumsum(values, axis=-2)[..., :-1, :]
    periods = jnp.arange(1, values.shape[-2], dtype=values.dtype)
    return _after(first, seen / periods.reshape((1,) * (values.ndim - 2) + (-1, 1)), values)


def last_period(values: Float[Array, "*P T Z"], first: ArrayLike = 0.0) -> Float[Array, "*P T Z"]:
    """Return the values of the period before; see ``running_mean``.

    >>> last_period(jnp.array([[2.0], [4.0], [9.0]]), 3.0)[:, 0].tolist()
    [3.0, 2.0, 4.0]
    """
    return _after(first, values[..., :-1, :], values)


def _after(first: ArrayLike, later: Array, values: Array) -> Array:
    """Put what is expected of the first period in front."""
    start = jnp.broadcast_to(jnp.asarray(first, values.dtype), values[..., 0, :].shape)
    return jnp.concatenate([start[..., None, :], later], axis=-2)


def smoothed(values: ArrayLike, half_life: float, first: ArrayLike = 0.0) -> FloatArray:
    """Return the exponentially weighted mean of all earlier periods; on the host, in float64.

    ``m_t = d * m_{t-1} + (1 - d) * x_{t-1}`` with ``d = 2**(-1 / half_life)`` and ``m_0 = first``.

    Args:
        values: [..., T, Z].
        half_life: Periods after which a value counts half, above 0.
        first: What is expected of the first period, [..., Z] or a number.

    Returns:
        [..., T, Z].

    Raises:
        ValueError: If ``half_life`` is not positive.

    >>> smoothed(np.array([[0.0], [2.0], [9.0]]), 1.0, 8.0)[:, 0].tolist()
    [8.0, 4.0, 3.0]
    """
    if not half_life > 0:
        raise ValueError(f"half_life is {half_life}, must be above 0 periods")
    seen = np.asarray(values, np.float64)
    decay = 2.0 ** (-1.0 / half_life)
    means = np.empty_like(seen)
    level = np.broadcast_to(np.asarray(first, np.float64), seen[..., 0, :].shape)
    for t in range(seen.shape[-2]):
        means[..., t, :] = level
        level = decay * level + (1.0 - decay) * seen[..., t, :]
    return means


Rule = Literal["running mean", "last period"]
RULES: dict[str, Callable[[Array], Array]] = {
    "running mean": running_mean,
    "last period": last_period,
}


def forecast_of(forecast: Rule | ArrayLike, values: Float[Array, "T Z"]) -> Float[Array, "T Z"]:
    """Return the forecast that a caller gives, or names by its rule.

    Args:
        forecast: A name in ``RULES``; or units a period, [Z] where the mean is known, or [T, Z].
        values: [T, Z] what is forecast.

    Raises:
        ValueError: If there is no such rule, or the array has a wrong shape, or an entry that is
            negative or not finite.
    """
    if isinstance(forecast, str):
        if forecast not in RULES:
            names = ", ".join(repr(name) for name in RULES)
            raise ValueError(f"forecast is {forecast!r}, must be an array or one of {names}")
        return RULES[forecast](values)
    require_numbers("forecast", forecast)
    given = real(forecast)
    if given.shape not in ((), values.shape[1:], values.shape):
        raise ValueError(
            f"forecast has shape {given.shape}, must be {values.shape[1:]} or {values.shape}"
        )
    if given.ndim < 2:
        given = jnp.broadcast_to(given, values.shape[1:])[None]
    return jnp.broadcast_to(given, values.shape)
