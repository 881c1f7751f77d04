"""A permutation-equivariant neural policy that buys and places in order-up-to form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from draingym.common.carry import strong
from draingym.policies.tree import Tree, catchment_share, echelon_position, evenness, require_fit
from draingym.simulator import Observation, PyTree
from draingym.simulator.network.arcs import in_transit

# A learned target is at most this factor away from its learned cover.
_LOG_RANGE = 2.0
_REGION_FEATURES = 4
Feasibility = Literal["ration", "proportional", "softmax"]


class _RegionAttention(nnx.Module):
    """Nodes look at regions: near ones, and those that their features ask for."""

    def __init__(self, width: int, heads: int, rngs: nnx.Rngs) -> None:
        each = width // heads
        self.heads = heads
        self.query = nnx.Linear(width, width, use_bias=False, rngs=rngs)
        self.key = nnx.Linear(_REGION_FEATURES, width, use_bias=False, rngs=rngs)
        self.value = nnx.Linear(_REGION_FEATURES, width, rngs=rngs)
        # Heads start with reaches from 150 km to 1500 km: from the next town to half a country.
        self.log_reach = nnx.Param(jnp.linspace(jnp.log(0.15), jnp.log(1.5), heads))
        self.scale = each**-0.5

    def __call__(
        self, own: Float[Array, "N width"], regions: Float[Array, "Z features"], tree: Tree
    ) -> Float[Array, "N width"]:
        shape = (-1, self.heads, own.shape[1] // self.heads)
        query = self.query(own).reshape(shape)
        key, value = self.key(regions).reshape(shape), self.value(regions).reshape(shape)
        reach = jnp.exp(self.log_reach[...])
        near = tree.distance[None, :, :] / reach[:, None, None]
        logits = self.scale * jnp.einsum("nhd,zhd->hnz", query, key) - near
        weight = jax.nn.softmax(logits, axis=-1)
        return jnp.einsum("hnz,zhd->nhd", weight, value).reshape(own.shape)


class _TargetNetwork(nnx.Module):
    """Maps features of every node to the logarithm of its cover; weights are shared by nodes.

    Where parents share out by softmax, to a node's priority too.
    """

    def __init__(
        self,
        features: int,
        width: int,
        heads: int,
        outputs: int,
        start_cover: tuple[float, float],
        own: int,
        rngs: nnx.Rngs,
    ) -> None:
        self.embed = nnx.Linear(features, width, rngs=rngs)
        if heads > 0:
            self.look = _RegionAttention(width, heads, rngs)
        self.mix = nnx.Linear((4 if heads > 0 else 3) * width, width, rngs=rngs)
        # Starts at zero: the untrained policy is a plain order-up-to policy.
        self.head = nnx.Linear(width, outputs, kernel_init=nnx.initializers.zeros, rngs=rngs)
        self.log_cover = nnx.Param(jnp.log(jnp.array(start_cover)))  # bought, placed; periods
        self.log_reach = nnx.Param(jnp.log(jnp.array(0.2)))  # 1000 km
        if own > 0:
            self.log_own = nnx.Param(jnp.zeros(own))  # of each node's cover, over all nodes'

    def __call__(
        self,
        features: Float[Array, "N features"],
        regions: Float[Array, "Z regions"],
        weight: Float[Array, " N"],
        tree: Tree,
    ) -> Float[Array, "N outputs"]:
        own = jax.nn.silu(self.embed(features))
        others = (weight @ own) / jnp.maximum(jnp.sum(weight), 1.0)
        has_parent = (tree.parent >= 0)[:, None]
        feeder = jnp.where(has_parent, own[tree.parent], 0.0)
        everyone = jnp.broadcast_to(others[None, :], own.shape)
        seen = [own, everyone, feeder]
        if hasattr(self, "look"):
            seen.append(self.look(own, regions, tree))
        mixed = jax.nn.silu(self.mix(jnp.concatenate(seen, axis=1)))
        return _LOG_RANGE * jnp.tanh(self.head(mixed))


@dataclass(frozen=True, kw_only=True, slots=True)
class NeuralPlacement:
    """Order up to learned targets: ``max(target - echelon position, 0)`` at every node.

    A node's target is its demand forecast (regions shared out to nodes by distance, the reach
    learned) times a cover that a network predicts. The network sees the node's stock, transit and
    demand, its feeder's, the mean over all open nodes, and by attention the regions around it:
    their forecasts, and how well their nodes are stocked. The calendar reaches it through the
    forecast alone: dates of a log that covers no full year would be extrapolated. Nodes share all
    weights, so the policy runs unchanged when a node opens, and permuting nodes permutes its
    actions. With ``cover_per_node`` each node's cover has a factor of its own besides, 1 for a node
    that training never saw open: the policy then belongs to its network.

    A forecast has no spread of its own: what a policy sees of it is a mean. ``spread`` adds two
    features that follow from means alone: the coefficient of variation of Poisson demand, and how
    evenly it comes from the regions that are a node's to serve.

    A product whose attributes lie outside ``attribute_range`` is taken to be at its edge: a network
    says nothing of value about a price that training never showed it.

    Where children ask for more than their parent has: the simulator rations in proportion
    (``"ration"``); requests are scaled down in proportion before (``"proportional"``: what is
    asked for can be shipped); or the parent's stock is shared out by a softmax over its children
    and the shelf, ``request_n = stock * w_n / (sum_m w_m + max(stock - sum_m gap_m, 0))`` with
    ``w = gap * exp(learned priority)`` (``"softmax"``).

    Gradients: exact almost everywhere; at a gap of 0 the request's side.
    """

    tree: Tree
    num_attributes: int
    width: int = 32
    heads: int = 2  # of the attention to regions; 0 for none
    feasibility: Feasibility = "ration"
    # Lowest and highest of each attribute among the products trained on; None is no bound.
    attribute_range: tuple[tuple[float, float], ...] | None = None
    start_cover: tuple[float, float] = (14.0, 7.0)  # periods, bought and placed, before training
    cover_per_node: bool = False  # whether each node's cover has a factor of its own
    spread: bool = False  # whether the network sees how far demand scatters around its forecast

    def __post_init__(self) -> None:
        """Refuse heads that do not divide the width, an unknown rule, and ranges that are none."""
        if self.heads < 0 or (self.heads > 0 and self.width % self.heads):
            raise ValueError(f"heads is {self.heads}, must divide the width, {self.width}, or be 0")
        if self.feasibility not in ("ration", "proportional", "softmax"):
            raise ValueError(
                f"feasibility is {self.feasibility!r}, must be 'ration', 'proportional' or "
                "'softmax'"
            )
        if not min(self.start_cover) > 0:
            raise ValueError(f"start_cover is {self.start_cover}, must be above 0")
        ranges = self.attribute_range
        if ranges is None:
            return
        if len(ranges) != self.num_attributes:
            raise ValueError(
                f"attribute_range has {len(ranges)} entries, must have {self.num_attributes}"
            )
        for f, (low, high) in enumerate(ranges):
            if not low <= high:
                raise ValueError(f"attribute_range[{f}] is ({low}, {high}), must rise")

    @property
    def num_features(self) -> int:
        """Features of a node: seven of its own, two of its spread, the product's attributes."""
        return 7 + 2 * self.spread + self.num_attributes

    def _network(self, key: Array) -> _TargetNetwork:
        outputs = 2 if self.feasibility == "softmax" else 1
        own = self.tree.parent.shape[0] if self.cover_per_node else 0
        return _TargetNetwork(
            self.num_features,
            self.width,
            self.heads,
            outputs,
            self.start_cover,
            own,
            nnx.Rngs(key),
        )

    def init(self, key: Array) -> PyTree:
        """Return initial weights: a plain order-up-to policy with random hidden features."""
        return _initial(self, key)

    def apply(self, params: PyTree, observation: Observation, key: Array) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key
        graph, state = nnx.split(nnx.eval_shape(lambda: self._network(jax.random.key(0))))
        nnx.replace_by_pure_dict(state, params)
        network = nnx.merge(graph, state)

        nodes, regions = self.tree.distance.shape
        require_fit(observation, nodes=nodes, regions=regions, attributes=self.num_attributes)
        reach = jnp.exp(network.log_reach[...])
        share = catchment_share(self.tree, observation.active, reach)
        below = self.tree.descends.astype(jnp.float32)
        demand = below @ (share @ observation.forecast)
        position = echelon_position(self.tree, observation)
        bought = self.tree.parent < 0
        cover_now = jnp.maximum(position, 0.0) / (demand + 0.1)
        features = self._node_features(observation, demand, cover_now)
        if self.spread:
            scatter = _scatter(below @ share, demand, observation.forecast)
            features = jnp.concatenate([features, scatter], axis=1)
        places = self._region_features(observation, share, cover_now)
        weight = (observation.active & self.tree.serves).astype(jnp.float32)
        found = network(features, places, weight, self.tree)
        log_cover = network.log_cover[...]
        log_cover = jnp.where(bought, log_cover[0], log_cover[1])
        if self.cover_per_node:
            log_cover = log_cover + network.log_own[...]
        cover = jnp.exp(log_cover + found[:, 0])
        gap = cover * demand - position
        request = jnp.where(gap >= 0, gap, 0.0)
        if self.feasibility == "ration":
            return request
        priority = found[:, 1] if self.feasibility == "softmax" else None
        return self._share_out(request, priority, observation)

    def _node_features(
        self, observation: Observation, demand: Array, cover_now: Array
    ) -> Float[Array, "N features"]:
        scale = demand + 0.1
        margin = observation.price / jnp.maximum(observation.unit_cost, 1e-6) - 1.0
        own = jnp.stack(
            [
                jnp.log1p(cover_now),
                jnp.log1p(observation.on_hand / scale),
                jnp.log1p(in_transit(observation.pipeline) / scale),
                jnp.log(scale),
                jnp.full_like(demand, margin),
                (self.tree.parent < 0).astype(jnp.float32),
                observation.active.astype(jnp.float32),
            ],
            axis=1,
        )
        shared = observation.attributes
        if self.attribute_range is not None:
            low, high = jnp.asarray(self.attribute_range, shared.dtype).T
            shared = jnp.clip(shared, low, high)
        return jnp.concatenate(
            [own, jnp.broadcast_to(shared[None, :], (own.shape[0], shared.shape[0]))], axis=1
        )

    def _region_features(
        self, observation: Observation, share: Array, cover_now: Array
    ) -> Float[Array, "Z features"]:
        """Return a region's forecast, its part of all, its trend, and its nodes' stock."""
        forecast = observation.forecast
        part = forecast / jnp.maximum(jnp.sum(forecast), 1e-6)
        return jnp.stack(
            [
                jnp.log(forecast + 0.01),
                forecast.shape[0] * part - 1.0,
                jnp.log((part + 1e-4) / (self.tree.population + 1e-4)),
                jnp.log1p(cover_now @ share),
            ],
            axis=1,
        )

    def _share_out(
        self, request: Array, priority: Array | None, observation: Observation
    ) -> Float[Array, " N"]:
        """Return requests that parents can ship from their shelves; roots' stay."""
        parent = self.tree.parent
        fed = parent >= 0
        siblings = ((parent[:, None] == parent[None, :]) & fed[:, None]).astype(jnp.float32)
        stock = jnp.where(fed, observation.on_hand[parent], 0.0)
        if observation.owed is not None:  # ships first of all
            promised = siblings @ observation.owed
            stock = jnp.where(stock >= promised, stock - promised, 0.0)
        total = siblings @ request
        spare = jnp.where(stock >= total, stock - total, 0.0)
        weight = request if priority is None else request * jnp.exp(priority)
        shared = stock * weight / jnp.maximum(siblings @ weight + spare, 1e-9)
        return jnp.where(fed, shared, request)


def _scatter(
    served: Float[Array, "N Z"], demand: Float[Array, " N"], forecast: Float[Array, " Z"]
) -> Float[Array, "N 2"]:
    """Return a node's coefficient of variation of a period's demand, and its ``evenness``."""
    even = evenness(served, demand, forecast)
    return jnp.stack([1.0 / jnp.sqrt(demand + 0.1), even], axis=1)


@partial(jax.jit, static_argnums=0)  # one program instead of many small ones
def _initial(policy: NeuralPlacement, key: Array) -> PyTree:
    network = policy._network(key)
    return strong(nnx.to_pure_dict(nnx.state(network, nnx.Param)))
