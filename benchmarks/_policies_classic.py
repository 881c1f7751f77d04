"""Classic problems: how close to the optimum, after how many simulated periods and seconds.

Bar 1: policies trained by gradients on problems A to D of the issue "The gym, whole", and by PPO:
the same policy, the same start, three rates each, of which the best counts. Bar 5: gradients, PPO
and an evolution strategy on one problem, by the clock.

Alone: ``python -m benchmarks._policies_classic --out DIR``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Array, Float
from numpy.typing import NDArray
from scipy import stats

from benchmarks._common import Claim, Row, at_least, at_most, figure_only
from benchmarks._policies_part import Figure, Part, mean_interval, run_alone
from policies import (
    PPO,
    BaseStock,
    EchelonBaseStock,
    EqualFractile,
    EvolutionStrategy,
    Hyper,
    Method,
    MLPPolicy,
    PathwiseGradient,
    SampledTask,
    TrainConfig,
    TrainResult,
    train_policies,
    train_policy,
)
from policies.lost_sales import LostSales, optimal_cost
from policies.optimal import (
    Optimum,
    base_stock_optimum,
    discretise,
    serial_optimum,
    transshipment_bound,
)
from simulator import (
    Normal,
    Observation,
    Poisson,
    Policy,
    PyTree,
    serial_line,
    single_store,
    transshipment,
)

NAME = "policies_classic"
FloatArray = NDArray[np.float64]
SEEDS = (0, 1, 2)
MEAN = 5.0  # units a period, of all single stores
# As the public settings of hindsight-differentiable policy optimisation draw them, seeds 33, 92.
MEANS = (3.743, 4.75, 4.555, 3.801, 6.852)
SDS = (1.765, 2.124, 1.622, 1.405, 1.714)
PERCENT = (3.0, 1.0)  # how far above the optimum counts as reached


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaled:
    """A policy whose parameters are given as multiples of what they start from.

    So that a rate means the same for a level of 13 and one of 83 units.
    """

    policy: Policy
    unit: tuple[float, ...]  # levels to start from; a policy with one scalar has one

    def init(self, key: Array) -> Float[Array, "*L"]:
        """Return ones."""
        del key
        return jnp.ones(len(self.unit)) if len(self.unit) > 1 else jnp.float32(1.0)

    def levels(self, params: Float[Array, "*L"]) -> Float[Array, "*L"]:
        """Return the levels, units."""
        unit = jnp.asarray(self.unit if len(self.unit) > 1 else self.unit[0], jnp.float32)
        return params * unit

    def apply(
        self, params: Float[Array, "*L"], observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the policy's requests at those levels."""
        return self.policy.apply(self.levels(params), observation, key)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """A problem, its optimum, and how long each method may try."""

    name: str
    task: SampledTask
    policy: Policy
    optimum: float  # currency a period; of D, a bound that no policy can reach
    reference: Policy  # one whose cost is known, to compare with on the same draws
    reference_params: PyTree
    reference_cost: float | None  # currency a period; none of D: it is simulated, once
    gradient: TrainConfig
    ppo: TrainConfig
    rates: Mapping[str, Sequence[float]]
    endless_discount: float


def _lost_sales(lead_time: int, unmet_cost: float, max_order: int, max_stock: int) -> float:
    pmf = np.append(stats.poisson(MEAN).pmf(np.arange(19)), stats.poisson(MEAN).sf(18))
    return optimal_cost(
        LostSales(
            pmf=pmf,
            lead_time=lead_time,
            holding_cost=1.0,
            unmet_cost=unmet_cost,
            max_order=max_order,
            max_stock=max_stock,
        )
    )


def _task(problem: tuple[Any, Any, Any], lead: int) -> SampledTask:
    """Return rollouts whose rewards count from when the first orders have arrived."""
    simulator, params, sample = problem
    return SampledTask(
        params=params,
        simulator=simulator,
        sample=sample,
        periods=36 + lead,
        warm_up=lead,
        evaluation_batch=500,
        evaluation_periods=140,
        evaluation_warm_up=60,
    )


_NETWORK_RATES = {"gradient": (1.25e-2, 2.5e-2, 5e-2), "ppo": (1e-3, 2e-3, 4e-3)}
_LEVEL_RATES = {"gradient": (0.01, 0.02, 0.04), "ppo": (3e-3, 1e-2, 3e-2)}


def lost_sales(
    lead_time: int,
    unmet_cost: float,
    *,
    base_stock: tuple[float, float],
    max_order: int,
    max_stock: int,
) -> Problem:
    """Return problem A: a plain network orders for a store that loses what it cannot serve.

    Args:
        lead_time: Periods.
        unmet_cost: Currency per unit lost.
        base_stock: The best level, and its published cost (Zipkin 2008).
        max_order: Out of reach of an optimal policy, as is the next.
        max_stock: Units on hand.
    """
    problem = single_store(
        lead_time=lead_time, unmet_cost=unmet_cost, backlog=False, demand=Poisson(rate=MEAN)
    )
    task = _task(problem, lead_time)
    pmf = np.append(stats.poisson(MEAN).pmf(np.arange(19)), stats.poisson(MEAN).sf(18))
    exact = LostSales(
        pmf=pmf,
        lead_time=lead_time,
        holding_cost=1.0,
        unmet_cost=unmet_cost,
        max_order=max_order,
        max_stock=max_stock,
    )
    return Problem(
        name=f"A. lost sales, L = {lead_time}, p = {unmet_cost:g}",
        task=task,
        policy=MLPPolicy.for_task(task),
        optimum=optimal_cost(exact),
        reference=BaseStock(),
        reference_params=jnp.float32(base_stock[0]),
        reference_cost=base_stock[1],
        gradient=TrainConfig(updates=800, batch_products=4, evaluate_every=16, ema_decay=0.95),
        ppo=TrainConfig(updates=240, batch_products=16, evaluate_every=6, ema_decay=0.9),
        rates=_NETWORK_RATES,
        endless_discount=0.95,
    )


def _of_levels(
    name: str,
    problem: tuple[Any, Any, Any],
    policy: Scaled,
    optimum: Optimum,
    lead: int,
    *,
    known: bool = True,
) -> Problem:
    """Return a problem whose policy is made of levels; its reference is at the optimal ones."""
    long = lead > 6
    return Problem(
        name=name,
        task=_task(problem, lead),
        policy=policy,
        optimum=optimum.cost,
        reference=policy.policy,
        reference_params=jnp.asarray(np.squeeze(optimum.levels), jnp.float32),
        reference_cost=optimum.cost if known else None,
        gradient=TrainConfig(
            updates=400 if long else 150,
            batch_products=16 if long else 4,
            evaluate_every=8 if long else 3,
            ema_decay=0.9,
        ),
        ppo=TrainConfig(
            updates=240 if long else 120,
            batch_products=32 if long else 8,
            evaluate_every=6 if long else 3,
            ema_decay=0.9,
        ),
        rates=_LEVEL_RATES,
        endless_discount=0.98 if long else 0.95,
    )


def backlog(lead_time: int) -> Problem:
    """Return problem B: a base-stock level."""
    best = base_stock_optimum(
        discretise(stats.norm(MEAN, 1.6), 0.01),
        0.01,
        lead_time=lead_time,
        holding_cost=1.0,
        unmet_cost=9.0,
    )
    return _of_levels(
        f"B. backlog, L = {lead_time}, p = 9",
        single_store(lead_time=lead_time, unmet_cost=9.0),
        Scaled(policy=BaseStock(), unit=(MEAN * (lead_time + 1),)),
        best,
        lead_time,
    )


def serial() -> Problem:
    """Return problem C: four echelon base-stock levels."""
    setting: dict[str, Any] = {
        "lead_times": (2, 4, 3, 4),
        "holding_cost": (0.1, 0.2, 0.5, 1.0),
        "unmet_cost": 9.0,
    }
    best = serial_optimum(discretise(stats.norm(5, 2), 0.02), 0.02, **setting)
    # The mean demand until an order of the stage reaches customers.
    start = tuple(MEAN * (1 + sum(setting["lead_times"][stage:])) for stage in range(4))
    return _of_levels(
        "C. serial line of four",
        serial_line(**setting),
        Scaled(policy=EchelonBaseStock(parent=(-1, 0, 1, 2)), unit=start),
        best,
        13,
    )


def one_warehouse() -> Problem:
    """Return problem D: the level of a warehouse that allots to equal fractiles."""
    bound = transshipment_bound(
        np.array(MEANS),
        np.array(SDS),
        correlation=0.5,
        warehouse_lead_time=3,
        store_lead_time=2,
        holding_cost=1.0,
        unmet_cost=4.0,
    )
    policy = EqualFractile(
        mean=tuple(3.0 * mean for mean in MEANS), sd=tuple(3.0**0.5 * sd for sd in SDS)
    )
    return _of_levels(
        "D. one warehouse, five stores",
        transshipment(
            demand=Normal(means=MEANS, sds=SDS, correlation=0.5, clip=False),
            store_lead_time=2,
            unmet_cost=4.0,
        ),
        Scaled(policy=policy, unit=(sum(MEANS) * 6.0,)),
        replace(bound, cost=bound.cost * len(MEANS)),
        5,
        known=False,
    )


def problems() -> list[Problem]:
    """Return problems A to D."""
    return [
        lost_sales(1, 4.0, base_stock=(12.0, 4.1628), max_order=13, max_stock=24),
        lost_sales(4, 9.0, base_stock=(28.0, 7.2709), max_order=9, max_stock=34),
        backlog(1),
        backlog(4),
        serial(),
        one_warehouse(),
    ]


def method_of(problem: Problem, name: str) -> Method:
    """Return a method by its name in the tables."""
    if name == "gradient":
        return PathwiseGradient(policy=problem.policy)
    if name == "evolution":
        return EvolutionStrategy(policy=problem.policy, pairs=16, sigma=0.05)
    return PPO(policy=problem.policy, endless_discount=problem.endless_discount)


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


def main(out: Path) -> None:
    """Run this part alone.

    Args:
        out: Folder of ``policies_classic.json`` and the figure.
    """
    run_alone(NAME, run, out)


if __name__ == "__main__":
    tyro.cli(main)
