"""Training by proximal policy optimisation: no derivative of the simulator is used."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from draingym.policies.networks.gaussian import GaussianPolicy
from draingym.policies.networks.mlp import ValueNetwork, num_features
from draingym.policies.task import Task
from draingym.policies.training.clipped import advantages, clipped_gain, minibatch_rows
from draingym.policies.training.method import Descend
from draingym.policies.training.score_function import play
from draingym.policies.training.segments import periods_left
from draingym.simulator import Observation, Policy, PyTree

# Standard deviations of a period's reward in one unit of an infinite-horizon problem's values:
# rewards of some ten periods that depend on each other add up to about that.
_VALUE_UNIT = 10.0


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class _Sample:
    """Periods to learn from; leaves [M, ...]."""

    observation: Observation
    left: Float[Array, " M"]
    action: Float[Array, "M N"]
    log_prob: Float[Array, " M"]
    advantage: Float[Array, " M"]
    target: Float[Array, " M"]  # of the value network, in its units


@dataclass(frozen=True, kw_only=True, slots=True)
class PPO:
    """Clipped policy gradient with generalised advantages, several epochs of minibatches a batch.

    Requests are Gaussian around the policy's; what is evaluated and kept is their mean. One
    optimiser and one rate for policy and value network. An infinite-horizon problem's rewards are
    centred and scaled by those of the batch; its last period only tells what the one before it
    leads to.

    Source: Schulman et al. (2017), with what Huang et al. (2022), "The 37 implementation details
    of PPO", list for continuous actions: orthogonal initialisation, advantages normalised by
    minibatch, clipped gradients. Without clipping of the value's loss, which does not help.
    """

    policy: Policy
    hidden: tuple[int, ...] = (32, 32)  # of the value network
    epochs: int = 4
    minibatches: int = 4
    clip: float = 0.2  # of the probability ratio
    gae_lambda: float = 0.95
    value_weight: float = 0.5
    entropy_weight: float = 0.0
    initial_sd: float = 0.3  # of the requests, periods of demand
    extra_discount: float = 0.98  # of an infinite-horizon problem, beyond its own

    def __post_init__(self) -> None:
        """Refuse what is out of bounds."""
        for name in ("epochs", "minibatches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        if not 0 < self.extra_discount < 1:
            raise ValueError(
                f"extra_discount is {self.extra_discount}, must be above 0 and below 1"
            )
        if not 0 <= self.gae_lambda <= 1:
            raise ValueError(f"gae_lambda is {self.gae_lambda}, must be in [0, 1]")
        if not self.clip > 0:
            raise ValueError(f"clip is {self.clip}, must be above 0")

    def _gaussian(self) -> GaussianPolicy:
        return GaussianPolicy(base=self.policy, initial_sd=self.initial_sd)

    def _critic(self, task: Task) -> ValueNetwork:
        return ValueNetwork(inputs=num_features(task), hidden=self.hidden)

    def init(self, key: Array, task: Task, initial: PyTree | None) -> PyTree:
        """Return the parameters of mean, spread, and value network."""
        params = self.policy.init(key) if initial is None else initial
        value = self._critic(task).init(jax.random.fold_in(key, 1))
        return {"policy": self._gaussian().around(params), "value": value}

    def policy_params(self, learned: PyTree) -> PyTree:
        """Return the mean's."""
        return learned["policy"]["mean"]

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
        """Play one batch, and take ``epochs * minibatches`` steps on it.

        Raises:
            ValueError: If minibatches do not divide the batch's periods.
        """
        key_play, key_order = jax.random.split(key)
        sample = self._sample(learned, task, batch, scale, key_play)
        size = sample.left.shape[0]
        if size % self.minibatches:
            raise ValueError(f"minibatches is {self.minibatches}, must divide {size} periods")

        def step(
            carry: tuple[PyTree, optax.OptState, Array], rows: Array
        ) -> tuple[tuple[PyTree, optax.OptState, Array], None]:
            learned, state, largest = carry
            part = jax.tree.map(lambda leaf: leaf[rows], sample)
            gradient = jax.grad(lambda now: self._loss(now, task, part))(learned)
            learned, state, norm = descend(gradient, state, learned)
            return (learned, state, jnp.maximum(largest, norm)), None

        rows = minibatch_rows(key_order, size, self.epochs, self.minibatches)
        (learned, state, norm), _ = jax.lax.scan(step, (learned, state, jnp.zeros(())), rows)
        return learned, state, norm

    def _sample(self, learned: PyTree, task: Task, batch: int, scale: Array, key: Array) -> _Sample:
        gaussian, critic = self._gaussian(), self._critic(task)
        moves = play(task, gaussian, learned["policy"], batch, key)
        left = jnp.broadcast_to(periods_left(task)[None], moves.reward.shape)
        reward, unit = moves.reward / scale, 1.0
        if task.infinite_horizon:
            # What a period costs whatever is done would hide what an action changes.
            reward = moves.reward - jnp.mean(moves.reward)
            reward, unit = reward / (jnp.std(reward) + 1e-8), _VALUE_UNIT
        discount = task.params.discount * (self.extra_discount if task.infinite_horizon else 1.0)
        each = jax.vmap(jax.vmap(critic.apply, (None, 0, 0)), (None, 0, 0))
        value = unit * each(learned["value"], moves.observation, left)
        log_prob = jax.vmap(jax.vmap(gaussian.log_prob, (None, 0, 0)), (None, 0, 0))(
            learned["policy"], moves.observation, moves.action
        )
        if task.infinite_horizon:
            following = value[:, 1:]
            moves, reward, left, value, log_prob = jax.tree.map(
                lambda leaf: leaf[:, :-1], (moves, reward, left, value, log_prob)
            )
        else:
            following = jnp.concatenate([value[:, 1:], jnp.zeros_like(value[:, :1])], axis=1)
        error = reward + discount * following - value
        advantage = advantages(error.T, discount * self.gae_lambda).T
        sample = _Sample(
            observation=moves.observation,
            left=left,
            action=moves.action,
            log_prob=log_prob,
            advantage=advantage,
            target=(advantage + value) / unit,
        )
        size = left.shape[0] * left.shape[1]
        flat: _Sample = jax.tree.map(lambda leaf: leaf.reshape(size, *leaf.shape[2:]), sample)
        return flat

    def _loss(self, learned: PyTree, task: Task, part: _Sample) -> Array:
        gaussian, critic = self._gaussian(), self._critic(task)
        log_prob = jax.vmap(gaussian.log_prob, (None, 0, 0))(
            learned["policy"], part.observation, part.action
        )
        guess = jax.vmap(critic.apply, (None, 0, 0))(learned["value"], part.observation, part.left)
        gain = clipped_gain(log_prob, part.log_prob, part.advantage, self.clip)
        error = jnp.mean(jnp.square(guess - part.target))
        # A Gaussian's entropy is its log spread, and a constant.
        entropy: Array = learned["policy"]["log_sd"]
        return -gain + self.value_weight * error - self.entropy_weight * entropy

    def rollouts(self, batch: int) -> int:
        """Return the batch."""
        return batch
