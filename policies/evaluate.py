"""The value of a policy in the simulator."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.common.devices import on_all_devices, over_devices
from draingym.simulator import (
    Params,
    Policy,
    PyTree,
    Scenario,
    Simulator,
    Windows,
    discounted_return,
    window,
)


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

    def one(
        params: Params, policy_params: PyTree, one_scenario: Scenario, one_key: Array
    ) -> Float[Array, ""]:
        moves = simulator.rollout(
            params, policy, policy_params, one_scenario, one_key, remat=remat
        ).transitions
        return discounted_return(params, moves)

    axes = (None, None, 0, 0)
    values: Float[Array, " B"] = over_devices(jax.vmap(one, in_axes=axes), axes)(
        params, policy_params, scenario, keys
    )
    return on_all_devices(values)


def mean_value(
    simulator: Simulator,
    params: Params,
    policy: Policy,
    policy_params: PyTree,
    windows: Windows,
    horizon: int,
    key: Array,
) -> Float[Array, ""]:
    """Return the mean discounted return of a product and window, over all of both.

    Args:
        simulator: Dynamics and drain kernel.
        params: Their parameters.
        policy: What acts.
        policy_params: Its parameters.
        windows: Where to roll out, one window after the other.
        horizon: Periods; static.
        key: Of every draw; one key gives common random numbers.

    Returns:
        Currency.
    """

    def one(which: Array) -> Float[Array, ""]:
        scenario = window(windows, which, horizon, jax.random.fold_in(key, which))
        return simulated_values(simulator, params, policy, policy_params, scenario).mean()

    values: Float[Array, " S"] = jax.lax.map(one, jnp.arange(windows.num_starts))
    return jnp.mean(values)
