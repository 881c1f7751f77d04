"""A truncated beta-binomial split: how many of T units leave node n, how many the later nodes.

``P(O = k) ~ w(k) = G(k; a) G(T - k; b)`` with ``G(k; a) = Gamma(k + a) / Gamma(k + 1)``, on
``max(0, T - L) <= k <= min(T, A)``: T units in all, A at the node, L at all later nodes.

The support is covered by a fixed number of cells, M. With at most M points each is a cell of its
own and the distribution is exact. With more, cells widen geometrically away from both ends and
from the mean, a cell's mass is its width times the weight at its middle, and inside a cell all
units are equally likely.

Log weights are differences of log-gammas from a centre, by Stirling's series, without the
cancellation that float32 log-gammas of large arguments would have.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.simulator import hard_draw, straight_through

# Added to every alpha, so that a share of zero has finite log weights and derivatives.
MIN_ALPHA = 1e-4
_TINY = 1e-30
# How fast cells widen; the first of a cluster are about one unit wide.
_WIDEN = 4.0


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """The arguments of a split; every leaf broadcast to the same shape."""

    total: Float[Array, "*b"]  # T, whole units, at most own + later
    own: Float[Array, "*b"]  # A, whole units at the node
    later: Float[Array, "*b"]  # L, whole units at all later nodes
    alpha: Float[Array, "*b"]  # a, above 0
    beta: Float[Array, "*b"]  # b, above 0


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class _Support:
    lowest: Float[Array, "*b"]
    highest: Float[Array, "*b"]
    start: Float[Array, "*b M"]  # first unit of every cell
    width: Float[Array, "*b M"]  # units in it; 0: no cell
    middle: Float[Array, "*b M"]  # where its weight is taken
    centre: Float[Array, "*b"]  # unit that weights are relative to


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class _Table:
    support: _Support
    density: Float[Array, "*b M"]  # weight of one unit, the largest being 1


def _stirling(x: Array) -> Array:
    inverse = 1.0 / x
    square = inverse * inverse
    return inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square / 1260.0))


def _growth(k: Array, d: Array, a: Array) -> tuple[Array, Array]:
    """Return ``r`` and ``s``, of ``log G(k + d; a) - log G(k; a) = log r + s``.

    k and k + d are at least 0.
    """
    x, y = k + a, k + 1.0
    ratio = ((x * (x + 1.0)) / ((x + d) * (x + d + 1.0))) * (
        ((y + d) * (y + d + 1.0)) / (y * (y + 1.0))
    )
    x, y = x + 2.0, y + 2.0
    rest = d * jnp.log(x / y)
    rest = rest + (x + d - 0.5) * jnp.log1p(d / x) - (y + d - 0.5) * jnp.log1p(d / y)
    return ratio, rest + _stirling(x + d) - _stirling(x) - _stirling(y + d) + _stirling(y)


def _log_weight(k: Array, centre: Array, total: Array, alpha: Array, beta: Array) -> Array:
    """Return ``log w(k) - log w(centre)``."""
    d = k - centre
    left, right = _growth(centre, d, alpha), _growth(total - centre, -d, beta)
    return jnp.log(left[0] * right[0]) + left[1] + right[1]


@jax.custom_jvp
def _log_norm(
    alpha: Array, beta: Array, total: Array, centre: Array, middle: Array, width: Array
) -> Array:
    """Return ``log sum_k w(k) - log w(centre)`` over cells, differentiable in alpha and beta."""
    return _log_norm_and_slopes(alpha, beta, total, centre, middle, width)[0]


def _log_norm_and_slopes(
    alpha: Array, beta: Array, total: Array, centre: Array, middle: Array, width: Array
) -> tuple[Array, Array, Array]:
    def of(alpha: Array, beta: Array) -> Array:
        args = (x[..., None] for x in (centre, total, alpha, beta))
        return _log_weight(middle, *args)

    one, none = jnp.ones_like(alpha), jnp.zeros_like(alpha)
    log_weight, by_alpha = jax.jvp(of, (alpha, beta), (one, none))
    by_beta = jax.jvp(of, (alpha, beta), (none, one))[1]
    highest = jnp.max(log_weight, axis=-1)
    mass = width * jnp.exp(log_weight - highest[..., None])
    norm = jnp.sum(mass, axis=-1)
    by_alpha, by_beta = (jnp.sum(mass * by, axis=-1) / norm for by in (by_alpha, by_beta))
    return highest + jnp.log(norm), by_alpha, by_beta


@_log_norm.defjvp
def _log_norm_jvp(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    # The expected slope of a weight: nothing of the size of the cells is kept for later.
    found, by_alpha, by_beta = _log_norm_and_slopes(*primals)
    return found, by_alpha * tangents[0] + by_beta * tangents[1]


def _widening(length: Array, steps: Array, number: Array) -> Array:
    """Return where ``steps`` of ``number`` cells end, from 0 to length, fine at both ends.

    ``length`` and ``number`` are [..., 1].
    """
    number = jnp.maximum(number, 1.0)
    rate = jnp.log1p(_WIDEN * length / number)
    scale = 0.5 * length / jnp.maximum(jnp.expm1(rate), _TINY)
    t = jnp.clip(steps * (1.0 / number), 0.0, 1.0)
    rise = scale * jnp.expm1(2.0 * rate * jnp.minimum(t, 1.0 - t))
    return jnp.where(t <= 0.5, rise, length - rise)


def _cells(first: Array, last: Array, centre: Array, cells: int) -> tuple[Array, Array]:
    """Return the first unit and the width of every cell; all arguments are [..., 1]."""
    step = jnp.arange(cells + 1, dtype=first.dtype).reshape((1,) * (first.ndim - 1) + (-1,))
    exact = jnp.minimum(first + step, last + 1.0)
    left, right = centre - first, last + 1.0 - centre
    log_left, log_right = jnp.log1p(left), jnp.log1p(right)
    number = jnp.round(cells * log_left / (log_left + log_right))
    wide = first + jnp.round(
        _widening(left, step, number) + _widening(right, step - number, cells - number)
    )
    # The first and the last unit have cells of their own.
    wide = jnp.where(step > 0, jnp.maximum(wide, first + 1.0), first)
    wide = jnp.where(step < cells, jnp.minimum(wide, last), last + 1.0)
    ends = jnp.where(last - first < cells, exact, wide)
    return ends[..., :-1], ends[..., 1:] - ends[..., :-1]


def _support(split: Split, cells: int) -> _Support:
    """Return the cells; they have no derivatives."""
    split = jax.lax.stop_gradient(split)
    lowest = jnp.maximum(split.total - split.later, 0.0)
    highest = jnp.minimum(split.total, split.own)
    share = split.alpha / (split.alpha + split.beta)
    centre = jnp.clip(jnp.round(split.total * share), lowest, highest)
    last = highest[..., None]
    start, width = _cells(lowest[..., None], last, centre[..., None], cells)
    middle = jnp.minimum(start + 0.5 * jnp.maximum(width - 1.0, 0.0), last)
    return _Support(
        lowest=lowest, highest=highest, start=start, width=width, middle=middle, centre=centre
    )


def _table(split: Split, cells: int) -> _Table:
    """Return cells and weights; differentiable in alpha and beta alone."""
    support = _support(split, cells)
    args = (x[..., None] for x in (support.centre, split.total, split.alpha, split.beta))
    log_weight = _log_weight(support.middle, *args)
    log_scale = jax.lax.stop_gradient(jnp.max(log_weight, axis=-1, keepdims=True))
    return _Table(support=support, density=jnp.exp(log_weight - log_scale))


def split_log_prob(
    split: Split, units: Float[Array, "*b"], *, cells: int = 64
) -> Float[Array, "*b"]:
    """Return the log probability that the node ships ``units``.

    Args:
        split: Whole units and alphas.
        units: [...] whole units.
        cells: M.

    Returns:
        [...]; ``-inf`` outside of the support. The weight is exact; so is the normaliser up to M
        points, and from there on it is a sum over cells.

    Gradients:
        In alpha and beta.
    """
    split = _frozen_units(split)
    support = _support(split, cells)
    k = jnp.clip(units, support.lowest, support.highest)
    at = (split.alpha, split.beta, split.total, support.centre)
    log_norm = _log_norm(*at, support.middle, support.width)
    found = _log_weight(k, support.centre, split.total, split.alpha, split.beta) - log_norm
    return jnp.where(k == units, found, -jnp.inf)


def _frozen_units(split: Split) -> Split:
    total, own, later = jax.lax.stop_gradient((split.total, split.own, split.later))
    return Split(total=total, own=own, later=later, alpha=split.alpha, beta=split.beta)


def _cumulated(x: Array) -> Array:
    return jax.lax.cumsum(x, axis=x.ndim - 1)


def draw_split(split: Split, uniform: Float[Array, "*b"], *, cells: int = 64) -> Float[Array, "*b"]:
    """Draw how many of the total leave the node, by inverse CDF.

    Args:
        split: Whole units and alphas.
        uniform: [...] in [0, 1).
        cells: M.

    Returns:
        [...] whole units in the support.

    Gradients:
        In alpha and beta: ``simulator.hard_draw``, scaled by the width of the cell; exactly
        unbiased for linear functions of the draw.

        In the units T, A and L, which are whole: half the difference of what the same uniform
        draws from one unit more and from one unit less. Each difference is 0 or 1 (0 or -1 in
        L) where both alphas are at least 1; a mass at either end (an alpha below 1) may jump
        farther. Its mean is half the difference of the two
        means: exact for T where nothing is cut off, halfway between the value of the last unit
        and of the next where something is. Where one of the two does not exist (T, A or L is 0)
        the other counts in full. Where stock only just suffices, T = A + L, everything ships:
        there ``O = A - missing``, and the derivative is that of adding missing units,
        ``dO = dA - p (dA + dL - dT)``, p the draw of whether the first missing unit is the
        node's: exact in every direction in which the split exists.

        Summed over the nodes of a sequence the derivative in T is exactly 1.
    """
    frozen = _frozen_units(split)
    table = _table(frozen, cells)
    mass = table.support.width * table.density
    upto = _cumulated(mass)
    norm = upto[..., -1]
    target = jax.lax.stop_gradient(uniform * norm)
    cell = jnp.sum(target[..., None] > upto, axis=-1, keepdims=True)
    index = jnp.broadcast_to(jnp.arange(cells), mass.shape)
    here, before = index == cell, index < cell

    def pick(x: Array) -> Array:
        return jnp.sum(jnp.where(here, x, 0.0), axis=-1)

    def total(x: Array) -> Array:
        return jnp.sum(jnp.where(before, x, 0.0), axis=-1)

    start, width = pick(table.support.start), pick(table.support.width)
    own_mass, below = pick(mass), total(mass)
    position = jnp.clip((target - below) / jnp.maximum(own_mass, _TINY), 0.0, 1.0)
    offset = jnp.clip(jnp.floor(position * width), 0.0, width - 1.0)
    value = jax.lax.stop_gradient(start + offset)
    shaped = width * hard_draw(value, position, below / norm, (below + own_mass) / norm)

    context = jax.lax.stop_gradient((frozen, table, uniform, value))
    return _move(straight_through(value, shaped), (split.total, split.own, split.later), context)


@jax.custom_jvp
def _move(
    drawn: Array, units: tuple[Array, Array, Array], context: tuple[Split, _Table, Array, Array]
) -> Array:
    """Return ``drawn``; its derivative in T, A and L costs nothing where none is asked for."""
    del units, context
    return drawn


@_move.defjvp
def _move_jvp(
    primals: tuple[Array, tuple[Array, Array, Array], tuple[Split, _Table, Array, Array]],
    tangents: tuple[Array, tuple[Array, Array, Array], object],
) -> tuple[Array, Array]:
    drawn, _, context = primals
    drawn_dot, units_dot, _ = tangents
    moved = [slope * dot for slope, dot in zip(_slopes(*context), units_dot, strict=True)]
    return drawn, drawn_dot + moved[0] + moved[1] + moved[2]


def _slopes(
    split: Split,
    table: _Table,
    uniform: Array,
    value: Array,
) -> tuple[Array, Array, Array]:
    """Return the derivatives in T, A and L that ``draw_split`` documents."""
    total, own, later = split.total, split.own, split.later
    alpha, beta = split.alpha, split.beta
    lowest, highest = table.support.lowest, table.support.highest
    # Weights of the first and of the last unit, and of those just outside of the support.
    first, last = table.density[..., 0], table.density[..., -1]
    rest = total - highest
    outside_last = jnp.where(
        rest > 0,
        last
        * (highest + alpha)
        * rest
        / ((highest + 1.0) * jnp.where(rest > 0, rest - 1.0 + beta, 1.0)),
        0.0,
    )
    shrink = lowest / jnp.maximum(lowest - 1.0 + alpha, MIN_ALPHA)
    outside_first = first * shrink * (total - lowest + beta) / (total - lowest + 1.0)
    left = total[..., None] - table.support.middle
    more = (left + beta[..., None]) / (left + 1.0)
    less = jnp.where(left > 0, left / jnp.where(left > 0, left - 1.0 + beta[..., None], 1.0), 0.0)
    mass = table.support.width * table.density

    def curve(masses: Array) -> tuple[Array, Array, Array]:
        upto = _cumulated(masses)
        return upto[..., -1], upto - masses, 1.0 / jnp.maximum(masses, _TINY)

    plain, weighted_more, weighted_less = curve(mass), curve(mass * more), curve(mass * less)

    def moves(
        of: tuple[Array, Array, Array], add_first: Array, add_last: Array, low: Array, high: Array
    ) -> Array:
        """Return what the uniform draws from a changed split, less what it drew."""
        norm, before, inverse = of
        target = uniform * (norm + add_first + add_last) - add_first
        filled = (target[..., None] - before) * inverse
        reached = jnp.sum(table.support.width * jnp.clip(filled, 0.0, 1.0), axis=-1)
        drawn = lowest + jnp.where(target < 0, -1.0, jnp.floor(reached))
        return jnp.clip(drawn, low, high) - value

    none = jnp.zeros_like(total)
    # One unit more for later nodes, or one less in all, and the node may ship one less.
    gives = total - later
    freed, bound = gives >= 1, gives >= 0
    open_top = own > total
    low_less, low_more = jnp.maximum(gives - 1.0, 0.0), jnp.maximum(gives + 1.0, 0.0)
    t_more = moves(
        weighted_more,
        jnp.where(bound, -first * more[..., 0], none),
        jnp.where(open_top, last * (total + alpha) / (total + 1.0), none),
        low_more,
        jnp.minimum(total + 1.0, own),
    )
    t_less = moves(
        weighted_less,
        jnp.where(freed, first * shrink, none),
        none,
        low_less,
        jnp.minimum(total - 1.0, own),
    )
    a_more = moves(
        plain,
        none,
        jnp.where(own < total, outside_last, none),
        lowest,
        jnp.minimum(total, own + 1.0),
    )
    a_less = moves(
        plain, none, jnp.where(own <= total, -last, none), lowest, jnp.minimum(total, own - 1.0)
    )
    l_more = moves(plain, jnp.where(freed, outside_first, none), none, low_less, highest)
    l_less = moves(plain, jnp.where(bound, -first, none), none, low_more, highest)

    def centred(up: Array, down: Array, argument: Array) -> Array:
        return jnp.where(argument > 0, 0.5 * (up - down), up)

    by_total = centred(t_more, t_less, total)
    by_own = centred(a_more, a_less, own)
    by_later = centred(l_more, l_less, later)
    # No unit to spare: everything ships.
    full = total >= own + later
    some = total > 0
    missing = jnp.where(some, -t_less, alpha / (alpha + beta))
    by_total = jnp.where(full, missing, by_total)
    by_own = jnp.where(full, jnp.where(some, 1.0 - missing, 0.0), by_own)
    by_later = jnp.where(full, jnp.where(some, -missing, 0.0), by_later)
    return by_total, by_own, by_later
