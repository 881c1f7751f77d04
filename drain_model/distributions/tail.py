"""The tail of a count distribution: known by its quantiles, exponential beyond the last.

Nothing gathers: piecewise-linear curves are sums over their pieces, which differentiate and run
faster than look-ups. What else the drain model needs of a tail, it asks for here; another tail is
another class with these methods.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.drain_model.distributions.levels import LEVELS, NUM_LEVELS, STEP

_LOG2 = math.log(2.0)
_MIN_GAP = 1e-2  # units: knots are at least this far apart
_TINY = 1e-12


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Tail:
    """The distribution of real y >= ``start``, given that a count lies in the tail.

    F is linear between its knots and exponential beyond the last. Up to the first knot it rises as
    a power, ``0.1 ((y - start) / gap_1)^c`` with ``c = max(gap_1 / gap_2, 1)``: no faster than a
    line where the knots are close, and with a density that does not jump at the knot where the
    tail begins far above ``start``. A line would spread a tenth of the tail evenly over all units
    below.

    Source: Outbound, section 4.1, equation (1); METHODS section 2. The power is not from the paper.
    """

    knots: Float[Array, "*shape Q"]  # quantiles at LEVELS, units; increasing, above start
    start: float = field(metadata={"static": True})  # units, half a unit below the first count

    @classmethod
    def from_gaps(cls, gaps: Float[Array, "*shape Q"], start: float) -> Tail:
        """Return the tail with ``q_1 = start + gap_1``, ``q_{j+1} = q_j + gap_{j+1}``.

        Args:
            gaps: [..., 9] units, at least 0.
            start: Units.
        """
        return cls(knots=start + jnp.cumsum(gaps + _MIN_GAP, axis=-1), start=start)

    def mass(self, a: Float[Array, "*shape"], b: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return the mass of (a, b], without cancellation far out."""
        lower, gaps, scale = self._pieces()
        linear = _risen(lower, gaps, b) - _risen(lower, gaps, a)
        last = self.knots[..., -1]
        beyond_a = jnp.exp(-jnp.maximum(a - last, 0.0) / scale)
        beyond_b = jnp.exp(-jnp.maximum(b - last, 0.0) / scale)
        return STEP * (jnp.sum(linear, axis=-1) + beyond_a - beyond_b)

    def survival(self, y: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return the mass beyond y."""
        lower, gaps, scale = self._pieces()
        left = jnp.clip((lower + gaps - y[..., None]) / gaps, 0.0, 1.0)
        linear = jnp.concatenate([1.0 - _risen(lower, gaps, y)[..., :1], left[..., 1:]], axis=-1)
        beyond = jnp.exp(-jnp.maximum(y - self.knots[..., -1], 0.0) / scale)
        return STEP * (jnp.sum(linear, axis=-1) + beyond)

    def ppf(self, level: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return the quantile, real units, at a level in [0, 1)."""
        _, gaps, scale = self._pieces()
        position = level[..., None] / STEP - jnp.arange(NUM_LEVELS).reshape(
            (1,) * level.ndim + (NUM_LEVELS,)
        )
        share = jnp.clip(position, 0.0, 1.0)
        first = jnp.exp(jnp.log(jnp.maximum(share[..., 0], _TINY)) / _power(gaps))
        linear = gaps[..., 0] * first + jnp.sum(gaps[..., 1:] * share[..., 1:], axis=-1)
        rest = jnp.maximum((1.0 - level) / STEP, 1e-6)
        beyond = jnp.where(level > LEVELS[-1], -scale * jnp.log(jnp.minimum(rest, 1.0)), 0.0)
        return self.start + linear + beyond

    def _pieces(self) -> tuple[Array, Array, Array]:
        """Return starts and lengths of the nine pieces, and the exponential's scale."""
        lower = jnp.concatenate(
            [jnp.full_like(self.knots[..., :1], self.start), self.knots[..., :-1]], axis=-1
        )
        gaps = self.knots - lower
        return lower, gaps, gaps[..., -1] / _LOG2


def normal_gaps(
    mean: Float[Array, "*shape"], deviation: Float[Array, "*shape"], start: float
) -> Float[Array, "*shape Q"]:
    """Return the gaps between the quantiles of a normal's tail: what a head starts from.

    Not from the paper.

    Args:
        mean: [...] units.
        deviation: [...] units, above 0.
        start: Units. The first gap leads from here to the first quantile.

    Returns:
        [..., 9] units, at least 0.
    """
    cut = jnp.clip((start - mean) / deviation, -4.0, 4.0)[..., None]
    beyond = jax.scipy.special.ndtr(-cut)
    levels = jnp.asarray(LEVELS, mean.dtype).reshape((1,) * mean.ndim + (-1,))
    knots = jnp.concatenate([cut, -jax.scipy.special.ndtri(beyond * (1.0 - levels))], axis=-1)
    gaps = jnp.diff(knots, axis=-1) * deviation[..., None]
    # A mean far beyond the start: its quantiles were cut there.
    shift = jnp.maximum(mean + deviation * cut[..., 0] - start, 0.0)
    return jnp.concatenate([gaps[..., :1] + shift[..., None], gaps[..., 1:]], axis=-1)


def _power(gaps: Array) -> Array:
    """Return the power that the first piece rises with."""
    return jnp.maximum(gaps[..., 0] / gaps[..., 1], 1.0)


def _risen(lower: Array, gaps: Array, y: Array) -> Array:
    """Return [..., 9] how far each piece has risen at y, in [0, 1]."""
    share = jnp.clip((y[..., None] - lower) / gaps, 0.0, 1.0)
    first = jnp.exp(_power(gaps) * jnp.log(jnp.maximum(share[..., 0], _TINY)))
    return jnp.concatenate([first[..., None], share[..., 1:]], axis=-1)
