"""Training by the score function (REINFORCE): no derivative of the simulator is used."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from draingym.policies.networks.gaussian import GaussianPolicy
from draingym.policies.task import Task
from draingym.policies.training.method import Descend
from draingym.policies.training.segments import returns_to_go
from draingym.simulator import Observation, Policy, PyTree, Scenario


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Moves:
    """What a stochastic policy saw, did, and got; one rollout a row."""

    observation: Observation  # leaves [B, T, ...]
    action: Float[Array, "B T N"]  # units requested, as drawn
    reward: Float[Array, "B T"]  # currency


def play(task: Task, policy: GaussianPolicy, params: PyTree, batch: int, key: Array) -> Moves:
    """Roll a stochastic policy out through a new batch."""
    key_scenario, key_policy = jax.random.split(key)

    def one(scenario: Scenario, key: Array, task: Task, params: PyTree) -> Moves:
        moves = task.simulator.rollout(
            task.params, policy, params, scenario, key, remat=False
        ).transitions
        return Moves(observation=moves.observation, action=moves.action, reward=moves.reward)

    moves: Moves = task.each(one, task.draw(key_scenario, batch), key_policy, task, params)
    return moves


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreFunction:
    """``mean_b sum_t grad log pi(a_t | s_t) (G_t - baseline_t) / T`` on Gaussian requests.

    G is the return to go; the baseline of a period is its mean over the other rollouts of the
    batch. Advantages are divided by their standard deviation. The mean of the requests is what is
    evaluated and kept.

    Source: Williams (1992); the baseline is that of ``benchmarks.comparators.reference_gradient``.
    """

    policy: Policy
    initial_sd: float = 0.3  # of the requests, periods of demand
    extra_discount: float = 0.98  # of an infinite-horizon problem, beyond its own

    def __post_init__(self) -> None:
        """Refuse a sum without a bound."""
        if not 0 < self.extra_discount <= 1:
            raise ValueError(f"extra_discount is {self.extra_discount}, must be in (0, 1]")

    def _gaussian(self) -> GaussianPolicy:
        return GaussianPolicy(base=self.policy, initial_sd=self.initial_sd)

    def init(self, key: Array, task: Task, initial: PyTree | None) -> PyTree:
        """Return the parameters of mean and spread."""
        del task
        return self._gaussian().around(self.policy.init(key) if initial is None else initial)

    def policy_params(self, learned: PyTree) -> PyTree:
        """Return the mean's."""
        return learned["mean"]

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
        """Take one step on one batch.

        Raises:
            ValueError: If the batch is of one scenario: it has no baseline.
        """
        if batch < 2:
            raise ValueError(f"batch_products is {batch}, must be at least 2 for a baseline")
        gaussian = self._gaussian()
        moves = play(task, gaussian, learned, batch, key)
        discount = task.params.discount * (self.extra_discount if task.infinite_horizon else 1.0)
        to_go = jax.vmap(returns_to_go, in_axes=(0, None, None))(
            moves.reward / scale, discount, jnp.zeros(())
        )
        others = (jnp.sum(to_go, axis=0, keepdims=True) - to_go) / (batch - 1)
        advantage = to_go - others
        advantage = advantage / (jnp.std(advantage) + 1e-8)

        def loss(learned: PyTree) -> Array:
            log_probs = jax.vmap(jax.vmap(gaussian.log_prob, (None, 0, 0)), (None, 0, 0))(
                learned, moves.observation, moves.action
            )
            return -jnp.mean(log_probs * advantage)

        return descend(jax.grad(loss)(learned), state, learned)

    def rollouts(self, batch: int) -> int:
        """Return the batch."""
        return batch
