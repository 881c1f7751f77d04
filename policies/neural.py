"""A permutation-equivariant neural policy that buys and places in order-up-to form."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from policies.tree import Tree, catchment_share, echelon_position
from simulator import Observation, PyTree

# A learned target is at most this factor away from its learned cover.
LOG_RANGE = 2.0


class _TargetNetwork(nnx.Module):
    """Maps features of every node to the logarithm of its cover; weights are shared by nodes."""

    def __init__(self, features: int, width: int, rngs: nnx.Rngs) -> None:
        self.embed = nnx.Linear(features, width, rngs=rngs)
        self.mix = nnx.Linear(3 * width, width, rngs=rngs)
        # Starts at zero: the untrained policy is a plain order-up-to policy.
        self.head = nnx.Linear(width, 1, kernel_init=nnx.initializers.zeros, rngs=rngs)
        self.log_cover = nnx.Param(jnp.log(jnp.array([14.0, 7.0])))  # bought, placed; periods
        self.log_reach = nnx.Param(jnp.log(jnp.array(0.2)))  # 1000 km

    def __call__(
        self, features: Float[Array, "N features"], weight: Float[Array, " N"], tree: Tree
    ) -> Float[Array, " N"]:
        own = jax.nn.silu(self.embed(features))
        others = (weight @ own) / jnp.maximum(jnp.sum(weight), 1.0)
        has_parent = (tree.parent >= 0)[:, None]
        feeder = jnp.where(has_parent, own[tree.parent], 0.0)
        everyone = jnp.broadcast_to(others[None, :], own.shape)
        mixed = jax.nn.silu(self.mix(jnp.concatenate([own, everyone, feeder], axis=1)))
        return LOG_RANGE * jnp.tanh(self.head(mixed)[:, 0])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NeuralPlacement:
    """Order up to learned targets: ``max(target - echelon position, 0)`` at every node.

    A node's target is its demand forecast (regions shared out to nodes by distance, the reach
    learned) times a cover that a network predicts from the node's stock, transit and demand, its
    feeder's, and the mean over all open nodes. The calendar reaches it through the forecast
    alone: dates of a log that covers no full year would be extrapolated. Nodes share all weights,
    so the policy runs unchanged when a node opens, and permuting nodes permutes its actions.
    """

    tree: Tree
    num_attributes: int
    width: int = 32

    @property
    def num_features(self) -> int:
        """Features of a node: seven of its own, then the product's attributes."""
        return 7 + self.num_attributes

    def _network(self, key: Array) -> _TargetNetwork:
        return _TargetNetwork(self.num_features, self.width, nnx.Rngs(key))

    def init(self, key: Array) -> PyTree:
        """Return initial weights: a plain order-up-to policy with random hidden features."""
        return nnx.to_pure_dict(nnx.state(self._network(key), nnx.Param))

    def apply(self, params: PyTree, observation: Observation, key: Array) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key
        graph, state = nnx.split(nnx.eval_shape(lambda: self._network(jax.random.key(0))))
        nnx.replace_by_pure_dict(state, params)
        network = nnx.merge(graph, state)

        reach = jnp.exp(network.log_reach[...])
        share = catchment_share(self.tree, observation.active, reach)
        below = self.tree.descends.astype(jnp.float32)
        demand = below @ (share @ observation.forecast)
        position = echelon_position(self.tree, observation)
        transit = jnp.sum(observation.pipeline, axis=0)
        bought = self.tree.parent < 0
        scale = demand + 0.1
        margin = observation.price / jnp.maximum(observation.unit_cost, 1e-6) - 1.0
        own = jnp.stack(
            [
                jnp.log1p(jnp.maximum(position, 0.0) / scale),
                jnp.log1p(observation.on_hand / scale),
                jnp.log1p(transit / scale),
                jnp.log(scale),
                jnp.full_like(demand, margin),
                bought.astype(jnp.float32),
                observation.active.astype(jnp.float32),
            ],
            axis=1,
        )
        shared = observation.attributes
        features = jnp.concatenate(
            [own, jnp.broadcast_to(shared[None, :], (own.shape[0], shared.shape[0]))], axis=1
        )
        weight = (observation.active & self.tree.serves).astype(jnp.float32)
        adjust = network(features, weight, self.tree)
        log_cover = network.log_cover[...]
        cover = jnp.exp(jnp.where(bought, log_cover[0], log_cover[1]) + adjust)
        gap = cover * demand - position
        return jnp.where(gap >= 0, gap, 0.0)
