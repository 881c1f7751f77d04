"""A case mapped to a network, played, and read back in the peer's own terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from draingym import Network
from draingym.simulator import State, Transition
from draingym.simulator.network.charges import Ledger

Case = dict[str, Any]
Numbers = NDArray[np.float64]


class CannotMapError(ValueError):
    """A case that shows what our network does not do; the message is the reason."""


@dataclass(frozen=True)
class Run:
    """What happened in our network, leaves [T, ...] on the host."""

    state: State  # after each period
    moves: Transition

    @property
    def ledger(self) -> Ledger:
        """Costs and flows by arc and node."""
        if self.moves.ledger is None:
            raise ValueError("ledger is None, must be there: the network has no terms")
        return self.moves.ledger

    @property
    def ages(self) -> Numbers:
        """[T, A, N] units by age after each period."""
        if self.state.ages is None:
            raise ValueError("ages is None, must be there: no node has a shelf life")
        ages: Numbers = np.asarray(self.state.ages)
        return ages

    @property
    def transit(self) -> Numbers:
        """[T, E] units on their way after each period."""
        on_way: Numbers = np.asarray(self.state.pipeline).sum(axis=1)
        return on_way


@dataclass(frozen=True)
class Mapped:
    """A case as we see it."""

    network: Network
    requests: Sequence[Sequence[float]]  # [T, E] units
    read: Callable[[Run, int], dict[str, Any]]  # a period's numbers, named as the peer names them
    totals: Callable[[list[dict[str, Any]]], dict[str, float]]  # of the periods that were read


def play(mapped: Mapped) -> list[dict[str, Any]]:
    """Return what our network did, period by period, in the peer's terms."""
    state, moves = jax.device_get(mapped.network.simulate(np.asarray(mapped.requests, float)))
    run = Run(state, moves)
    return [mapped.read(run, t) for t in range(len(mapped.requests))]


def series_of(case: Case, *path: str | int) -> list[Any]:
    """Return an entry of every period."""
    found = []
    for period in case["periods"]:
        for key in path:
            period = period[key]
        found.append(period)
    return found


def summed(*names: str) -> Callable[[list[dict[str, Any]]], dict[str, float]]:
    """Return a function that sums entries of the periods."""

    def totals(periods: list[dict[str, Any]]) -> dict[str, float]:
        return {name: float(sum(period[name] for period in periods)) for name in names}

    return totals
