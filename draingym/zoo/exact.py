"""What is known exactly: the least cost of a problem, and the policy that has it.

By value iteration on tables, by Clark and Scarf's recursion, or in closed form, all in plain NumPy
and without the simulator; ``exact`` takes a problem, and a test plays what it returns in the
environment itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from draingym.common.arrays import IntArray
from draingym.policies import BaseStock, ReorderPoint, ReorderPointParams, TabularOrders
from draingym.policies.bounds.decisions import enumerate_decisions, solve
from draingym.policies.bounds.lost_sales import LostSales as LostSalesTable
from draingym.policies.bounds.lost_sales import optimal_cost, optimal_orders
from draingym.policies.bounds.one_node import dual_sourcing, fixed_cost_store
from draingym.policies.bounds.optimal import backlog_cost
from draingym.policies.bounds.perishables import perishable_store, platelets, substituted_products
from draingym.simulator import Observation, Policy, PyTree
from draingym.zoo.assembly import Assembly
from draingym.zoo.demand import probabilities
from draingym.zoo.dual_sourcing import DualSourcing
from draingym.zoo.echelons import EchelonLevels, tree_optimum
from draingym.zoo.lines import BeerGame
from draingym.zoo.perishable import Perishable
from draingym.zoo.platelets import Platelets
from draingym.zoo.problem import Problem
from draingym.zoo.store import Disruptions, FixedOrderCost, LostSales, RandomLeadTimes
from draingym.zoo.substitution import TwoProducts


@dataclass(frozen=True, kw_only=True, slots=True)
class Exact:
    """The least cost, and what has it.

    >>> found = tabular(3.2, np.array([[2], [1], [0]]), lambda seen: [seen.on_hand[0]])
    >>> found.cost, type(found.policy).__name__
    (3.2, 'TabularDecisions')
    """

    cost: float  # currency a period in the long run, or discounted from the start on
    policy: Policy
    params: PyTree


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TabularDecisions:
    """Requests on every arc, looked up in a table by the state; the table is the parameter.

    Gradients: zero.

    Example:
        >>> policy = TabularDecisions(
        ...     table=np.array([[2], [1], [0]]), state=lambda seen: [seen.on_hand[0]], lowest=(0,)
        ... )
        >>> policy.init(jax.random.key(0)).tolist()
        [[2], [1], [0]]
    """

    table: IntArray  # [*states, E] units
    state: Callable[[Observation], Sequence[Array]]  # units, by axis
    lowest: tuple[int, ...]  # units that the first entry of each axis stands for

    def init(self, key: Array) -> Int[Array, "*states E"]:
        """Return the table."""
        del key
        return jnp.asarray(self.table, jnp.int32)

    def apply(
        self, params: Int[Array, "*states E"], observation: Observation, key: Array
    ) -> Float[Array, " E"]:
        """Return the units requested; a state beyond the table is cut to its edge."""
        del key
        index = tuple(
            jnp.clip(jnp.round(units).astype(jnp.int32) - low, 0, size - 1)
            for units, low, size in zip(
                self.state(observation), self.lowest, params.shape[:-1], strict=True
            )
        )
        return params[index].astype(jnp.float32)


def tabular(
    cost: float,
    action: IntArray,
    state: Callable[[Observation], Sequence[Array]],
    lowest: Sequence[int] | None = None,
) -> Exact:
    """Return what acts by a solved table, [*states, actions].

    >>> found = tabular(3.2, np.array([[2], [1], [0]]), lambda seen: [seen.on_hand[0]], lowest=(0,))
    >>> found.params.tolist()
    [[2], [1], [0]]
    """
    none = (0,) * (action.ndim - 1)
    policy = TabularDecisions(
        table=action, state=state, lowest=none if lowest is None else tuple(lowest)
    )
    return Exact(cost=cost, policy=policy, params=policy.init(jax.random.key(0)))


@singledispatch
def exact(problem: Any) -> Exact | None:
    """Return the optimum of a problem; None where no solver of ours takes it.

    Raises:
        TypeError: If it is no problem of the zoo.
    """
    if not isinstance(problem, Problem):
        raise TypeError(f"problem is {type(problem).__name__}, must be a Problem of the zoo")
    return None


def _fractile(problem: LostSales, periods: int) -> int:
    """Return the critical fractile of demand over so many periods, units."""
    pmf = probabilities(problem.distribution)
    total = np.ones(1)
    for _ in range(periods):
        total = np.convolve(total, pmf)
    share = problem.unmet_cost / (problem.unmet_cost + problem.holding_cost)
    return int(np.searchsorted(np.cumsum(total), share))


@exact.register
def _(problem: LostSales) -> Exact:
    """Relative value iteration over stock and transit.

    No order is above the fractile of a period's demand, no position above that of the lead time's
    and one (Zipkin 2008, "On the structure of lost-sales inventory models").
    """
    table = LostSalesTable(
        pmf=probabilities(problem.distribution),
        lead_time=problem.lead_time,
        holding_cost=problem.holding_cost,
        unmet_cost=problem.unmet_cost,
        max_order=_fractile(problem, 1),
        max_stock=_fractile(problem, problem.lead_time + 1),
    )
    policy = TabularOrders(table=optimal_orders(table))
    return Exact(cost=optimal_cost(table), policy=policy, params=policy.init(jax.random.key(0)))


@exact.register
def _(problem: FixedOrderCost) -> Exact | None:
    """Value iteration over net stock, where an order is there at once."""
    if problem.lead_time:
        return None
    pmf = np.asarray(probabilities(problem.network().demand["store"]))
    reach = len(pmf)
    lot = int(np.sqrt(2 * problem.order_fee * problem.mean_demand / problem.holding_cost))
    lowest = -2 * reach
    store = fixed_cost_store(
        pmf,
        order_fee=problem.order_fee,
        holding_cost=problem.holding_cost,
        unmet_cost=problem.unmet_cost,
        lowest=lowest,
        highest=reach + 2 * lot,
    )
    solved = solve(store)
    target = solved.action[:, 0]
    orders = np.flatnonzero(target > np.arange(len(target)))
    reorder, level = int(orders[-1]) + lowest, int(target[orders[-1]]) + lowest
    params = ReorderPointParams(level=jnp.float32(reorder), batch=jnp.float32(level - reorder))
    return Exact(cost=solved.gain, policy=ReorderPoint(), params=params)


def _with_transit(observation: Observation) -> list[Array]:
    """Return net stock with what arrives now, and what is due later on the first arc."""
    due = observation.pipeline
    net = observation.on_hand[0] - observation.waiting[0] + jnp.sum(due[0])
    return [net, *(due[k, 0] for k in range(1, due.shape[0]))]


@exact.register
def _(problem: DualSourcing) -> Exact | None:
    """Value iteration over net stock and regular orders in transit, the dear supplier at once."""
    if problem.lead_time_expedited or problem.lead_time_regular < 1:
        return None
    most = problem.demand_high
    lowest, highest = -2 * most - 4, most * (problem.lead_time_regular + 4)
    table = dual_sourcing(
        probabilities(problem.network().demand["store"]),
        regular_lead_time=problem.lead_time_regular,
        holding_cost=problem.holding_cost,
        unmet_cost=problem.unmet_cost,
        expedited_cost=problem.cost_expedited - problem.cost_regular,
        most=(most, int(problem.max_order)),
        lowest=lowest,
        highest=highest,
    )
    solved = solve(table, tolerance=1e-7)
    regular = problem.cost_regular * float(problem.network().demand["store"].mean[0])
    states = [lowest] + [0] * (problem.lead_time_regular - 1)
    return tabular(solved.gain + regular, solved.action, _with_transit, states)


def _ages(observation: Observation) -> Float[Array, "A N"]:
    """Return units on hand by age; those of a shelf life have some."""
    if observation.ages is None:
        raise ValueError("observation has no ages, must be of stock that expires")
    return observation.ages


def _by_age(observation: Observation) -> list[Array]:
    """Return orders in transit, the newest first, then stock by age with what arrives now."""
    due, ages = observation.pipeline[:, 0], _ages(observation)[:, 0]
    later = [due[k] for k in range(due.shape[0] - 1, 0, -1)]
    return [*later, ages[0] + due[0], *(ages[a] for a in range(1, ages.shape[0]))]


@exact.register
def _(problem: Perishable) -> Exact:
    """Value iteration over stock by age and transit; the cost is that from an empty store on."""
    pmf = np.asarray(problem.distribution.pmf)
    table = perishable_store(
        pmf,
        shelf_life=problem.shelf_life,
        lead_time=problem.lead_time,
        lifo=problem.lifo,
        order_cost=problem.order_cost,
        unmet_cost=problem.unmet_cost,
        waste_cost=problem.waste_cost,
        holding_cost=problem.holding_cost,
        max_order=problem.max_order,
        discount=problem.discount,
    )
    solved = solve(table, tolerance=1e-6)
    empty = solved.gain if problem.discount == 1 else float(solved.value.ravel()[0])
    return tabular(empty, solved.action, _by_age)


@exact.register
def _(problem: RandomLeadTimes) -> Exact:
    """Value iteration over net stock and what is due in each of the periods to come.

    What is due in a period adds up over the orders that meet there; the table is cut at what two
    of the largest orders bring.
    """
    lead = np.asarray(problem.lead_time_probabilities)
    pmf = probabilities(problem.network().demand["store"], 1e-7)
    most, longest = int(2 * problem.mean_demand) + 3, len(lead) - 1
    lowest, highest = -3 * len(pmf), int(problem.mean_demand * (longest + 4)) + 12
    size = highest - lowest + 1
    due = [most + int(problem.mean_demand) + 1] * max(longest - 1, 0)

    def step(
        state: Sequence[IntArray], action: Sequence[IntArray], outcome: Sequence[IntArray]
    ) -> Any:
        (order,), (demand, takes) = action, outcome
        left = state[0] + np.where(takes == 0, order, 0) - demand
        cost = backlog_cost(left + lowest, problem.holding_cost, problem.unmet_cost)
        arrives = [
            (state[k] if k < len(state) else 0) + np.where(takes == k, order, 0)
            for k in range(1, longest + 1)
        ]
        now = arrives[0] if arrives else 0
        return [left + now, *arrives[1:]], cost, pmf[demand] * lead[takes]

    table = enumerate_decisions([size, *due], [most + 1], [len(pmf), len(lead)], step)
    solved = solve(table, tolerance=1e-5)
    return tabular(solved.gain, solved.action, _with_transit, [lowest] + [0] * len(due))


@exact.register
def _(problem: Disruptions) -> Exact:
    """A level that covers the demand of the critical fractile of the periods without supply.

    Source:
        Snyder and Shen (2019), lemma 9.2 and equation (9.18): the number of periods in a row in
        which the supplier was down, this one included, is 0 with probability ``b / (a + b)`` and n
        with probability ``a b / (a + b) (1 - b)^(n - 1)``.
    """
    falls, rises = problem.disruption_probability, problem.recovery_probability
    down = np.arange(1, 2000)
    chance = np.concatenate([[rises], falls * rises * (1.0 - rises) ** (down - 1.0)]) / (
        falls + rises
    )
    share = problem.unmet_cost / (problem.unmet_cost + problem.holding_cost)
    covered = int(np.searchsorted(np.cumsum(chance), share))
    level = problem.demand * (covered + 1)
    left = level - problem.demand * np.arange(1, len(chance) + 1)
    cost = float(chance @ backlog_cost(left, problem.holding_cost, problem.unmet_cost))
    return Exact(cost=cost, policy=BaseStock(), params=jnp.float32(level))


def _of_tree(problem: BeerGame | Assembly, leads: Sequence[int], *, balanced: bool) -> Exact:
    """Return the optimum of a tree that ends in one item, whose orders arrive after ``leads``."""
    network = problem.network()
    index = network.index
    out = [-1] * len(network.nodes)
    into: list[list[int]] = [[] for _ in network.nodes]
    feeds = [-1] * len(network.nodes)
    for e, arc in enumerate(network.arcs):
        into[index[arc.target]].append(e)
        if arc.source is not None:
            out[index[arc.source]], feeds[index[arc.source]] = e, index[arc.target]
    transit = [network.arcs[arcs[0]].longest_lead for arcs in into]
    levels, cost, reach = tree_optimum(
        probabilities(next(iter(network.demand.values()))),
        feeds=feeds,
        lead_times=leads,
        transit_times=transit,
        holding_costs=problem.holding_costs,
        unmet_cost=problem.unmet_cost,
    )
    policy = EchelonLevels(
        feeds=tuple(feeds),
        into=tuple(tuple(arcs) for arcs in into),
        out=tuple(out),
        lead_times=tuple(leads),
        reach=tuple(reach),
        balanced=balanced,
        levels=tuple(levels),
    )
    return Exact(cost=cost, policy=policy, params=policy.init(jax.random.key(0)))


@exact.register
def _(problem: BeerGame) -> Exact:
    """Clark and Scarf: an order's delay is part of its lead time, and of no other stage's."""
    leads = [a + b for a, b in zip(problem.lead_times, problem.order_delays, strict=True)]
    return _of_tree(problem, leads, balanced=False)


@exact.register
def _(problem: Assembly) -> Exact:
    """Rosling: the assembly tree is equal to a line."""
    return _of_tree(problem, problem.lead_times, balanced=True)


def _two_ages(observation: Observation) -> list[Array]:
    """Return the young and the old units of both products; what is due now is young."""
    ages = _ages(observation)
    young = ages[0] + jnp.sum(observation.pipeline, axis=0)
    return [young[0], ages[1, 0], young[1], ages[1, 1]]


@exact.register
def _(problem: TwoProducts) -> Exact | None:
    """Value iteration over both products' stock by age, of a life of two periods."""
    if problem.shelf_life != 2:
        return None
    table = substituted_products(
        (problem.mean_demand_a, problem.mean_demand_b),
        accepts=problem.accepts,
        prices=(problem.price_a, problem.price_b),
        order_costs=(problem.order_cost_a, problem.order_cost_b),
        max_orders=(problem.max_order_a, problem.max_order_b),
        discount=problem.discount,
    )
    solved = solve(table, tolerance=1e-7)
    empty = solved.gain if problem.discount == 1 else float(solved.value.ravel()[0])
    return tabular(empty, solved.action, _two_ages)


def _of_weekday(observation: Observation) -> list[Array]:
    """Return the weekday, and the units with two periods left and with one."""
    ages = _ages(observation)
    return [jnp.argmax(observation.calendar).astype(ages.dtype), ages[1, 0], ages[2, 0]]


@exact.register
def _(problem: Platelets) -> Exact | None:
    """Value iteration over the weekday and stock by age, from an empty store on the first day."""
    if len(problem.intercepts) != 2:
        return None
    table = platelets(
        problem.demand.pmf,
        logits=(problem.intercepts, problem.slopes),
        order_fee=problem.order_fee,
        unmet_cost=problem.unmet_cost,
        waste_cost=problem.waste_cost,
        holding_cost=problem.holding_cost,
        max_order=problem.max_order,
        discount=problem.discount,
    )
    solved = solve(table, tolerance=1e-5)
    empty = solved.gain if problem.discount == 1 else float(solved.value.ravel()[0])
    return tabular(empty, solved.action, _of_weekday)
