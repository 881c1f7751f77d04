"""Sums over the arcs of a node, and what an arc sees of its ends.

Arc ``e`` replenishes node ``target[e]`` from node ``source[e]``; a source of -1 is the vendor. In a
tree ``target`` is None: arc n replenishes node n, and nothing has to be moved.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

# The most entries of a matrix of nodes and arcs: larger networks are summed by index.
_MOST_ENTRIES = 2**16
# The most periods on the way that are added up one by one.
_SHORT = 8


def total_of(chosen: Array, amount: Float[Array, " M"]) -> Float[Array, " N"]:
    """Return ``sum_m chosen[n, m] * amount[m]``: over a node's arcs, or of an arc's one end.

    Args:
        chosen: [N, M] of truth values, or shares.
        amount: [M].
    """
    # Exact for whole units: accelerators would otherwise round the factors of a product.
    total: Array = jnp.matmul(
        chosen.astype(amount.dtype), amount, precision=jax.lax.Precision.HIGHEST
    )
    return total


def ends_of(
    ends: Int[Array, " E"], nodes: int
) -> tuple[Callable[[Array], Float[Array, " N"]], Callable[[Array], Float[Array, " E"]]]:
    """Return two functions: the sum over each node's arcs, and the value of each arc's node.

    Args:
        ends: [E] the node of each arc; -1 is none, which sums nothing and has the value 0.
        nodes: How many there are.
    """
    if nodes * ends.shape[0] <= _MOST_ENTRIES:
        chosen = ends[None, :] == jnp.arange(nodes)[:, None]
        return partial(total_of, chosen), partial(total_of, chosen.T)
    there, at = ends >= 0, jnp.maximum(ends, 0)

    def total(amount: Float[Array, " E"]) -> Float[Array, " N"]:
        return jnp.zeros(nodes, amount.dtype).at[at].add(jnp.where(there, amount, 0.0))

    def value(of_node: Float[Array, " N"]) -> Float[Array, " E"]:
        return jnp.where(there, of_node[at], 0.0)

    return total, value


def sum_at(ends: Int[Array, " E"], amount: Float[Array, " E"], nodes: int) -> Float[Array, " N"]:
    """Return the sum of the amounts of each node's arcs; see ``ends_of``."""
    return ends_of(ends, nodes)[0](amount)


def value_at(ends: Int[Array, " E"], value: Float[Array, " N"]) -> Float[Array, " E"]:
    """Return the value of each arc's node; see ``ends_of``."""
    return ends_of(ends, value.shape[0])[1](value)


def in_transit(pipeline: Float[Array, "L E"]) -> Float[Array, " E"]:
    """Return the units on their way over each arc, in all periods to come."""
    periods = pipeline.shape[0]
    if not 0 < periods <= _SHORT:
        return jnp.sum(pipeline, axis=0)
    # On CPUs XLA shares out a large reduction to threads, which costs more than a few additions.
    return reduce(jnp.add, [pipeline[period] for period in range(periods)])


def least_at(ends: Int[Array, " E"], amount: Float[Array, " E"], nodes: int) -> Float[Array, " N"]:
    """Return the least amount of each node's arcs; infinity where there is none."""
    if nodes * ends.shape[0] <= _MOST_ENTRIES:
        chosen = ends[None, :] == jnp.arange(nodes)[:, None]
        return jnp.min(jnp.where(chosen, amount[None, :], jnp.inf), axis=1)
    return jnp.full(nodes, jnp.inf, amount.dtype).at[ends].min(amount)


def into(
    target: Int[Array, " E"] | None, amount: Float[Array, " E"], nodes: int
) -> Float[Array, " N"]:
    """Return what the arcs into each node have together."""
    return amount if target is None else sum_at(target, amount, nodes)


def at_target(target: Int[Array, " E"] | None, value: Float[Array, " N"]) -> Float[Array, " E"]:
    """Return the value of the node that each arc leads to."""
    return value if target is None else value_at(target, value)
