"""An offline surrogate: plans that know the demand, imitated by regression on the forecast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from draingym.common.arrays import require_range, require_shape
from draingym.policies.bounds.hindsight import Hindsight, hindsight_plan
from draingym.policies.rules.forecast_levels import ForecastBaseStock, ImitatedBaseStock
from draingym.policies.rules.placement import NEAREST
from draingym.policies.tree import catchment_share, height
from draingym.simulator import (
    Dynamics,
    LocalDemand,
    LocalDemandParams,
    Params,
    Scenario,
    Simulator,
    observe,
)

FloatArray = NDArray[np.float64]


def imitate_plans(
    policy: ForecastBaseStock,
    params: Params,
    scenario: Scenario,
    demand: ArrayLike,
    unit_ship_cost: ArrayLike,
    *,
    ridge: float = 1.0,
    progress: Callable[[int, int], None] | None = None,
) -> ImitatedBaseStock:
    """Fit levels to those of the best plans in hindsight.

    Every product's plan (``hindsight_plan``) knows the demand of its scenario, of each node by the
    regions it is the nearest open node of, and starts with empty shelves, so that every echelon
    position is one that it chose. Positions after orders are regressed on ``policy.terms``, each
    weighted by one over the spread of its demand; those of periods in which nothing could have been
    chosen yet, or was ordered to be salvaged, are left out.

    Args:
        policy: Whose levels are linear in the coefficients.
        params: Costs and structure; its kernel is not used.
        scenario: Of products and periods that are trained on, leaves [B, ...] and [B, T, ...].
            Levels are fitted on its forecasts; plans know its lead times.
        demand: [B, T, Z] units that customers wanted.
        unit_ship_cost: [N] currency a unit, of a node's own customers.
        ridge: Shrinks each coefficient as so many observations of it at zero would, above 0.
        progress: Called with (plans done, plans).

    Returns:
        The policy with the fitted coefficients, whose own few numbers are to be tuned.

    Raises:
        ValueError: If shapes disagree, or too few periods are left to fit.
    """
    series = scenario.series
    wanted = np.asarray(demand, np.float32)
    require_shape("demand", wanted, series.glance_views.shape)
    require_shape("unit_ship_cost", np.asarray(unit_ship_cost), policy.tree.parent.shape)
    require_range("ridge", ridge, low=0.0, open_low=True)
    first, last = _chosen(policy, wanted.shape[1])
    observation, mean, spread = _terms(policy, params, scenario)
    simulator = Simulator(kernel=LocalDemand(), dynamics=Dynamics(whole_units=False))
    local = replace(
        params,
        kernel=LocalDemandParams(
            share=catchment_share(policy.tree, observation.active[0, 0], jnp.float32(NEAREST)),
            unit_ship_cost=jnp.asarray(unit_ship_cost, jnp.float32),
        ),
    )
    host = jax.tree.map(np.asarray, replace(scenario, series=replace(series, exogenous=None)))
    levels = []
    for b in range(wanted.shape[0]):
        one = jax.tree.map(lambda leaf, b=b: leaf[b], host)
        empty = jax.tree.map(np.zeros_like, one.initial)
        own = replace(one.series, glance_views=wanted[b])
        plan = hindsight_plan(simulator, local, Scenario(initial=empty, series=own))
        levels.append(_positions(policy, plan))
        if progress is not None:
            progress(b + 1, wanted.shape[0])
    found = np.stack(levels)  # [B, T, N]
    kinds = np.asarray(policy.tree.parent) >= 0
    periods = np.arange(found.shape[1])[:, None]
    active = np.asarray(observation.active)
    some = (periods >= first[None]) & (periods < last[None])
    coefficients = []
    for kind in (False, True):
        rows = active & some[None] & (kinds == kind)[None, None]
        coefficients.append(_ridge(mean[rows], spread[rows], found[rows], ridge))
    half = mean.shape[-1]
    return ImitatedBaseStock(
        base=policy,
        cover=tuple(tuple(c[:half].tolist()) for c in coefficients),
        safety=tuple(tuple(c[half:].tolist()) for c in coefficients),
    )


def _chosen(policy: ForecastBaseStock, periods: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return [N] the first period of a level that was chosen freely, and the one after the last."""
    parent = np.asarray(policy.tree.parent)
    lead = np.ceil(np.asarray(policy.lead_time)).astype(int)
    behind = np.zeros(parent.size, int)  # periods on the way to a node's parent's shelf
    ahead = lead.copy()  # periods until what is ordered can be sold
    for n in range(parent.size):
        if parent[n] >= 0:
            behind[n] = behind[parent[n]] + lead[parent[n]] + 1
    for n in reversed(range(parent.size)):
        if parent[n] >= 0:
            ahead[parent[n]] = max(ahead[parent[n]], lead[parent[n]] + 1 + ahead[n])
    last = periods - ahead - 1
    if (last - behind).min() < 1:
        raise ValueError(
            f"scenario has {periods} periods, must have more than "
            f"{int((behind + ahead).max()) + 1}: lead times of a network with "
            f"{height(parent) + 1} levels leave nothing to fit"
        )
    return behind, last


def _terms(
    policy: ForecastBaseStock, params: Params, scenario: Scenario
) -> tuple[Any, FloatArray, FloatArray]:
    """Return observations, and what levels are linear in, [B, T, N, F]; stock plays no part."""
    simulator = Simulator(kernel=LocalDemand())
    nodes = params.parent.shape[0]
    bare = replace(
        params,
        kernel=LocalDemandParams(share=jnp.zeros((nodes, 0)), unit_ship_cost=jnp.zeros(nodes)),
    )

    @jax.jit
    @partial(jax.vmap)
    def over(scenario: Scenario) -> Any:
        state = simulator.reset(bare, scenario)

        def one(now: Any) -> Any:
            seen = observe(bare, state, now)
            return seen, *policy.terms(seen)

        return jax.vmap(one)(scenario.series)

    stripped = replace(scenario, series=replace(scenario.series, exogenous=None))
    seen, mean, spread = over(stripped)
    return seen, np.asarray(mean, np.float64), np.asarray(spread, np.float64)


def _positions(policy: ForecastBaseStock, plan: Hindsight) -> FloatArray:
    """Return [T, N] a plan's echelon positions after its orders, from empty shelves on."""
    below = np.asarray(policy.tree.descends, np.float64)
    sold = plan.served @ below.T
    found: FloatArray = np.cumsum(plan.shipped, axis=0) - (np.cumsum(sold, axis=0) - sold)
    return found


def _ridge(mean: FloatArray, spread: FloatArray, level: FloatArray, ridge: float) -> FloatArray:
    """Return the coefficients of mean and spread terms."""
    terms = np.concatenate([mean, spread], axis=1)
    weight = 1.0 / (spread[:, 0] ** 2 + 0.1)  # feature 0 is one: the demand's variance
    left = terms.T @ (terms * weight[:, None])
    typical = np.trace(left) / len(left) / max(len(level), 1)  # of a term, squared
    penalty = (ridge * typical + 1e-9) * np.eye(len(left))
    found: FloatArray = np.linalg.solve(left + penalty, terms.T @ (weight * level))
    return found
