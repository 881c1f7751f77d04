"""Training by gradients through rollouts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array
from numpy.typing import NDArray

from policies.evaluate import mean_value, simulated_values
from simulator import Params, Policy, PyTree, Simulator, Windows, window


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """How a policy is trained."""

    updates: int = 120
    batch_products: int = 25  # products of an update; each is rolled out through one window
    learning_rate: float = 5e-3  # peak, then cosine to zero
    clip_norm: float = 1.0
    evaluate_every: int = 20  # updates between evaluations on all products and windows
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse sizes below one and rates at or below zero."""
        for name in ("updates", "batch_products", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        for name in ("learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be above 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainResult:
    """The best parameters by the training windows' value, and the learning curve."""

    params: PyTree
    value: float  # currency a product and window, in the simulator
    updates: NDArray[np.int64]  # [E] updates done at each evaluation
    curve: NDArray[np.float64]  # [E] value at each evaluation
    rollouts: int  # of one product through one window, evaluations included


class NonFiniteGradientError(ArithmeticError):
    """Training met a gradient that is not finite; the message says at which update."""


def train_by_gradient(
    simulator: Simulator,
    params: Params,
    policy: Policy,
    windows: Windows,
    horizon: int,
    config: TrainConfig | None = None,
    *,
    initial: PyTree | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TrainResult:
    """Raise the mean return by its derivative with respect to the policy's parameters.

    Each update rolls a batch of products out through one window, every draw made anew, and
    follows the pathwise gradient with Adam. All products and windows are evaluated now and then
    on draws that stay the same, and the best parameters are kept.

    Args:
        simulator: Dynamics and drain kernel.
        params: Their parameters.
        policy: What is trained.
        windows: Where to roll out.
        horizon: Periods of a rollout.
        config: Sizes and rates.
        initial: Parameters to start from; ``policy.init`` when not given.
        progress: Called with (updates done, updates).

    Returns:
        The best parameters and the learning curve.

    Raises:
        NonFiniteGradientError: If a gradient is not finite.
    """
    config = TrainConfig() if config is None else config
    key_init, key_updates, key_evaluate = jax.random.split(jax.random.key(config.seed), 3)
    policy_params = policy.init(key_init) if initial is None else initial
    schedule = optax.cosine_decay_schedule(config.learning_rate, config.updates)
    optimiser = optax.chain(optax.clip_by_global_norm(config.clip_norm), optax.adam(schedule))
    batch = min(config.batch_products, windows.num_products)

    @jax.jit
    def evaluate(policy_params: PyTree, windows: Windows, params: Params) -> Array:
        return mean_value(simulator, params, policy, policy_params, windows, horizon, key_evaluate)

    @partial(jax.jit, donate_argnums=(0, 1))
    def update(
        policy_params: PyTree,
        optimiser_state: PyTree,
        key: Array,
        scale: Array,
        windows: Windows,
        params: Params,
    ) -> tuple[PyTree, PyTree, Array]:
        key_start, key_products, key_noise, key_policy = jax.random.split(key, 4)
        which = jax.random.randint(key_start, (), 0, windows.num_starts)
        products = jax.random.choice(key_products, windows.num_products, (batch,), replace=False)
        scenario = window(windows, which, horizon, key_noise, products)

        def loss(policy_params: PyTree) -> Array:
            values = simulated_values(
                simulator, params, policy, policy_params, scenario, key_policy
            )
            return -jnp.mean(values) / scale

        gradient = jax.grad(loss)(policy_params)
        step, optimiser_state = optimiser.update(gradient, optimiser_state, policy_params)
        return (
            optax.apply_updates(policy_params, step),
            optimiser_state,
            optax.tree.norm(gradient),
        )

    best, best_value = policy_params, float(evaluate(policy_params, windows, params))
    done, curve = [0], [best_value]
    # Returns are currency: dividing by their size keeps clipping and rates free of its unit.
    scale = jnp.asarray(max(abs(best_value), 1.0), jnp.float32)
    policy_params = jax.tree.map(jnp.array, policy_params)
    optimiser_state = optimiser.init(policy_params)
    for number, key in enumerate(jax.random.split(key_updates, config.updates), start=1):
        policy_params, optimiser_state, norm = update(
            policy_params, optimiser_state, key, scale, windows, params
        )
        if not np.isfinite(float(norm)):
            raise NonFiniteGradientError(
                f"the gradient's norm is {float(norm)} at update {number} of {config.updates}"
            )
        if number % config.evaluate_every == 0 or number == config.updates:
            value = float(evaluate(policy_params, windows, params))
            done.append(number)
            curve.append(value)
            if value > best_value:
                best, best_value = jax.tree.map(jnp.array, policy_params), value
        if progress is not None:
            progress(number, config.updates)
    evaluations = len(curve) * windows.num_starts * windows.num_products
    return TrainResult(
        params=best,
        value=best_value,
        updates=np.asarray(done),
        curve=np.asarray(curve),
        rollouts=config.updates * batch + evaluations,
    )
