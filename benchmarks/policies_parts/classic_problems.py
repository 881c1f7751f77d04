"""The classic problems that trainers are judged on: their optima, starts, rates and lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import stats

from draingym.policies import (
    BaseStock,
    EchelonBaseStock,
    EqualFractile,
    MLPPolicy,
    SampledTask,
    TrainConfig,
)
from draingym.policies.bounds.lost_sales import LostSales, optimal_cost
from draingym.policies.bounds.optimal import (
    Optimum,
    base_stock_optimum,
    discretise,
    serial_optimum,
    transshipment_bound,
)
from draingym.simulator import (
    Normal,
    Observation,
    Poisson,
    Policy,
    PyTree,
    serial_line,
    single_store,
    transshipment,
)

MEAN = 5.0  # units a period, of all single stores
# As the public settings of hindsight-differentiable policy optimisation draw them, seeds 33, 92.
MEANS = (3.743, 4.75, 4.555, 3.801, 6.852)
SDS = (1.765, 2.124, 1.622, 1.405, 1.714)


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
    extra_discount: float


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
        extra_discount=0.95,
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
        extra_discount=0.98 if long else 0.95,
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
