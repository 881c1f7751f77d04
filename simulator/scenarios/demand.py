"""Parametric demand for classic problems, all of it sampled before a rollout.

Discrete distributions are drawn by inverse CDF: one uniform and a table. Each class is a frozen,
hashable description; ``sample(key, shape)`` returns units, with regions in axis 1 of ``(T, Z)`` or
``(T, Z, B)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from draingym.common.arrays import require_range, short
from draingym.simulator.bounds import require_numbers
from draingym.simulator.precision import real

# The most entries of a table: more take longer to make than a rollout.
_MOST_ENTRIES = 2_000_000
# Tables end where less than this is left: float32 uniforms have steps of 2**-23.
_TAIL = 1e-8


class Demand(Protocol):
    """What customers want, period by period, whatever is on the shelf.

    >>> from dataclasses import dataclass
    >>> from draingym.simulator import single_store
    >>> @dataclass(frozen=True)
    ... class Weekly:  # the same every week, whatever the key
    ...     regions: int = 1
    ...     @property
    ...     def mean(self):
    ...         return np.array([4.0])
    ...     def sample(self, key, shape):
    ...         week = jnp.array([2.0, 2, 2, 2, 4, 8, 8])[jnp.arange(shape[0]) % 7]
    ...         return jnp.broadcast_to(week.reshape(-1, *[1] * (len(shape) - 1)), shape)
    >>> demand: Demand = Weekly()
    >>> simulator, params, sample = single_store(lead_time=1, demand=demand)
    >>> demand.sample(jax.random.key(0), (7, 1))[:, 0].tolist()
    [2.0, 2.0, 2.0, 2.0, 4.0, 8.0, 8.0]
    """

    @property
    def regions(self) -> int:
        """How many regions there are, ``Z``."""
        ...

    @property
    def mean(self) -> NDArray[np.float64]:
        """[Z] units a period."""
        ...

    def sample(self, key: Array, shape: tuple[int, ...]) -> Float[Array, "T Z *B"]:
        """Draw independent periods; ``shape`` is (T, Z) or (T, Z, B)."""
        ...


def from_table(uniform: Float[Array, "*shape"], cdf: NDArray[np.float64]) -> Float[Array, "*shape"]:
    """Return ``k`` with ``cdf[k - 1] <= uniform < cdf[k]``, for float32 uniforms.

    Gradients: zero; neither the draw nor the table carries a derivative.
    """
    if len(cdf) > 64:
        return real(jnp.searchsorted(jnp.asarray(cdf, jnp.float32), uniform, side="right"))
    # Few entries: comparisons of contiguous arrays, which processors do many at once.
    drawn = jnp.zeros_like(uniform)
    for bound in cdf[:-1]:
        drawn = drawn + (uniform >= np.float32(bound)).astype(uniform.dtype)
    return real(drawn)


def _until_tail(cdf: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a table without the entries that no uniform tells apart from one."""
    return cdf[: int(np.searchsorted(cdf, 1.0 - _TAIL)) + 1]


def _check_entries(entries: float, of: str) -> None:
    """Refuse a distribution whose table would not fit."""
    if entries > _MOST_ENTRIES:
        raise ValueError(
            f"rate {of} needs a table of {entries:.3g} entries, must need at most {_MOST_ENTRIES}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Poisson:
    """``D ~ Poisson(rate)`` in one region."""

    rate: float

    def __post_init__(self) -> None:
        """Refuse a rate that is not positive, or too large for a table."""
        require_range("rate", self.rate, low=0.0, open_low=True)
        _check_entries(self.entries, "of a Poisson")

    @property
    def regions(self) -> int:
        """One."""
        return 1

    @property
    def mean(self) -> NDArray[np.float64]:
        """[1] units a period."""
        return np.array([self.rate])

    @property
    def entries(self) -> float:
        """How long the table is before its tail is cut."""
        return self.rate + 12 * math.sqrt(self.rate) + 24

    def sample(self, key: Array, shape: tuple[int, ...]) -> Float[Array, "T Z *B"]:
        """Draw units; see ``Demand``."""
        from scipy import special  # where it is needed: loading it takes as long as a step

        units = np.arange(int(self.entries))
        cdf = _until_tail(special.pdtr(units, self.rate))
        return from_table(jax.random.uniform(key, shape, jnp.float32), cdf)


@dataclass(frozen=True, kw_only=True, slots=True)
class NegativeBinomial:
    """Counts with variance ``rate + dispersion * rate**2`` in one region."""

    rate: float
    dispersion: float

    def __post_init__(self) -> None:
        """Refuse numbers that are not positive, or too large for a table."""
        require_range("rate", self.rate, low=0.0, open_low=True)
        require_range("dispersion", self.dispersion, low=0.0, open_low=True)
        _check_entries(self.entries, f"at dispersion {self.dispersion}")

    @property
    def regions(self) -> int:
        """One."""
        return 1

    @property
    def mean(self) -> NDArray[np.float64]:
        """[1] units a period."""
        return np.array([self.rate])

    @property
    def entries(self) -> float:
        """How long the table is: its tail is geometric, the larger of rate and sd its scale."""
        sd = math.sqrt(self.rate) * math.sqrt(1.0 + self.dispersion * self.rate)
        return self.rate + 24 * sd * max(1.0, math.sqrt(self.dispersion)) + 24

    def sample(self, key: Array, shape: tuple[int, ...]) -> Float[Array, "T Z *B"]:
        """Draw units; see ``Demand``."""
        from scipy import special

        size = 1.0 / self.dispersion
        units = np.arange(int(self.entries))
        cdf = _until_tail(special.betainc(size, units + 1.0, size / (size + self.rate)))
        return from_table(jax.random.uniform(key, shape, jnp.float32), cdf)


@dataclass(frozen=True, kw_only=True, slots=True)
class Normal:
    """Normals, equally correlated between regions, clipped at zero unless told otherwise."""

    means: tuple[float, ...]
    sds: tuple[float, ...]
    correlation: float = 0.0  # of any two regions, in [0, 1]
    clip: bool = True

    def __post_init__(self) -> None:
        """Refuse negative numbers, unequal lengths and correlations out of [0, 1]."""
        for name in ("means", "sds"):
            _require_list(name, getattr(self, name))
        if len(self.means) != len(self.sds) or not len(self.means):
            raise ValueError(
                f"sds has {len(self.sds)} entries, must have as many as means, {len(self.means)}, "
                "at least 1"
            )
        require_numbers("means", self.means)
        require_numbers("sds", self.sds)
        require_range("correlation", self.correlation, low=0.0, high=1.0)

    @property
    def regions(self) -> int:
        """One a mean."""
        return len(self.means)

    @property
    def mean(self) -> NDArray[np.float64]:
        """[Z] units a period, before clipping."""
        return np.array(self.means)

    def sample(self, key: Array, shape: tuple[int, ...]) -> Float[Array, "T Z *B"]:
        """Draw units; see ``Demand``."""
        column = (1, self.regions) + (1,) * (len(shape) - 2)
        z = jax.random.normal(key, shape, jnp.float32)
        if self.correlation > 0:
            key_common = jax.random.fold_in(key, 1)
            common = jax.random.normal(key_common, (shape[0], 1, *shape[2:]), jnp.float32)
            alone, shared = (float(np.sqrt(s)) for s in (1 - self.correlation, self.correlation))
            z = alone * z + shared * common
        sds = jnp.asarray(self.sds, jnp.float32).reshape(column)
        units = jnp.asarray(self.means, jnp.float32).reshape(column) + sds * z
        return real(jnp.maximum(units, 0.0) if self.clip else units)


@dataclass(frozen=True, kw_only=True, slots=True)
class Deterministic:
    """The same pattern again and again: ``pattern[t % length]`` units in one region."""

    pattern: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse an empty pattern, and units that are negative or not finite."""
        _require_list("pattern", self.pattern)
        if not len(self.pattern):
            raise ValueError("pattern is (), must hold at least 1 entry")
        require_numbers("pattern", self.pattern)

    @property
    def regions(self) -> int:
        """One."""
        return 1

    @property
    def mean(self) -> NDArray[np.float64]:
        """[1] units a period."""
        return np.array([np.mean(self.pattern)])

    def sample(self, key: Array, shape: tuple[int, ...]) -> Float[Array, "T Z *B"]:
        """Repeat the pattern; the key is not used."""
        del key
        cycle = np.resize(np.asarray(self.pattern, np.float32), shape[0])
        return jnp.broadcast_to(real(cycle).reshape(-1, *[1] * (len(shape) - 1)), shape)


def _require_list(field: str, values: Any) -> None:
    if isinstance(values, str | bytes) or not isinstance(values, Sequence | np.ndarray):
        raise ValueError(f"{field} is {short(values)}, must be a list of numbers")
