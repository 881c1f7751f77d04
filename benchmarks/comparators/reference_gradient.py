"""The reference estimator of a rollout's gradient: unbiased, slow, for tests of the fast one.

``g = grad J_relaxed + [SF(J_hard) - SF(J_relaxed)]``, all three with the same uniforms, and
``SF = sum_t grad log p(b_t) (return to go - baseline)``, plus the derivative of the rewards with
the draws held fixed. The relaxed rollout may be any that has both gradients: the closer it
follows the hard one, the smaller the variance.

Source: METHODS section 4; the control variate is that of REBAR (Tucker et al. 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.simulator import PyTree


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """What a rollout leaves for its gradient."""

    rewards: Float[Array, " T"]  # discounted, currency
    log_probs: Float[Array, " T"]  # of all that was drawn in the period, given its past


class Rollout(Protocol):
    """A rollout as a function of parameters and uniforms."""

    def __call__(
        self, parameters: PyTree, uniforms: PyTree, *, relaxed: bool, frozen: bool
    ) -> Episode:
        """Run one path.

        Args:
            parameters: What the gradient is in.
            uniforms: Of one path.
            relaxed: Draw real values whose pathwise derivative is exact, instead of hard ones.
            frozen: ``stop_gradient`` on every value drawn (and on nothing else), before it is
                used and before its log probability is taken. What a draw can be must not depend
                on the parameters while all earlier draws are held fixed.

        Returns:
            Rewards and log probabilities by period.
        """
        ...


def score_gradient(
    rollout: Rollout, parameters: PyTree, uniforms: PyTree, *, relaxed: bool = False
) -> PyTree:
    """Return the score-function gradient of every path.

    The baseline of a period is the mean return to go of all other paths.

    Args:
        rollout: The path.
        parameters: What the gradient is in.
        uniforms: Leaves [S, ...], at least two paths.
        relaxed: Of the relaxed rollout rather than the hard one.

    Returns:
        Leaves [S, ...] of parameters: unbiased; the mean over paths is the estimate.

    Raises:
        ValueError: If there are fewer than two paths.
    """
    paths = jax.tree.leaves(uniforms)[0].shape[0]
    if paths < 2:
        raise ValueError(f"uniforms have {paths} paths, must be at least 2")

    def run(theta: PyTree, uniform: PyTree) -> Episode:
        return rollout(theta, uniform, relaxed=relaxed, frozen=True)

    rewards = jax.vmap(lambda uniform: run(parameters, uniform).rewards)(uniforms)
    to_go = jax.lax.cumsum(rewards, axis=1, reverse=True)
    others = (jnp.sum(to_go, axis=0, keepdims=True) - to_go) / (paths - 1)
    advantage = jax.lax.stop_gradient(to_go - others)

    def surrogate(theta: PyTree, uniform: PyTree, weight: Array) -> Array:
        episode = run(theta, uniform)
        return jnp.sum(episode.rewards + episode.log_probs * weight)

    return jax.vmap(jax.grad(surrogate), in_axes=(None, 0, 0))(parameters, uniforms, advantage)


def pathwise_gradient(
    rollout: Rollout, parameters: PyTree, uniforms: PyTree, *, relaxed: bool = False
) -> PyTree:
    """Return the gradient of every path's return through its draws.

    Args:
        rollout: The path.
        parameters: What the gradient is in.
        uniforms: Leaves [S, ...].
        relaxed: Of the relaxed rollout rather than the hard one.

    Returns:
        Leaves [S, ...] of parameters.
    """

    def value(theta: PyTree, uniform: PyTree) -> Array:
        return jnp.sum(rollout(theta, uniform, relaxed=relaxed, frozen=False).rewards)

    return jax.vmap(jax.grad(value), in_axes=(None, 0))(parameters, uniforms)


def reference_gradient(rollout: Rollout, parameters: PyTree, uniforms: PyTree) -> PyTree:
    """Return the reference estimate of every path; their mean is unbiased.

    Args:
        rollout: The path, hard and relaxed.
        parameters: What the gradient is in.
        uniforms: Leaves [S, ...], at least two paths.

    Returns:
        Leaves [S, ...] of parameters.

    Raises:
        ValueError: If there are fewer than two paths.
    """
    through = pathwise_gradient(rollout, parameters, uniforms, relaxed=True)
    hard = score_gradient(rollout, parameters, uniforms)
    soft = score_gradient(rollout, parameters, uniforms, relaxed=True)
    return jax.tree.map(lambda g, h, s: g + (h - s), through, hard, soft)
