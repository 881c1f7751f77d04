"""Stock by age: who gets the oldest unit, and what expires."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from draingym.simulator.draws import lesser, straight_through
from draingym.simulator.network.arcs import into, sum_at, value_at
from draingym.simulator.terms import DrawnAges, Perishable


def fresh(perishable: Perishable, units: Float[Array, " N"], rows: int) -> Float[Array, "A N"]:
    """Return units as the youngest of each node."""
    return jnp.where(jnp.arange(rows)[:, None] == perishable.first[None, :], units[None, :], 0.0)


def draw_ages(
    drawn: DrawnAges, goods: Float[Array, " E"], uniform: Float[Array, "D M"]
) -> Float[Array, "E A"]:
    """Return the units of each age that arcs bring in; none of arcs whose ages are not drawn.

    Args:
        drawn: Which arcs, and their odds.
        goods: [E] units that came in; of a part of a unit, as much is of the age of one.
        uniform: [D, M] in [0, 1), of a unit each; see ``DrawnAges``.

    Returns:
        [E, A] units, which add up to the goods; whole where these are whole.

    Gradients: those of the expected numbers.
    """
    units, most = value_at(drawn.arc, goods), uniform.shape[1]
    share = jax.nn.softmax(drawn.intercept + drawn.slope * units[:, None], axis=1)
    reach = jnp.cumsum(share, axis=1)
    reach = reach / reach[:, -1:]  # the last ages of no odds are of none for any uniform
    rounds = jnp.floor(units / most)
    rest = units - most * rounds
    weight = rounds[:, None] + jnp.clip(rest[:, None] - jnp.arange(most)[None, :], 0.0, 1.0)
    younger = uniform[:, None, :] < reach[:, :-1, None]
    below = jnp.sum(jnp.where(younger, weight[:, None, :], 0.0), axis=2)
    below = jnp.minimum(below, units[:, None])
    numbers = jnp.diff(below, axis=1, prepend=0.0, append=units[:, None])
    numbers = straight_through(numbers, share * units[:, None])
    arcs = goods.shape[0]
    return jnp.stack(
        [sum_at(drawn.arc, numbers[:, a], arcs) for a in range(numbers.shape[1])], axis=1
    )


def arrive(
    ages: Float[Array, "A N"],
    perishable: Perishable,
    goods: Float[Array, " E"],
    made: Float[Array, " N"] | None,
    target: Int[Array, " E"] | None,
    share: Float[Array, "E A"] | None,
    uniform: Float[Array, "D M"] | None,
) -> tuple[Float[Array, "A N"], Float[Array, " N"]]:
    """Put units on the shelf by age; return it, and the units for which an age had no place.

    Args:
        ages: [A, N] units, the youngest first.
        perishable: Whose limit of an age class holds after the arrival.
        goods: [E] units that came in.
        made: [N] units made; they are of the youngest.
        target: [E] node of each arc; None in a tree.
        share: [E, A] part of an arc's units that are of each age; None is the youngest.
        uniform: [D, M] of units whose age is drawn; None where none is.
    """
    rows, nodes = ages.shape
    if share is None:
        after = ages + fresh(perishable, into(target, goods, nodes), rows)
    else:
        after = ages + jnp.stack([into(target, share[:, a] * goods, nodes) for a in range(rows)])
    if perishable.drawn is not None and uniform is not None:
        numbers = draw_ages(perishable.drawn, goods, uniform)
        after = after + jnp.stack([into(target, numbers[:, a], nodes) for a in range(rows)])
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
