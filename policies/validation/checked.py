"""Rollouts whose requests are checked: for evaluation, not for training."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int
from numpy.typing import NDArray

from draingym.common.carry import strong
from draingym.common.devices import cores_mesh, over_devices, sharing, spread
from draingym.common.shared_jit import unbound
from draingym.simulator import (
    Observation,
    Params,
    Policy,
    PyTree,
    Scenario,
    Series,
    Simulator,
    State,
    Transition,
    check_requests,
    discounted_return,
    observe,
    requests_of,
)

_CALLS = 8  # a period takes several calls, each of which costs more on several devices


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

    Cores, or GPUs, share the products out. Periods are stepped one by one: all policies share the
    simulator's programs, and each has but a small one of its own.

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
    policy_params, key = strong(policy_params), jax.random.key(0) if key is None else key
    shapes = jax.eval_shape(partial(_start, simulator, None), params, scenario, key)
    batch, periods = scenario.series.period.shape
    entries = sum(leaf.size for leaf in jax.tree.leaves(shapes)) // periods
    mesh = cores_mesh(batch, entries // _CALLS)
    if mesh is not None:
        params, policy_params, scenario, key = unbound((params, policy_params, scenario, key))
    if type(simulator).rollout is Simulator.rollout:
        moves = _stepped(simulator, mesh, params, policy, policy_params, scenario, key)
    else:  # it does more than step, such as ``PessimisticSimulator``
        moves = _rolled_out(simulator, policy, mesh, params, policy_params, scenario, key)
    check_requests(
        moves.action,
        start=int(np.asarray(scenario.series.period)[0, 0]),
        node_names=node_names,
        who=type(policy).__name__,
    )
    return np.asarray(_returns(params, moves)), moves


def _stepped(
    simulator: Simulator,
    mesh: Mesh | None,
    params: Params,
    policy: Policy,
    policy_params: PyTree,
    scenario: Scenario,
    key: Array,
) -> Transition:
    state, series, keys = _start(simulator, mesh, params, scenario, key)
    moves: list[Transition] = []
    for t in np.arange(scenario.series.period.shape[1], dtype=np.int32):
        observation, keys_now = _look(params, state, series, keys, t)
        action = requests_of(policy, policy_params, observation, keys_now)
        state, transition = _step(simulator, mesh, params, state, action, series, t)
        moves.append(transition)
    together: Transition = jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *moves)
    return together


@partial(jax.jit, static_argnames=("simulator", "policy", "mesh"))
def _rolled_out(
    simulator: Simulator,
    policy: Policy,
    mesh: Mesh | None,
    params: Params,
    policy_params: PyTree,
    scenario: Scenario,
    key: Array,
) -> Transition:
    def one(params: Params, policy_params: PyTree, scenario: Scenario, key: Array) -> Transition:
        return simulator.rollout(
            params, policy, policy_params, scenario, key, remat=False
        ).transitions

    keys = jax.random.split(key, scenario.series.period.shape[0])
    axes = (None, None, 0, 0)
    with sharing(mesh):
        each = over_devices(jax.vmap(one, in_axes=axes), axes)
        moves: Transition = each(params, policy_params, scenario, keys)
    return moves


@partial(jax.jit, static_argnames=("simulator", "mesh"))
def _start(
    simulator: Simulator, mesh: Mesh | None, params: Params, scenario: Scenario, key: Array
) -> tuple[State, Series, Array]:
    """Return the states at the start, prepared series, and keys [B, T]."""
    batch, periods = scenario.series.period.shape

    def part(params: Params, scenario: Scenario, keys: Array) -> tuple[State, Series, Array]:
        if scenario.series.exogenous is None:
            scenario = jax.vmap(partial(simulator.prepare, params))(scenario)
        state: State = jax.vmap(partial(simulator.reset, params))(scenario)
        keys = jax.vmap(partial(jax.random.split, num=periods))(keys)
        return strong(state), scenario.series, keys

    with sharing(mesh):
        each = over_devices(part, (None, 0, 0))
        return spread(each(params, scenario, jax.random.split(key, batch)))


def _at(series: Series, t: Array) -> Series:
    now: Series = jax.tree.map(lambda leaf: leaf[:, t], series)
    return now


@jax.jit
def _look(
    params: Params, state: State, series: Series, keys: Array, t: Int[Array, ""]
) -> tuple[Observation, Array]:
    seen: Observation = jax.vmap(partial(observe, params))(state, _at(series, t))
    return seen, keys[:, t]


@partial(jax.jit, static_argnames=("simulator", "mesh"))
def _step(
    simulator: Simulator,
    mesh: Mesh | None,
    params: Params,
    state: State,
    action: Array,
    series: Series,
    t: Int[Array, ""],
) -> tuple[State, Transition]:
    axes = (None, 0, 0, 0)
    with sharing(mesh):
        each = over_devices(jax.vmap(simulator.step, in_axes=axes), axes)
        return spread(each(params, state, action, _at(series, t)))


@jax.jit
def _returns(params: Params, moves: Transition) -> Array:
    values: Array = jax.vmap(partial(discounted_return, params))(moves)
    return values
