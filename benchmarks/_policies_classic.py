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
from policies.optimal import base_stock_optimum, discretise, serial_optimum, transshipment_bound
from simulator import (
    Normal,
    Observation,
    Poisson,
    Policy,
    PyTree,
    Scenario,
    serial_line,
    single_store,
    transshipment,
)

NAME = "policies_classic"
SEEDS = (0, 1, 2)
MEAN = 5.0  # units a period, of all single stores
# As the public settings of hindsight-differentiable policy optimisation draw them, seeds 33, 92.
MEANS = (3.743, 4.75, 4.555, 3.801, 6.852)
SDS = (1.765, 2.124, 1.622, 1.405, 1.714)
LEVELS = (0.03, 0.01)  # how far above the optimum counts as reached
FRESH = {"batch": 4000, "periods": 200, "warm_up": 60, "repeats": 4}  # of the last evaluation


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
        params=params, simulator=simulator, sample=sample, periods=36 + lead, warm_up=lead
    )


_NETWORK_RATES = {"gradient": (3e-3, 6e-3, 1.2e-2), "ppo": (1e-3, 2e-3, 4e-3)}
_LEVEL_RATES = {"gradient": (0.01, 0.02, 0.04), "ppo": (3e-3, 6e-3, 1.2e-2)}


def lost_sales(lead_time: int, unmet_cost: float, max_order: int, max_stock: int) -> Problem:
    """Return problem A: a plain network orders for a store that loses what it cannot serve."""
    problem = single_store(
        lead_time=lead_time, unmet_cost=unmet_cost, backlog=False, demand=Poisson(rate=MEAN)
    )
    task = _task(problem, lead_time)
    return Problem(
        name=f"A. lost sales, L = {lead_time}, p = {unmet_cost:g}",
        task=task,
        policy=MLPPolicy.for_task(task),
        optimum=_lost_sales(lead_time, unmet_cost, max_order, max_stock),
        gradient=TrainConfig(updates=800, batch_products=128, evaluate_every=20, ema_decay=0.98),
        ppo=TrainConfig(updates=400, batch_products=128, evaluate_every=20, ema_decay=0.9),
        rates=_NETWORK_RATES,
        endless_discount=0.95,
    )


def _of_levels(
    name: str, problem: tuple[Any, Any, Any], policy: Scaled, optimum: float, lead: int
) -> Problem:
    return Problem(
        name=name,
        task=_task(problem, lead),
        policy=policy,
        optimum=optimum,
        gradient=TrainConfig(updates=120, batch_products=64, evaluate_every=2, ema_decay=0.9),
        ppo=TrainConfig(updates=160, batch_products=64, evaluate_every=4, ema_decay=0.9),
        rates=_LEVEL_RATES,
        endless_discount=0.95 if lead < 6 else 0.98,
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
        best.cost,
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
        best.cost,
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
        bound.cost * len(MEANS),
        5,
    )


def problems() -> list[Problem]:
    """Return problems A to D."""
    return [
        lost_sales(1, 4.0, max_order=13, max_stock=24),
        lost_sales(4, 9.0, max_order=9, max_stock=34),
        backlog(1),
        backlog(4),
        serial(),
        one_warehouse(),
    ]


def judge(task: SampledTask) -> SampledTask:
    """Return what is evaluated on: long after the start, when costs are those of the long run."""
    return replace(task, warm_up=60, periods=61, evaluation_periods=140, evaluation_batch=1500)


def method_of(problem: Problem, name: str) -> Method:
    """Return a method by its name in the tables."""
    if name == "gradient":
        return PathwiseGradient(policy=problem.policy)
    if name == "evolution":
        return EvolutionStrategy(policy=problem.policy, pairs=16, sigma=0.05)
    return PPO(policy=problem.policy, endless_discount=problem.endless_discount)


def fresh_cost(problem: Problem, params: PyTree, seed: int) -> tuple[float, float, float]:
    """Return the cost a period on draws that training did not see, and its interval."""
    task = replace(judge(problem.task), warm_up=FRESH["warm_up"])

    @jax.jit
    def costs(params: PyTree, key: Array) -> Array:
        scenario: Scenario = task.sample(key, FRESH["periods"], FRESH["batch"])
        return -task.values(problem.policy, params, scenario, key, remat=False)

    keys = jax.random.split(jax.random.key(1000 + seed), FRESH["repeats"])
    return mean_interval(np.concatenate([np.asarray(costs(params, key)) for key in keys]))


def reached(result: TrainResult, optimum: float, level: float) -> float:
    """Return the periods simulated before the cost was within a share of the optimum."""
    within = np.flatnonzero(-result.curve <= optimum * (1.0 + level))
    return float(result.periods[within[0]]) if within.size else float("inf")


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


def best_rate(found: list[list[TrainResult]], optimum: float) -> int:
    """Return the rate that reaches the closer level first, the other level, or the least cost."""
    return min(
        range(len(found)),
        key=lambda i: (
            *(np.median([reached(r, optimum, level) for r in found[i]]) for level in LEVELS[::-1]),
            -np.median([r.value for r in found[i]]),
        ),
    )


def row_of(problem: Problem, name: str) -> dict[str, Any]:
    """Train by a method, and return its row."""
    found = learn(problem, name)
    index = best_rate(found, problem.optimum)
    results = found[index]
    middle = sorted(range(len(SEEDS)), key=lambda i: results[i].value)[len(SEEDS) // 2]
    cost, low, high = fresh_cost(problem, results[middle].params, SEEDS[middle])
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
        **{
            f"periods to {100 * level:g}%": float(
                np.median([reached(r, problem.optimum, level) for r in results])
            )
            for level in LEVELS
        },
        "periods": int(results[0].periods[-1]),
        "rate": problem.rates[name][index],
        "seconds": float(sum(run[0].seconds[-1] for run in found)),
    }


def clock_curves(problem: Problem, rates: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return value against wall clock of every method on one problem, one run after the other."""
    rows = []
    for name, config in (
        ("gradient", problem.gradient),
        ("PPO", problem.ppo),
        ("evolution", replace(problem.gradient, updates=400, batch_products=64)),
    ):
        config = replace(config, learning_rate=rates[name])
        method = method_of(problem, name)
        result = train_policy(method, problem.task, config, evaluation=judge(problem.task))
        rows.append(
            {
                "table": "wall clock",
                "problem": problem.name,
                "method": name,
                "rate": rates[name],
                "compile_seconds": result.compile_seconds,
                "seconds": result.seconds.round(4).tolist(),
                "periods": result.periods.tolist(),
                "gap": (100.0 * (-result.curve / problem.optimum - 1.0)).round(3).tolist(),
            }
        )
    return rows


def seconds_to(row: Row, percent: float) -> float:
    """Return the seconds until a gap was reached."""
    within = np.flatnonzero(np.asarray(row["gap"]) <= percent)
    return float(row["seconds"][within[0]]) if within.size else float("inf")


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
        for level in LEVELS:
            column = f"periods to {100 * level:g}%"
            mine, its = gradient[column], ppo[column]
            never = not np.isfinite(its)
            ratio = (ppo["periods"] if never else its) / mine if np.isfinite(mine) else 0.0
            suffix = "; PPO never is, its whole budget counts" if never else ""
            claims.append(
                at_least(
                    1,
                    f"{problem}: periods until within {100 * level:g}%, PPO over gradients{suffix}",
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
            took = seconds_to(row, percent)
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
    colours = {"gradient": "#1b6ca8", "PPO": "#d1495b", "evolution": "#66a182"}

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
        mine = [row_of(problem, name) for name in ("gradient", "ppo")]
        rows += mine
        for row in mine:
            print({k: v for k, v in row.items() if k != "table"}, flush=True)
        if problem.name.startswith(("A. lost sales, L = 4", "C")):
            rates = {"gradient": mine[0]["rate"], "PPO": mine[1]["rate"], "evolution": 0.02}
            timed += clock_curves(problem, rates)
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
