"""What the problems of the zoo have in common: a description becomes a network, and that episodes.

A problem is a frozen dataclass with a field for each published parameter. It is hashable, pickles,
and is equal to another with the same fields, as are the samplers that its environment holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import jax
from jaxtyping import Array

from draingym.common.arrays import require_range, require_whole
from draingym.common.config import require_fields
from draingym.envs.classic import MOST_PERIODS
from draingym.networks.build import Built
from draingym.networks.network import Network
from draingym.networks.picture import NetworkPicture
from draingym.simulator import LARGEST, FunctionalEnv, Scenario


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A benchmark problem of the literature; those of the zoo extend it.

    Attributes:
        horizon: Periods of an episode.
    """

    # Whether an episode is of the infinite horizon, so that costs a period count in the long run.
    long_run: ClassVar[bool] = True

    horizon: int = 100

    def __post_init__(self) -> None:
        """Refuse fields of another type, by name, and what ``network`` refuses.

        Raises:
            ValueError: Naming the field, the value and the bound.
        """
        require_fields(self)
        require_whole("horizon", self.horizon, low=1, high=MOST_PERIODS)
        self.check()

    def check(self) -> None:
        """Raise ``ValueError`` where a field is out of its bounds, by name."""

    def network(self) -> Network:
        """Return the problem in nodes, arcs and demand."""
        raise NotImplementedError

    def assemble(self, built: Built) -> Built:
        """Return what is built, with what a network has no words for; as it is, unless told."""
        return built

    def scenario(self, key: Array, periods: int, batch: int | None = None) -> Scenario:
        """Return an episode, or as many as a batch, which is then the last axis of draws."""
        return self.built.sample(key, periods, batch)

    @property
    def built(self) -> Built:
        """The simulator, its parameters and the largest requests; made once."""
        return _built(self)

    def environment(self) -> FunctionalEnv:
        """Return the problem as pure functions, for JAX and for Gymnasium."""
        built = self.built
        return FunctionalEnv(
            simulator=built.simulator,
            params=built.params,
            sample=Episodes(self),
            max_action=built.most,
            painter=Pictures(self),
        )


@dataclass(frozen=True)
class Episodes:
    """Draws an episode of a problem."""

    problem: Problem

    def __call__(self, key: Array) -> Scenario:
        """Return an episode."""
        return self.problem.scenario(key, self.problem.horizon)


@dataclass(frozen=True)
class Pictures:
    """Makes what draws a problem."""

    problem: Problem

    def __call__(self) -> Any:
        """Return the painter."""
        return NetworkPicture(self.problem.network())


@lru_cache(maxsize=32)
def _built(problem: Problem) -> Built:
    with jax.ensure_compile_time_eval():  # it is kept: nothing in it may belong to a trace
        return problem.assemble(problem.network().built)


def require_costs(**costs: float) -> None:
    """Raise ``ValueError`` unless costs, by name, are numbers of at least 0."""
    for name, value in costs.items():
        require_range(name, value, low=0.0, high=LARGEST)
