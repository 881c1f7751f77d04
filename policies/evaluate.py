"""The value of a policy in the simulator."""

from __future__ import annotations

import jax
from jaxtyping import Array, Float

from simulator import Params, Policy, PyTree, Scenario, Simulator, discounted_return


def simulated_values(
    simulator: Simulator,
    params: Params,
    policy: Policy,
    policy_params: PyTree,
    scenario: Scenario,
    key: Array | None = None,
    *,
    remat: bool = True,
) -> Float[Array, " B"]:
    """Return each product's discounted return over a batch of scenarios.

    Args:
        simulator: Dynamics and drain kernel.
        params: Their parameters, shared by all products.
        policy: What acts.
        policy_params: Its parameters.
        scenario: Leaves with a leading product axis, [B, ...] and [B, T, ...].
        key: For policies that draw at random.
        remat: Recompute a period's interior in the backward pass.

    Returns:
        [B] currency.
    """
    batch = scenario.series.period.shape[0]
    keys = jax.random.split(jax.random.key(0) if key is None else key, batch)

    def one(one_scenario: Scenario, one_key: Array) -> Float[Array, ""]:
        moves = simulator.rollout(
            params, policy, policy_params, one_scenario, one_key, remat=remat
        ).transitions
        return discounted_return(params, moves)

    values: Float[Array, " B"] = jax.vmap(one)(scenario, keys)
    return values
