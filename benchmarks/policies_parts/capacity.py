"""Storage that all products of the small placement problem share, priced and forecast."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from benchmarks._common import Row
from benchmarks.policies_parts.small_placement import Placement
from draingym.policies import (
    CapacityConfig,
    CapacityRollouts,
    DistanceAware,
    PriceResponsive,
    PriceResponsiveParams,
    TuneConfig,
    baseline_suite,
    calibrate,
    dual_ascent,
    fit_price_forecast,
    price_features,
    tune,
    violation,
)
from draingym.simulator import Scenario

FloatArray = NDArray[np.float64]


def capacities(problem: Placement, share: float = 0.4) -> list[Row]:
    """Limit storage near customers to a share of its unconstrained use; price it, forecast it.

    The windows are 4 draws of the tuning products' world to learn from, and one held out.
    """
    simulator, params, horizon = problem.env.simulator, problem.env.params, problem.horizon
    base = DistanceAware(tree=problem.tree)
    suite = baseline_suite(problem.tree, programs=False)
    bounds = suite["distance aware"].bounds
    tuned = tune(problem.task, base, bounds, TuneConfig(generations=10))
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
