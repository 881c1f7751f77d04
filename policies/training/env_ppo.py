"""PPO on any environment, with nothing leaving the device: environment and network are one program.

``train_ppo`` plays, learns and judges inside jitted programs. The parts (``Learner``, ``act``,
``learn``) take plain arrays, so that a loop through NumPy can be made of the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from draingym.common.arrays import require_range, require_whole
from draingym.policies.networks.orthogonal import dense
from draingym.policies.training.clipped import (
    advantages,
    clipped_gain,
    minibatch_rows,
    weighted_mean,
)
from draingym.simulator import FunctionalEnv, GymnaxEnv, PyTree

_LOG_ROOT = math.log(2.0 * math.pi) / 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvPPO:
    """Sizes and rates of PPO on an environment.

    Source: Schulman et al. (2017); see ``draingym.policies.training.ppo`` for the details.

    Raises:
        ValueError: If a size is below 1, or ``minibatches`` does not divide ``envs * steps``.
    """

    envs: int = 64  # trajectories side by side
    steps: int = 32  # periods between two updates
    epochs: int = 4
    minibatches: int = 4
    hidden: int = 64
    learning_rate: float = 1e-3  # at the start; it falls to 0
    discount: float = 0.97
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy_weight: float = 1e-3
    initial_share: float = 0.1  # of the largest action
    episodes: int = 256  # that resets choose from

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        for name in ("envs", "steps", "epochs", "minibatches", "hidden", "episodes"):
            require_whole(name, getattr(self, name), low=1)
        require_range("initial_share", self.initial_share, low=0.0, high=1.0, open_low=True)
        if self.envs * self.steps % self.minibatches:
            raise ValueError(
                f"minibatches is {self.minibatches}, must divide {self.envs * self.steps} periods"
            )


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Learner:
    """Everything that is learned, and in which units."""

    weights: PyTree
    memory: optax.OptState
    shift: Float[Array, " D"]  # of observations
    scale: Float[Array, " D"]
    unit: Float[Array, ""]  # currency a unit of value


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Played:
    """Periods that were played; leaves [steps, envs, ...]."""

    seen: Float[Array, "T B D"]
    latent: Float[Array, "T B A"]  # before it is squashed to an action
    log_prob: Float[Array, "T B"]
    value: Float[Array, "T B"]
    following: Float[Array, "T B"]  # value of what was seen after the period, ended or not
    reward: Float[Array, "T B"]  # currency
    done: Float[Array, "T B"]
    counts: Float[Array, "T B"]  # 0 where a step only started an episode


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """What ``train_ppo`` returns."""

    policy: Callable[[Array], Array]  # the action [A] of an observation [D]; jits and vmaps
    cost: float  # mean a period, on episodes that were not trained on, currency
    cost_error: float  # standard error of it, over episodes
    periods: int  # simulated in training
    curve: list[float]  # mean cost a period of every update, of the policy that explores


def first_learner(
    config: EnvPPO, env: FunctionalEnv, seen: Float[Array, "B D"], key: Array, updates: int
) -> Learner:
    """Return a learner before its first update.

    Args:
        config: Sizes and rates.
        env: What it learns on.
        seen: [B, D] observations, which set the units of all that follow until ``with_units``.
        key: Of the weights.
        updates: How many there will be.
    """
    size, actions = seen.shape[-1], env.num_actions
    keys = jax.random.split(key, 4)
    last = dense(keys[1], config.hidden, actions, 0.01)
    share = config.initial_share
    last["bias"] = last["bias"] + jnp.log(share) - jnp.log1p(-min(share, 0.999))
    weights = {
        "mean": [dense(keys[0], size, config.hidden, 1.4), last],
        "value": [
            dense(keys[2], size, config.hidden, 1.4),
            dense(keys[3], config.hidden, 1, 1.0),
        ],
        "log_sd": jnp.full(actions, -0.5, float),
    }
    return Learner(
        weights=weights,
        memory=_optimizer(config, updates).init(weights),
        shift=jnp.mean(seen, axis=0),
        scale=jnp.std(seen, axis=0) + 1.0,
        unit=jnp.ones(()),
    )


def with_units(learner: Learner, played: Played) -> Learner:
    """Return the learner with units in which what was played is about one."""
    return Learner(
        weights=learner.weights,
        memory=learner.memory,
        shift=jnp.mean(played.seen, axis=(0, 1)),
        scale=jnp.std(played.seen, axis=(0, 1)) + 1e-3,
        unit=10.0 * jnp.std(played.reward) + 1e-6,
    )


def _optimizer(config: EnvPPO, updates: int) -> optax.GradientTransformation:
    steps = updates * config.epochs * config.minibatches
    rate = optax.linear_schedule(config.learning_rate, 0.0, steps)
    return optax.chain(optax.clip_by_global_norm(0.5), optax.adam(rate, eps=1e-5))


def _heads(
    learner: Learner, weights: PyTree, seen: Float[Array, "B D"]
) -> tuple[Float[Array, "B A"], Float[Array, " B"]]:
    """Return the mean before it is squashed, and the value."""
    x = jnp.clip((seen - learner.shift[None]) / learner.scale[None], -10.0, 10.0)

    def through(layers: list[dict[str, Array]]) -> Array:
        first, last = layers
        hidden = jnp.tanh(x @ first["weight"] + first["bias"][None])
        return hidden @ last["weight"] + last["bias"][None]

    return through(weights["mean"]), through(weights["value"])[..., 0]


def _log_prob(weights: PyTree, mean: Array, latent: Array) -> Array:
    log_sd = weights["log_sd"][None]
    z = (latent - mean) / jnp.exp(log_sd)
    return jnp.sum(-0.5 * z**2 - log_sd - _LOG_ROOT, axis=-1)


def squash(env: FunctionalEnv, latent: Float[Array, "*b A"]) -> Float[Array, "*b A"]:
    """Return the action that a number of any size stands for."""
    return env.action_low + (1.0 - env.action_low) * jax.nn.sigmoid(latent)


def act(
    learner: Learner, seen: Float[Array, "B D"], key: Array
) -> tuple[Float[Array, "B A"], Float[Array, " B"], Float[Array, " B"]]:
    """Return drawn actions before they are squashed, their log probability, and the value."""
    mean, value = _heads(learner, learner.weights, seen)
    noise = jax.random.normal(key, mean.shape)
    latent = mean + jnp.exp(learner.weights["log_sd"])[None] * noise
    return latent, _log_prob(learner.weights, mean, latent), value


def learn(config: EnvPPO, updates: int, learner: Learner, played: Played, key: Array) -> Learner:
    """Return the learner after all minibatches of an update."""
    optimizer = _optimizer(config, updates)

    error = played.reward / learner.unit + config.discount * played.following - played.value
    carried = config.discount * config.gae_lambda * (1.0 - played.done)
    advantage = advantages(error, carried)
    whole = (
        played.seen,
        played.latent,
        played.log_prob,
        advantage,
        advantage + played.value,
        played.counts,
    )
    size = config.envs * config.steps
    rows = jax.tree.map(lambda leaf: leaf.reshape(size, *leaf.shape[2:]), whole)

    def loss(weights: PyTree, part: tuple[Array, ...]) -> Array:
        seen, latent, before, gain, target, counts = part
        mean, value = _heads(learner, weights, seen)
        log_prob = _log_prob(weights, mean, latent)
        actor = clipped_gain(log_prob, before, gain, config.clip, counts)
        entropy = jnp.sum(weights["log_sd"])
        critic = weighted_mean(jnp.square(value - target), counts)
        found: Array = 0.5 * critic - actor - config.entropy_weight * entropy
        return found

    def step(carry: tuple[PyTree, Any], index: Array) -> tuple[tuple[PyTree, Any], None]:
        weights, memory = carry
        gradient = jax.grad(loss)(weights, jax.tree.map(lambda leaf: leaf[index], rows))
        change, memory = optimizer.update(gradient, memory)
        return (optax.apply_updates(weights, change), memory), None

    indices = minibatch_rows(key, size, config.epochs, config.minibatches)
    (weights, memory), _ = jax.lax.scan(step, (learner.weights, learner.memory), indices)
    return Learner(
        weights=weights,
        memory=memory,
        shift=learner.shift,
        scale=learner.scale,
        unit=learner.unit,
    )


def play(
    config: EnvPPO,
    env: GymnaxEnv,
    learner: Learner,
    seen: Array,
    state: Any,
    params: Any,
    key: Array,
) -> tuple[Array, Any, Played]:
    """Return what is seen next, the environments' state, and the periods that were played."""

    def period(carry: tuple[Array, Any], key: Array) -> tuple[tuple[Array, Any], Played]:
        seen, state = carry
        key_act, key_step = jax.random.split(key)
        latent, log_prob, value = act(learner, seen, key_act)
        keys = jax.random.split(key_step, config.envs)
        after, state, reward, done, info = jax.vmap(env.step, in_axes=(0, 0, 0, None))(
            keys, state, squash(env.functional, latent), params
        )
        _, following = _heads(learner, learner.weights, info["final_obs"])
        row = Played(
            seen=seen,
            latent=latent,
            log_prob=log_prob,
            value=value,
            following=jnp.where(info["terminated"], 0.0, following),
            reward=reward,
            done=done.astype(float),
            counts=jnp.ones_like(reward),
        )
        return (after, state), row

    (seen, state), played = jax.lax.scan(period, (seen, state), jax.random.split(key, config.steps))
    return seen, state, played


def train_ppo(
    env: FunctionalEnv, periods: int, seed: int, config: EnvPPO | None = None, judged: int = 256
) -> Trained:
    """Train a policy by PPO in a given number of simulated periods, all of it on the device.

    Args:
        env: The problem, with flat observations.
        periods: How many may be simulated, over all trajectories.
        seed: Of everything drawn.
        config: Sizes and rates.
        judged: Episodes on which the policy, without noise, is judged; none of them trained on.

    Returns:
        The policy, and its cost a period.

    Raises:
        ValueError: If the periods are fewer than two updates', or observations are no vectors.
    """
    config = EnvPPO() if config is None else config
    size = config.envs * config.steps
    require_whole("periods", periods, low=2 * size)
    if env.observation != "box":
        raise ValueError(f"observation is {env.observation!r}, must be 'box'")
    updates = periods // size - 1  # the first ones only tell the units
    keys = jax.random.split(jax.random.key(seed), 5)
    wrapped = GymnaxEnv(env, episodes=1)
    params = wrapped.draw_params(keys[0], config.episodes)

    @jax.jit
    def start(params: Any) -> tuple[Learner, Array, Any]:
        resets = jax.random.split(keys[1], config.envs)
        begun: tuple[Any, Any] = jax.vmap(wrapped.reset, in_axes=(0, None))(resets, params)
        seen, state = begun
        learner = first_learner(config, env, seen, keys[2], updates)
        played = play(config, wrapped, learner, seen, state, params, keys[3])[2]
        return with_units(learner, played), seen, state

    @jax.jit
    def run(learner: Learner, seen: Array, state: Any, params: Any) -> tuple[Learner, Array]:
        def update(carry: Any, key: Array) -> tuple[Any, Array]:
            learner, seen, state = carry
            key_play, key_learn = jax.random.split(key)
            seen, state, played = play(config, wrapped, learner, seen, state, params, key_play)
            learner = learn(config, updates, learner, played, key_learn)
            return (learner, seen, state), -jnp.mean(played.reward)

        each = jax.random.split(keys[4], updates)
        (learner, _, _), costs = jax.lax.scan(update, (learner, seen, state), each)
        return learner, costs

    learner, costs = run(*start(params), params)
    policy = partial(_mean_action, env, learner)
    found = jax.jit(jax.vmap(partial(episode_cost, env, policy)))(
        jax.random.split(jax.random.fold_in(jax.random.key(seed), 1), judged)
    )
    return Trained(
        policy=policy,
        cost=float(jnp.mean(found)),
        cost_error=float(jnp.std(found) / judged**0.5),
        periods=(updates + 1) * size,
        curve=costs.tolist(),
    )


def _mean_action(env: FunctionalEnv, learner: Learner, seen: Float[Array, " D"]) -> Array:
    mean, _ = _heads(learner, learner.weights, seen[None])
    return squash(env, mean[0])


def episode_cost(
    env: FunctionalEnv, policy: Callable[[Array], Array], key: Array
) -> Float[Array, ""]:
    """Return what an episode costs a period, under a policy of flat observations."""
    view, state = env.reset(key)

    def period(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], Array]:
        view, state = carry
        view, state, reward, *_unused = env.step(key, state, policy(view))
        return (view, state), reward

    _, rewards = jax.lax.scan(period, (view, state), None, length=env.horizon)
    return -jnp.mean(rewards)
