"""The mixed-integer plan of a batch, with HiGHS; and what a unit of stock is worth (its duals)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.optimize import Bounds, LinearConstraint
from scipy.sparse import coo_array, vstack

from draingym.common.arrays import require
from draingym.oracle.fulfilment.planner import UNFILLED, Batch, GreedyPlanner, Plan, cost_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Their stubs, where installed, know no sparse constraints.
linprog: Callable[..., Any] = optimize.linprog
milp: Callable[..., Any] = optimize.milp


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchMilp:
    """Plan a batch to the optimum, or as near as the time allows; never worse than greedily.

    Where no two lines share a group, a box's cost belongs to its line and the plan is a transport
    problem: its linear relaxation is solved, and is the optimum when it comes out whole. Otherwise
    the mixed-integer problem is. Where HiGHS finds nothing in time the greedy plan stands.
    """

    gap: float = 1e-3  # relative distance from the optimum that is good enough
    time_limit: float = 10.0  # seconds a batch; a plan that hits it depends on the machine's speed

    def __post_init__(self) -> None:
        """Check the bounds."""
        if not 0 <= self.gap < 1:
            msg = f"gap is {self.gap}, must be in [0, 1)"
            raise ValueError(msg)
        if not self.time_limit > 0:
            msg = f"time_limit is {self.time_limit}, must be above 0 seconds"
            raise ValueError(msg)

    def plan(self, batch: Batch) -> Plan:
        """Return the plan."""
        greedy = GreedyPlanner().plan(batch)
        if not batch.possible.any():  # nothing can be shipped, which the greedy plan says too
            return Plan(node=greedy.node, cost=greedy.cost, how="lp", gap=0.0)
        problem = _Problem(batch)
        alone = not problem.shared.any()
        found = problem.relaxed(self.time_limit) if alone else None
        if found is None:
            found = problem.solve(self.gap, self.time_limit)
        if found is None or found.cost > greedy.cost:
            gap = float("nan") if found is None else found.gap
            return Plan(node=greedy.node, cost=greedy.cost, how="greedy", gap=gap)
        return found


class _Problem:
    """Columns: x of every possible (line, node), u of every line, Y of shared (group, node)."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.line, self.node = np.nonzero(batch.possible)
        group = batch.group[self.line]
        lines, pairs = batch.num_lines, len(self.line)
        # A box that only one line can be in is part of the line's cost.
        nodes = batch.in_time.shape[1]
        pair = group * nodes + self.node
        self.shared = np.bincount(pair, minlength=pair.max(initial=0) + 1)[pair] > 1
        boxes, self.box = np.unique(pair[self.shared], return_inverse=True)
        box_cost = batch.box_cost[group, self.node]
        first = batch.line_cost[self.line, self.node] + np.where(self.shared, 0.0, box_cost)
        fixed = batch.box_cost[boxes // nodes, boxes % nodes]
        self.cost = np.concatenate([first, np.full(lines, batch.penalty), fixed])
        self.size = len(self.cost)
        # Every line from one node or unfilled.
        rows = np.concatenate([self.line, np.arange(lines)])
        self.whole = self._matrix(rows, np.arange(pairs + lines), np.ones(pairs + lines), lines)
        self.limits: list[tuple[Any, FloatArray]] = []
        # A line goes in a box that is paid for.
        inside = np.flatnonzero(self.shared)
        if inside.size:
            row = np.arange(inside.size)
            link = self._matrix(
                np.concatenate([row, row]),
                np.concatenate([inside, pairs + lines + self.box]),
                np.concatenate([np.ones(inside.size), -np.ones(inside.size)]),
                inside.size,
            )
            self.limits.append((link, np.zeros(inside.size)))
        units = batch.units[self.line]
        item = batch.product[self.line] * nodes + self.node
        self._limit(item, units, batch.stock.ravel())
        self._limit(self.node, units, batch.room)

    def _matrix(self, rows: IntArray, columns: IntArray, values: FloatArray, n: int) -> Any:
        return coo_array((values, (rows, columns)), shape=(n, self.size))

    def _limit(self, key: IntArray, units: IntArray, most: NDArray[Any]) -> None:
        """Add the limits of units by key that can bind at all."""
        wanted = np.bincount(key, weights=units, minlength=len(most))
        tight = np.flatnonzero(wanted > most)
        chosen = np.flatnonzero(np.isin(key, tight))
        if chosen.size:
            rows = np.searchsorted(tight, key[chosen])
            matrix = self._matrix(rows, chosen, units[chosen].astype(np.float64), len(tight))
            self.limits.append((matrix, np.asarray(most[tight], np.float64)))

    def relaxed(self, time_limit: float) -> Plan | None:
        """Solve the linear relaxation; return the plan if it is whole."""
        upper = self._stacked()
        result = linprog(
            self.cost,
            A_ub=upper[0],
            b_ub=upper[1],
            A_eq=self.whole.tocsr(),
            b_eq=np.ones(self.batch.num_lines),
            bounds=(0.0, None),
            method="highs",
            options={"time_limit": time_limit},
        )
        if result.status != 0 or np.abs(result.x - np.rint(result.x)).max() > 1e-6:
            return None
        return self._plan(result.x, "lp", 0.0)

    def _stacked(self) -> tuple[Any, FloatArray | None]:
        if not self.limits:
            return None, None
        return (
            vstack([matrix for matrix, _ in self.limits]).tocsr(),
            np.concatenate([most for _, most in self.limits]),
        )

    def solve(self, gap: float, time_limit: float) -> Plan | None:
        """Solve the mixed-integer problem; return None if nothing was found."""
        constraints = [LinearConstraint(self.whole.tocsr(), 1.0, 1.0)]
        constraints += [LinearConstraint(m.tocsr(), -np.inf, most) for m, most in self.limits]
        # Unfilled and boxes come out whole by themselves once lines are.
        integral = np.zeros(self.size)
        integral[: len(self.line)] = 1
        result = milp(
            self.cost,
            integrality=integral,
            bounds=Bounds(0.0, 1.0),
            constraints=constraints,
            options={"mip_rel_gap": gap, "time_limit": time_limit},
        )
        if result.x is None:
            return None
        proven = result.mip_gap
        return self._plan(result.x, "milp", float("nan") if proven is None else float(proven))

    def _plan(self, x: FloatArray, how: str, gap: float) -> Plan:
        chosen = x[: len(self.line)] > 0.5
        node = np.full(self.batch.num_lines, UNFILLED, np.int64)
        node[self.line[chosen]] = self.node[chosen]
        return Plan(node=node, cost=cost_of(self.batch, node), how=how, gap=gap)


def stock_prices(
    stock: IntArray, demand: FloatArray, cost: FloatArray, unmet_cost: float
) -> FloatArray:
    """Return what one unit of stock at each node is worth to the demand to come.

    The dual values of a product's transport problem ``min sum c_nm f_nm + unmet_cost u_m`` with
    ``sum_n f_nm + u_m = d_m`` and ``sum_m f_nm <= I_n``.

    Args:
        stock: [N] units.
        demand: [M] units expected by market.
        cost: [N, M] USD per unit from node to market; inf where there is no way.
        unmet_cost: USD per unit of demand that is not met.

    Returns:
        [N] USD per unit, at least 0; 0 where there is more than demand can use.

    Raises:
        ValueError: If a value is out of bounds.

    Source:
        Acimovic and Graves (2015), Making better fulfillment decisions on the fly.

    >>> stock_prices(np.array([1, 9]), np.array([3.0]), np.array([[1.0], [4.0]]), 20.0)
    array([3., 0.])
    """
    nodes, markets = cost.shape
    require(stock >= 0, "stock", stock, "at least 0")
    require(np.isfinite(demand) & (demand >= 0), "demand", demand, "finite and at least 0")
    if not np.isfinite(unmet_cost) or unmet_cost < 0:
        msg = f"unmet_cost is {unmet_cost}, must be finite and at least 0"
        raise ValueError(msg)
    node, market = np.nonzero(np.isfinite(cost))
    arcs = len(node)
    columns = np.arange(arcs + markets)
    rows = np.concatenate([market, np.arange(markets)])
    met = coo_array((np.ones(arcs + markets), (rows, columns)), shape=(markets, arcs + markets))
    held = coo_array((np.ones(arcs), (node, np.arange(arcs))), shape=(nodes, arcs + markets))
    result = linprog(
        np.concatenate([cost[node, market], np.full(markets, unmet_cost)]),
        A_ub=held.tocsr(),
        b_ub=stock.astype(np.float64),
        A_eq=met.tocsr(),
        b_eq=demand,
        method="highs",
    )
    if result.status != 0:  # cannot be: all demand may go unmet
        msg = f"the transport problem has no solution ({result.message})"
        raise ValueError(msg)
    return np.asarray(np.maximum(-result.ineqlin.marginals, 0.0), np.float64)
