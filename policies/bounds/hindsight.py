"""What the best policy with perfect information could earn: a linear program per trajectory.

The program knows every demand, lead time and price of a scenario and decides freely what to ship
when, and which customers to serve from where. Every trajectory that the simulator can produce is
one of its solutions, so no policy earns more on that scenario. It may sell less than a kernel
would, ship parts of units, and pick the node that serves an order: the bound is loose by as much.

- ``LocalDemand``: demand of a node from that node, lost or waiting. Exact for real units where no
  customer is worth refusing.
- ``ClosestNode``: the scenario's orders by region, each from whichever open node at its cost.

Source: the bound by perfect information, without penalty, of Brown, Smith and Sun (2010),
"Information relaxations and duality in stochastic dynamic programs".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from draingym.drain_model import ClosestNode
from draingym.simulator import LocalDemand, Params, Scenario, Simulator
from draingym.simulator.checks import check_waiting

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hindsight:
    """The best that could have been done in one scenario."""

    value: float  # currency, discounted as the simulator's return
    shipped: FloatArray  # [T, N] units that every node gets from its parent or the vendor
    served: FloatArray  # [T, N] units to customers
    on_hand: FloatArray  # [T, N] units at a period's end


@dataclass(frozen=True, kw_only=True, slots=True)
class _Customers:
    """Who wants what, and what serving is worth besides the price."""

    node: NDArray[np.int64]  # [F] of every way to serve
    group: NDArray[np.int64]  # [F] which customers it serves
    ship_cost: FloatArray  # [F] currency a unit
    wanted: FloatArray  # [T, G] units
    unmet_cost: FloatArray  # [G] currency a unit lost, or waiting at a period's end
    open_now: NDArray[np.bool_]  # [T, F] whether the way is open
    backlog: bool
    waiting: FloatArray  # [G] units at the start


def hindsight_plan(simulator: Simulator, params: Params, scenario: Scenario) -> Hindsight:
    """Return the best that could have been done in one scenario.

    ``max sum_t discount**t reward_t`` over shipments, sales and stock, with the simulator's order
    of events, its rationing relaxed to the parent's stock, and sales to at most the demand.

    Args:
        simulator: With a ``LocalDemand`` or ``ClosestNode`` kernel.
        params: Its parameters.
        scenario: One trajectory's, leaves [T, ...].

    Returns:
        The bound, and the plan that reaches it.

    Raises:
        TypeError: If the kernel is another.
        ValueError: If shipments arrive in rounded pieces, which no linear program follows; if
            customers wait at the start though the kernel has no backlog; if storage above
            capacity is cheaper than within it; or if HiGHS finds no optimum.
    """
    series = jax.tree.map(np.asarray, scenario.series)
    if simulator.dynamics.whole_units and series.split_uniform is not None:
        raise ValueError("series.split_uniform is given with whole units, must be None")
    check_waiting(simulator.kernel, scenario.initial.history)
    customers = _customers(simulator, params, scenario)
    return _Model(simulator, params, scenario, customers).solve()


def hindsight_values(
    simulator: Simulator,
    params: Params,
    scenario: Scenario,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> FloatArray:
    """Return [B] currency: the bound in each of a batch of scenarios.

    Args:
        simulator: With a ``LocalDemand`` or ``ClosestNode`` kernel.
        params: Its parameters.
        scenario: Leaves with a leading axis, [B, ...] and [B, T, ...].
        progress: Called with (scenarios done, scenarios).
    """
    batch = scenario.series.period.shape[0]
    host = jax.tree.map(np.asarray, scenario)
    values = np.zeros(batch)
    for b in range(batch):
        one: Scenario = jax.tree.map(lambda leaf, b=b: leaf[b], host)
        values[b] = hindsight_plan(simulator, params, one).value
        if progress is not None:
            progress(b + 1, batch)
    return values


def _customers(simulator: Simulator, params: Params, scenario: Scenario) -> _Customers:
    kernel, series = simulator.kernel, scenario.series
    nodes = params.parent.shape[0]
    unmet = np.asarray(params.unmet_cost, np.float64)
    periods = series.period.shape[0]
    if isinstance(kernel, LocalDemand):
        wanted = np.asarray(kernel.prepare(params.kernel, series), np.float64)
        waiting = np.asarray(kernel.init(params.kernel, scenario.initial.history), np.float64)
        each = np.arange(nodes)
        return _Customers(
            node=each,
            group=each,
            ship_cost=np.asarray(params.kernel.unit_ship_cost, np.float64),
            wanted=wanted,
            unmet_cost=unmet,
            open_now=np.ones((periods, nodes), bool),
            backlog=kernel.backlog,
            waiting=waiting,
        )
    if isinstance(kernel, ClosestNode):
        orders = series.exogenous
        if orders is None:
            orders = kernel.prepare(params.kernel, series)
        region = np.asarray(orders.region)
        distance = np.asarray(params.kernel.distance_km, np.float64)
        regions = np.unique(region[region >= 0])
        wanted = (region[:, :, None] == regions[None, None, :]).sum(axis=1).astype(np.float64)
        active = np.asarray(orders.active)
        node = np.repeat(np.arange(nodes), len(regions))
        group = np.tile(np.arange(len(regions)), nodes)
        fixed, per_km = float(params.kernel.cost_fixed), float(params.kernel.cost_per_km)
        # Lost units are charged to the closest open node: the cheapest of them is a bound.
        near = np.where(active[:, :, None], distance[None][:, :, regions], np.inf)
        return _Customers(
            node=node,
            group=group,
            ship_cost=fixed + per_km * distance[node, regions[group]],
            wanted=wanted,
            unmet_cost=unmet[np.argmin(near, axis=1)].min(axis=0),
            open_now=active[:, node],
            backlog=False,
            waiting=np.zeros(len(regions)),
        )
    raise TypeError(f"kernel is a {type(kernel).__name__}, must be LocalDemand or ClosestNode")


class _Model:
    """The program: variables by name, each with a block of columns; rows as they are added."""

    def __init__(
        self, simulator: Simulator, params: Params, scenario: Scenario, customers: _Customers
    ) -> None:
        self.simulator, self.customers = simulator, customers
        self.params = jax.tree.map(lambda leaf: np.asarray(leaf), params)
        self.series = jax.tree.map(np.asarray, scenario.series)
        self.initial = jax.tree.map(np.asarray, scenario.initial)
        self.periods, self.nodes = self.series.lead_share.shape[:2]
        self.lead = self.series.lead_share.shape[2]
        blocks = {
            "shipped": self.nodes,
            "stock": self.nodes,
            "served": len(customers.node),
            "unmet": customers.wanted.shape[1],
        }
        if self.params.capacity is not None:
            blocks["over"] = self.nodes
        self.start: dict[str, int] = {}
        self.size = 0
        for name, width in blocks.items():
            self.start[name] = self.size
            self.size += self.periods * width
        self.width = blocks

    def at(self, name: str, t: int, i: Any) -> Any:
        """Return the column of a variable in a period."""
        return self.start[name] + t * self.width[name] + i

    def solve(self) -> Hindsight:
        """Build, solve, and read the plan."""
        cost, constant = self.costs()
        equal, to, below, most = self.rows()
        top = np.full(self.size, np.inf)
        exists = self.params.active_from[None, :] <= self.series.period[:, None]
        for name, allowed in (("shipped", exists), ("served", self.customers.open_now)):
            at = slice(self.start[name], self.start[name] + allowed.size)
            top[at] = np.where(allowed.ravel(), np.inf, 0.0)
        found = linprog(
            cost,
            A_ub=below,
            b_ub=most,
            A_eq=equal,
            b_eq=to,
            bounds=np.stack([np.zeros(self.size), top], axis=1),
            method="highs",
        )
        if found.x is None:
            raise ValueError(f"hindsight program: {found.message}")
        blocks = {
            name: found.x[self.start[name] :][: self.periods * width].reshape(self.periods, width)
            for name, width in self.width.items()
        }
        served = np.zeros((self.periods, self.nodes))
        np.add.at(served.T, self.customers.node, blocks["served"].T)
        return Hindsight(
            value=constant - float(found.fun),
            shipped=blocks["shipped"],
            served=served,
            on_hand=blocks["stock"],
        )

    def due(self) -> FloatArray:
        """Return [T, N] units that arrive of what was in transit at the start."""
        due = np.zeros((self.periods, self.nodes))
        known = min(self.periods, self.initial.pipeline.shape[0])
        due[:known] = self.initial.pipeline[:known]
        return due

    def costs(self) -> tuple[FloatArray, float]:
        """Return the cost of every column, and the value of what no decision changes."""
        p, s, nodes = self.params, self.series, self.nodes
        cost, constant = np.zeros(self.size), 0.0
        root = p.parent < 0
        for t in range(self.periods):
            weight = float(p.discount) ** t
            keep = p.holding_cost + p.holding_rate * s.unit_cost[t]
            if s.storage_price is not None:
                keep = keep + s.storage_price[t]
            if p.capacity is not None:
                if (p.overflow_price < p.capacity_price).any():
                    raise ValueError(
                        f"overflow_price is {p.overflow_price}, must be at least capacity_price "
                        f"{p.capacity_price} for a linear program"
                    )
                keep = keep + p.capacity_price
                extra = p.overflow_price - p.capacity_price
                cost[self.at("over", t, np.arange(nodes))] += weight * extra
            end = float(p.salvage_rate * s.unit_cost[t]) if s.last[t] else 0.0
            cost[self.at("stock", t, np.arange(nodes))] += weight * (keep - end)
            served = np.arange(len(self.customers.node))
            value = float(s.price[t]) - self.customers.ship_cost
            cost[self.at("served", t, served)] -= weight * value
            groups = np.arange(self.customers.wanted.shape[1])
            cost[self.at("unmet", t, groups)] += weight * self.customers.unmet_cost
            transfer = np.where(root, 0.0, p.transfer_cost)
            cost[self.at("shipped", t, np.arange(nodes))] += weight * transfer
            # What arrives at a root is paid for; what is in transit costs, or is worth its salvage.
            buy = np.where(root, s.unit_cost[t], 0.0)
            way = (0.0 if p.transit_cost is None else p.transit_cost) - np.where(root, 0.0, end)
            constant -= weight * float(buy @ self.due()[t])
            later = self.initial.pipeline[t + 1 :].sum(axis=0)
            constant -= weight * float((way * later).sum())
            for ago in range(min(t + 1, self.lead)):
                share = s.lead_share[t - ago, :, ago]
                cost[self.at("shipped", t - ago, np.arange(nodes))] += weight * buy * share
                still = s.lead_share[t - ago, :, ago + 1 :].sum(axis=1)
                cost[self.at("shipped", t - ago, np.arange(nodes))] += weight * way * still
        return cost, constant

    def rows(self) -> tuple[sparse.csr_array, FloatArray, sparse.csr_array, FloatArray]:
        """Return equalities (balance, demand) and inequalities (parents' shelves, capacity)."""
        equal, shelf = _Rows(self.size), _Rows(self.size)
        due, initial = self.due(), self.initial.on_hand
        children = [np.flatnonzero(self.params.parent == n) for n in range(self.nodes)]
        ways = [np.flatnonzero(self.customers.node == n) for n in range(self.nodes)]
        groups = self.customers.wanted.shape[1]
        serving = [np.flatnonzero(self.customers.group == g) for g in range(groups)]
        for t in range(self.periods):
            for n in range(self.nodes):
                arriving = [
                    (self.at("shipped", t - ago, n), float(self.series.lead_share[t - ago, n, ago]))
                    for ago in range(min(t + 1, self.lead))
                ]
                sent = [(self.at("shipped", t, m), 1.0) for m in children[n]]
                before = [(self.at("stock", t - 1, n), -1.0)] if t > 0 else []
                had = float(initial[n]) if t == 0 else 0.0
                out = [(self.at("served", t, f), 1.0) for f in ways[n]]
                # stock_t = stock_(t-1) + arrived - sent - served
                equal.add(
                    [
                        (self.at("stock", t, n), 1.0),
                        *before,
                        *((column, -share) for column, share in arriving),
                        *sent,
                        *out,
                    ],
                    had + float(due[t, n]),
                )
                if len(sent) > 0:  # what leaves was on the shelf, or came of earlier shipments
                    at_once = self.simulator.dynamics.ship_arrivals
                    came = arriving[1:] if at_once else []
                    free = had + (float(due[t, n]) if at_once else 0.0)
                    shelf.add([*sent, *before, *((c, -share) for c, share in came)], free)
                if self.params.capacity is not None and np.isfinite(self.params.capacity[n]):
                    shelf.add(
                        [(self.at("stock", t, n), 1.0), (self.at("over", t, n), -1.0)],
                        float(self.params.capacity[n]),
                    )
            for g in range(groups):
                # unmet_t = wanted_t - served_t, and unmet_(t-1) too where it waits
                owed = self.customers.backlog
                waited = [(self.at("unmet", t - 1, g), -1.0)] if owed and t > 0 else []
                wanted = float(self.customers.wanted[t, g])
                wanted += float(self.customers.waiting[g]) if owed and t == 0 else 0.0
                equal.add(
                    [
                        (self.at("unmet", t, g), 1.0),
                        *waited,
                        *((self.at("served", t, f), 1.0) for f in serving[g]),
                    ],
                    wanted,
                )
        return *equal.done(), *shelf.done()


class _Rows:
    """Rows of a sparse matrix, added one by one."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.row: list[int] = []
        self.column: list[int] = []
        self.value: list[float] = []
        self.right: list[float] = []

    def add(self, entries: list[tuple[int, float]], right: float) -> None:
        self.row += [len(self.right)] * len(entries)
        self.column += [column for column, _ in entries]
        self.value += [value for _, value in entries]
        self.right.append(right)

    def done(self) -> tuple[sparse.csr_array, FloatArray]:
        shape = (len(self.right), self.columns)
        matrix = sparse.csr_array((self.value, (self.row, self.column)), shape=shape)
        return matrix, np.asarray(self.right)
