"""Order-up-to policies: textbook base stock, and buying with population-share placement."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.policies.tree import (
    Tree,
    catchment_share,
    echelon_position,
    order_upwards,
    require_fit,
)
from draingym.simulator import Observation, straight_through


def positive(gap: Float[Array, "*N"]) -> Float[Array, "*N"]:
    """Return ``max(gap, 0)``; at 0 the derivative is the gap's side."""
    return jnp.where(gap >= 0, gap, 0.0)


def raised(
    level: Float[Array, "*N"], position: Float[Array, "*N"], *, secant: bool = False
) -> Float[Array, "*N"]:
    """Return ``max(level - position, 0)``, the units that raise a position to its level.

    Gradients: those of ``positive``. With ``secant`` the derivative to the position is the slope
    from a unit less to a unit more, half of each side's: a position of whole units is never a part
    of one, and that unit may be the one at which nothing more is requested. Values are the same.
    """
    gap = positive(level - position)
    if not secant:
        return gap
    apart = jax.lax.stop_gradient(level - position)
    slope = (positive(apart + 1.0) - positive(apart - 1.0)) / 2.0
    side = jnp.where(apart >= 0, 1.0, 0.0)
    return straight_through(gap, side * level - slope * position)


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseStock:
    """Raise every node's inventory position to its base-stock level; the level is the parameter.

    ``request = max(level - position, 0)`` with ``position = on hand + in transit + owed by the
    parent - waiting - claimed by children`` (``policies.tree.order_upwards``). Optimal for a store
    with backlog, and on serial lines. Gradients are exact almost everywhere; at a position equal to
    the level the derivative is the request's side, 1.
    """

    initial_level: float = 0.0  # units
    parent: tuple[int, ...] | None = None  # of every node, -1 for the vendor; None is one store

    def init(self, key: Array) -> Float[Array, "*N"]:
        """Return the level to start from: a number for one store, or one for every node."""
        del key
        return jnp.full(() if self.parent is None else len(self.parent), self.initial_level)

    def apply(
        self, params: Float[Array, "*N"], observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units to request; ``params`` is one level for all nodes, or [N] levels."""
        del key
        return order_upwards(self.parent, observation, lambda position: positive(params - position))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class OrderUpToParams:
    """The few numbers of ``OrderUpTo``."""

    buy_cover: Float[Array, ""]  # periods of forecast demand to own in the whole echelon
    place_cover: Float[Array, ""]  # periods of forecast demand to hold near customers
    safety: Float[Array, ""]  # standard deviations of Poisson demand on top


def covers() -> dict[str, Array]:
    """Return two weeks' buying cover and one week's placement cover, for daily periods."""
    return {
        "buy_cover": jnp.float32(14.0),
        "place_cover": jnp.float32(7.0),
        "safety": jnp.float32(1.0),
    }


def with_safety(mean: Float[Array, " N"], safety: Array) -> Float[Array, " N"]:
    """Return a demand plus standard deviations of a Poisson's: ``mean + safety * sqrt(mean)``."""
    return mean + safety * jnp.sqrt(mean + 1e-6)


def raise_to(
    tree: Tree, observation: Observation, target: Float[Array, " N"], *, secant: bool = False
) -> Array:
    """Return [N] units that raise every node's echelon position to its target (``raised``)."""
    return raised(target, echelon_position(tree, observation), secant=secant)


def cover_target(
    tree: Tree, params: OrderUpToParams, demand: Float[Array, " N"]
) -> Float[Array, " N"]:
    """Return [N] units of a cover of demand, bought or placed, with safety on top."""
    cover = jnp.where(tree.parent < 0, params.buy_cover, params.place_cover)
    return with_safety(cover * demand, params.safety)


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderUpTo:
    """Buy up to a cover of the national forecast, place in proportion to population.

    The demand of a node is the national forecast times the population of the regions it is the
    nearest open node of; an upstream node answers for the demand of all nodes below it. Each
    node's echelon position is raised to ``cover * demand + safety * sqrt(cover * demand)``, with
    ``buy_cover`` for what is bought from the vendor and ``place_cover`` for what is placed.

    Attributes:
        tree: Nodes and regions.
        secant: For few whole units at a node; changes derivatives alone (``raised``).
    """

    tree: Tree
    secant: bool = False

    def init(self, key: Array) -> OrderUpToParams:
        """Return two weeks' buying cover and one week's placement cover, for daily periods."""
        del key
        return OrderUpToParams(**covers())

    def apply(
        self, params: OrderUpToParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key
        return self.request(params, observation, jnp.ones_like(observation.on_hand))

    def request(
        self, params: OrderUpToParams, observation: Observation, factor: Float[Array, " N"]
    ) -> Float[Array, " N"]:
        """Return the requests with every node's target multiplied by ``factor``."""
        require_fit(observation, nodes=self.tree.parent.shape[0])
        nearest = catchment_share(self.tree, observation.active, jnp.float32(1e-3))
        local = jnp.sum(observation.forecast) * (nearest @ self.tree.population)
        demand = self.tree.descends.astype(local.dtype) @ local
        target = factor * cover_target(self.tree, params, demand)
        return raise_to(self.tree, observation, target, secant=self.secant)
