"""Many rollouts at once, laid out for speed: time first, batch last, shared leaves only once.

``jax.vmap(simulator.rollout)`` works as well, with the batch first. Processors run the same
program faster when the batch is the last axis (contiguous), when leaves that are the same for all
are not copied, when only returns leave the loop, and, for gradients, when a chunk of the batch
fits their cache.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.common.arrays import require_whole
from draingym.common.devices import over_devices, total_over_devices
from draingym.common.shared_jit import jit, outermost
from draingym.simulator.batch_axis import vmap_last
from draingym.simulator.core import Simulator
from draingym.simulator.dynamics import observe
from draingym.simulator.terms import Terms
from draingym.simulator.types import Params, Policy, PyTree, Scenario, Series, State

# Name of what a policy would rather store than recompute in the backward pass.
KEPT = "kept for the backward pass"

# Bytes of a cache that a batch may take, and the arrays of one entry a node that a step works on
# beside those in transit.
_CACHE, _ARRAYS = 2**19, 12
_WORTH = 64  # scenarios of a chunk: fewer are slower than memory

# Axes of every leaf of one scenario; a leaf with one more holds the batch in its last axis.
_RANKS = {
    "period": 1,
    "glance_views": 2,
    "forecast": 2,
    "price": 1,
    "unit_cost": 1,
    "attributes": 2,
    "calendar": 2,
    "lead_share": 3,
    "last": 1,
    "round_uniform": 2,
    "drain_uniform": 2,
    "fill_rate": 2,
    "split_uniform": 2,
    "storage_price": 2,
    "storage_forecast": 2,
    "forecast_cv": 1,
    "on_hand": 1,
    "pipeline": 2,
    "outbound": 2,
    "ship_cost": 2,
    "available": 2,
    "waiting": 1,
    "owed": 1,
    "parts": 1,
    "ages": 2,
    "queue": 2,
    "shown": 2,
    "age_share": 3,
    "age_uniform": 3,
    **{field.name: 2 for field in fields(Terms)},
}


def _batched(path: tuple[Any, ...], leaf: Array) -> bool:
    name = path[-1].name
    extra = leaf.ndim - _RANKS[name]
    if extra not in (0, 1):
        raise ValueError(
            f"{name} has {leaf.ndim} axes, must have {_RANKS[name]}, or one more: the batch, last"
        )
    return extra == 1


def _require_bare(scenario: Scenario) -> None:
    if scenario.series.exogenous is not None:
        raise ValueError("scenario.series.exogenous is set, must be None: a batch prepares itself")


def _batch_size(scenario: Scenario) -> int:
    _require_bare(scenario)
    sizes = {
        leaf.shape[-1] for path, leaf in jax.tree.leaves_with_path(scenario) if _batched(path, leaf)
    }
    if len(sizes) != 1:
        raise ValueError(f"batch sizes of the scenario's leaves are {sorted(sizes)}, must be one")
    return int(sizes.pop())


def _mapped(tree: PyTree) -> PyTree:
    return jax.tree.map_with_path(_batched, tree)


def _cut(scenario: Scenario, chunk: int) -> tuple[list[Array], Callable[[list[Array]], Scenario]]:
    """Return chunks of what has a batch, chunks in front, and what makes a scenario of one."""
    leaves, structure = jax.tree.flatten(scenario)
    batched = jax.tree.leaves(_mapped(scenario))
    pieces = [
        jnp.moveaxis(leaf.reshape(*leaf.shape[:-1], leaf.shape[-1] // chunk, chunk), -2, 0)
        for leaf, cut in zip(leaves, batched, strict=True)
        if cut
    ]

    def join(piece: list[Array]) -> Scenario:
        now = iter(piece)
        whole: Scenario = jax.tree.unflatten(
            structure,
            [next(now) if cut else leaf for leaf, cut in zip(leaves, batched, strict=True)],
        )
        return whole

    return pieces, join


def _cached(batch: int, leads: int, nodes: int) -> int:
    """Return how many scenarios of a batch fit a processor's cache together; divides the batch."""
    fit = _CACHE // (4 * nodes * (leads + _ARRAYS))
    return next(n for n in range(min(batch, max(fit, 1)), 0, -1) if batch % n == 0)


def _everywhere(tree: PyTree, mapped: bool = True) -> PyTree:
    return jax.tree.map(lambda _: mapped, tree)


def batch_last(scenario: Scenario) -> Scenario:
    """Return scenarios with a leading batch axis (of ``jax.vmap``) with the batch last.

    Args:
        scenario: Leaves [B, ...] and [B, T, ...], not prepared.

    Returns:
        Leaves [..., B] and [T, ..., B].
    """
    moved: Scenario = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, -1), scenario)
    return moved


def batch_returns(
    simulator: Simulator,
    params: Params,
    policy: Policy,
    policy_params: PyTree,
    scenario: Scenario,
    key: Array | None = None,
    *,
    warm_up: int = 0,
    remat: bool = False,
) -> Float[Array, " B"]:
    """Return the discounted return of a policy in each of a batch of scenarios.

    The same as ``discounted_return`` of ``vmap(rollout)``, faster: see this module. A large batch
    is shared out over all cores, or GPUs; inside ``jit``, ``grad`` or ``vmap`` it is where
    ``draingym.jit`` compiles the whole.

    Args:
        simulator: Dynamics and drain kernel.
        params: Their parameters, shared by the batch.
        policy: What acts.
        policy_params: Its parameters.
        scenario: Not prepared. Leaves [T, ..., B], or [T, ...] where all share them.
        key: For policies that draw at random; without one, all products draw alike.
        warm_up: Periods at the start whose rewards do not count.
        remat: Recompute a period's interior in the backward pass instead of storing it, except
            what a policy marks with ``jax.ad_checkpoint.checkpoint_name(value, KEPT)``.

    Returns:
        [B] currency.

    Raises:
        ValueError: If the leaves' axes do not agree, the scenario is prepared, or the warm-up is
            negative or longer than the scenario.

    Gradients:
        Those of ``Simulator.step``.
    """
    require_whole("warm_up", warm_up, high=scenario.series.period.shape[0])
    _batch_size(scenario)
    given = (params, policy_params, scenario, key)
    play = _compiled if outermost(given) and _hashable(simulator, policy) else _shared_out
    returns: Array = play(simulator, policy, warm_up, remat, *given)
    return returns


def _hashable(*values: Any) -> bool:
    try:
        hash(values)
    except TypeError:
        return False
    return True


def batch_axes(scenario: Scenario) -> PyTree:
    """Return the batch's axis of every leaf: the last, or none where all share it."""
    _require_bare(scenario)
    return jax.tree.map(lambda batched: -1 if batched else None, _mapped(scenario))


def _shared_out(
    simulator: Simulator,
    policy: Policy,
    warm_up: int,
    remat: bool,
    params: Params,
    policy_params: PyTree,
    scenario: Scenario,
    key: Array | None,
) -> Float[Array, " B"]:
    """Return ``batch_returns``, of parts of the batch on each device where it is shared out."""
    batch, periods = _batch_size(scenario), scenario.series.period.shape[0]
    keys = jax.random.split(jax.random.key(0) if key is None else key, periods)
    if key is not None:  # each scenario has its own, wherever it is rolled out: [T, B]
        keys = jax.vmap(partial(jax.random.split, num=batch))(keys)
    part = partial(_returns, simulator, policy, warm_up, remat)
    axes = (None, None, batch_axes(scenario), None if key is None else 1)
    returns: Array = over_devices(part, axes)(params, policy_params, scenario, keys)
    return returns


_compiled = jit(_shared_out, static_argnums=(0, 1, 2, 3))


def _returns(
    simulator: Simulator,
    policy: Policy,
    warm_up: int,
    remat: bool,
    params: Params,
    policy_params: PyTree,
    scenario: Scenario,
    keys: Array,
) -> Float[Array, " B"]:
    """Return ``batch_returns`` with the policy's keys, [T] that all share or [T, B]."""
    batch = _batch_size(scenario)
    leads, nodes = scenario.initial.pipeline.shape[:2]
    chunk = _cached(batch, leads, nodes)
    if keys.ndim > 1 or chunk < _WORTH:
        chunk = batch
    if chunk < batch:
        pieces, join = _cut(scenario, chunk)
        returns: Array = jax.lax.map(
            lambda piece: _returns(
                simulator, policy, warm_up, remat, params, policy_params, join(piece), keys
            ),
            pieces,
        )
        return returns.reshape(batch)
    prepare = partial(simulator.kernel.prepare, params.kernel)
    exogenous = vmap_last(prepare, (_mapped(scenario.series),), batch)(scenario.series)
    reset = partial(simulator.reset, params)
    state = vmap_last(reset, (_mapped(scenario),), batch)(scenario)
    series = replace(scenario.series, exogenous=exogenous)
    mapped = replace(_mapped(scenario.series), exogenous=_everywhere(exogenous))

    def one(state: State, now: Series, key_policy: Array) -> tuple[State, Array]:
        action = policy.apply(policy_params, observe(params, state, now), key_policy)
        state, transition = simulator.step(params, state, action, now)
        return state, transition.reward

    step = vmap_last(one, (_everywhere(state), mapped, keys.ndim > 1), batch)

    def period(
        carry: tuple[State, Array], now: tuple[Series, Array, Array]
    ) -> tuple[tuple[State, Array], None]:
        state, total = carry
        series, key_now, weight = now
        state, reward = step(state, series, key_now)
        return (state, total + weight * reward), None

    kept = jax.checkpoint_policies.save_only_these_names(KEPT)
    body = jax.checkpoint(period, prevent_cse=False, policy=kept) if remat else period
    later = jnp.arange(series.period.shape[0]) - warm_up
    weight = jnp.where(later >= 0, params.discount ** jnp.maximum(later, 0), 0.0)
    (_, total), _ = jax.lax.scan(body, (state, jnp.zeros(batch)), (series, keys, weight))
    return total


def chunked_value_and_grad(
    loss: Callable[[PyTree, Scenario], Float[Array, ""]], chunk: int = 256
) -> Callable[[PyTree, Scenario], tuple[Float[Array, ""], PyTree]]:
    """Return a function like ``jax.value_and_grad(loss)`` that works through the batch in chunks.

    Value and gradient are means over chunks, accumulated by a scan: memory is that of one chunk,
    and what the backward pass reads again is still in the processor's cache.

    Args:
        loss: A mean over the batch, such as ``lambda p, s: -batch_returns(..., p, s, remat=True)
            .mean()``.
        chunk: Scenarios of a chunk; divides the batch. A few hundred for small networks.

    Returns:
        ``(policy_params, scenario) -> (value, gradient)``, with scenarios as in
        ``batch_returns``.

    Raises:
        ValueError: If the chunk is below one; when called, if it does not divide the batch.

    Gradients:
        Equal to those of the whole batch up to rounding.
    """
    require_whole("chunk", chunk, low=1)

    def value_and_grad(
        policy_params: PyTree, scenario: Scenario
    ) -> tuple[Float[Array, ""], PyTree]:
        batch = _batch_size(scenario)
        if batch % chunk:
            raise ValueError(f"chunk is {chunk}, must divide the batch of {batch} scenarios")
        pieces, join = _cut(scenario, chunk)

        def total(real: Array, pieces: list[Array], policy_params: PyTree) -> PyTree:
            def add(total: PyTree, now: tuple[Array, list[Array]]) -> tuple[PyTree, None]:
                counts, piece = now
                part = jax.value_and_grad(loss)(policy_params, join(piece))
                return jax.tree.map(
                    lambda old, new: old + jnp.where(counts, new, jnp.zeros_like(new)), total, part
                ), None

            zero = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, policy_params))
            return jax.lax.scan(add, zero, (real, pieces))[0]

        found = total_over_devices(total, (0, None))(pieces, policy_params)
        value, gradient = jax.tree.map(lambda leaf: leaf * (chunk / batch), found)
        return value, gradient

    return value_and_grad
