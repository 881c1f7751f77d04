"""Plans for a batch of order lines: which node ships which; the closest and the greedy planner.

The plan of a batch minimises::

    sum_gk phi_gk Y_gk + sum_lk c_lk x_lk + sum_l penalty u_l
    sum_k x_lk + u_l = 1        every line comes from one node, or is unfilled and counted
    x_lk <= Y_g(l)k             a box for each group (one customer, one deadline) and node
    sum_l q_l x_lk <= I_ik      stock, by product and node
    sum_l q_l x_lk <= R_k       room left in the node today
    x_lk = 0                    where delivery would be late

Source: METHODS section 6; Xu, Allgor and Graves (2009) for planning again while orders wait.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import require

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
UNFILLED = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Order lines to be planned together. ``L`` lines, ``G`` groups, ``N`` nodes, ``P`` products.

    Raises:
        ValueError: If shapes disagree or a value is out of bounds.

    Example:
        >>> batch = Batch(
        ...     product=np.array([0, 0]),
        ...     units=np.array([1, 2]),
        ...     group=np.array([0, 1]),  # lines of a group share a box from a node
        ...     in_time=np.ones((2, 2), bool),
        ...     line_cost=np.array([[1.0, 2.0], [2.0, 1.0]]),
        ...     box_cost=np.array([[3.0, 3.0], [3.0, 3.0]]),
        ...     distance=np.array([[100.0, 900.0], [900.0, 100.0]]),
        ...     stock=np.array([[2, 1], [2, 1]]),
        ...     room=np.full(2, np.inf),
        ... )
        >>> batch.possible.tolist()  # the second node has one unit only
        [[True, True], [True, False]]
    """

    product: IntArray  # [L]
    units: IntArray  # [L] at least 1
    group: IntArray  # [L] lines of a group share a box where they share a node
    in_time: NDArray[np.bool_]  # [L, N] whether the node is open and would deliver in time
    line_cost: FloatArray  # [L, N] USD for all units of the line, the box apart
    box_cost: FloatArray  # [G, N] USD for a box, whatever is in it
    distance: FloatArray  # [L, N] for the closest planner
    stock: IntArray  # [P, N] units free for this batch
    room: FloatArray  # [N] units the node can still take in today; inf for no limit
    penalty: float = 1e4  # USD for a line that is left unfilled

    def __post_init__(self) -> None:
        """Check shapes and bounds."""
        lines, nodes = self.in_time.shape
        groups, products = self.box_cost.shape[0], self.stock.shape[0]
        shapes = {
            **dict.fromkeys(("product", "units", "group"), (lines,)),
            **dict.fromkeys(("line_cost", "distance"), (lines, nodes)),
            "box_cost": (groups, nodes),
            "stock": (products, nodes),
            "room": (nodes,),
        }
        for field in fields(self):
            shape = shapes.get(field.name)
            value = getattr(self, field.name)
            if shape is not None and value.shape != shape:
                msg = f"batch.{field.name} has shape {value.shape}, must be {shape}"
                raise ValueError(msg)
        require(self.units >= 1, "batch.units", self.units, "at least 1")
        require(self.stock >= 0, "batch.stock", self.stock, "at least 0")
        require(self.room >= 0, "batch.room", self.room, "at least 0")
        for name, bound in (("product", products), ("group", groups)):
            value = getattr(self, name)
            require((value >= 0) & (value < bound), f"batch.{name}", value, f"in [0, {bound})")
        for name in ("line_cost", "box_cost"):
            value = getattr(self, name)
            require(np.isfinite(value), f"batch.{name}", value, "finite")

    @property
    def num_lines(self) -> int:
        """How many lines there are, ``L``."""
        return int(self.product.shape[0])

    @property
    def possible(self) -> NDArray[np.bool_]:
        """[L, N] where a line could be shipped from if it were alone."""
        enough = self.stock[self.product] >= self.units[:, None]
        return np.asarray(self.in_time & enough & (self.room >= self.units[:, None]))


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Where a batch's lines are shipped from.

    >>> Plan(node=np.array([0, 1]), cost=7.5, how="greedy").cost
    7.5
    """

    node: IntArray  # [L], or -1 for a line that is left unfilled
    cost: float  # USD, boxes, lines and penalties
    how: str  # "milp", "lp" or the name of the heuristic
    gap: float = float("nan")  # proven relative distance from the optimum; nan if none was proven


class Planner(Protocol):
    """Finds a plan for a batch."""

    def plan(self, batch: Batch) -> Plan:
        """Return a plan that keeps to the batch's stock, room and deadlines."""
        ...


def cost_of(batch: Batch, node: IntArray) -> float:
    """Return what an assignment of lines to nodes (-1: unfilled) costs."""
    filled = np.flatnonzero(node >= 0)
    boxes = {*zip(batch.group[filled].tolist(), node[filled].tolist(), strict=True)}
    cost = sum(float(batch.box_cost[g, n]) for g, n in sorted(boxes))
    cost += float(batch.line_cost[filled, node[filled]].sum())
    return cost + batch.penalty * (batch.num_lines - len(filled))


def check_plan(batch: Batch, node: IntArray) -> None:
    """Check that an assignment is late nowhere and asks for no more than there is.

    Raises:
        ValueError: Naming the first line, or the product and node, or the node.
    """
    if node.shape != (batch.num_lines,):
        msg = f"plan.node has shape {node.shape}, must be ({batch.num_lines},)"
        raise ValueError(msg)
    nodes = batch.in_time.shape[1]
    require((node >= UNFILLED) & (node < nodes), "plan.node", node, f"in [-1, {nodes})")
    filled = np.flatnonzero(node >= 0)
    late = filled[~batch.in_time[filled, node[filled]]]
    if late.size:
        msg = f"plan.node[{late[0]}] is {node[late[0]]}, must be a node that delivers in time"
        raise ValueError(msg)
    used = np.zeros_like(batch.stock)
    np.add.at(used, (batch.product[filled], node[filled]), batch.units[filled])
    over = np.argwhere(used > batch.stock)
    if over.size:
        i, n = (int(k) for k in over[0])
        msg = f"plan takes {used[i, n]} units of product {i} at node {n}, must be at most "
        raise ValueError(f"{msg}{batch.stock[i, n]}")
    total = used.sum(axis=0)
    full = np.flatnonzero(total > batch.room)
    if full.size:
        n = int(full[0])
        msg = f"plan takes {total[n]} units at node {n}, must be at most {batch.room[n]}"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class ClosestPlanner:
    """Line by line, the closest node that can.

    >>> batch = Batch(
    ...     product=np.array([0]),
    ...     units=np.array([1]),
    ...     group=np.array([0]),
    ...     in_time=np.ones((1, 2), bool),
    ...     line_cost=np.array([[1.0, 4.0]]),
    ...     box_cost=np.array([[3.0, 3.0]]),
    ...     distance=np.array([[900.0, 100.0]]),
    ...     stock=np.array([[5, 5]]),
    ...     room=np.full(2, np.inf),
    ... )
    >>> plan = ClosestPlanner().plan(batch)
    >>> plan.node.tolist(), plan.cost
    ([1], 7.0)
    """

    def plan(self, batch: Batch) -> Plan:
        """Return the plan."""
        node = _one_by_one(batch, closest=True)
        return Plan(node=node, cost=cost_of(batch, node), how="closest")


@dataclass(frozen=True, slots=True)
class GreedyPlanner:
    """Line by line, the node where the line adds least to the cost of what is planned so far."""

    def plan(self, batch: Batch) -> Plan:
        """Return the plan."""
        node = _one_by_one(batch, closest=False)
        return Plan(node=node, cost=cost_of(batch, node), how="greedy")


def _one_by_one(batch: Batch, *, closest: bool) -> IntArray:
    stock, room = batch.stock.copy(), batch.room.astype(np.float64)
    opened = np.zeros(batch.box_cost.shape, np.bool_)
    node = np.full(batch.num_lines, UNFILLED, np.int64)
    for line in range(batch.num_lines):
        item, units, group = (int(x[line]) for x in (batch.product, batch.units, batch.group))
        adds = np.where(opened[group], 0.0, batch.box_cost[group]) + batch.line_cost[line]
        can = batch.in_time[line] & (stock[item] >= units) & (room >= units)
        if not can.any():
            continue
        best = int(np.where(can, batch.distance[line] if closest else adds, np.inf).argmin())
        node[line] = best
        opened[group, best] = True
        stock[item, best] -= units
        room[best] -= units
    return node
