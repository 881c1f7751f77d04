"""The random draws of a scenario, made here and nowhere else, once."""

from __future__ import annotations

from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from draingym.common.arrays import FloatArray, require_range
from draingym.simulator.bounds import numbers
from draingym.simulator.precision import real, uniform
from draingym.simulator.types import Market, Series


def checked_lead_time(lead_time: ArrayLike) -> FloatArray:
    """Return [N, L+1] probabilities as they are.

    Raises:
        ValueError: If they are not a matrix, one is negative, or a node's do not sum to one.
    """
    pmf = numbers("lead_time", lead_time)
    if pmf.ndim != 2 or 0 in pmf.shape:
        raise ValueError(
            f"lead_time has shape {pmf.shape}, must be [N, L+1]: probabilities of 0 to L periods"
        )
    if not ((pmf >= 0).all() and np.allclose(pmf.sum(axis=-1), 1.0, atol=1e-6)):
        raise ValueError(f"lead_time rows sum to {pmf.sum(axis=-1)}, must be 1, without negatives")
    return pmf


def sample_lead_share(
    key: Array, lead_time: Float[Array, "N lead"] | FloatArray, shape: tuple[int, ...]
) -> Float[Array, "*shape N lead"]:
    """Draw whole-order lead times: one-hot shares, so that whole units stay whole.

    Lead times that are certain, and known to be, take no draw: they are the same in every scenario
    of a batch.

    Args:
        key: Random key.
        lead_time: [N, L+1] probability of k periods.
        shape: Leading shape, such as (P, T).

    Returns:
        [*shape, N, L+1] of 0 and 1.
    """
    if isinstance(lead_time, np.ndarray) and ((lead_time == 0) | (lead_time == 1)).all():
        certain = real(lead_time).reshape((1,) * len(shape) + lead_time.shape)
        return jnp.broadcast_to(certain, (*shape, *lead_time.shape))
    pmf = jnp.asarray(lead_time, jnp.float32)  # as the uniforms are, whatever the precision
    drawn = jax.random.uniform(key, (*shape, pmf.shape[0]), jnp.float32)
    cumulated = jnp.cumsum(pmf, axis=1)
    periods = jnp.sum(
        drawn[..., None]
        >= jnp.broadcast_to(cumulated[:, :-1], (*drawn.shape, cumulated.shape[1] - 1)),
        axis=-1,
    )
    return jax.nn.one_hot(periods, pmf.shape[1])


def sample_noise(
    market: Market,
    lead_time: ArrayLike,
    num_uniforms: int,
    key: Array,
) -> Series:
    """Draw everything random about a trajectory, but for its views.

    Args:
        market: Of one product or many; leaves [T, ...] or [P, T, ...].
        lead_time: [N, L+1] probability of k periods from the parent; may be traced.
        num_uniforms: What the kernel needs a period, ``DrainKernel.num_uniforms``.
        key: Two calls with one key give common random numbers.

    Returns:
        The market with lead times and uniforms.

    Raises:
        ValueError: If lead times on the host do not sum to one.
    """
    if not isinstance(lead_time, jax.Array):
        lead_time = checked_lead_time(lead_time)
    key_lead, key_round, key_drain = jax.random.split(key, 3)
    shape = market.price.shape
    return Series(
        **{field.name: getattr(market, field.name) for field in fields(Market)},
        lead_share=sample_lead_share(key_lead, lead_time, shape),
        round_uniform=uniform(key_round, (*shape, lead_time.shape[0])),
        drain_uniform=uniform(key_drain, (*shape, num_uniforms)),
    )


def sample_supply(
    series: Series,
    lead_time: ArrayLike,
    key: Array,
    *,
    concentration: float | None = None,
    fill_mean: float = 1.0,
    fill_concentration: float = 10.0,
) -> Series:
    """Return the series with sources that split shipments over periods and ship short.

    ``lead_share ~ Dirichlet(concentration * lead_time)``: whole shipments as the concentration
    goes to zero, fixed shares as it goes to infinity. ``fill_rate ~ Beta`` with the given mean and
    ``fill_concentration`` as the sum of its parameters. Whole units stay whole: shipments are split
    by systematic rounding (``draingym.simulator.draws.split_shipments``).

    Args:
        series: Of one product or many; leaves [T, ...] or [P, T, ...].
        lead_time: [N, L+1] mean share that arrives after k periods.
        key: Two calls with one key draw the same.
        concentration: Above 0; None draws whole shipments.
        fill_mean: Mean share of a request that its source accepts, vendor or parent, in (0, 1]; 1
            accepts all.
        fill_concentration: Above 0; large is certain.

    Returns:
        Series with ``lead_share``, ``split_uniform`` and ``fill_rate`` drawn.

    Raises:
        ValueError: If lead times do not sum to one, or a number is out of its range.
    """
    pmf = checked_lead_time(lead_time)
    require_range("fill_mean", fill_mean, low=0.0, high=1.0, open_low=True)
    if concentration is not None:
        require_range("concentration", concentration, low=0.0, open_low=True)
    require_range("fill_concentration", fill_concentration, low=0.0, open_low=True)
    key_share, key_split, key_fill = jax.random.split(key, 3)
    shape = (*series.price.shape, pmf.shape[0])
    if concentration is None:
        share = sample_lead_share(key_share, pmf, series.price.shape)
    else:
        mean = jnp.asarray(concentration * pmf, jnp.float32)
        weight = jnp.broadcast_to(mean, (*shape, pmf.shape[1]))
        drawn = jax.random.loggamma(
            key_share, jnp.where(weight > 0, weight, 1.0), None, jnp.float32
        )
        share = real(jax.nn.softmax(jnp.where(weight > 0, drawn, -jnp.inf), axis=-1))
    fill = None
    if fill_mean < 1:
        a, b = fill_mean * fill_concentration, (1 - fill_mean) * fill_concentration
        fill = real(jax.random.beta(key_fill, a, b, shape, jnp.float32))
    return replace(
        series,
        lead_share=share,
        split_uniform=uniform(key_split, shape),
        fill_rate=fill,
    )
