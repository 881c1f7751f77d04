"""Tuned baselines of classic problems against the exact optimum: cost a period, far from the start.

A store with lost sales (value iteration), and a serial line (Clark and Scarf).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks._common import Row
from draingym.policies import (
    EchelonBaseStock,
    LostSales,
    TabularOrders,
    TuneConfig,
    WindowTask,
    checked_rollouts,
    discretise,
    hindsight_values,
    optimal_cost,
    optimal_orders,
    serial_optimum,
    tune,
)
from draingym.simulator import (
    Params,
    Poisson,
    Policy,
    PyTree,
    Scenario,
    Simulator,
    batch_returns,
    serial_line,
    single_store,
    windows_from_scenarios,
)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Classic:
    """A problem with a known optimum."""

    name: str
    simulator: Simulator
    params: Params
    sample: Any
    lead_time: FloatArray  # [N, L+1]
    optimum: tuple[str, Policy, PyTree, float]  # what is optimal, and its exact cost a period
    periods: int  # of a rollout that tunes
    warm_up: int


def lost_sales_problem() -> Classic:
    """A store with Poisson(5) demand, lost sales, and four periods of lead time."""
    lead, unmet = 4, 9.0
    units = np.arange(24)
    pmf = stats.poisson(5).pmf(units)
    pmf[-1] += stats.poisson(5).sf(23)
    problem = LostSales(
        pmf=pmf, lead_time=lead, holding_cost=1.0, unmet_cost=unmet, max_order=9, max_stock=30
    )
    orders = optimal_orders(problem)
    simulator, params, sample = single_store(
        lead_time=lead, unmet_cost=unmet, backlog=False, demand=Poisson(rate=5.0)
    )
    table = TabularOrders(table=orders)
    return Classic(
        name="lost sales",
        simulator=simulator,
        params=params,
        sample=sample,
        lead_time=np.eye(lead + 1)[[lead]],
        optimum=(
            "value iteration", table, table.init(jax.random.key(0)), optimal_cost(problem),
        ),
        periods=200,
        warm_up=40,
    )  # fmt: skip


def serial_problem() -> Classic:
    """Four stages with Normal(5, 2) demand and backlog: Clark and Scarf's problem."""
    leads, holding = (2, 4, 3, 4), (0.1, 0.2, 0.5, 1.0)
    simulator, params, sample = serial_line(lead_times=leads, holding_cost=holding)
    best = serial_optimum(
        discretise(stats.norm(5, 2), 0.05), 0.05,
        lead_times=leads, holding_cost=holding, unmet_cost=9.0,
    )  # fmt: skip
    policy = EchelonBaseStock(parent=(-1, 0, 1, 2))
    levels = jnp.asarray(best.levels, jnp.float32)
    return Classic(
        name="serial line",
        simulator=simulator,
        params=params,
        sample=sample,
        lead_time=np.eye(max(leads) + 1)[list(leads)],
        optimum=("Clark and Scarf", policy, levels, best.cost),
        periods=200,
        warm_up=60,
    )


def classic(problem: Classic, suite: Mapping[str, Any], rollouts: int) -> list[Row]:
    """Tune every baseline, and compare its cost a period, and its return, with the best."""
    simulator, params = problem.simulator, problem.params
    keys = jax.random.split(jax.random.key(1), 32)
    train = jax.vmap(lambda key: problem.sample(key, problem.periods))(keys)
    stocked = _stocked(train, problem.lead_time)
    task = WindowTask(
        params=params,
        windows=windows_from_scenarios(simulator, params, stocked, problem.lead_time),
        simulator=simulator,
        horizon=problem.periods,
    )
    counted = 200
    test = problem.sample(jax.random.key(2), problem.warm_up + counted, batch=2048)
    short = jax.vmap(lambda key: problem.sample(key, 60))(jax.random.split(jax.random.key(3), 32))
    bound = hindsight_values(simulator, params, short)

    def judged(policy: Policy, policy_params: PyTree) -> tuple[FloatArray, FloatArray]:
        cost = jax.jit(
            lambda p, s: -batch_returns(simulator, params, policy, p, s, warm_up=problem.warm_up)
        )(policy_params, test)
        values, _ = checked_rollouts(simulator, params, policy, policy_params, short)
        return np.asarray(cost, np.float64) / counted, np.asarray(values, np.float64)

    best_name, best_policy, best_params, exact = problem.optimum
    best_cost, best_value = judged(best_policy, best_params)
    rows: list[Row] = [
        _classic_row(problem.name, best_name, best_cost, best_cost, exact, best_value, bound, 0)
    ]
    for name, (policy, bounds) in suite.items():
        config = TuneConfig(rollouts=rollouts)
        tuned = tune(task, policy, bounds, config)
        cost, value = judged(policy, tuned.params)
        rows.append(
            _classic_row(problem.name, name, cost, best_cost, exact, value, bound, tuned.rollouts)
        )
    return rows


def _stocked(scenarios: Scenario, lead_time: FloatArray, mean: float = 5.0) -> Scenario:
    """Return scenarios that start with a period's mean demand on every shelf, and on its way.

    Levels are judged far from the start, so they are not to be tuned to fill empty shelves.
    """
    due = np.arange(lead_time.shape[1] - 1)[:, None] < lead_time.argmax(axis=1)[None, :]
    initial = scenarios.initial
    pipeline = jnp.broadcast_to(mean * jnp.asarray(due, jnp.float32)[None], initial.pipeline.shape)
    filled = replace(initial, on_hand=jnp.full_like(initial.on_hand, mean), pipeline=pipeline)
    return replace(scenarios, initial=filled)


def _classic_row(
    problem: str,
    name: str,
    cost: FloatArray,
    best: FloatArray,
    exact: float,
    value: FloatArray,
    bound: FloatArray,
    rollouts: int,
) -> dict[str, Any]:
    """Return cost a period, its paired distance to the optimum, and that to hindsight."""
    gap = cost - best
    return {
        "problem": problem,
        "policy": name,
        "value": -float(cost.mean()),
        "best": -exact,
        "gap_percent": 100.0 * float(gap.mean()) / exact,
        "gap_se_percent": 100.0 * float(gap.std() / np.sqrt(len(gap))) / exact,
        "hindsight": float(bound.mean()),
        "return": float(value.mean()),
        "rollouts": rollouts,
    }
