"""What becomes of units that arrive: the door, the store, the parts of an assembly."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from draingym.simulator.draws import lesser, straight_through
from draingym.simulator.network.arcs import at_target, into, least_at, sum_at, value_at
from draingym.simulator.ratio import ratio
from draingym.simulator.terms import Assembly, Storage, Terms


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """What came in: ``arrivals + door + parts = let in + refused + door' + parts'``, arc by arc."""

    stowed: Float[Array, " N"]  # units put on the shelf, those made of parts included
    goods: Float[Array, " E"]  # units that came in and are no parts
    made: Float[Array, " N"] | None  # units made of parts
    refused: Float[Array, " E"] | None  # units for which there was no room
    door: Float[Array, " E"] | None  # units that wait to be let in
    parts: Float[Array, " E"] | None  # parts that wait for others


def receive(
    arrivals: Float[Array, " E"],
    shelf: Float[Array, " N"],
    target: Int[Array, " E"] | None,
    terms: Terms | None,
    storage: Storage | None,
    assembly: Assembly | None,
    door: Float[Array, " E"] | None,
    parts: Float[Array, " E"] | None,
    *,
    whole_units: bool,
) -> Received:
    """Let arrivals in as far as the limit allows, store what fits, and make what parts allow.

    Args:
        arrivals: [E] units that are due.
        shelf: [N] units on hand at that moment.
        target: [E] node of each arc; None in a tree.
        terms: The period's.
        storage: Stores of limited room; None has room for all.
        assembly: Who makes what of parts; None is nobody.
        door: [E] units that wait at the door; None where nothing ever does.
        parts: [E] parts that wait; None where there are none.
        whole_units: Whether what fits, and what is made, is rounded down.

    Gradients: exact almost everywhere; see ``Storage`` and ``Assembly``.
    """
    nodes = shelf.shape[0]
    units, refused, made = arrivals, None, None
    if door is not None and terms is not None and terms.receive_limit is not None:
        waits = door + arrivals
        units = lesser(waits, terms.receive_limit)
        door = waits - units
    if storage is not None:
        fits = fitting(units, shelf, target, storage, whole_units=whole_units)
        units, refused = fits, units - fits
    goods = units
    if assembly is not None and parts is not None:
        is_part = assembly.needs > 0
        goods = jnp.where(is_part, 0.0, units)
        parts = parts + jnp.where(is_part, units, 0.0)
        made = _made(parts, target, assembly, nodes, whole_units=whole_units)
        # Rounding errors must not leave a debt of parts.
        parts = jnp.maximum(parts - assembly.needs * at_target(target, made), 0.0)
    stowed = into(target, goods, nodes)
    return Received(
        stowed=stowed if made is None else stowed + made,
        goods=goods,
        made=made,
        refused=refused,
        door=door,
        parts=parts,
    )


def fitting(
    units: Float[Array, " E"],
    shelf: Float[Array, " N"],
    target: Int[Array, " E"] | None,
    storage: Storage,
    *,
    whole_units: bool,
) -> Float[Array, " E"]:
    """Return the units of each arc that a store has room for, in proportion.

    ``fits_e = units_e * min(1, free / sum of the volumes that arrive)`` with ``free = max(room -
    sum of the volumes on hand, 0)``.
    """
    stores = storage.room.shape[0]
    volume = at_target(target, storage.volume) * units
    group = storage.group if target is None else storage.group[target]
    coming = sum_at(group, volume, stores)
    there = sum_at(storage.group, storage.volume * shelf, stores)
    free = jnp.maximum(storage.room - there, 0.0)
    over = coming > free
    bounded = value_at(group, over.astype(units.dtype)) > 0
    # Multiplied first: of whole units the product is exact, and so is a quotient that is whole.
    part = ratio(units * value_at(group, free), value_at(group, coming))
    fits = jnp.where(bounded, part, units)
    if whole_units:
        fits = straight_through(jnp.floor(jax.lax.stop_gradient(fits)), fits)
    return fits


def _made(
    parts: Float[Array, " E"],
    target: Int[Array, " E"] | None,
    assembly: Assembly,
    nodes: int,
    *,
    whole_units: bool,
) -> Float[Array, " N"]:
    """Return the units that parts allow, by node; 0 where none are needed."""
    needs = assembly.needs
    enough = jnp.where(needs > 0, parts / jnp.where(needs > 0, needs, 1.0), jnp.inf)
    ends = jnp.arange(nodes) if target is None else target
    least = least_at(ends, enough, nodes)
    made = jnp.where(least < jnp.inf, least, 0.0)
    return straight_through(jnp.floor(jax.lax.stop_gradient(made)), made) if whole_units else made
