"""Baselines against what is best: exact optima, the bound by perfect information, capacity.

Four problems, each small enough for its yardstick: a store with lost sales (value iteration), a
serial line (Clark and Scarf), a placement problem whose customers go to the closest node with
stock (the hindsight program), and several products that share the storage of its nodes. Every
baseline is tuned by the same number of rollouts as the neural policy is trained with, and all are
judged on draws that none has seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks._common import Row
from benchmarks._policies_part import Part
from draingym.envs.us import placement
from draingym.policies import (
    DistanceAware,
    EchelonBaseStock,
    NeuralPlacement,
    TabularOrders,
    TrainConfig,
    Tree,
    TuneConfig,
    baseline_suite,
    serial_suite,
    store_suite,
    train_by_gradient,
    tree_of,
    tune,
)
from draingym.policies.bounds.hindsight import hindsight_values
from draingym.policies.bounds.lost_sales import LostSales, optimal_cost, optimal_orders
from draingym.policies.bounds.optimal import discretise, serial_optimum
from draingym.policies.capacity.price_forecast import calibrate, fit_price_forecast, price_features
from draingym.policies.capacity.prices import (
    CapacityConfig,
    CapacityRollouts,
    PriceResponsive,
    PriceResponsiveParams,
    dual_ascent,
    violation,
)
from draingym.policies.validation.checked import checked_rollouts
from draingym.simulator import (
    FunctionalEnv,
    Params,
    Poisson,
    Policy,
    PyTree,
    Scenario,
    Simulator,
    Windows,
    batch_returns,
    serial_line,
    single_store,
    window,
)
from draingym.world.network import NetworkConfig, build_network

FloatArray = NDArray[np.float64]


def windows_of(
    simulator: Simulator, params: Params, scenarios: Scenario, lead_time: Any
) -> Windows:
    """Return one window of a batch of scenarios, leaves [P, ...] and [P, T, ...]."""
    prepare = jax.jit(jax.vmap(partial(simulator.kernel.prepare, params.kernel)))
    return Windows(
        series=replace(scenarios.series, exogenous=prepare(scenarios.series)),
        initial=jax.tree.map(lambda leaf: leaf[None], scenarios.initial),
        start=jnp.zeros(1, jnp.int32),
        lead_time=jnp.asarray(lead_time, jnp.float32),
    )


# Classic problems: cost a period, far from the start


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
    tuning = windows_of(simulator, params, _stocked(train, problem.lead_time), problem.lead_time)
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
        tuned = tune(simulator, params, policy, bounds, tuning, problem.periods, config)
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


# Placement: customers go to the closest node with stock


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Products on a small US network, to tune on and to be judged on."""

    env: FunctionalEnv
    tree: Tree
    lead_time: FloatArray
    train: Windows
    test: Windows
    horizon: int


def placement_problem(products: int = 16, held_out: int = 48, horizon: int = 30) -> Placement:
    """One upstream node, three fulfilment nodes, eight regions; one scenario a product."""
    sizes = NetworkConfig(num_nodes=3, num_regions=8)
    env = placement(num_nodes=3, num_regions=8, horizon=horizon, units_per_period=10.0)
    network = build_network(sizes)
    lead_time = np.asarray(network.lead_time)

    def windows(seed: int, count: int) -> Windows:
        keys = jax.random.split(jax.random.key(seed), count)
        scenarios = jax.jit(jax.vmap(env.sample))(keys)
        return windows_of(env.simulator, env.params, scenarios, lead_time)

    return Placement(
        env=env,
        tree=tree_of(network),
        lead_time=lead_time,
        train=windows(10, products),
        test=windows(11, held_out),
        horizon=horizon,
    )


def placements(problem: Placement, updates: int) -> list[Row]:
    """Tune and train all policies by the same number of rollouts; compare with hindsight."""
    simulator, params = problem.env.simulator, problem.env.params
    test = window(problem.test, 0, problem.horizon, jax.random.key(12))
    bound = hindsight_values(simulator, params, test)
    policies: dict[str, tuple[Policy, PyTree, int, float]] = {}
    for heads in (0, 2):
        neural = NeuralPlacement(
            tree=problem.tree, num_attributes=test.series.attributes.shape[-1], heads=heads
        )
        started = time.perf_counter()
        config = TrainConfig(updates=updates, batch_products=16, evaluate_every=updates // 5)
        trained = train_by_gradient(
            simulator, params, neural, problem.train, problem.horizon, config
        )
        name = "neural, attention to regions" if heads else "neural"
        seconds = time.perf_counter() - started
        policies[name] = (neural, trained.params, trained.rollouts, seconds)
    budget = policies["neural"][2]
    for name, (policy, bounds) in baseline_suite(problem.tree, lead_time=problem.lead_time).items():
        started = time.perf_counter()
        config_of = TuneConfig(rollouts=budget)
        tuned = tune(simulator, params, policy, bounds, problem.train, problem.horizon, config_of)
        seconds = time.perf_counter() - started
        policies[name] = (policy, tuned.params, tuned.rollouts, seconds)
    rows: list[Row] = []
    for name, (policy, policy_params, rollouts, seconds) in policies.items():
        values, _ = checked_rollouts(simulator, params, policy, policy_params, test)
        gap = bound - np.asarray(values, np.float64)
        rows.append(
            {
                "problem": "placement",
                "policy": name,
                "value": float(values.mean()),
                "best": float(bound.mean()),
                "gap_percent": 100.0 * float(gap.mean() / bound.mean()),
                "gap_se_percent": 100.0 * float(gap.std() / np.sqrt(len(gap)) / bound.mean()),
                "least_gap": float(gap.min()),
                "rollouts": rollouts,
                "seconds": seconds,
            }
        )
    return rows


# Capacity: storage that all products share


def capacities(problem: Placement, share: float = 0.4) -> list[Row]:
    """Limit storage near customers to a share of its unconstrained use; price it, forecast it.

    The windows are 4 draws of the tuning products' world to learn from, and one held out.
    """
    simulator, params, horizon = problem.env.simulator, problem.env.params, problem.horizon
    base = DistanceAware(tree=problem.tree)
    suite = baseline_suite(problem.tree, programs=False)
    tuned = tune(
        simulator, params, base, suite["distance aware"].bounds, problem.train, horizon,
        TuneConfig(generations=10),
    )  # fmt: skip
    policy = PriceResponsive(base=base, tree=problem.tree)
    volume = np.ones(problem.train.num_products)
    policy_params = PriceResponsiveParams(base=tuned.params, response=jnp.float32(1.0))
    rollouts = CapacityRollouts(simulator, params, policy, policy_params, volume)
    sample = jax.jit(jax.vmap(problem.env.sample))
    prepare = jax.jit(jax.vmap(lambda one: simulator.prepare(params, one)))

    def draw(seed: int) -> Scenario:
        scenario: Scenario = prepare(
            sample(jax.random.split(jax.random.key(seed), problem.train.num_products))
        )
        return scenario

    learn, held_out = [draw(20 + k) for k in range(4)], [draw(30 + k) for k in range(4)]
    nodes = problem.tree.parent.shape[0]
    nothing = np.zeros((horizon, nodes))
    free = [rollouts(scenario, nothing, nothing) for scenario in learn]
    use = np.mean([used for _, used in free], axis=0)
    limited = np.asarray(problem.tree.serves)
    capacity = np.where(limited, share * use[horizon // 3 :].mean(axis=0), np.inf)

    config = CapacityConfig(iterations=150)
    prices = [dual_ascent(rollouts, [scenario], capacity, config).prices for scenario in learn]
    features = [price_features(s, problem.tree, capacity, volume) for s in learn]
    forecast = fit_price_forecast(features, prices, capacity, config)
    calibrated = calibrate(
        forecast,
        lambda known: np.stack(
            [
                rollouts(scenario, nothing, known(feature))[1]
                for scenario, feature in zip(learn, features, strict=True)
            ]
        ),
        capacity,
    )

    def seen(scenario: Scenario, how: str) -> FloatArray:
        if how == "unconstrained":
            return nothing
        if how == "dual prices, periods known":
            found = dual_ascent(rollouts, [scenario], capacity, config).prices
            return rollouts.seen(found, config.periods_seen)
        feature = price_features(scenario, problem.tree, capacity, volume)
        return (calibrated if how == "price forecast, raised" else forecast)(feature)

    rows: list[Row] = []
    unconstrained: float | None = None
    for how in (
        "unconstrained", "dual prices, periods known", "price forecast",
        "price forecast, raised",
    ):  # fmt: skip
        ran = [rollouts(scenario, nothing, seen(scenario, how)) for scenario in held_out]
        found = violation(np.stack([used for _, used in ran]), capacity)
        value = float(np.mean([values for values, _ in ran]))
        unconstrained = value if unconstrained is None else unconstrained
        rows.append(
            {
                "problem": "capacity",
                "policy": how,
                "value": value,
                "excess_percent": 100.0 * found.excess,
                "violated_percent": 100.0 * found.node_periods,
                "worst": found.worst,
                "kept_percent": 100.0 * value / unconstrained,
            }
        )
    return rows


def run(*, updates: int = 100, rollouts: int = 20_000) -> Part:
    """Run all four problems.

    Args:
        updates: Of the neural policies on the placement problem; baselines get as many rollouts.
        rollouts: Of every baseline of the classic problems.
    """
    placed = placement_problem()
    problems: dict[str, Callable[[], list[Row]]] = {
        "lost sales": lambda: classic(lost_sales_problem(), store_suite(most=60.0), rollouts),
        "serial line": lambda: classic(
            serial_problem(), serial_suite((-1, 0, 1, 2), most=120.0), rollouts
        ),
        "placement": lambda: placements(placed, updates),
        "capacity": lambda: capacities(placed),
    }
    rows = [
        {"table": f"baselines, {name}", **row} for name, make in problems.items() for row in make()
    ]
    return Part(claims=(), rows=rows, seeds=(0,))
