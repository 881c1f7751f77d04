"""How likely shelves are to be empty, by the simulator: beside what a forecaster says of it."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from draingym.common.arrays import FloatArray, require_seed, require_whole
from draingym.simulator import Params, Policy, PyTree, Simulator, Windows, window


def stockout_probability(
    simulator: Simulator,
    params: Params,
    policy: Policy,
    policy_params: PyTree,
    windows: Windows,
    horizon: int,
    *,
    which: int = 0,
    rollouts: int = 32,
    seed: int = 0,
) -> FloatArray:
    """Return the share of rollouts in which a shelf is empty at the end of a period.

    Every draw is made anew in each rollout: lead times, the drain, what the policy leaves to
    chance. Views are the windows' own: the log's, so that the simulator knows what customers will
    look at, or those of ``generated_windows``, whose paths it does not know beforehand; the mean
    over the paths of a product is then the probability.

    Args:
        simulator: Dynamics and drain kernel.
        params: Their parameters.
        policy: What orders, such as the one that wrote the log.
        policy_params: Its parameters.
        windows: Where rollouts begin.
        horizon: Periods.
        which: Index of the window.
        rollouts: Of each product.
        seed: Of all draws.

    Returns:
        [P, horizon, N] in [0, 1].

    Raises:
        ValueError: If a number is out of its bounds.
    """
    require_whole("rollouts", rollouts, low=1, high=1_000_000)
    require_seed(seed)
    window(windows, which, horizon, jax.random.key(seed))  # refuses a horizon beyond the market
    keys = jax.random.split(jax.random.key(seed), rollouts)
    found = _empty(simulator, policy, horizon, which, params, policy_params, windows, keys)
    return np.asarray(found, np.float64)


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _empty(
    simulator: Simulator,
    policy: Policy,
    horizon: int,
    which: int,
    params: Params,
    policy_params: PyTree,
    windows: Windows,
    keys: Array,
) -> Array:
    def once(key: Array) -> Array:
        key_noise, key_policy = jax.random.split(key)
        scenario = window(windows, which, horizon, key_noise)
        policy_keys = jax.random.split(key_policy, windows.num_products)
        moves = jax.vmap(partial(simulator.rollout, params, policy, policy_params))(
            scenario, policy_keys
        ).transitions
        return (moves.on_hand <= 0).astype(jnp.float32)

    return jnp.mean(jax.lax.map(once, keys), axis=0)
