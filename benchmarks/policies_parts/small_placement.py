"""Tuned and trained policies on a small placement problem, against the bound of hindsight.

Customers go to the closest node with stock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import jax
import numpy as np
from numpy.typing import NDArray

from benchmarks._common import Row
from draingym.envs.us import placement
from draingym.policies import (
    NeuralPlacement,
    TrainConfig,
    Tree,
    TuneConfig,
    WindowTask,
    baseline_suite,
    checked_rollouts,
    hindsight_values,
    train_by_gradient,
    tree_of,
    tune,
)
from draingym.simulator import (
    FunctionalEnv,
    Policy,
    PyTree,
    Windows,
    window,
    windows_from_scenarios,
)
from draingym.world.network import NetworkConfig, build_network

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Products on a small US network, to tune on and to be judged on."""

    env: FunctionalEnv
    tree: Tree
    lead_time: FloatArray
    train: Windows
    test: Windows
    horizon: int

    @property
    def task(self) -> WindowTask:
        """What policies are tuned on."""
        return WindowTask(
            params=self.env.params,
            windows=self.train,
            simulator=self.env.simulator,
            horizon=self.horizon,
        )


def placement_problem(products: int = 16, held_out: int = 48, horizon: int = 30) -> Placement:
    """One upstream node, three fulfilment nodes, eight regions; one scenario a product."""
    sizes = NetworkConfig(num_nodes=3, num_regions=8)
    env = placement(num_nodes=3, num_regions=8, horizon=horizon, units_per_period=10.0)
    network = build_network(sizes)
    lead_time = np.asarray(network.lead_time)

    def windows(seed: int, count: int) -> Windows:
        keys = jax.random.split(jax.random.key(seed), count)
        scenarios = jax.jit(jax.vmap(env.sample))(keys)
        return windows_from_scenarios(env.simulator, env.params, scenarios, lead_time)

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
        tuned = tune(problem.task, policy, bounds, TuneConfig(rollouts=budget))
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
