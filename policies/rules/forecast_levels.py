"""Base stock whose levels are learned from features of the forecast: trained, or imitated."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from draingym.common.arrays import require_shape
from draingym.policies.rules.base_stock import raise_to, with_safety
from draingym.policies.rules.placement import NEAREST
from draingym.policies.tree import Tree, catchment_share, evenness, require_fit
from draingym.simulator import Observation

FEATURES = ("one", "demand", "evenness", "lead time", "margin", "price")


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class ForecastLevels:
    """Coefficients of ``ForecastBaseStock``: what is bought first, then what is placed."""

    cover: Float[Array, "2 F"]  # of ``FEATURES``, times the cover the policy starts from
    safety: Float[Array, "2 F"]  # of ``FEATURES``, in standard deviations of Poisson demand


@dataclass(frozen=True, kw_only=True, slots=True)
class ForecastBaseStock:
    """Order up to levels that are linear in features of the forecast, node by node.

    ``level = c d (a @ x) + sqrt(c d) (b @ x)``, at least 0: d is a node's forecast demand a period
    (of the regions it is the nearest open node of, or of all nodes below it), ``sqrt(c d)`` the
    spread of Poisson demand over the cover c, and x are one, the logarithm of d, how evenly the
    demand is spread over regions, the mean lead time, the margin's share of the price, and the
    logarithm of the price; all in [-1, 1]. What is bought and what is placed have coefficients a
    and b each; nodes share them, so that the policy acts where a node opens.

    It starts as ``OrderUpTo`` with the forecast of each node: the first coefficients are one, the
    others zero. They are trained by gradients (``train_policy``), or imitate plans that know the
    demand (``draingym.policies.training.imitation``).

    A demand or a price outside of its range is taken to be at the edge.

    Gradients: exact almost everywhere; at a level of 0, and at a position equal to the level, those
    of the side above.

    Source: the linear decision rule on features of Ban and Rudin (2019), "The big data newsvendor".
    """

    tree: Tree
    lead_time: tuple[float, ...]  # [N] mean periods from the parent
    start_cover: tuple[float, float] = (14.0, 7.0)  # periods: bought, placed
    demand_range: tuple[float, float] = (0.01, 1000.0)  # units a period
    price_range: tuple[float, float] = (1.0, 1000.0)  # currency

    def __post_init__(self) -> None:
        """Refuse lead times of another network, and ranges that are none."""
        require_shape("lead_time", np.asarray(self.lead_time), self.tree.parent.shape)
        for name in ("demand_range", "price_range"):
            low, high = getattr(self, name)
            if not 0 < low < high < math.inf:
                raise ValueError(f"{name} is ({low}, {high}), must rise from above 0")
        if not min(self.start_cover) > 0:
            raise ValueError(f"start_cover is {self.start_cover}, must be above 0")

    def init(self, key: Array) -> ForecastLevels:
        """Return the covers that the policy starts from, and one standard deviation."""
        del key
        first = jnp.zeros((2, len(FEATURES))).at[:, 0].set(1.0)
        return ForecastLevels(cover=first, safety=first)

    def apply(
        self, params: ForecastLevels, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key
        return raise_to(self.tree, observation, self.levels(params, observation))

    def levels(self, params: ForecastLevels, observation: Observation) -> Float[Array, " N"]:
        """Return the echelon positions that nodes are raised to, units."""
        mean, spread = self.terms(observation)
        kind = (self.tree.parent >= 0).astype(jnp.int32)
        level = jnp.sum(mean * params.cover[kind] + spread * params.safety[kind], axis=1)
        return jnp.where(level >= 0, level, 0.0)

    def terms(self, observation: Observation) -> tuple[Float[Array, "N F"], Float[Array, "N F"]]:
        """Return what a level is linear in, units: features times mean, and times spread."""
        nodes, regions = self.tree.distance.shape
        require_fit(observation, nodes=nodes, regions=regions)
        share = catchment_share(self.tree, observation.active, jnp.float32(NEAREST))
        served = self.tree.descends.astype(jnp.float32) @ share
        demand = served @ observation.forecast
        price = observation.price
        margin = (price - observation.unit_cost) / jnp.maximum(price, 1e-6)
        lead_time = np.asarray(self.lead_time, np.float32)
        everywhere = jnp.ones_like(demand)
        x = jnp.stack(
            [
                everywhere,
                _scaled(demand, self.demand_range),
                evenness(served, demand, observation.forecast),
                jnp.asarray(lead_time / max(float(lead_time.max()), 1.0)),
                everywhere * jnp.clip(margin, -1.0, 1.0),
                everywhere * _scaled(price, self.price_range),
            ],
            axis=1,
        )
        mean = jnp.where(self.tree.parent < 0, *self.start_cover) * demand
        return mean[:, None] * x, jnp.sqrt(mean + 1e-6)[:, None] * x


def _scaled(values: Array, ends: tuple[float, float]) -> Array:
    """Return where values lie between the ends, logarithmically, in [-1, 1]."""
    low, high = (math.log(end) for end in ends)
    at = jnp.log(jnp.clip(values, ends[0], ends[1]))
    return 2.0 * (at - low) / (high - low) - 1.0


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class ImitatedParams:
    """What ``ImitatedBaseStock`` may change."""

    buy_factor: Float[Array, ""]  # of the imitated levels of what is bought
    place_factor: Float[Array, ""]  # of the imitated levels of what is placed
    safety: Float[Array, ""]  # standard deviations of Poisson demand on top


@dataclass(frozen=True, kw_only=True, slots=True)
class ImitatedBaseStock:
    """Order up to levels that were fitted to plans with perfect information.

    ``target = factor * level + safety * sqrt(factor * level)``: a plan that knows the demand keeps
    no safety stock, so that what regression makes of its levels is their mean.
    ``draingym.policies.training.imitation.imitate_plans`` makes one.
    """

    base: ForecastBaseStock
    cover: tuple[tuple[float, ...], ...]  # as of ``ForecastLevels``
    safety: tuple[tuple[float, ...], ...]

    def init(self, key: Array) -> ImitatedParams:
        """Return the imitated levels with one standard deviation on top."""
        del key
        one = jnp.float32(1.0)
        return ImitatedParams(buy_factor=one, place_factor=one, safety=one)

    def apply(
        self, params: ImitatedParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key
        tree = self.base.tree
        fitted = ForecastLevels(cover=jnp.asarray(self.cover), safety=jnp.asarray(self.safety))
        factor = jnp.where(tree.parent < 0, params.buy_factor, params.place_factor)
        level = factor * self.base.levels(fitted, observation)
        return raise_to(tree, observation, with_safety(level, params.safety))
