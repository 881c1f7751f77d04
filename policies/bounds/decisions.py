"""Small decision problems solved exactly: value iteration on a table of states, in plain NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator

from draingym.common.arrays import FloatArray, IntArray

Parts = Sequence[IntArray]  # of a state, an action or an outcome
Happened = tuple[Parts, FloatArray, FloatArray]  # next state, cost, probability
# What happens: (state, action, outcome) to the above, all broadcast.
Step = Callable[[Parts, Parts, Parts], Happened]


@dataclass(frozen=True, kw_only=True, slots=True)
class Decisions:
    """States, actions, what they cost and where they lead.

    ``cost[s, a]`` is the expected cost of a period, infinity where the action is not allowed;
    ``move[s * A + a, s']`` the probability of the next state.

    >>> def machine(state, action, outcome):
    ...     mended = (action[0] == 1) | (state[0] == 0)  # works (0), or is broken (1)
    ...     cost = 4.0 * (state[0] == 1) + 3.0 * (action[0] == 1)
    ...     return [np.where(mended, outcome[0], 1)], cost, np.full((1, 1, 1), 0.5)
    >>> problem = enumerate_decisions([2], [2], [2], machine, discount=0.5)
    >>> problem.shape, problem.cost.tolist(), problem.move.shape
    ((2,), [[0.0, 3.0], [4.0, 7.0]], (4, 2))
    """

    shape: tuple[int, ...]  # of the states
    actions: tuple[int, ...]  # shape of the actions
    cost: FloatArray  # [S, A] currency
    move: sparse.csr_array | LinearOperator  # [S * A, S]
    discount: float = 1.0  # a period, in (0, 1]; at 1 the cost per period is what counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Solved:
    """The least cost, and how it is reached.

    >>> def coin(state, action, outcome):  # a state that costs 2, and one that is free, by chance
    ...     return [outcome[0]], 2.0 * state[0] + 0.0 * action[0], np.full((1, 1, 1), 0.5)
    >>> solved: Solved = solve(enumerate_decisions([2], [1], [2], coin))
    >>> round(solved.gain, 6), solved.action.tolist()
    (1.0, [[0], [0]])
    """

    gain: float  # currency per period in the long run; nan with a discount below 1
    value: FloatArray  # [*states] cost from there on; above the first state's where not discounted
    action: IntArray  # [*states, actions' axes]: the first of the best


def enumerate_decisions(
    states: Sequence[int],
    actions: Sequence[int],
    outcomes: Sequence[int],
    step: Step,
    *,
    discount: float = 1.0,
) -> Decisions:
    """Tabulate a problem whose states, actions and outcomes are whole numbers from 0 on.

    Args:
        states: Values of each coordinate of a state.
        actions: Of an action.
        outcomes: Of what chance decides.
        step: Takes a list of coordinates for each; returns the next state's coordinates, the cost
            and the probability. Coordinates outside the table are cut to its edge: the table must
            reach beyond what good policies do.
        discount: A period.

    Raises:
        ValueError: If probabilities do not sum to one, or the discount is out of (0, 1].

    Example:
        >>> def machine(state, action, outcome):
        ...     mended = (action[0] == 1) | (state[0] == 0)  # works (0), or is broken (1)
        ...     cost = 4.0 * (state[0] == 1) + 3.0 * (action[0] == 1)
        ...     return [np.where(mended, outcome[0], 1)], cost, np.full((1, 1, 1), 0.5)
        >>> solved = solve(enumerate_decisions([2], [2], [2], machine, discount=0.5))
        >>> solved.value.round(3).tolist(), solved.action.tolist()
        ([2.667, 8.0], [[0], [0]])
    """
    if not 0 < discount <= 1:
        raise ValueError(f"discount is {discount}, must be in (0, 1]")
    axes = len(states), len(actions), len(outcomes)
    grid = np.ogrid[tuple(slice(n) for n in (*states, *actions, *outcomes))]
    parts = np.split(np.arange(sum(axes)), np.cumsum(axes)[:-1])
    following, cost, probability = step(*[[grid[i] for i in part] for part in parts])
    shape = (*states, *actions, *outcomes)
    pairs, chances = (int(np.prod(shape[: sum(axes[:2])])), int(np.prod(outcomes)))
    weight = np.broadcast_to(probability, shape).reshape(pairs, chances)
    if abs(weight.sum(axis=1) - 1).max() > 1e-9:
        raise ValueError(
            f"probabilities sum to {weight.sum(axis=1).min()} to {weight.sum(axis=1).max()}, must "
            "be 1"
        )
    clipped = [
        np.clip(np.broadcast_to(x, shape), 0, n - 1) for x, n in zip(following, states, strict=True)
    ]
    columns = np.ravel_multi_index(clipped, tuple(states)).reshape(pairs, chances)
    kept = weight > 0
    rows = np.broadcast_to(np.arange(pairs)[:, None], kept.shape)
    move = sparse.csr_array(
        (weight[kept], (rows[kept], columns[kept])), shape=(pairs, int(np.prod(states)))
    )
    move.sum_duplicates()
    # Not allowed is infinite whatever the chance: 0 times infinity would be no number.
    charged = np.broadcast_to(cost, shape).reshape(pairs, chances)
    expected = (np.where(kept, charged, 0.0) * weight).sum(axis=1)
    return Decisions(
        shape=tuple(states),
        actions=tuple(actions),
        cost=expected.reshape(int(np.prod(states)), int(np.prod(actions))),
        move=move,
        discount=discount,
    )


def solve(problem: Decisions, *, action: IntArray | None = None, tolerance: float = 1e-9) -> Solved:
    """Return the optimum, or what given actions cost, by (relative) value iteration.

    Args:
        problem: States, actions and costs.
        action: [*states, actions' axes] to take instead of the best.
        tolerance: Of the cost per period, or of the discounted cost, currency.

    Raises:
        ArithmeticError: If the tolerance is not reached.

    Source:
        Puterman (1994), sections 6.6 (bounds of MacQueen) and 8.5.
    """
    states, actions = problem.cost.shape
    chosen: IntArray | None = None
    if action is not None:
        axes = [action[..., i].ravel() for i in range(len(problem.actions))]
        chosen = np.asarray(np.ravel_multi_index(axes, problem.actions))
    value = np.zeros(states)
    worth = problem.discount / (1 - problem.discount) if problem.discount < 1 else 1.0
    for _ in range(100_000):
        ahead = problem.cost + problem.discount * (problem.move @ value).reshape(states, actions)
        best = ahead.argmin(axis=1) if chosen is None else chosen
        after = ahead[np.arange(states), best]
        low, high = (after - value).min(), (after - value).max()
        if (high - low) * worth < tolerance:
            break
        value = after - after[0] if problem.discount == 1 else after
    else:
        raise ArithmeticError(f"the cost per period is between {low} and {high}, not closer")
    discounted = problem.discount < 1
    if discounted:
        after = after + worth * (low + high) / 2
    taken = np.stack(np.unravel_index(best, problem.actions), axis=-1)
    return Solved(
        gain=float("nan") if discounted else float(low + high) / 2,
        value=(after if discounted else after - after[0]).reshape(problem.shape),
        action=taken.reshape(*problem.shape, len(problem.actions)),
    )
