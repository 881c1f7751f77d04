"""Rollouts whose requests are checked: for evaluation, not for training."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from draingym.simulator import (
    Params,
    Policy,
    PyTree,
    Scenario,
    Simulator,
    Transition,
    check_requests,
    discounted_return,
)


def checked_rollouts(
    simulator: Simulator,
    params: Params,
    policy: Policy,
    policy_params: PyTree,
    scenario: Scenario,
    key: Array | None = None,
    *,
    node_names: Sequence[str] | None = None,
) -> tuple[NDArray[np.float32], Transition]:
    """Roll a policy out through a batch of scenarios, on the host's side of ``jit``.

    Args:
        simulator: Dynamics and drain kernel.
        params: Their parameters, shared by all products.
        policy: What acts; hashable.
        policy_params: Its parameters.
        scenario: Leaves with a leading product axis, [B, ...] and [B, T, ...].
        key: For policies that draw at random.
        node_names: Of the nodes, for messages.

    Returns:
        [B] discounted returns in currency, and the transitions, leaves [B, T, ...].

    Raises:
        ValueError: If the policy requests a number of units that is not finite, or negative,
            naming node, period and value.
    """
    batch = scenario.series.period.shape[0]
    keys = jax.random.split(jax.random.key(0) if key is None else key, batch)
    acts: Any = policy
    values, moves = _program(simulator, acts)(params, policy_params, scenario, keys)
    check_requests(
        moves.action,
        start=int(np.asarray(scenario.series.period)[0, 0]),
        node_names=node_names,
        who=type(policy).__name__,
    )
    return np.asarray(values), moves


@lru_cache(maxsize=64)
def _program(simulator: Simulator, policy: Any) -> Any:
    def one(
        params: Params, policy_params: PyTree, scenario: Scenario, key: Array
    ) -> tuple[Array, Transition]:
        moves = simulator.rollout(
            params, policy, policy_params, scenario, key, remat=False
        ).transitions
        return discounted_return(params, moves), moves

    return jax.jit(jax.vmap(one, in_axes=(None, None, 0, 0)))
