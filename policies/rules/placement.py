"""Placement baselines of a few numbers: order-up-to forms that differ in where a target comes from.

All of them raise a node's echelon position (on hand and in transit, at it and all nodes below it)
to a target; a node's demand is the forecast of the regions that it should expect to serve, an
upstream node's that of all nodes below it. Gradients are exact almost everywhere: at a position
equal to the target the derivative is the request's side; ``CoverReorder`` jumps at its reorder
level, and the derivative of that jump is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtri
from jaxtyping import Array, Float

from draingym.policies.rules.base_stock import (
    OrderUpToParams,
    cover_target,
    covers,
    raise_to,
    with_safety,
)
from draingym.policies.tree import Tree, catchment_share, echelon_position, require_fit
from draingym.simulator import Observation

# A reach this small, 1000 km, is the nearest node alone.
NEAREST = 1e-3


def forecast_demand(
    tree: Tree, observation: Observation, reach: Float[Array, ""] | float = NEAREST
) -> Float[Array, " N"]:
    """Return [N] units a period forecast for every node, or for all nodes below it.

    Args:
        tree: The network.
        observation: What the policy sees.
        reach: 1000 km; how far beyond its nearest node a region's demand is shared out.
    """
    require_fit(observation, nodes=tree.distance.shape[0], regions=tree.distance.shape[1])
    share = catchment_share(tree, observation.active, jnp.asarray(reach, jnp.float32))
    below: Float[Array, "N N"] = tree.descends.astype(jnp.float32)
    demand: Float[Array, " N"] = below @ (share @ observation.forecast)
    return demand


def uncertain_covers() -> dict[str, Array]:
    """Return shorter covers than ``covers`` for daily periods: a quantile holds their safety."""
    return {
        "buy_cover": jnp.float32(10.0),
        "place_cover": jnp.float32(5.0),
        "cv": jnp.float32(0.3),
    }


def error_cv(cv: Float[Array, ""], observation: Observation) -> Float[Array, ""]:
    """Return the coefficient of variation of a forecast's error: a policy's own number.

    Where the forecast says how much it errs (``Observation.forecast_cv``), that times the number.
    """
    return cv if observation.forecast_cv is None else cv * observation.forecast_cv


def gamma_quantile(
    mean: Float[Array, "*N"], shape: Float[Array, "*N"], z: Float[Array, "*N"]
) -> Float[Array, "*N"]:
    """Return a gamma's quantile, ``mean * max(1 - 1 / (9 k) + z / (3 sqrt(k)), 0)**3``.

    Args:
        mean: Above 0; units.
        shape: k, ``mean**2 / variance``, above 0.
        z: The standard normal's quantile at the same level.

    Source: Wilson and Hilferty (1931).
    """
    root = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * jnp.sqrt(shape))
    return mean * jnp.where(root >= 0, root, 0.0) ** 3


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class PerNodeParams:
    """What ``OrderUpToPerNode`` may change."""

    cover: Float[Array, " N"]  # periods of forecast demand to own at, or below, each node
    safety: Float[Array, ""]  # standard deviations of Poisson demand on top


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderUpToPerNode:
    """Order up to a cover of each node's own forecast, one cover a node.

    ``target = cover * demand + safety * sqrt(cover * demand)``, demand that of the regions the
    node is the nearest open one of. Echelon base stock with levels that follow the forecast.
    """

    tree: Tree

    def init(self, key: Array) -> PerNodeParams:
        """Return two weeks' cover for roots and one week's for others, for daily periods."""
        del key
        cover = jnp.where(self.tree.parent < 0, 14.0, 7.0)
        return PerNodeParams(cover=cover, safety=jnp.float32(1.0))

    def apply(
        self, params: PerNodeParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key
        mean = params.cover * forecast_demand(self.tree, observation)
        return raise_to(self.tree, observation, with_safety(mean, params.safety))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class ProportionalParams:
    """What ``DemandProportional`` may change."""

    buy_cover: Float[Array, ""]  # periods of forecast demand to own in the whole echelon
    safety: Float[Array, ""]  # standard deviations of Poisson demand on top
    push: Float[Array, ""]  # share of a parent's stock that is placed at once, in [0, 1]


@dataclass(frozen=True, kw_only=True, slots=True)
class DemandProportional:
    """Buy up to a cover of the forecast; place what there is in proportion to demand.

    What a parent may place, ``push`` of its shelf, and what its children have is shared out so
    that all children end at the same periods of demand, as far as none has more already:
    ``request_n = max(demand_n / sum_m demand_m * (push * shelf + sum_m position_m) - position_n,
    0)`` with m the parent's children. What a child is owed is a part of what it gets, and is not
    requested again.

    Source: allocation to equal run-out times; Silver, Pyke and Thomas (2017), section 11.4, for
    the idea; the reserve after Jackson (1988).
    """

    tree: Tree

    def init(self, key: Array) -> ProportionalParams:
        """Return two weeks' buying cover for daily periods, and half of a shelf to place."""
        del key
        return ProportionalParams(
            buy_cover=jnp.float32(14.0), safety=jnp.float32(1.0), push=jnp.float32(0.5)
        )

    def apply(
        self, params: ProportionalParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key
        parent = self.tree.parent
        demand = forecast_demand(self.tree, observation)
        position = echelon_position(self.tree, observation)
        placed = (parent >= 0) & observation.active
        siblings = (parent[:, None] == parent[None, :]) & placed[:, None] & placed[None, :]
        together = siblings.astype(jnp.float32)
        shelf = jnp.where(placed, observation.on_hand[parent], 0.0)
        if observation.owed is not None:  # it is still on the shelf, or does not exist yet
            position = position - observation.owed
        pool = params.push * shelf + together @ position
        share = demand / jnp.maximum(together @ demand, 1e-9)
        bought = with_safety(params.buy_cover * demand, params.safety)
        return raise_to(self.tree, observation, jnp.where(parent < 0, bought, share * pool))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class DistanceParams(OrderUpToParams):
    """What ``DistanceAware`` may change."""

    reach: Float[Array, ""]  # 1000 km; how far beyond the nearest node demand is shared out


@dataclass(frozen=True, kw_only=True, slots=True)
class DistanceAware:
    """Order up to covers of regional forecasts that are shared out to nodes by distance.

    A region's demand goes to open nodes by a softmax of ``-distance / reach``: the nearest alone
    as the reach goes to 0, evenly as it grows.
    """

    tree: Tree

    def init(self, key: Array) -> DistanceParams:
        """Return the covers of the plain order-up-to policy and a reach of 200 km."""
        del key
        return DistanceParams(**covers(), reach=jnp.float32(0.2))

    def apply(
        self, params: DistanceParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key
        demand = forecast_demand(self.tree, observation, params.reach)
        return raise_to(self.tree, observation, cover_target(self.tree, params, demand))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class NewsvendorParams:
    """What ``Newsvendor`` may change."""

    buy_cover: Float[Array, ""]  # periods that what is bought must last
    place_cover: Float[Array, ""]  # periods that what is placed must last
    buy_fractile: Float[Array, ""]  # probability that it lasts, in (0, 1)
    place_fractile: Float[Array, ""]  # the same near customers
    cv: Float[Array, ""]  # standard deviation of the forecast's error over it; see ``error_cv``


@dataclass(frozen=True, kw_only=True, slots=True)
class Newsvendor:
    """Order up to a quantile of demand over the protection periods, given the forecast.

    Demand over a cover has the mean m of the forecast and the variance ``m + (cv * m)**2`` of
    Poisson customers around a forecast that errs. Its quantile is a gamma's with that mean and
    variance (``gamma_quantile``).

    Source: Arrow, Harris and Marschak (1951).
    """

    tree: Tree

    def init(self, key: Array) -> NewsvendorParams:
        """Return ten days' cover to buy and five to place, at a fractile of 0.9."""
        del key
        fractile = jnp.float32(0.9)
        return NewsvendorParams(
            **uncertain_covers(), buy_fractile=fractile, place_fractile=fractile
        )

    def apply(
        self, params: NewsvendorParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key
        root = self.tree.parent < 0
        cover = jnp.where(root, params.buy_cover, params.place_cover)
        z = ndtri(jnp.where(root, params.buy_fractile, params.place_fractile))
        mean = cover * forecast_demand(self.tree, observation) + 1e-6
        cv = error_cv(params.cv, observation)
        target = gamma_quantile(mean, mean / (1.0 + cv**2 * mean), z)
        return raise_to(self.tree, observation, target)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class ReorderParams(OrderUpToParams):
    """What ``CoverReorder`` may change; at its covers an order, or a transfer, is triggered."""

    batch: Float[Array, ""]  # periods of demand ordered above the reorder level


@dataclass(frozen=True, kw_only=True, slots=True)
class CoverReorder:
    """The (s, S) policy on forecasts: at or below s = a cover of demand, order up to S.

    ``S = s + batch * demand``. Gradients pass through S; that of the decision to order is zero.

    Source: Scarf (1960).
    """

    tree: Tree

    def init(self, key: Array) -> ReorderParams:
        """Return the covers of the plain order-up-to policy and batches of two periods."""
        del key
        return ReorderParams(**covers(), batch=jnp.float32(2.0))

    def apply(
        self, params: ReorderParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key
        demand = forecast_demand(self.tree, observation)
        gap = cover_target(self.tree, params, demand) - echelon_position(self.tree, observation)
        return jnp.where(gap >= 0, gap + params.batch * demand, 0.0)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class CappedCoverParams(OrderUpToParams):
    """What ``CappedOrderUpTo`` may change."""

    cap: Float[Array, ""]  # periods of forecast demand that a request is at most


@dataclass(frozen=True, kw_only=True, slots=True)
class CappedOrderUpTo:
    """Order up to covers of the forecast, no request above a cap in periods of demand.

    Source: Xin (2021), as ``CappedBaseStock``, with levels and caps that follow the forecast.
    """

    tree: Tree

    def init(self, key: Array) -> CappedCoverParams:
        """Return the covers of the plain order-up-to policy and a cap of four periods."""
        del key
        return CappedCoverParams(**covers(), cap=jnp.float32(4.0))

    def apply(
        self, params: CappedCoverParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key
        demand = forecast_demand(self.tree, observation)
        request = raise_to(self.tree, observation, cover_target(self.tree, params, demand))
        most = params.cap * demand
        return jnp.where(request <= most, request, most)
