"""A rollout whose derivative is cut into segments, with a learned value at every cut."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.policies.networks.mlp import ValueNetwork
from draingym.policies.task import Task
from draingym.simulator import Policy, PyTree, Scenario, Series, State, observe


def returns_to_go(
    rewards: Float[Array, " T"], discount: Float[Array, ""], after: Float[Array, ""]
) -> Float[Array, " T"]:
    """Return ``G_t = r_t + discount * G_(t+1)``, with ``after`` what follows the last period."""

    def back(later: Array, reward: Array) -> tuple[Array, Array]:
        total = reward + discount * later
        return total, total

    _, found = jax.lax.scan(back, after, rewards, reverse=True)
    to_go: Array = found
    return to_go


def periods_left(task: Task) -> Float[Array, " T"]:
    """Return the share of a rollout's periods that are left; zeros where it never ends."""
    share = 1.0 - jnp.arange(task.periods, dtype=jnp.float32) / task.periods
    return jnp.zeros_like(share) if task.infinite_horizon else share


def segment_loss(
    task: Task,
    policy: Policy,
    critic: ValueNetwork,
    learned: PyTree,
    scenario: Scenario,
    key: Array,
    scale: Float[Array, ""],
    segment: int,
    extra_discount: float,
) -> Float[Array, ""]:
    """Return what to minimise on one scenario: less its value by segments, and the critic's error.

    ``sum_t d^t (r_t + 1[cut at t] V(s_t))`` without derivative across cuts, where V's own
    derivative goes into the segment before the cut alone. The critic descends
    ``(V(s_t) - G_t)**2`` on the returns to go of the same rollout. Endless problems are discounted
    further, and there both the last segment and G end in V.

    Gradients:
        Biased as far as V is wrong.
    """
    params = task.params
    simulator = task.simulator
    scenario = simulator.prepare(params, scenario) if _bare(scenario) else scenario
    left = periods_left(task)
    index = jnp.arange(task.periods)
    cuts = (index % segment == 0) & (index > 0)
    frozen = jax.lax.stop_gradient(learned["value"])
    unit = (
        1.0 / (1.0 - extra_discount) if task.infinite_horizon else 1.0
    )  # about the size of a value
    discount = params.discount * (extra_discount if task.infinite_horizon else 1.0)

    def period(
        state: State, now: tuple[Series, Array, Array, Array]
    ) -> tuple[State, tuple[Array, Array, PyTree]]:
        series, key_policy, cut, rest = now
        tail = unit * critic.apply(frozen, observe(params, state, series), rest)
        state = jax.tree.map(lambda x: jnp.where(cut, jax.lax.stop_gradient(x), x), state)
        observation = observe(params, state, series)
        action = policy.apply(learned["policy"], observation, key_policy)
        state, transition = simulator.step(params, state, action, series)
        moved = jnp.where(cut, tail - jax.lax.stop_gradient(tail), 0.0)
        return state, (transition.reward / scale, moved, observation)

    body = jax.checkpoint(period, prevent_cse=False)
    keys = jax.random.split(key, task.periods)
    final, (rewards, tails, observations) = jax.lax.scan(
        body, simulator.reset(params, scenario), (scenario.series, keys, cuts, left)
    )
    # Segments weigh alike on an infinite horizon: each begins in a state that is one like any.
    weight = discount ** (index % segment if task.infinite_horizon else index)
    ends = discount**segment if task.infinite_horizon else discount**index
    value = jnp.sum(weight * rewards) + jnp.sum(ends * tails)
    guess = jax.vmap(critic.apply, in_axes=(None, 0, 0))(
        learned["value"], jax.lax.stop_gradient(observations), left
    )
    after = jnp.zeros(())
    if task.infinite_horizon:
        last = jax.tree.map(lambda leaf: leaf[-1], scenario.series)
        after = unit * critic.apply(frozen, observe(params, final, last), left[-1])
        value = value + discount ** ((task.periods - 1) % segment + 1) * after
    target = jax.lax.stop_gradient(returns_to_go(rewards, discount, after) / unit)
    return -value / unit + jnp.mean(jnp.square(guess - target))


def _bare(scenario: Scenario) -> bool:
    return scenario.series.exogenous is None
