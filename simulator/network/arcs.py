"""Sums over the arcs of a node, and what an arc sees of its ends.

Arc ``e`` replenishes node ``target[e]`` from node ``source[e]``; a source of -1 is the vendor. In a
tree ``target`` is None: arc n replenishes node n, and nothing has to be moved.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

# The most entries of a matrix of nodes and arcs: larger networks are summed by index.
_MOST_ENTRIES = 2**16


def total_of(chosen: Bool[Array, "N M"], amount: Float[Array, " M"]) -> Float[Array, " N"]:
    """Return ``sum_m chosen[n, m] * amount[m]``: over a node's arcs, or of an arc's one end."""
    # Exact for whole units: accelerators would otherwise round the factors of a product.
    total: Array = jnp.matmul(
        chosen.astype(amount.dtype), amount, precision=jax.lax.Precision.HIGHEST
    )
    return total


def sum_at(ends: Int[Array, " E"], amount: Float[Array, " E"], nodes: int) -> Float[Array, " N"]:
    """Return the sum of the amounts of each node's arcs, ``ends`` being their nodes; -1 is none."""
    if nodes * ends.shape[0] <= _MOST_ENTRIES:
        return total_of(ends[None, :] == jnp.arange(nodes)[:, None], amount)
    kept = jnp.where(ends >= 0, amount, 0.0)
    return jnp.zeros(nodes, amount.dtype).at[jnp.maximum(ends, 0)].add(kept)


def value_at(ends: Int[Array, " E"], value: Float[Array, " N"]) -> Float[Array, " E"]:
    """Return the value of each arc's node; 0 where there is none."""
    nodes = value.shape[0]
    if nodes * ends.shape[0] <= _MOST_ENTRIES:
        return total_of(ends[:, None] == jnp.arange(nodes)[None, :], value)
    return jnp.where(ends >= 0, value[jnp.maximum(ends, 0)], 0.0)


def into(
    target: Int[Array, " E"] | None, amount: Float[Array, " E"], nodes: int
) -> Float[Array, " N"]:
    """Return what the arcs into each node have together."""
    return amount if target is None else sum_at(target, amount, nodes)


def at_target(target: Int[Array, " E"] | None, value: Float[Array, " N"]) -> Float[Array, " E"]:
    """Return the value of the node that each arc leads to."""
    return value if target is None else value_at(target, value)
