"""Where a return, or a derivative of it, that is not finite comes from: which period, which term.

One NaN makes all that follows it NaN, and in a derivative all that came before it. So a trajectory
is walked through period by period: forward for values; backward for derivatives, each period given
a finite derivative of what follows it, so that the periods that make a NaN of it stand out.
"""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
from jaxtyping import Array

from draingym.simulator.batch import batch_axes
from draingym.simulator.core import Simulator
from draingym.simulator.finite.walk import Names, NonFinite, Walk
from draingym.simulator.types import Params, Policy, PyTree, Scenario

_AT_ONCE = 64  # trajectories looked at together


def find_non_finite(
    simulator: Simulator,
    params: Params,
    policy: Policy,
    policy_params: PyTree,
    scenario: Scenario,
    key: Array | None = None,
    *,
    names: Names | None = None,
) -> NonFinite | None:
    """Say where a return that is not finite, or its derivative, comes from.

    Takes what ``batch_returns`` takes. The derivative is that with respect to the policy's
    parameters. It is for when something went wrong: it compiles anew at every call.

    Args:
        simulator: Dynamics and drain kernel.
        params: Their parameters.
        policy: What acts.
        policy_params: Its parameters.
        scenario: Leaves [T, ..., B], or [T, ...] where all share them; or a single one.
        key: As of ``batch_returns``.
        names: Of nodes and arcs, ``{"node": [...], "arc": [...]}``, in place of their numbers.

    Returns:
        Of the first trajectory that has one, the first period and term whose value, or derivative,
        is not finite; None where all are finite.

    Raises:
        ValueError: If the simulator does not roll out period by period (an ensemble).

    Example:
        >>> from draingym.simulator import find_non_finite, single_store
        >>> from draingym import BaseStock
        >>> simulator, params, sample = single_store(lead_time=1)
        >>> scenario = sample(jax.random.key(0), 5, 8)
        >>> print(find_non_finite(simulator, params, BaseStock(), float("inf"), scenario))
        trajectory 0, period 0: action of arc 0 is inf; policy_params is inf
    """
    periods = scenario.series.period.shape[0]
    keys = jax.random.split(jax.random.key(0) if key is None else key, periods)
    axes = batch_axes(scenario)
    if not jax.tree.leaves(axes):
        every = jax.tree.map(lambda leaf: leaf[None], (scenario, keys))
    else:
        every = jax.vmap(lambda *one: one, in_axes=(axes, None))(scenario, keys)
        if key is not None:
            batch = every[1].shape[0]
            every = (every[0], jax.vmap(lambda key: jax.random.split(key, batch), out_axes=1)(keys))
    return first_non_finite(simulator, params, policy, policy_params, *every, names=names)


def first_non_finite(
    simulator: Simulator,
    params: Params,
    policy: Policy,
    policy_params: PyTree,
    scenarios: Scenario,
    keys: Array,
    *,
    names: Names | None = None,
) -> NonFinite | None:
    """Return what ``find_non_finite`` does, of scenarios [B, ...] and the policy's keys [B, T]."""
    if type(simulator).rollout is not Simulator.rollout:
        raise ValueError(
            f"simulator is {type(simulator).__name__}, must be one that rolls out period by period"
        )
    walk = Walk(simulator, params, policy, policy_params, names or {})
    with jax.debug_nans(False):
        look = jax.jit(lambda every: jax.lax.map(walk.look, every, batch_size=_AT_ONCE))
        bad_value, bad_slope = (np.asarray(flags) for flags in look((scenarios, keys)))
        bad = np.flatnonzero(bad_value | bad_slope)
        if not bad.size:
            return None
        scenario, own = jax.tree.map(lambda leaf: leaf[bad[0]], (scenarios, keys))
        found = (walk.value if bad_value[bad[0]] else walk.slope)(scenario, own)
    return replace(found, trajectory=int(bad[0]), given=walk.given(scenario))
