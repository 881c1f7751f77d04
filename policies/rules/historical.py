"""Yesterday's policy: what wrote the log that everything is learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from draingym.policies.rules.base_stock import OrderUpTo, OrderUpToParams
from draingym.policies.tree import Tree
from draingym.simulator import Observation


@dataclass(frozen=True, kw_only=True, slots=True)
class Historical:
    """Order-up-to on noisy forecasts, with uneven placement and some exploration.

    Its forecasts are off by a log-normal factor, each product favours some nodes for good, and
    now and then a node is starved or flooded: a log without such spread would teach a drain model
    little about stock that no policy had kept.

    >>> from draingym.policies import tree_of
    >>> from draingym.world.network import NetworkConfig, build_network
    >>> tree = tree_of(build_network(NetworkConfig(num_nodes=2, num_regions=4)))
    >>> yesterday = Historical(tree=tree, explore_share=0.2)  # what writes a log that teaches much
    >>> float(yesterday.init(jax.random.key(0)).buy_cover)
    14.0
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


def covers_kept(panel: Any, known_periods: int) -> OrderUpToParams:
    """Return the covers that a log kept on average: the rule that it followed, as far as it shows.

    A cover is what nodes have, or have on its way, once requests of a period are shipped, over the
    demand of a period; sums over all products and known periods but the first.

    Args:
        panel: Labelled arrays as ``draingym.world.panel.build_panel`` makes them, with shipments.
        known_periods: Periods that are looked at, from the first; at least 2.

    Returns:
        Covers of ``OrderUpTo`` in periods, without safety stock.

    Raises:
        ValueError: If the panel has no shipments, or nothing was ordered in these periods.
    """
    if "shipped" not in panel:
        raise ValueError("panel lacks 'shipped', must be built from a log with shipments")

    def values(name: str) -> NDArray[np.float64]:
        return np.asarray(panel[name], np.float64)[:, :known_periods]

    ordered = values("ordered_units").sum()
    if not ordered > 0:
        raise ValueError(
            f"panel.ordered_units sums to 0 over the first {known_periods} periods, must be above "
            "0 to say how long its stock lasts"
        )
    before = (values("on_hand") + values("in_transit"))[:, :-1]  # [P, T - 1, N]
    sent = values("shipped").sum(axis=-1)[:, 1:]
    roots = np.asarray(panel["parent"]) < 0
    serves = np.asarray(panel["serves_customers"], bool)
    total = before.sum() + sent[:, :, roots].sum()
    near = (before + sent)[:, :, serves].sum()
    demand = ordered / known_periods * (known_periods - 1)
    # Where the vendor replenishes nodes that serve customers, what is bought is what is near them.
    return OrderUpToParams(
        buy_cover=jnp.float32(total / demand),
        place_cover=jnp.float32(near / demand),
        safety=jnp.float32(0.0),
    )
