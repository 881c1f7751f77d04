"""Mixtures of Gaussians: density, mean and draws; deviations are kept within bounds."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.tree_util.register_dataclass
@dataclass(frozen=True, slots=True)
class Mixture:
    """A mixture of ``M`` Gaussians at each place."""

    log_weight: Float[Array, "... M"]  # sums to one, as exponentials
    mean: Float[Array, "... M"]
    deviation: Float[Array, "... M"]

    @classmethod
    def of(cls, raw: Float[Array, "... 3*M"], low: float, high: float) -> Mixture:
        """Return the mixture that a network's output stands for.

        Weights by softmax, deviations by exp, clipped to [low, high]; outside of the bounds the
        derivative by the output is 0.

        Source: paper on ARMDN, equations 5 to 7 and section 3.3.
        """
        weight, mean, log_deviation = jnp.split(raw, 3, axis=-1)
        log_deviation = jnp.clip(log_deviation, jnp.log(low), jnp.log(high))
        return cls(jax.nn.log_softmax(weight, axis=-1), mean, jnp.exp(log_deviation))

    def log_density(self, y: Float[Array, ...]) -> Float[Array, ...]:
        """Return the logarithm of the density, by log-sum-exp; finite for any finite ``y``."""
        z = (y[..., None] - self.mean) / self.deviation
        each = -0.5 * (z**2 + jnp.log(2.0 * jnp.pi)) - jnp.log(self.deviation)
        found: Array = jax.nn.logsumexp(self.log_weight + each, axis=-1)
        return found

    def expectation(self) -> Float[Array, ...]:
        """Return the mean."""
        return jnp.sum(jnp.exp(self.log_weight) * self.mean, axis=-1)

    def sample(self, key: Array) -> Float[Array, ...]:
        """Return one draw at each place: a component, then its Gaussian."""
        key_component, key_normal = jax.random.split(key)
        component = jax.random.categorical(key_component, self.log_weight, axis=-1)[..., None]
        mean = jnp.take_along_axis(self.mean, component, axis=-1)[..., 0]
        deviation = jnp.take_along_axis(self.deviation, component, axis=-1)[..., 0]
        return mean + deviation * jax.random.normal(key_normal, mean.shape)
