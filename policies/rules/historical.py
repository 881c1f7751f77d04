"""Yesterday's policy: what wrote the log that everything is learned from."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.policies.rules.base_stock import OrderUpTo, OrderUpToParams
from draingym.policies.tree import Tree
from draingym.simulator import Observation


@dataclass(frozen=True, kw_only=True, slots=True)
class Historical:
    """Order-up-to on noisy forecasts, with uneven placement and some exploration.

    Its forecasts are off by a log-normal factor, each product favours some nodes for good, and
    now and then a node is starved or flooded: a log without such spread would teach a drain model
    little about stock that no policy had kept.
    """

    tree: Tree
    forecast_sd: float = 0.2  # of the logarithm, anew every period
    placement_sd: float = 0.5  # of the logarithm, per product and node, for good
    explore_share: float = 0.08  # of nodes and periods
    explore_log_range: float = 1.5  # targets are off by up to this, in logarithms

    def init(self, key: Array) -> OrderUpToParams:
        """Return the covers of the plain order-up-to policy."""
        return OrderUpTo(tree=self.tree).init(key)

    def apply(
        self, params: OrderUpToParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        key_forecast, key_explore, key_size = jax.random.split(key, 3)
        nodes = observation.on_hand.shape
        noise = jnp.exp(self.forecast_sd * jax.random.normal(key_forecast))
        # A product's own favourites: a key made of its price and weight, which identify it.
        mark = jax.lax.bitcast_convert_type(jnp.sum(observation.attributes[:2]), jnp.uint32)
        key_product = jax.random.fold_in(jax.random.key(0), mark)
        favour = self.placement_sd * jax.random.normal(key_product, nodes)
        explore = jax.random.uniform(key_explore, nodes) < self.explore_share
        shift = self.explore_log_range * jax.random.uniform(key_size, nodes, minval=-1.0)
        placed = self.tree.parent >= 0
        factor = noise * jnp.exp(jnp.where(placed, favour + jnp.where(explore, shift, 0.0), 0.0))
        return OrderUpTo(tree=self.tree).request(params, observation, factor)
