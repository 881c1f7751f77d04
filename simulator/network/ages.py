"""Stock by age: who gets the oldest unit, and what expires."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from draingym.simulator.draws import lesser
from draingym.simulator.network.arcs import into
from draingym.simulator.terms import Perishable


def fresh(perishable: Perishable, units: Float[Array, " N"], rows: int) -> Float[Array, "A N"]:
    """Return units as the youngest of each node."""
    return jnp.where(jnp.arange(rows)[:, None] == perishable.first[None, :], units[None, :], 0.0)


def arrive(
    ages: Float[Array, "A N"],
    perishable: Perishable,
    goods: Float[Array, " E"],
    made: Float[Array, " N"] | None,
    target: Int[Array, " E"] | None,
    share: Float[Array, "E A"] | None,
) -> tuple[Float[Array, "A N"], Float[Array, " N"]]:
    """Put units on the shelf by age; return it, and the units for which an age had no place.

    Args:
        ages: [A, N] units, the youngest first.
        perishable: Whose limit of an age class holds after the arrival.
        goods: [E] units that came in.
        made: [N] units made; they are of the youngest.
        target: [E] node of each arc; None in a tree.
        share: [E, A] part of an arc's units that are of each age; None is the youngest.
    """
    rows, nodes = ages.shape
    if share is None:
        after = ages + fresh(perishable, into(target, goods, nodes), rows)
    else:
        after = ages + jnp.stack([into(target, share[:, a] * goods, nodes) for a in range(rows)])
    if made is not None:
        after = after + fresh(perishable, made, rows)
    if perishable.class_limit is None:
        return after, jnp.zeros_like(after[0])
    limit = jnp.broadcast_to(perishable.class_limit[None, :], after.shape)
    kept = lesser(after, limit)
    return kept, jnp.sum(after - kept, axis=0)


def issue(
    ages: Float[Array, "A N"], perishable: Perishable, units: Float[Array, " N"]
) -> Float[Array, "A N"]:
    """Take units off the shelf, the oldest or the youngest first; units below zero are youngest.

    Gradients: exact almost everywhere: 1 to the class at which what is taken runs out.
    """
    total = jnp.cumsum(ages, axis=0)
    younger = total - ages  # than the class
    older = total[-1:] - total
    before = jnp.where(perishable.lifo[None, :], younger, older)
    wanted = units[None, :] - before
    taken = lesser(jnp.where(wanted > 0, wanted, 0.0), ages)
    back = jnp.where(units < 0, units, 0.0)  # what customers bring back
    return ages - taken - fresh(perishable, back, ages.shape[0])


def grow_old(
    ages: Float[Array, "A N"], perishable: Perishable
) -> tuple[Float[Array, "A N"], Float[Array, " N"]]:
    """Return the shelf a period later, and the units that have expired."""
    wasted = jnp.where(perishable.perishes, ages[-1], 0.0)
    older = jnp.concatenate([jnp.zeros_like(ages[:1]), ages[:-1]])
    return jnp.where(perishable.perishes[None, :], older, ages), wasted
