"""Policies of the classic problems: (s, S); capped, echelon, and equal-fractile base stock."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from draingym.policies.rules.base_stock import positive
from draingym.policies.tree import descendants, net_stock, order_upwards, owed_to, require_fit
from draingym.simulator import Observation


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class CappedParams:
    """What ``CappedBaseStock`` may change."""

    level: Float[Array, "*N"]  # units
    cap: Float[Array, "*N"]  # units an order


@dataclass(frozen=True, kw_only=True, slots=True)
class CappedBaseStock:
    """Base stock with a limit on every order: ``min(max(level - position, 0), cap)``.

    Close to optimal with lost sales, where plain base stock over-reacts. Gradients are exact
    almost everywhere; at a gap equal to the cap the derivative is the gap's side.

    Source: Xin (2021), "Understanding the performance of capped base-stock policies in lost-sales
    inventory models".
    """

    initial_level: float = 0.0  # units
    initial_cap: float = 0.0  # units
    parent: tuple[int, ...] | None = None  # as of ``BaseStock``

    def init(self, key: Array) -> CappedParams:
        """Return the level and cap to start from, for all nodes."""
        del key
        return CappedParams(
            level=jnp.asarray(self.initial_level), cap=jnp.asarray(self.initial_cap)
        )

    def apply(
        self, params: CappedParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key

        def order(position: Float[Array, " N"]) -> Float[Array, " N"]:
            gap = positive(params.level - position)
            return jnp.where(gap <= params.cap, gap, params.cap)

        return order_upwards(self.parent, observation, order)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class ReorderPointParams:
    """What ``ReorderPoint`` may change."""

    level: Float[Array, "*N"]  # s, units: order when the position is at or below
    batch: Float[Array, "*N"]  # S - s, units


@dataclass(frozen=True, kw_only=True, slots=True)
class ReorderPoint:
    """The (s, S) policy: at or below s order up to S = s + batch.

    Gradients pass through S; that of the decision to order is zero.

    Source: Scarf (1960).
    """

    initial_level: float = 0.0  # units
    initial_batch: float = 1.0  # units
    parent: tuple[int, ...] | None = None  # as of ``BaseStock``

    def init(self, key: Array) -> ReorderPointParams:
        """Return the level and batch to start from, for all nodes."""
        del key
        return ReorderPointParams(
            level=jnp.asarray(self.initial_level), batch=jnp.asarray(self.initial_batch)
        )

    def apply(
        self, params: ReorderPointParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key

        def order(position: Float[Array, " N"]) -> Float[Array, " N"]:
            gap = params.level - position
            return jnp.where(gap >= 0, gap + params.batch, 0.0)

        return order_upwards(self.parent, observation, order)


@dataclass(frozen=True, kw_only=True, slots=True)
class EchelonBaseStock:
    """Raise every node's echelon position to its level; the [N] levels are the parameters.

    A node's echelon position is what is on hand at, and in transit to, it and all nodes below,
    less what customers wait for, and what its parent owes it. Optimal for serial lines. Gradients
    are exact almost everywhere.

    Source: Clark and Scarf (1960).
    """

    parent: tuple[int, ...]  # -1 for the vendor
    initial_level: float = 0.0  # units

    def init(self, key: Array) -> Float[Array, " N"]:
        """Return the levels to start from."""
        del key
        return jnp.full(len(self.parent), self.initial_level)

    def apply(
        self, params: Float[Array, " N"], observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key
        require_fit(observation, nodes=len(self.parent))
        below: Bool[Array, "N N"] = jnp.asarray(descendants(self.parent))
        stock = jnp.sum(jnp.where(below, net_stock(observation)[None, :], 0.0), axis=1)
        return positive(params - owed_to(observation, stock))


@dataclass(frozen=True, kw_only=True, slots=True)
class EqualFractile:
    """One warehouse, many stores: order up to an echelon level, allot to equal fractiles.

    Node 0 is a warehouse that stores nothing. What it has when it ships, x, goes to the stores so
    that those which get any end at ``mean + z * sd`` of their lead-time demand with one z:
    ``sum_i max(mean_i + z * sd_i - position_i, 0) = x``. The echelon level is the parameter.

    Gradients: exact almost everywhere; kinks are where a store begins to get nothing.

    Source: Eppen and Schrage (1981); Federgruen and Zipkin (1984).
    """

    mean: tuple[float, ...]  # units over a store's lead time + 1 periods
    sd: tuple[float, ...]  # units over the same, above 0
    initial_level: float = 0.0  # units

    def __post_init__(self) -> None:
        """Refuse deviations of other stores."""
        if len(self.sd) != len(self.mean):
            raise ValueError(f"sd has {len(self.sd)} entries, must have {len(self.mean)}, as mean")

    def init(self, key: Array) -> Float[Array, ""]:
        """Return the level to start from."""
        del key
        return jnp.asarray(self.initial_level)

    def apply(
        self, params: Float[Array, ""], observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units the warehouse orders, and those the stores are allotted."""
        del key
        require_fit(observation, nodes=len(self.mean) + 1)
        position = net_stock(observation)
        order = positive(params - jnp.sum(position))
        due = observation.pipeline[0, 0] if observation.pipeline.shape[0] > 0 else 0.0
        mean, sd = jnp.asarray(self.mean), jnp.asarray(self.sd)
        need = position[1:] - mean  # what a store has, as deviations from its mean
        ratio = jax.lax.stop_gradient(need / sd)
        # If the stores up to i, in order of need, share what there is, they all end at z_i. Right
        # is the last i that gets some. Comparing all pairs beats sorting inside a compiled loop.
        first = ratio[None, :] <= ratio[:, None]
        have = jnp.sum(jnp.where(first, need[None, :], 0.0), axis=1)
        spread = jnp.sum(jnp.where(first, sd[None, :], 0.0), axis=1)
        z = (observation.on_hand[0] + due + have) / spread
        last = jnp.max(jnp.where(z > ratio, ratio, -jnp.inf))
        level = jnp.max(jnp.where(ratio == last, z, -jnp.inf))
        level = jnp.where(last > -jnp.inf, level, jnp.min(ratio))  # nothing to share
        # What a store is owed is a part of what it gets, and is not requested again.
        due_to_stores = owed_to(observation, position)[1:]
        return jnp.concatenate([order[None], positive(mean + level * sd - due_to_stores)])
