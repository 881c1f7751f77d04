"""Training by an evolution strategy: no derivative of the simulator is used."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from draingym.policies.task import Task
from draingym.policies.training.method import Descend, PolicyAlone
from draingym.simulator import PyTree


@dataclass(frozen=True, kw_only=True, slots=True)
class EvolutionStrategy(PolicyAlone):
    """Follow the derivative of the mean value of perturbed parameters.

    ``g = mean_i (w_i+ - w_i-) eps_i / (2 sigma)``: pairs of candidates ``theta +- sigma eps_i`` are
    all rolled out through the same scenarios, and w are their values, or their ranks spread over
    [-1/2, 1/2].

    Source: Salimans et al. (2017), "Evolution strategies as a scalable alternative to
    reinforcement learning".
    """

    pairs: int = 16
    sigma: float = 0.05  # standard deviation of every parameter
    ranks: bool = True  # use ranks, as the source does, rather than values

    def __post_init__(self) -> None:
        """Refuse an empty population, and candidates that are all alike."""
        if self.pairs < 1:
            raise ValueError(f"pairs is {self.pairs}, must be at least 1")
        if not self.sigma > 0:
            raise ValueError(f"sigma is {self.sigma}, must be above 0")

    def update(
        self,
        learned: PyTree,
        state: optax.OptState,
        descend: Descend,
        task: Task,
        batch: int,
        scale: Float[Array, ""],
        key: Array,
    ) -> tuple[PyTree, optax.OptState, Float[Array, ""]]:
        """Take one step on one generation."""
        key_scenario, key_policy, key_noise = jax.random.split(key, 3)
        scenario = task.draw(key_scenario, batch)
        centre, unravel = ravel_pytree(learned)
        noise = jax.random.normal(key_noise, (self.pairs, centre.shape[0]))
        away = jnp.concatenate([noise, -noise])

        def value(step: Array) -> Array:
            candidate = unravel(centre + self.sigma * step)
            return jnp.mean(task.values(self.policy, candidate, scenario, key_policy, remat=False))

        fitness = jax.vmap(value)(away) / scale
        if self.ranks:
            order = jnp.argsort(jnp.argsort(fitness)).astype(centre.dtype)
            # What is not finite has a rank as well: let it be seen.
            spread = order / (2 * self.pairs - 1) - 0.5
            fitness = jnp.where(jnp.all(jnp.isfinite(fitness)), spread, jnp.nan)
        better = fitness[: self.pairs] - fitness[self.pairs :]
        slope = better @ noise / (2.0 * self.sigma * self.pairs)
        return descend(unravel(-slope), state, learned)

    def rollouts(self, batch: int) -> int:
        """Return the batch for every candidate."""
        return 2 * self.pairs * batch
