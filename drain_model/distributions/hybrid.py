"""The heads' distributions: hybrid for outbound units, quantiles for the cost of a unit.

Pure functions on arrays. Nothing gathers: piecewise-linear curves are sums over their pieces,
which differentiate and run faster than look-ups.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Levels of the tail's and of the cost's quantiles.
LEVELS = tuple(round(0.1 * j, 1) for j in range(1, 10))
NUM_LEVELS = len(LEVELS)
_STEP = 0.1
_LOG2 = math.log(2.0)
# Knots are at least this far apart, in units (outbound) and in log currency (cost).
_MIN_GAP = 1e-2
_MIN_LOG_GAP = 1e-3
# The log cost's upper tail decays at least this fast, so that cost has a mean and a variance.
_MAX_LOG_SCALE = 0.45
_TINY = 1e-12


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Hybrid:
    """A distribution on 0, 1, 2, ...: K atoms, and a tail known by its quantiles.

    ``P(O = k) = p_k`` for k < K. Beyond, ``F(y) = 1 - p_tail + p_tail F_q(y)`` for real
    y >= K - 1/2, with F_q linear between its knots and exponential beyond the last. An integer k
    in the tail has the mass ``F(k + 1/2) - F(k - 1/2)``. Up to the first knot F_q rises as a power,
    ``0.1 ((y - K + 1/2) / gap_1)^c`` with ``c = max(gap_1 / gap_2, 1)``: no faster than a line
    where the knots are close, and with a density that does not jump at the knot where the tail
    begins far above K. A line would spread a tenth of the tail evenly over all units below.

    Source: Outbound, section 4.1, equation (1); METHODS section 2. The power is not from the paper.
    """

    log_atoms: Float[Array, "*shape K"]  # log p_0 .. log p_{K-1}
    log_tail: Float[Array, "*shape"]  # log p_tail
    knots: Float[Array, "*shape Q"]  # quantiles of the tail at LEVELS, units; above K - 1/2

    @property
    def num_atoms(self) -> int:
        """How many atoms there are, ``K``."""
        return int(self.log_atoms.shape[-1])


def count_base(
    mean: Float[Array, "*shape"], dispersion: Float[Array, "*shape"], num_atoms: int
) -> tuple[Float[Array, "*shape K"], Float[Array, "*shape Q"]]:
    """Return logits and tail gaps of about a negative binomial: what a head starts from.

    Variance ``mean + dispersion mean^2``. Atoms by their recursion; the tail's quantiles are
    those of the normal with the same mean and variance, beyond K - 1/2. Not from the paper.

    Args:
        mean: [...] units, above 0.
        dispersion: [...] above 0.
        num_atoms: K.

    Returns:
        Logits [..., K] relative to the tail, and gaps [..., 9] between the tail's quantiles.
    """
    grow = jnp.log(mean) - jnp.log1p(dispersion * mean)
    log_p = [-jnp.log1p(dispersion * mean) / dispersion]
    for k in range(1, num_atoms):
        log_p.append(log_p[-1] + grow + jnp.log((1.0 + dispersion * (k - 1)) / k))
    atoms = jnp.stack(log_p, axis=-1)
    tail = jnp.maximum(1.0 - jnp.sum(jnp.exp(atoms), axis=-1, keepdims=True), 1e-4)
    deviation = jnp.sqrt(mean + dispersion * jnp.square(mean))
    start = jnp.clip((num_atoms - 0.5 - mean) / deviation, -4.0, 4.0)[..., None]
    beyond = jax.scipy.special.ndtr(-start)
    levels = jnp.asarray((0.0, *LEVELS), mean.dtype).reshape((1,) * mean.ndim + (-1,))
    knots = -jax.scipy.special.ndtri(beyond * (1.0 - levels))
    gaps = jnp.diff(knots, axis=-1) * deviation[..., None]
    # Means far beyond the atoms: the first gap leads from K - 1/2 to the first quantile.
    shift = jnp.maximum(mean + deviation * start[..., 0] - (num_atoms - 0.5), 0.0)
    gaps = jnp.concatenate([gaps[..., :1] + shift[..., None], gaps[..., 1:]], axis=-1)
    return jnp.clip(atoms - jnp.log(tail), -20.0, 20.0), gaps


def hybrid(logits: Float[Array, "*shape K"], gaps: Float[Array, "*shape Q"]) -> Hybrid:
    """Map logits and gaps to the hybrid distribution.

    ``q_1 = K - 1/2 + gap_1``, ``q_{j+1} = q_j + gap_{j+1}``; the tail's logit is the reference,
    0.

    Args:
        logits: [..., K] of the atoms.
        gaps: [..., 9] units, at least 0.

    Returns:
        The distribution.
    """
    joint = jax.nn.log_softmax(
        jnp.concatenate([logits, jnp.zeros_like(logits[..., :1])], axis=-1), axis=-1
    )
    start = logits.shape[-1] - 0.5
    return Hybrid(
        log_atoms=joint[..., :-1],
        log_tail=joint[..., -1],
        knots=start + jnp.cumsum(gaps + _MIN_GAP, axis=-1),
    )


def _pieces(dist: Hybrid) -> tuple[Array, Array, Array]:
    """Return starts and lengths of the tail's nine pieces, and the exponential's scale."""
    start = dist.num_atoms - 0.5
    lower = jnp.concatenate(
        [jnp.full_like(dist.knots[..., :1], start), dist.knots[..., :-1]], axis=-1
    )
    gaps = dist.knots - lower
    return lower, gaps, gaps[..., -1] / _LOG2


def _power(gaps: Array) -> Array:
    """Return the power that the first piece rises with."""
    return jnp.maximum(gaps[..., 0] / gaps[..., 1], 1.0)


def _risen(lower: Array, gaps: Array, y: Array) -> Array:
    """Return [..., 9] how far each piece has risen at y, in [0, 1]."""
    share = jnp.clip((y[..., None] - lower) / gaps, 0.0, 1.0)
    first = jnp.exp(_power(gaps) * jnp.log(jnp.maximum(share[..., 0], _TINY)))
    return jnp.concatenate([first[..., None], share[..., 1:]], axis=-1)


def _tail_mass(dist: Hybrid, a: Array, b: Array) -> Array:
    """Return the conditional tail mass of (a, b], without cancellation far out."""
    lower, gaps, scale = _pieces(dist)
    linear = _risen(lower, gaps, b) - _risen(lower, gaps, a)
    last = dist.knots[..., -1]
    beyond_a = jnp.exp(-jnp.maximum(a - last, 0.0) / scale)
    beyond_b = jnp.exp(-jnp.maximum(b - last, 0.0) / scale)
    return _STEP * (jnp.sum(linear, axis=-1) + beyond_a - beyond_b)


def _tail_survival(dist: Hybrid, y: Array) -> Array:
    """Return the conditional tail mass beyond y."""
    lower, gaps, scale = _pieces(dist)
    left = jnp.clip((lower + gaps - y[..., None]) / gaps, 0.0, 1.0)
    linear = jnp.concatenate([1.0 - _risen(lower, gaps, y)[..., :1], left[..., 1:]], axis=-1)
    beyond = jnp.exp(-jnp.maximum(y - dist.knots[..., -1], 0.0) / scale)
    return _STEP * (jnp.sum(linear, axis=-1) + beyond)


def tail_ppf(dist: Hybrid, level: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return the tail's quantile, real units, at a level in [0, 1)."""
    _, gaps, scale = _pieces(dist)
    position = level[..., None] / _STEP - jnp.arange(NUM_LEVELS).reshape(
        (1,) * level.ndim + (NUM_LEVELS,)
    )
    share = jnp.clip(position, 0.0, 1.0)
    first = jnp.exp(jnp.log(jnp.maximum(share[..., 0], _TINY)) / _power(gaps))
    linear = gaps[..., 0] * first + jnp.sum(gaps[..., 1:] * share[..., 1:], axis=-1)
    rest = jnp.maximum((1.0 - level) / _STEP, 1e-6)
    beyond = jnp.where(level > LEVELS[-1], -scale * jnp.log(jnp.minimum(rest, 1.0)), 0.0)
    return dist.num_atoms - 0.5 + linear + beyond


def cdf(dist: Hybrid, units: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return ``P(O <= k)`` for whole units k, any sign.

    Args:
        dist: Of shape [...].
        units: [...] whole numbers.

    Returns:
        [...] in [0, 1]. Differentiable in the distribution's parameters.
    """
    atoms = jnp.arange(dist.num_atoms, dtype=units.dtype).reshape(
        (1,) * units.ndim + (dist.num_atoms,)
    )
    below = jnp.sum(jnp.where(atoms <= units[..., None], jnp.exp(dist.log_atoms), 0.0), axis=-1)
    survival = jnp.exp(dist.log_tail) * _tail_survival(dist, units + 0.5)
    return jnp.where(units < dist.num_atoms, below, 1.0 - survival)


def ppf(dist: Hybrid, uniform: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return the smallest whole k with ``u <= F(k)``.

    The tail counts whole: k with ``F(k - 1/2) < u <= F(k + 1/2)``.

    Args:
        dist: Of shape [...].
        uniform: [...] in [0, 1).

    Returns:
        [...] whole units. The derivative is zero: see ``marginals.censored_draw`` for one that is
        of use.
    """
    cumulative = jnp.cumsum(jnp.exp(dist.log_atoms), axis=-1)
    atom = jnp.sum(uniform[..., None] > cumulative, axis=-1).astype(uniform.dtype)
    # From above, so that a rare tail keeps its digits.
    level = 1.0 - (1.0 - uniform) * jnp.exp(-dist.log_tail)
    tail = jnp.ceil(tail_ppf(dist, jnp.clip(level, 0.0, 1.0)) - 0.5)
    tail = jnp.maximum(tail, float(dist.num_atoms))
    return jax.lax.stop_gradient(jnp.where(atom < dist.num_atoms, atom, tail))


def log_prob(dist: Hybrid, units: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return ``log P(O = k)`` for whole k >= 0."""
    return log_atom(dist, units) + jnp.where(
        units < dist.num_atoms, 0.0, log_tail_prob(dist, units)
    )


def log_atom(dist: Hybrid, units: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return ``log p_min(k, K)``: the cross entropy's part of the likelihood."""
    atoms = jnp.arange(dist.num_atoms, dtype=units.dtype).reshape(
        (1,) * units.ndim + (dist.num_atoms,)
    )
    inside = jnp.sum(jnp.where(atoms == units[..., None], dist.log_atoms, 0.0), axis=-1)
    return jnp.where(units < dist.num_atoms, inside, dist.log_tail)


def log_tail_prob(dist: Hybrid, units: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return ``log P(O = k | tail)`` for whole k >= K."""
    y = jnp.maximum(units, float(dist.num_atoms))
    return jnp.log(_tail_mass(dist, y - 0.5, y + 0.5) + _TINY)


def log_tail_at_least(dist: Hybrid, units: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return ``log P(O >= k | tail)`` for whole k >= K."""
    y = jnp.maximum(units, float(dist.num_atoms))
    return jnp.log(_tail_survival(dist, y - 0.5) + _TINY)


def log_atoms_at_least(dist: Hybrid, units: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return ``log P(O >= min(k, K))`` for whole k >= 0."""
    atoms = jnp.arange(dist.num_atoms, dtype=units.dtype).reshape(
        (1,) * units.ndim + (dist.num_atoms,)
    )
    kept = jnp.where(atoms >= units[..., None], dist.log_atoms, -jnp.inf)
    joint = jnp.concatenate([kept, dist.log_tail[..., None]], axis=-1)
    return jax.nn.logsumexp(joint, axis=-1)


def cost_knots(
    raw: Float[Array, "*shape Q"], mean: Float[Array, ""], scale: Float[Array, ""]
) -> Float[Array, "*shape Q"]:
    """Map a network's outputs to increasing quantiles of the log cost of a unit.

    The middle quantile is ``mean + scale raw_5``; the others lie softplus gaps below and above.

    Args:
        raw: [..., 9].
        mean: Log currency a unit, over the training data.
        scale: Its standard deviation.

    Returns:
        [..., 9] quantiles of log cost a unit at LEVELS.
    """
    middle = NUM_LEVELS // 2
    gaps = 0.3 * scale * jax.nn.softplus(raw) + _MIN_LOG_GAP
    centre = mean + scale * raw[..., middle : middle + 1]
    below = centre - jnp.flip(jnp.cumsum(jnp.flip(gaps[..., :middle], -1), axis=-1), -1)
    above = centre + jnp.cumsum(gaps[..., middle + 1 :], axis=-1)
    return jnp.concatenate([below, centre, above], axis=-1)


def _cost_scales(knots: Array) -> tuple[Array, Array]:
    lower = (knots[..., 1] - knots[..., 0]) / _LOG2
    upper = jnp.minimum((knots[..., -1] - knots[..., -2]) / _LOG2, _MAX_LOG_SCALE)
    return lower, upper


def cost_ppf(
    knots: Float[Array, "*shape Q"], level: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return the quantile of the cost of a unit at a level in (0, 1), currency.

    Linear in the log between knots, exponential beyond the first and last: never negative.
    """
    lower, upper = _cost_scales(knots)
    position = (level[..., None] - _STEP) / _STEP - jnp.arange(NUM_LEVELS - 1).reshape(
        (1,) * level.ndim + (NUM_LEVELS - 1,)
    )
    inside = jnp.sum(jnp.diff(knots, axis=-1) * jnp.clip(position, 0.0, 1.0), axis=-1)
    low = jnp.minimum(jnp.log(jnp.maximum(level, 1e-6) / _STEP), 0.0)
    high = jnp.minimum(jnp.log(jnp.maximum(1.0 - level, 1e-6) / _STEP), 0.0)
    return jnp.exp(knots[..., 0] + inside + lower * low - upper * high)


def cost_cdf(
    knots: Float[Array, "*shape Q"], cost: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return the probability that a unit costs at most ``cost`` > 0; the inverse of the ppf."""
    lower, upper = _cost_scales(knots)
    x = jnp.log(cost)
    inside = jnp.clip((x[..., None] - knots[..., :-1]) / jnp.diff(knots, axis=-1), 0.0, 1.0)
    low = jnp.exp(jnp.minimum(x - knots[..., 0], 0.0) / lower)
    high = -jnp.expm1(-jnp.maximum(x - knots[..., -1], 0.0) / upper)
    return _STEP * (jnp.sum(inside, axis=-1) + low + high)


def cost_log_density(
    knots: Float[Array, "*shape Q"], cost: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return the log density of the *log* cost of a unit at ``cost`` > 0."""
    lower, upper = _cost_scales(knots)
    x = jnp.log(cost)
    gaps = jnp.diff(knots, axis=-1)
    inside = (x[..., None] >= knots[..., :-1]) & (x[..., None] < knots[..., 1:])
    middle = jnp.sum(jnp.where(inside, -jnp.log(gaps), 0.0), axis=-1)
    low = jnp.minimum(x - knots[..., 0], 0.0) / lower - jnp.log(lower)
    high = -jnp.maximum(x - knots[..., -1], 0.0) / upper - jnp.log(upper)
    tail = jnp.where(x < knots[..., 0], low, high)
    between = (x >= knots[..., 0]) & (x < knots[..., -1])
    return math.log(_STEP) + jnp.where(between, middle, tail)


def cost_log_mass(
    knots: Float[Array, "*shape Q"], cost: Float[Array, "*shape"], half_width: float
) -> Float[Array, "*shape"]:
    """Return the log density of the log cost of a unit, averaged over ``log cost +- half_width``.

    ``log([F(x + h) - F(x - h)] / 2h)``. This is what to maximise. The density itself jumps at the
    knots: its derivative at a fixed cost misses that the cost changes sides, so that descending
    it narrows every gap. F is continuous in the knots, and its derivative misses nothing.

    Args:
        knots: [..., 9] log quantiles.
        cost: [...] currency a unit, above 0.
        half_width: h, in log currency; small against the spread of the cost.

    Returns:
        [...].
    """
    lower, upper = _cost_scales(knots)
    a, b = jnp.log(cost) - half_width, jnp.log(cost) + half_width
    start, gaps = knots[..., :-1], jnp.diff(knots, axis=-1)
    linear = jnp.clip((b[..., None] - start) / gaps, 0.0, 1.0) - jnp.clip(
        (a[..., None] - start) / gaps, 0.0, 1.0
    )
    first, last = knots[..., 0], knots[..., -1]
    low = jnp.exp(jnp.minimum(b - first, 0.0) / lower) - jnp.exp(
        jnp.minimum(a - first, 0.0) / lower
    )
    high = jnp.exp(-jnp.maximum(a - last, 0.0) / upper) - jnp.exp(
        -jnp.maximum(b - last, 0.0) / upper
    )
    mass = _STEP * (jnp.sum(linear, axis=-1) + low + high)
    return jnp.log(mass + _TINY) - math.log(2.0 * half_width)
