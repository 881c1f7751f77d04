"""Decisions that are made or not: an order that costs a fee, one batch more.

The path of a trajectory jumps where such a decision changes, and its derivative does not see the
jump. Where the threshold is random, the mean is smooth, and what each decision was worth (all that
followed it) times the derivative of its probability is the part that the path leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.simulator.core import Simulator
from draingym.simulator.types import Observation, Params, Policy, PyTree, Scenario


class Deciding(Policy, Protocol):
    """A policy that also says how probable what it did was."""

    def log_probability(
        self, params: PyTree, observation: Observation, action: Float[Array, " E"]
    ) -> Float[Array, ""]:
        """Return the logarithm of the probability of what was decided."""
        ...


def decision_returns(
    simulator: Simulator,
    params: Params,
    policy: Deciding,
    policy_params: PyTree,
    scenarios: Scenario,
    key: Array,
    *,
    horizon: int | None = None,
) -> Float[Array, " B"]:
    """Return discounted returns whose derivative counts what a policy decides at random.

    ``dJ = E[d return + sum_t d log p(decision_t) * (return from t on - the others' mean of it)]``.

    Args:
        simulator: Dynamics and drain kernel.
        params: Their parameters.
        policy: Its thresholds are random.
        policy_params: Its parameters.
        scenarios: Leaves [B, ...]: the batch first, at least two (``jax.vmap`` of a sampler).
        key: Of the thresholds.
        horizon: Periods for which a decision is held responsible; all that follow when not given.
            Fewer have less variance, and leave out what comes later.

    Returns:
        [B] currency; the values are those of ``discounted_return``.

    Raises:
        ValueError: If there are fewer than two scenarios, or the horizon is below 1.

    Gradients:
        Unbiased for the mean of the batch (with the whole horizon), with respect to the policy's
        parameters. Where it is infinitely unlikely that a decision changes, as far from a
        threshold, it adds nothing.

    Source:
        Glynn (1990), likelihood ratios; Foerster et al. (2018), whose surrogate this is to first
        order.
    """
    batch = jax.tree.leaves(scenarios)[0].shape[0]
    if batch < 2:
        raise ValueError(f"scenarios hold {batch}, must hold at least 2: they are compared")
    if horizon is not None and horizon < 1:
        raise ValueError(f"horizon is {horizon}, must be at least 1 period")

    def one(scenario: Scenario, key: Array) -> tuple[Array, Array]:
        moves = simulator.rollout(params, policy, policy_params, scenario, key).transitions
        chance = jax.vmap(policy.log_probability, in_axes=(None, 0, 0))(
            policy_params, moves.observation, moves.action
        )
        return params.discount ** jnp.arange(chance.shape[0]) * moves.reward, chance

    rewards, chance = jax.vmap(one)(scenarios, jax.random.split(key, batch))
    ahead = jnp.cumsum(rewards[:, ::-1], axis=1)[:, ::-1]
    if horizon is not None and horizon < ahead.shape[1]:
        ahead = ahead - jnp.pad(ahead[:, horizon:], [(0, 0), (0, horizon)])
    others = (jnp.sum(ahead, axis=0, keepdims=True) - ahead) / (batch - 1)
    missed = jnp.sum(chance * jax.lax.stop_gradient(ahead - others), axis=1)
    return jnp.sum(rewards, axis=1) + missed - jax.lax.stop_gradient(missed)


@dataclass(frozen=True)
class RandomReorder:
    """An (s, S) policy of one node whose threshold is random: logistic around s.

    ``P(order) = 1 / (1 + exp((position - s) / width))``; an order fills up to S, or, with a batch
    Q, is of ``Q * k`` units, where k is ``(S - position) / Q`` rounded at random without bias.
    Parameters are ``{"reorder": s, "level": S}``, and ``"batch": Q``, which may be left out.

    Attributes:
        width: Units; the smaller, the nearer to a fixed threshold, and the higher the variance.

    Gradients: by ``decision_returns``; the path alone misses what a decision is worth.

    Example:
        >>> policy = RandomReorder(width=0.5)
        >>> sorted(policy.init(jax.random.key(0)))
        ['level', 'reorder']
    """

    width: float

    def init(self, key: Array) -> dict[str, Array]:
        """Return thresholds to start from: none."""
        del key
        return {"reorder": jnp.zeros(()), "level": jnp.ones(())}

    def _position(self, observation: Observation) -> Float[Array, ""]:
        coming = jnp.sum(observation.pipeline)
        return jnp.sum(observation.on_hand) + coming - jnp.sum(observation.waiting)

    def apply(self, params: dict[str, Any], observation: Observation, key: Array) -> Array:
        """Return the request, [1]."""
        chance, part = jax.random.uniform(key, (2,))
        position = self._position(observation)
        gap = jnp.maximum(params["level"] - position, 0.0)
        ordered = chance < jax.nn.sigmoid((params["reorder"] - position) / self.width)
        if "batch" in params:
            batches = jax.lax.stop_gradient(jnp.floor(gap / params["batch"] + part))
            gap = params["batch"] * batches
        request: Array = jnp.where(ordered, gap, 0.0)[None]
        return request

    def log_probability(
        self, params: dict[str, Any], observation: Observation, action: Array
    ) -> Array:
        """Return the logarithm of the probability of ordering or not, and of the batches."""
        position = self._position(observation)
        far = (params["reorder"] - position) / self.width
        gap = jnp.maximum(params["level"] - position, 0.0)
        ordered = jax.lax.stop_gradient(action[0]) > 0
        if "batch" not in params:
            # At the level, or above it, an order is of nothing: there was no decision.
            stayed = jnp.where(gap > 0, jax.nn.log_sigmoid(-far), 0.0)
            decided: Array = jnp.where(ordered, jax.nn.log_sigmoid(far), stayed)
            return decided
        wanted = gap / params["batch"]
        low = jax.lax.stop_gradient(jnp.floor(wanted))
        more = wanted - low  # the probability of one batch more than that
        batches = jnp.round(jax.lax.stop_gradient(action[0] / params["batch"]))
        count = jnp.where(batches > low, more, 1.0 - more)
        order = jax.nn.sigmoid(far)
        # No units: no order, or one of no batches.
        nothing = 1.0 - order + order * jnp.where(low == 0, 1.0 - more, 0.0)
        chance = jnp.where(ordered, order * count, nothing)
        return jnp.log(jnp.maximum(chance, 1e-12))
