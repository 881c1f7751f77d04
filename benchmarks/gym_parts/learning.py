"""PPO on the device alone, and the same PPO with NumPy between environment and network."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from draingym.policies.training.env_ppo import (
    EnvPPO,
    Learner,
    Played,
    act,
    first_learner,
    learn,
    play,
    squash,
    with_units,
)
from draingym.simulator import GymnaxEnv

UPDATES = 1000  # that the learning rate falls over


def row(id: str, config: EnvPPO, repeats: int) -> dict[str, Any]:
    """Return steps a second of an update either way, in turns, and the share of it that plays."""
    vector: Any = gymnasium.make_vec(id, num_envs=config.envs)
    env = vector.functional
    wrapped = GymnaxEnv(env, episodes=1)
    params = wrapped.draw_params(jax.random.key(0), config.episodes)
    keys = jax.random.split(jax.random.key(1), config.envs)
    seen, state = jax.jit(jax.vmap(wrapped.reset, in_axes=(0, None)))(keys, params)
    key = jax.random.key(2)
    learner = first_learner(config, env, seen, key, UPDATES)
    playing = jax.jit(lambda *args: play(config, wrapped, *args))
    learning = jax.jit(lambda *args: learn(config, UPDATES, *args))
    learner = with_units(learner, playing(learner, seen, state, params, key)[2])

    @jax.jit
    def both(learner: Learner, seen: Any, state: Any, params: Any, key: Any) -> Any:
        seen, state, played = play(config, wrapped, learner, seen, state, params, key)
        return learn(config, UPDATES, learner, played, key), seen, state

    acting = jax.jit(lambda *args: ((got := act(*args)), squash(env, got[0])))
    at_edge, _ = vector.reset(seed=0)

    def through_numpy(learner: Learner) -> tuple[Played, Learner]:
        nonlocal at_edge
        rows: list[tuple[np.ndarray, ...]] = []
        rest = np.zeros(config.envs, bool)  # a step that only starts an episode
        for t in range(config.steps):
            (latent, log_prob, value), action = acting(learner, at_edge, jax.random.fold_in(key, t))
            after, reward, terminated, truncated, _ = vector.step(np.asarray(action))
            done = terminated | truncated
            parts = (at_edge, latent, log_prob, value, reward, done, ~rest)
            rows.append(tuple(np.asarray(part, np.float32) for part in parts))
            at_edge, rest = after, done
        seen, latent, log_prob, value, reward, done, counts = map(np.stack, zip(*rows, strict=True))
        last = np.asarray(acting(learner, at_edge, key)[0][2])
        following = np.concatenate([value[1:], last[None]])
        played = Played(
            seen=jnp.asarray(seen),
            latent=jnp.asarray(latent),
            log_prob=jnp.asarray(log_prob),
            value=jnp.asarray(value),
            following=jnp.asarray(following),
            reward=jnp.asarray(reward),
            done=jnp.asarray(done),
            counts=jnp.asarray(counts),
        )
        return played, learning(learner, played, key)

    sides: dict[str, Callable[[], Any]] = {
        "on the device": lambda: both(learner, seen, state, params, key),
        "through NumPy": lambda: through_numpy(learner),
        "playing on the device": lambda: playing(learner, seen, state, params, key),
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats + 1):
        for name, run in sides.items():
            began = time.perf_counter()
            jax.block_until_ready(run())
            times[name].append(time.perf_counter() - began)
    median = {name: statistics.median(each[1:]) for name, each in times.items()}
    ratios = [b / a for a, b in zip(times["on the device"], times["through NumPy"], strict=True)]
    periods = config.envs * config.steps
    return {
        "environment": id,
        "environments": config.envs,
        "on the device, steps/s": periods / median["on the device"],
        "through NumPy, steps/s": periods / median["through NumPy"],
        "ratio": statistics.median(ratios[1:]),
        "playing on the device, share": median["playing on the device"] / median["on the device"],
    }
