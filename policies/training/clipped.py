"""What every PPO has in common: advantages, the clipped gain, and who is in which minibatch."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def advantages(
    error: Float[Array, "T B"], carried: Float[Array, "T B"] | float
) -> Float[Array, "T B"]:
    """Return generalised advantages: errors of the value, those of later periods discounted.

    Args:
        error: Reward and discounted value of what follows, less the value, of each period.
        carried: Share of the next period's advantage that counts: the discount times lambda, and 0
            where an episode ended.

    Source: Schulman et al. (2016), "High-dimensional continuous control using generalized advantage
    estimation", equation 16.
    """

    def back(later: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        error, carried = now
        total = error + carried * later
        return total, total

    shares = jnp.broadcast_to(jnp.asarray(carried, error.dtype), error.shape)
    _, found = jax.lax.scan(back, jnp.zeros_like(error[0]), (error, shares), reverse=True)
    return found


def clipped_gain(
    log_prob: Float[Array, " M"],
    before: Float[Array, " M"],
    advantage: Float[Array, " M"],
    clip: float,
    counts: Float[Array, " M"] | None = None,
) -> Float[Array, ""]:
    """Return the clipped surrogate objective, of advantages normalised over the minibatch.

    Args:
        log_prob: Of the actions, now.
        before: Of the actions, when they were drawn.
        advantage: Of the actions, in any unit.
        clip: How far from 1 a ratio of probabilities may count.
        counts: 1 for periods that count, and 0; all when not given.

    Source: Schulman et al. (2017), equation 7.
    """

    def average(x: Array) -> Array:
        return jnp.mean(x) if counts is None else weighted_mean(x, counts)

    centred = advantage - average(advantage)
    unit = centred / (jnp.sqrt(average(jnp.square(centred))) + 1e-8)
    ratio = jnp.exp(log_prob - before)
    return average(jnp.minimum(ratio * unit, jnp.clip(ratio, 1.0 - clip, 1.0 + clip) * unit))


def weighted_mean(x: Float[Array, " M"], counts: Float[Array, " M"]) -> Float[Array, ""]:
    """Return the mean over what counts; 0 where nothing does."""
    return jnp.sum(counts * x) / jnp.maximum(jnp.sum(counts), 1.0)


def minibatch_rows(key: Array, size: int, epochs: int, minibatches: int) -> Int[Array, "K M"]:
    """Return the rows of every minibatch of all epochs, each epoch in an order of its own."""
    orders = jax.vmap(lambda k: jax.random.permutation(k, size))(jax.random.split(key, epochs))
    return orders.reshape(epochs * minibatches, -1)
