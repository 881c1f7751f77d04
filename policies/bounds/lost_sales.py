"""One store with lost sales and discrete demand, solved exactly in plain NumPy.

Each period: order q, which is on hand ``lead_time`` periods later; demand D; cost
``holding * (x - D)^+ + unmet * (D - x)^+`` on what was on hand. The state before an order is
``(x, q_1, ..., q_(L-1))``: on hand, and due in the periods that follow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class LostSales:
    """The problem, and bounds of its states.

    ``pmf[k]`` is the probability of k units a period. Orders above ``max_order`` are not
    considered, stock above ``max_stock`` is cut off: both must be out of reach of good policies.
    """

    pmf: FloatArray
    lead_time: int  # periods, at least 1
    holding_cost: float
    unmet_cost: float
    max_order: int
    max_stock: int

    def __post_init__(self) -> None:
        """Refuse what is not a problem."""
        if self.lead_time < 1:
            raise ValueError(f"lead_time is {self.lead_time}, must be at least 1 period")
        if (self.pmf < 0).any() or abs(self.pmf.sum() - 1) > 1e-6:
            raise ValueError(f"pmf sums to {self.pmf.sum()}, must be 1, without negatives")
        for name in ("max_order", "max_stock"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1 unit")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an array over states."""
        return (self.max_stock + 1,) + (self.max_order + 1,) * (self.lead_time - 1)

    def positions(self) -> IntArray:
        """Return the inventory position of every state: on hand and due."""
        return np.asarray(sum(np.indices(self.shape)))

    def _period(self) -> tuple[FloatArray, FloatArray]:
        """Return [X, X] probability of what is left of x, and [X] its expected cost."""
        stock = np.arange(self.max_stock + 1)
        left = np.maximum(stock[:, None] - np.arange(len(self.pmf))[None, :], 0)
        short = np.maximum(np.arange(len(self.pmf))[None, :] - stock[:, None], 0)
        move = np.zeros((len(stock), len(stock)))
        np.add.at(move, (stock[:, None], left), np.broadcast_to(self.pmf, left.shape))
        return move, (self.holding_cost * left + self.unmet_cost * short) @ self.pmf

    def _ahead(self, move: FloatArray, value: FloatArray) -> FloatArray:
        """Return E[value of the next state] over (x, q_1, ..., q_(L-1), q)."""
        left, due = np.arange(self.max_stock + 1)[:, None], np.arange(self.max_order + 1)[None, :]
        reached = np.minimum(left + due, self.max_stock)
        # value[reached] has axes (left, q_1, q_2, ..., q): the next state's, split by its x.
        return np.tensordot(move, value[reached], axes=1)


def _iterate(
    problem: LostSales,
    improve: Callable[[FloatArray], FloatArray],
    tolerance: float,
) -> tuple[float, FloatArray]:
    """Run relative value iteration until the gain is known to ``tolerance``."""
    move, cost = problem._period()
    immediate = cost.reshape(-1, *[1] * (problem.lead_time - 1))
    value = np.zeros(problem.shape)
    for _ in range(5000):
        after = immediate + improve(problem._ahead(move, value))
        change = after - value
        low, high = float(change.min()), float(change.max())
        value = after - after.flat[0]
        if high - low < tolerance:
            return (low + high) / 2, value
    raise ArithmeticError(f"the gain is between {low} and {high} after 5000 iterations")


def optimal_cost(problem: LostSales, *, tolerance: float = 1e-4) -> float:
    """Return the optimal cost per period, by relative value iteration.

    Source:
        Zipkin (2008), "Old and new methods for lost-sales inventory systems".
    """
    return _iterate(problem, lambda ahead: ahead.min(axis=-1), tolerance)[0]


def optimal_orders(problem: LostSales, *, tolerance: float = 1e-4) -> IntArray:
    """Return the optimal order in every state, [X, Q, ...] of ``problem.shape``.

    The smallest of the best where orders tie. ``policies.TabularOrders`` acts by it.
    """
    _, value = _iterate(problem, lambda ahead: ahead.min(axis=-1), tolerance)
    move, _ = problem._period()
    return np.asarray(problem._ahead(move, value).argmin(axis=-1))


def policy_cost(problem: LostSales, order: IntArray, *, tolerance: float = 1e-4) -> float:
    """Return the cost per period of ordering ``order[state]``.

    Args:
        problem: The store.
        order: Of ``problem.shape``, in [0, max_order].
        tolerance: Of the cost.

    Raises:
        ValueError: If orders have a wrong shape, or leave their bounds.
    """
    if order.shape != problem.shape:
        raise ValueError(f"order has shape {order.shape}, must be {problem.shape}")
    if order.min() < 0 or order.max() > problem.max_order:
        raise ValueError(
            f"order is in [{order.min()}, {order.max()}], must be in [0, {problem.max_order}]"
        )
    chosen = order[..., None]
    return _iterate(
        problem, lambda ahead: np.take_along_axis(ahead, chosen, axis=-1)[..., 0], tolerance
    )[0]


def capped_base_stock(problem: LostSales, level: int, cap: int | None = None) -> IntArray:
    """Return the orders ``min(max(level - position, 0), cap)``; no cap is ``max_order``."""
    most = problem.max_order if cap is None else cap
    return np.clip(level - problem.positions(), 0, most)


def best_base_stock(
    problem: LostSales, cap: int | None = None, *, start: int, tolerance: float = 1e-4
) -> tuple[int, float]:
    """Return the cheapest (capped) base-stock level, and its cost per period.

    Walks from ``start`` to where both neighbours cost more: the cost is convex in the level
    (Janakiraman and Roundy 2004) without a cap, and was never seen to have two minima with one.

    Args:
        problem: The store; without a cap, ``max_order`` must be out of reach of demand.
        cap: Units an order.
        start: Level to start from.
        tolerance: Of the cost.
    """
    known: dict[int, float] = {}

    def cost(level: int) -> float:
        if level not in known:
            orders = capped_base_stock(problem, level, cap)
            known[level] = policy_cost(problem, orders, tolerance=tolerance)
        return known[level]

    level = start
    while True:
        better = min((level - 1, level, level + 1), key=cost)
        if better == level:
            return level, known[level]
        level = better
