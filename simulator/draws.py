"""Hard values with useful derivatives: integer draws and randomised rounding.

The forward value is always the exact hard one, so the simulator that is differentiated is the
simulator that is stepped. Only the derivative is chosen here.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

# An atom rarer than this contributes a bounded derivative: it is drawn about once in 10^4 draws.
MASS_FLOOR = 1e-4


@jax.custom_jvp
def hard_draw(
    value: Float[Array, "*shape"],
    position: Float[Array, "*shape"],
    cdf_below: Float[Array, "*shape"],
    cdf_at: Float[Array, "*shape"],
) -> Float[Array, "*shape"]:
    """Return an integer drawn by inverse CDF, with the pathwise derivative of its distribution.

    ``dy = -[(1 - v) dF_below + v dF_at] / max(F_at - F_below, floor)``, where ``v`` in [0, 1] is
    the position of the uniform inside the atom that was drawn.

    Args:
        value: The atom that was drawn, units.
        position: ``v = (u - F_below) / (F_at - F_below)``.
        cdf_below: Probability of all smaller atoms.
        cdf_at: Probability of all atoms up to this one.

    Returns:
        ``value``, bit for bit.

    Gradients:
        Unbiased for linear functions of the draw (Abel summation over the atoms); biased near the
        kinks of other functions. ``value`` and ``position`` carry no derivative of their own.

    Source:
        Reconstructed: smoothed pathwise derivative of a discrete inverse CDF.

    Example:
        >>> jax.grad(hard_draw, argnums=3)(2.0, 0.5, 0.6, 0.8).item()  # more mass up to it: less
        -2.5
    """
    del position, cdf_below, cdf_at
    return value


@hard_draw.defjvp
def _hard_draw_jvp(
    primals: tuple[Array, Array, Array, Array], tangents: tuple[Array, Array, Array, Array]
) -> tuple[Array, Array]:
    value, position, cdf_below, cdf_at = primals
    _, _, below_dot, at_dot = tangents
    mass = jnp.maximum(cdf_at - cdf_below, MASS_FLOOR)
    v = jnp.clip(position, 0.0, 1.0)
    slope = -((1.0 - v) * below_dot + v * at_dot) / mass
    return value, slope.astype(value.dtype)


def straight_through(
    value: Float[Array, "*shape"], surrogate: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return ``value`` bit for bit, with the derivative of a finite ``surrogate``.

    >>> value, slope = jax.value_and_grad(lambda x: straight_through(jnp.round(x), 3.0 * x))(2.4)
    >>> float(value), float(slope)
    (2.0, 3.0)
    """
    return jax.lax.stop_gradient(value) + (surrogate - jax.lax.stop_gradient(surrogate))


def lesser(a: Float[Array, "*shape"], b: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return ``min(a, b)``; at a tie the derivative is that of ``a``.

    JAX's own ``minimum`` splits the derivative at ties, and integer stock hits ties all the time:
    the side is a choice, made by the order of the arguments.

    >>> jax.grad(lesser)(2.0, 2.0).item()  # at a tie all of it, where jnp.minimum has a half
    1.0
    """
    return jnp.where(b < a, b, a)


def round_shipments(
    amount: Float[Array, " N"],
    parent: Int[Array, " N"],
    stock: Float[Array, " N"],
    uniform: Float[Array, " N"],
    room: Float[Array, ""] | float = float("inf"),
) -> Float[Array, " N"]:
    """Round what parents ship to their children to whole units, at random and feasibly.

    Systematic rounding: with ``S_n`` the cumulated amounts of one parent's children and one
    uniform ``u`` a parent, ``y_n = floor(S_n + u) - floor(S_{n-1} + u)``. Then ``E[y_n] =
    amount_n``, siblings' roundings cancel, and a parent that ships its whole-unit stock in full
    ships exactly that.

    Args:
        amount: [N] real units to ship to each node, at least 0; children's sum at most the stock.
        parent: [N] index of the parent, -1 for the vendor.
        stock: [N] whole units on hand, the limit of what a node ships to its children.
        uniform: [N] in [0, 1); entry ``parent[n]`` is used for node ``n`` (the vendor uses the
            last, which is a leaf's).
        room: Whole units, the limit of what the vendor ships to all roots together.

    Returns:
        [N] whole units. The derivative is that of ``amount`` (straight through).

    Example:
        >>> amount, parent = jnp.array([0.0, 2.4, 3.6]), jnp.array([-1, 0, 0])
        >>> stock, uniform = jnp.array([6.0, 0.0, 0.0]), jnp.array([0.7, 0.0, 0.0])
        >>> round_shipments(amount, parent, stock, uniform).tolist()  # all that there is
        [0.0, 3.0, 3.0]
    """
    nodes = jnp.arange(amount.shape[0])
    siblings = (parent[:, None] == parent[None, :]) & (nodes[None, :] <= nodes[:, None])
    limit = jnp.where(parent >= 0, stock[parent], room)
    u = uniform[parent]
    cumulated = siblings.astype(amount.dtype) @ amount
    # 1 - u may round up to a whole unit in float32: the parent's stock is a limit whatever u is.
    upper = jnp.minimum(jnp.floor(cumulated + u), limit)
    # The elder sibling's own upper end, so that the pieces join exactly.
    elder = siblings & (nodes[None, :] < nodes[:, None])
    lower = jnp.max(jnp.where(elder, upper[None, :], 0.0), axis=1)
    return straight_through(jax.lax.stop_gradient(upper - lower), amount)


def split_shipments(
    shipped: Float[Array, " N"],
    share: Float[Array, "N lead"],
    uniform: Float[Array, " N"],
) -> Float[Array, "lead N"]:
    """Split whole shipments into whole pieces, by the share that arrives after k periods.

    Systematic rounding of the cumulated shares: ``E[piece_k] = share_k * shipped``, a piece is off
    by less than one unit, and the pieces add up to the shipment exactly.

    Args:
        shipped: [N] whole units.
        share: [N, L+1] shares that sum to one.
        uniform: [N] in [0, 1).

    Returns:
        [L+1, N] whole units. The derivative is that of ``share * shipped`` (straight through).

    Example:
        >>> share = jnp.array([[0.25, 0.75]])  # a quarter at once, the rest a period later
        >>> split_shipments(jnp.array([6.0]), share, jnp.array([0.2]))[:, 0].tolist()
        [1.0, 5.0]
    """
    exact = share.T * shipped[None, :]
    reached = jnp.floor(jnp.cumsum(exact, axis=0) + uniform[None, :])
    upper = jnp.minimum(reached, shipped[None, :]).at[-1].set(shipped)
    pieces = jnp.diff(upper, axis=0, prepend=jnp.zeros_like(upper[:1]))
    return straight_through(jax.lax.stop_gradient(pieces), exact)
