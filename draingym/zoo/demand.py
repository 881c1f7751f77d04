"""Demand of the zoo's problems that the simulator has no distribution for: any table, and weeks."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from draingym.common.arrays import require_range
from draingym.simulator.bounds import require_numbers
from draingym.simulator.precision import real
from draingym.simulator.scenarios.demand import from_table

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """``P(D = k) = pmf[k]`` in one region, drawn by one uniform each.

    Example:
        >>> Table(pmf=(0.25, 0.5, 0.25)).mean
        array([1.])
    """

    pmf: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse what is no distribution.

        Raises:
            ValueError: If an entry is negative, or they do not sum to one.
        """
        require_numbers("pmf", self.pmf)
        if abs(sum(self.pmf) - 1.0) > 1e-6:
            raise ValueError(f"pmf sums to {sum(self.pmf)}, must be 1")

    @property
    def regions(self) -> int:
        """One."""
        return 1

    @property
    def mean(self) -> Numbers:
        """[1] units a period."""
        return np.array([float(np.dot(self.pmf, np.arange(len(self.pmf))))])

    def sample(self, key: Array, shape: tuple[int, ...]) -> Float[Array, "T Z *B"]:
        """Draw units; see ``simulator.Demand``."""
        return from_table(jax.random.uniform(key, shape), np.cumsum(self.pmf))


@dataclass(frozen=True, kw_only=True, slots=True)
class InTurn:
    """Tables that take turns, one a period, in one region: ``P(D_t = k) = tables[t % n].pmf[k]``.

    Example:
        >>> demand = InTurn(tables=(Table(pmf=(1.0,)), Table(pmf=(0.0, 0.0, 1.0))))
        >>> demand.sample(jax.random.key(0), (4, 1))[:, 0].tolist()
        [0.0, 2.0, 0.0, 2.0]
    """

    tables: tuple[Table, ...]

    def __post_init__(self) -> None:
        """Refuse to have none.

        Raises:
            ValueError: If there is no table.
        """
        if not self.tables:
            raise ValueError("tables is (), must hold at least one")

    @property
    def regions(self) -> int:
        """One."""
        return 1

    @property
    def means(self) -> Numbers:
        """[n] units a period, by turn."""
        return np.array([table.mean[0] for table in self.tables])

    @property
    def mean(self) -> Numbers:
        """[1] units a period, over all turns."""
        return np.array([self.means.mean()])

    @property
    def pmf(self) -> Numbers:
        """[n, K] the tables, filled up with zeros."""
        longest = max(len(table.pmf) for table in self.tables)
        return np.array([np.pad(t.pmf, (0, longest - len(t.pmf))) for t in self.tables])

    def sample(self, key: Array, shape: tuple[int, ...]) -> Float[Array, "T Z *B"]:
        """Draw units; see ``simulator.Demand``."""
        chance = jax.random.uniform(key, shape)
        bounds = np.cumsum(self.pmf, axis=1)[np.arange(shape[0]) % len(self.tables)]
        drawn = jnp.zeros(shape)
        for bound in bounds.T[:-1]:  # [T] each
            column = real(bound.astype(np.float32)).reshape(-1, *[1] * (len(shape) - 1))
            drawn = drawn + (chance >= column).astype(drawn.dtype)
        return drawn


def uniform(low: int, high: int) -> Table:
    """Return whole units from ``low`` to ``high``, both ends included, all as probable."""
    units = np.arange(high + 1)
    return Table(pmf=tuple(np.where(units < low, 0.0, 1.0 / (high - low + 1)).tolist()))


def geometric(mean: float) -> Table:
    """Return ``P(D = k) = p (1 - p)^k`` with a mean of ``(1 - p) / p`` units.

    Source:
        Zipkin (2008), "Old and new methods for lost-sales inventory systems", table 3.
    """
    require_range("mean", mean, low=0.0, high=1000.0, open_low=True)
    stays = mean / (1.0 + mean)
    units = np.arange(int(np.ceil(np.log(1e-9) / np.log(stays))) + 1)
    pmf = (1.0 - stays) * stays**units
    pmf[-1] += 1.0 - pmf.sum()
    return Table(pmf=tuple(pmf.tolist()))


def rounded_gamma(mean: float, cv: float, most: int) -> Table:
    """Return a gamma distribution rounded to the nearest unit, what is above ``most`` at ``most``.

    Args:
        mean: Units, before rounding.
        cv: Standard deviation over the mean.
        most: Units.

    Source:
        De Moor, Gijsbrechts and Boute (2022), as ``mdpax`` rounds it.
    """
    from scipy import special  # where it is needed: loading it takes as long as a step

    shape = 1.0 / cv**2
    ends = special.gammainc(shape, (np.arange(most) + 0.5) * shape / mean)
    pmf = np.diff(np.concatenate([[0.0], ends, [1.0]]))
    return Table(pmf=tuple(pmf.tolist()))


def negative_binomial(mean: float, size: float, most: int) -> Table:
    """Return a negative binomial of variance ``mean + mean**2 / size``, cut off at ``most``.

    Args:
        mean: Units, before what is above ``most`` stands there.
        size: Successes after which counting stops; real.
        most: Units.
    """
    from scipy import special

    ends = special.betainc(size, np.arange(most) + 1.0, size / (size + mean))
    pmf = np.diff(np.concatenate([[0.0], ends, [1.0]]))
    return Table(pmf=tuple(pmf.tolist()))


def probabilities(demand: object, tail: float = 1e-10) -> Numbers:
    """Return the probabilities of a distribution of whole units, in a table for exact solvers.

    Args:
        demand: ``Table``, or ``simulator.Poisson``.
        tail: What is left of a tail without end, and stands at the last entry.

    Raises:
        TypeError: If it is another.
    """
    from scipy import stats

    from draingym.simulator import Poisson

    if isinstance(demand, Table):
        return np.asarray(demand.pmf)
    if not isinstance(demand, Poisson):
        raise TypeError(f"demand is {type(demand).__name__}, must be Table or Poisson")
    poisson = stats.poisson(demand.rate)
    pmf = np.asarray(poisson.pmf(np.arange(int(poisson.isf(tail)) + 2)))
    pmf[-1] += 1.0 - pmf.sum()
    return pmf
