"""How well one column of a validation stands for another: errors, ranks, regret, tails, drift.

Intervals are paired bootstrap intervals over products and replications: the same draws of both for
all policies and columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from draingym.common.bootstrap import Interval, draw_means, interval
from draingym.policies.validation.tail import Tail, tail_of
from draingym.policies.validation.validate import Validation

FloatArray = NDArray[np.float64]
TOP = (1, 3, 5)  # how many of the column's best are looked at in the reference


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """How values in one column stand for those in another."""

    column: str  # what promises, such as "simulator"
    reference: str  # what is taken for right, such as "oracle"
    error: dict[str, Interval]  # by policy: (value - reference) / |reference|
    mean_error: Interval  # mean over policies of the absolute error
    worst: str  # policy with the largest absolute error
    kendall: Interval  # rank correlation over policies; nan with one policy
    spearman: Interval
    chosen: str  # the column's best policy
    best: str  # the reference's best policy
    # By k: loss by running the column's k best in the reference and keeping the best of them, a
    # share of the best policy's |value|.
    top_regret: dict[int, Interval]
    tail: dict[str, Tail]  # by policy: on the products on which the reference finds it worst

    @property
    def regret(self) -> Interval:
        """Loss by choosing by the column, a share of the best policy's |value|."""
        return self.top_regret[1]


def agreement(validation: Validation, column: str, reference: str) -> Agreement:
    """Compare two columns of a validation.

    Args:
        validation: What ``validate`` returned.
        column: What promises.
        reference: What is taken for right.

    Returns:
        Errors and tails by policy, rank correlations, and the regret of choosing by ``column``.

    Raises:
        ValueError: If there is no such column, or a value of the reference is 0.
    """
    first, second = (
        np.stack([validation.of(name, which) for name in validation.names])
        for which in (column, reference)
    )
    values, right = first.mean(axis=(1, 2)), second.mean(axis=(1, 2))
    if (right == 0).any():
        name = validation.names[int(np.argmin(np.abs(right)))]
        raise ValueError(
            f"policy {name!r} has the value 0 in the {reference}, must differ from 0, errors are "
            "relative to it"
        )
    drawn, drawn_right = draw_means(first), draw_means(second)
    error = (values - right) / np.abs(right)
    drawn_error = (drawn - drawn_right) / np.abs(drawn_right)
    chosen, best = int(values.argmax()), int(right.argmax())
    ranked = np.argsort(-values, kind="stable")
    drawn_best = drawn_right.max(axis=1)

    def regret(k: int) -> Interval:
        # The choice is one that was made: draws say how much it may cost, against the best of each.
        top = ranked[:k]
        drawn_top = drawn_right[:, top].max(axis=1)
        return interval(
            float((right[best] - right[top].max()) / abs(right[best])),
            (drawn_best - drawn_top) / np.abs(drawn_best),
        )

    def ranks(correlation: Callable[[FloatArray, FloatArray], FloatArray]) -> Interval:
        point = float(correlation(values[None], right[None])[0])
        return interval(point, correlation(drawn, drawn_right))

    return Agreement(
        column=column,
        reference=reference,
        error={
            name: interval(float(error[p]), drawn_error[:, p])
            for p, name in enumerate(validation.names)
        },
        mean_error=interval(float(np.abs(error).mean()), np.abs(drawn_error).mean(axis=1)),
        worst=validation.names[int(np.abs(error).argmax())],
        kendall=ranks(kendall),
        spearman=ranks(spearman),
        chosen=validation.names[chosen],
        best=validation.names[best],
        top_regret={k: regret(k) for k in TOP},
        tail={name: tail_of(first[p], second[p]) for p, name in enumerate(validation.names)},
    )


def kendall(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return Kendall's tau-b of every row of [B, K] and [B, K]; nan where a row is constant.

    >>> kendall(np.array([[1.0, 2.0, 3.0]]), np.array([[2.0, 1.0, 5.0]])).round(3).tolist()
    [0.333]
    """
    i, j = np.triu_indices(a.shape[1], k=1)
    first, second = (np.sign(x[:, i] - x[:, j]) for x in (a, b))
    pairs = np.sqrt(np.abs(first).sum(axis=1) * np.abs(second).sum(axis=1))
    return _quotient((first * second).sum(axis=1), pairs)


def spearman(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return Spearman's rank correlation of every row; nan where a row is constant."""
    first, second = (rankdata(x, axis=1) for x in (a, b))
    first -= first.mean(axis=1, keepdims=True)
    second -= second.mean(axis=1, keepdims=True)
    spread = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return _quotient((first * second).sum(axis=1), spread)


def _quotient(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    found = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=found, where=denominator > 0)
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """How errors grow with the horizon, by policy."""

    value: FloatArray  # [K, T] error of the return so far, share of the reference's whole |return|
    stock: FloatArray  # [K, T] sum over nodes |mean stock - reference's|, share of the reference's


def drift(validation: Validation, column: str, reference: str) -> Drift:
    """Return how value and stock of two columns come apart, period by period.

    A drain model that is right one period ahead may still lead a rollout astray: errors that grow
    faster than the horizon say so.
    """
    c, d = (validation.columns.index(which) for which in (column, reference))
    reward = validation.rewards.mean(axis=(2, 3))  # [K, C, T]
    so_far = (reward[:, c] - reward[:, d]).cumsum(axis=1)
    whole = np.abs(reward[:, d].sum(axis=1, keepdims=True))
    stock = validation.stock.mean(axis=2, dtype=np.float64)  # [K, C, T, N]
    apart = np.abs(stock[:, c] - stock[:, d]).sum(axis=-1)
    return Drift(
        value=so_far / np.maximum(whole, 1e-9),
        stock=apart / np.maximum(stock[:, d].sum(axis=-1), 1e-9),
    )
