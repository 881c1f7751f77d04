"""A stochastic policy: Gaussian noise on the requests of any other."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.simulator import Observation, Policy, PyTree


@dataclass(frozen=True, kw_only=True, slots=True)
class GaussianPolicy:
    """``request = mean + sd * noise``, with the mean of another policy.

    The standard deviation is a learned share of the total forecast demand, one for all nodes and
    states. Requests below zero count as zero in the simulator; their log probability is that of
    what was drawn.
    """

    base: Policy
    initial_sd: float = 0.3  # periods of demand

    def __post_init__(self) -> None:
        """Refuse a spread that is none."""
        if not self.initial_sd > 0:
            raise ValueError(f"initial_sd is {self.initial_sd}, must be above 0 periods of demand")

    def init(self, key: Array) -> PyTree:
        """Return initial parameters: the mean's, and the log of the spread."""
        return self.around(self.base.init(key))

    def around(self, params: PyTree) -> PyTree:
        """Return parameters whose mean is a policy of these parameters."""
        return {"mean": params, "log_sd": jnp.float32(log(self.initial_sd))}

    def apply(self, params: PyTree, observation: Observation, key: Array) -> Float[Array, " N"]:
        """Draw the units each node requests from its parent."""
        key_mean, key_noise = jax.random.split(key)
        mean = self.base.apply(params["mean"], observation, key_mean)
        return mean + _sd(params, observation) * jax.random.normal(key_noise, mean.shape)

    def log_prob(
        self, params: PyTree, observation: Observation, action: Float[Array, " N"]
    ) -> Float[Array, ""]:
        """Return the log density of a request; the mean must not be drawn at random."""
        mean = self.base.apply(params["mean"], observation, jax.random.key(0))
        sd = _sd(params, observation)
        z = (action - mean) / sd
        return jnp.sum(-0.5 * z**2 - jnp.log(sd) - 0.5 * log(2.0 * pi))


def _sd(params: PyTree, observation: Observation) -> Array:
    demand = jnp.maximum(jnp.sum(observation.forecast), 1e-3)
    return jnp.exp(params["log_sd"]) * demand
