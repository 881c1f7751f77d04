"""Classic problems: how close to the optimum, after how many simulated periods and seconds.

Bar 1: policies trained by gradients on problems A to D of the issue "The gym, whole", and by PPO:
the same policy, the same start, three rates each, of which the best counts. Bar 5: gradients, PPO
and an evolution strategy on one problem, by the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from benchmarks._common import Claim, Row, at_least, at_most, figure_only
from benchmarks.policies_parts.classic_problems import Problem, problems
from benchmarks.policies_parts.part import Figure, Part, mean_interval
from draingym.policies import (
    PPO,
    EvolutionStrategy,
    Hyper,
    Method,
    PathwiseGradient,
    TrainResult,
    train_policies,
    train_policy,
)
from draingym.simulator import Policy, PyTree

FloatArray = NDArray[np.float64]
SEEDS = (0, 1, 2)
PERCENT = (3.0, 1.0)  # how far above the optimum counts as reached


def method_of(problem: Problem, name: str) -> Method:
    """Return a method by its name in the tables."""
    if name == "gradient":
        return PathwiseGradient(policy=problem.policy)
    if name == "evolution":
        return EvolutionStrategy(policy=problem.policy, pairs=16, sigma=0.05)
    return PPO(policy=problem.policy, extra_discount=problem.extra_discount)


def fresh_costs(problem: Problem, policy: Policy, params: PyTree) -> FloatArray:
    """Return the cost a period of every rollout on draws that training did not see.

    The same draws for every policy: rollouts can be compared one by one.
    """
    task = replace(problem.task, evaluation_batch=4000, evaluation_periods=200)

    @jax.jit
    def costs(params: PyTree, key: Array) -> Array:
        return -task.fresh_values(policy, params, key)

    keys = jax.random.split(jax.random.key(1000), 4)
    return np.concatenate([np.asarray(costs(params, key), np.float64) for key in keys])


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """The reference policy's cost: exact, on fresh draws, and on every seed's evaluation."""

    exact: float
    fresh: FloatArray
    evaluated: tuple[float, ...]  # by seed

    @classmethod
    def of(cls, problem: Problem) -> Reference:
        """Roll the reference out."""
        fresh = fresh_costs(problem, problem.reference, problem.reference_params)

        @jax.jit
        def one(key: Array) -> Array:
            task = problem.task
            return -task.evaluate(problem.reference, problem.reference_params, key)

        known = problem.reference_cost
        return cls(
            exact=float(fresh.mean()) if known is None else known,
            fresh=fresh,
            evaluated=tuple(
                float(one(jax.random.split(jax.random.key(seed), 3)[2])) for seed in SEEDS
            ),
        )


def gaps(problem: Problem, result: TrainResult, reference: Reference, seed: int) -> FloatArray:
    """Return how far above the optimum a learning curve is, %, corrected by the reference.

    Both are evaluated on the same draws: the reference's error there is known, and taken off.
    """
    cost = -result.curve + reference.exact - reference.evaluated[SEEDS.index(seed)]
    return 100.0 * (cost / problem.optimum - 1.0)


def reached(gap: FloatArray, periods: Any, percent: float) -> float:
    """Return the periods (or seconds) at the first evaluation within a gap; else infinity."""
    within = np.flatnonzero(gap <= percent)
    return float(periods[within[0]]) if within.size else float("inf")


def learn(problem: Problem, name: str) -> list[list[TrainResult]]:
    """Return the results of a method by rate, then by seed."""
    config = problem.gradient if name == "gradient" else problem.ppo
    found = []
    for rate in problem.rates[name]:
        hyper = Hyper(
            learning_rate=jnp.float32(rate),
            clip_norm=jnp.float32(config.clip_norm),
            ema_decay=jnp.float32(config.ema_decay),
        )
        found.append(
            train_policies(method_of(problem, name), problem.task, config, seeds=SEEDS, hyper=hyper)
        )
    return found


def row_of(problem: Problem, name: str, reference: Reference) -> dict[str, Any]:
    """Train by a method at every rate, and return the row of the best.

    The best reaches the closer level first; else the other level; else it costs least.
    """
    found = learn(problem, name)
    curves = [
        [gaps(problem, r, reference, seed) for r, seed in zip(runs, SEEDS, strict=True)]
        for runs in found
    ]

    def needed(index: int, percent: float) -> float:
        pairs = zip(curves[index], found[index], strict=True)
        return float(np.median([reached(gap, r.periods, percent) for gap, r in pairs]))

    def closest(index: int) -> float:
        return float(np.median([gap.min() for gap in curves[index]]))

    index = min(
        range(len(found)),
        key=lambda i: (*(needed(i, percent) for percent in PERCENT[::-1]), closest(i)),
    )
    results = found[index]
    middle = sorted(range(len(SEEDS)), key=lambda i: curves[index][i].min())[len(SEEDS) // 2]
    costs = fresh_costs(problem, problem.policy, results[middle].params)
    if problem.reference_cost is not None:
        costs = costs - reference.fresh + reference.exact
    cost, low, high = mean_interval(costs)
    percent = [100.0 * (x / problem.optimum - 1.0) for x in (cost, low, high)]
    return {
        "table": "classic problems",
        "problem": problem.name,
        "method": name,
        "optimum": problem.optimum,
        "cost": cost,
        "gap, %": percent[0],
        "low, %": percent[1],
        "high, %": percent[2],
        **{f"periods to {within:g}%": needed(index, within) for within in PERCENT},
        "periods": int(results[0].periods[-1]),
        "rate": problem.rates[name][index],
        "seconds": float(sum(runs[0].seconds[-1] for runs in found)),
    }


def clock_curves(
    problem: Problem, reference: Reference, rates: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Return the gap against wall clock of every method on one problem, one after the other."""
    rows = []
    for name, config in (
        ("gradient", problem.gradient),
        ("ppo", problem.ppo),
        ("evolution", replace(problem.gradient, batch_products=16)),
    ):
        config = replace(config, learning_rate=rates[name], seed=SEEDS[0])
        method = method_of(problem, name)
        result = train_policy(method, problem.task, config)
        rows.append(
            {
                "table": "wall clock",
                "problem": problem.name,
                "method": name,
                "rate": rates[name],
                "compile_seconds": result.compile_seconds,
                "seconds": result.seconds.round(4).tolist(),
                "periods": result.periods.tolist(),
                "gap": gaps(problem, result, reference, SEEDS[0]).round(3).tolist(),
            }
        )
    return rows


def classic_claims(rows: Sequence[Row]) -> list[Claim]:
    """Return bar 1's claims."""
    claims = []
    by = {(row["problem"], row["method"]): row for row in rows}
    for problem in dict.fromkeys(row["problem"] for row in rows):
        gradient, ppo = by[problem, "gradient"], by[problem, "ppo"]
        what = f"{problem}: gradients, cost above the optimum (upper end of its interval)"
        if problem.startswith("D"):
            what = f"{problem}: gradients, cost above the bound (upper end of its interval)"
        claims.append(at_most(1, what, gradient["high, %"], "%", 1.0))
        claims.append(figure_only(1, f"{problem}: PPO, the same", ppo["high, %"], "%"))
        for within in PERCENT:
            column = f"periods to {within:g}%"
            mine, its = gradient[column], ppo[column]
            never = not np.isfinite(its)
            ratio = (ppo["periods"] if never else its) / mine if np.isfinite(mine) else 0.0
            suffix = "; PPO never is, its whole budget counts" if never else ""
            claims.append(
                at_least(
                    1,
                    f"{problem}: periods until within {within:g}%, PPO over gradients{suffix}",
                    max(ratio, 0.0),
                    "x",
                    1.0,
                )
            )
    return claims


def clock_claims(rows: Sequence[Row]) -> list[Claim]:
    """Return bar 5's figures."""
    claims = []
    for row in rows:
        for percent in (5.0, 1.0):
            took = reached(np.asarray(row["gap"]), row["seconds"], percent)
            name = f"{row['problem']}: seconds until within {percent:g}%, {row['method']}"
            if np.isfinite(took):
                claims.append(figure_only(5, name, took, "s"))
            else:
                best = float(np.min(row["gap"]))
                name = f"{row['problem']}: {row['method']} never within {percent:g}%: closest"
                claims.append(figure_only(5, name, best, "%"))
    return claims


def draw_clock(rows: Sequence[Row]) -> Callable[[Any], None]:
    """Return what draws the gap against wall clock, a panel a problem."""
    names = list(dict.fromkeys(row["problem"] for row in rows))
    colours = {"gradient": "#1b6ca8", "ppo": "#d1495b", "evolution": "#66a182"}

    def draw(axes: Any) -> None:
        for axis, name in zip(np.ravel(axes), names, strict=True):
            for row in rows:
                if row["problem"] == name:
                    gap = np.maximum(np.asarray(row["gap"], float), 0.05)
                    axis.plot(
                        row["seconds"], gap, color=colours[row["method"]], label=row["method"]
                    )
            axis.axhline(1.0, color="black", lw=0.6, ls=":")
            axis.set_yscale("log")
            axis.set_xscale("symlog", linthresh=0.1)
            axis.set_xlim(left=0.0)
            axis.set_xlabel("seconds of updates, compilation not counted")
            axis.set_ylabel("cost above the optimum, %")
            axis.set_title(name, loc="left")
            axis.legend(frameon=False)

    return draw


def run() -> Part:
    """Train, and return what bars 1 and 5 ask for."""
    rows: list[dict[str, Any]] = []
    timed: list[dict[str, Any]] = []
    for problem in problems():
        reference = Reference.of(problem)
        mine = [row_of(problem, name, reference) for name in ("gradient", "ppo")]
        rows += mine
        for row in mine:
            print({k: v for k, v in row.items() if k != "table"}, flush=True)
        if problem.name.startswith(("A. lost sales, L = 4", "C")):
            rates = {row["method"]: row["rate"] for row in mine} | {"evolution": 0.02}
            timed += clock_curves(problem, reference, rates)
            for row in timed[-3:]:
                print(
                    row["method"], row["seconds"][-1], row["gap"][-1], min(row["gap"]), flush=True
                )
    return Part(
        claims=[*classic_claims(rows), *clock_claims(timed)],
        rows=[*rows, *timed],
        seeds=SEEDS,
        figures=(Figure(name="policies_clock", draw=draw_clock(timed), panels=2),),
    )
