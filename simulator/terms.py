"""What a network may have beside the structure and costs of a tree; nothing here has to be given.

A field that is None is a mechanism that is off, and out of the compiled program.

``N`` nodes, ``E`` arcs, ``G`` stores, ``A`` ages. A node is a stock: one product at one place, so
that several products at a place are several nodes, which may share a store.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
from jaxtyping import Array, Bool, Float, Int


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What a period charges and allows, by arc and by node.

    As ``Params.terms`` they hold in all periods; as ``Series.terms``, with a leading time axis,
    they vary, and are the only ones that count. Amounts are currency and units. A cost below zero
    is a credit.

    Gradients: those of unit costs are exact. A fee's is zero: it is paid or not (for
    more than ``charges.LEAST_UNITS``, so that rounding errors pay none). Limits have the
    derivative of the side that binds. ``minimum`` has none below it. ``batch`` is straight through.

    Example:
        >>> import jax.numpy as jnp
        >>> terms = Terms(request_fee=jnp.array([5.0]), batch=jnp.array([12.0]))  # of one arc
        >>> terms.batch.tolist(), terms.minimum
        ([12.0], None)
    """

    # What may be requested.
    request_limit: Float[Array, " E"] | None = None  # units a request is cut to
    minimum: Float[Array, " E"] | None = None  # units; a smaller request is refused altogether
    batch: Float[Array, " E"] | None = None  # units that a request is a multiple of; 0: of none
    # What may move in a period.
    ship_limit: Float[Array, " E"] | None = None  # units shipped on the arc
    source_limit: Float[Array, " N"] | None = None  # units the node ships on all its arcs
    yields: Float[Array, " N"] | None = None  # units the node ships of a unit of its stock, above 0
    leave_limit: Float[Array, " E"] | None = None  # units let out; the rest is set aside
    stands: Float[Array, " E"] | None = None  # above 0: what is on its way stays where it is
    receive_limit: Float[Array, " E"] | None = None  # units let in; the rest waits at the door
    # What it costs.
    request_cost: Float[Array, " E"] | None = None  # a unit requested
    request_fee: Float[Array, " E"] | None = None  # a period in which anything is requested
    ship_cost: Float[Array, " E"] | None = None  # a unit shipped
    ship_fee: Float[Array, " E"] | None = None  # a period in which anything is shipped
    receive_cost: Float[Array, " E"] | None = None  # a unit that arrives
    transfer_price: Float[Array, " E"] | None = None  # a unit shipped, from target to source
    short_cost: Float[Array, " E"] | None = None  # a unit claimed that the source does not ship
    dock_cost: Float[Array, " E"] | None = None  # a unit set aside, at the door, or a part
    refuse_cost: Float[Array, " N"] | None = None  # a unit that finds no room in the store
    waste_cost: Float[Array, " N"] | None = None  # a unit that expires
    sale_price: Float[Array, " N"] | None = None  # a unit sold to customers, beside the series' one
    unmet_price: Float[Array, " N"] | None = None  # a unit lost or waiting, beside ``unmet_cost``
    held_price: Float[Array, " N"] | None = None  # a unit on hand, beside ``holding_cost``
    transit_price: Float[Array, " E"] | None = None  # a unit on its way, beside ``transit_cost``
    salvage: Float[Array, " N"] | None = None  # credited for a unit on hand when a trajectory ends


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Storage:
    """Stores of limited room, each shared by the nodes of a group.

    What arrives and does not fit is refused, of all arcs into the store in the same proportion. It
    is gone, or sent back at once (``Dynamics.send_back``).

    Gradients: exact for real units; whole units are rounded down, straight through.

    Example:
        >>> import jax.numpy as jnp
        >>> stores = Storage(  # nodes 0 and 1 share one store, node 2 has its own
        ...     group=jnp.array([0, 0, 1]), volume=jnp.ones(3), room=jnp.array([50.0, 20.0])
        ... )
        >>> stores.room[stores.group].tolist()
        [50.0, 50.0, 20.0]
    """

    group: Int[Array, " N"]  # the store that the node is in; -1 has room for everything
    volume: Float[Array, " N"]  # room that a unit takes, above 0
    room: Float[Array, " G"]  # of each store


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnAges:
    """Arcs whose units come in an age that is drawn, unit by unit, by odds that may depend on them.

    Of ``u`` units that come in at once each is of age ``a`` with a probability in proportion to
    ``exp(intercept[a] + slope[a] * u)``: their numbers are multinomial, by a multinomial logit. A
    period's uniforms (``Series.age_uniform``) are of a unit each; where there are more units, they
    go round: the first after the last uniform is of the age of the first.

    Gradients: those of the expected numbers, which the derivative goes straight through to.

    Example:
        >>> import jax.numpy as jnp
        >>> odds = DrawnAges(  # one arc; the more units, the more of them are old
        ...     arc=jnp.array([0]), intercept=jnp.zeros((1, 2)), slope=jnp.array([[0.0, 0.1]])
        ... )
        >>> odds.slope.shape
        (1, 2)
    """

    arc: Int[Array, " D"]  # which arcs these are
    intercept: Float[Array, "D A"]  # log odds of an age
    slope: Float[Array, "D A"]  # what a unit that comes in adds to it


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Perishable:
    """Stock by age, the youngest first; what is left of the last row at a period's end expires.

    A unit that arrives in row ``first`` of ``A`` serves the demand of ``A - first`` periods. What
    a node ships to another takes its units as customers do; it arrives in the age that the arc
    gives (``Series.age_share``; the youngest when None), or that is drawn (``drawn``).

    Gradients: exact almost everywhere; the kinks are where an age class runs out.

    Example:
        >>> import jax.numpy as jnp
        >>> shelf = Perishable(  # one node, whose customers take the youngest units
        ...     first=jnp.array([0]), lifo=jnp.array([True]), perishes=jnp.array([True])
        ... )
        >>> shelf.lifo.tolist()
        [True]
    """

    first: Int[Array, " N"]  # row in which units made, and those that arrive youngest, start
    lifo: Bool[Array, " N"]  # the youngest units leave first, not the oldest
    perishes: Bool[Array, " N"]  # others stay in the row they are in
    class_limit: Float[Array, " N"] | None = None  # units of an age kept at an arrival; rest gone
    drawn: DrawnAges | None = None  # arcs whose ages are drawn; their ``age_share`` is 0


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Assembly:
    """Nodes that make their stock of parts, which wait for each other.

    In a period a node makes as many units as the parts it has allow, after the period's arrivals.

    Gradients: exact almost everywhere: the derivative of the part that there is least of.

    Example:
        >>> import jax.numpy as jnp
        >>> made_of = Assembly(needs=jnp.array([2.0, 1.0]))  # two units of one, one of another
        >>> made_of.needs.tolist()
        [2.0, 1.0]
    """

    needs: Float[Array, " E"]  # units of the part in a unit made; 0: goods that are stock at once
