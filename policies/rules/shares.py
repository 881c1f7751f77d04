"""Placement by given shares: policies that keep stock where no log has it.

A drain model learns from the stock that it is shown. Yesterday's policy keeps much the same stock
all the time; these keep little, a lot, in a few nodes, or where nobody lives, so that what the
oracle does then is learnt, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from draingym.simulator import Observation, Policy, PyTree
from draingym.simulator.network.arcs import in_transit
from draingym.world.network import Network


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class ShareParams:
    """What ``PlaceByShare`` keeps."""

    share: Float[Array, " N"]  # of the stock near customers, 0 for upstream nodes
    near: Float[Array, ""]  # periods of expected demand near customers
    total: Float[Array, ""]  # periods of expected demand in all

    @classmethod
    def of_days(
        cls, share: NDArray[np.float64], near: float, total: float, period_days: float
    ) -> ShareParams:
        """Return shares, and covers that are given in days."""
        return cls(
            share=jnp.asarray(share, jnp.float32),
            near=jnp.float32(near / period_days),
            total=jnp.float32(total / period_days),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaceByShare:
    """Keep every node near customers at its share of a cover; upstream nodes buy what is missing.

    Closed nodes ask for nothing.
    """

    upstream: tuple[bool, ...]

    def init(self, key: Array) -> ShareParams:
        """Return an even placement of two periods near customers, four in all."""
        del key
        near = jnp.asarray([0.0 if up else 1.0 for up in self.upstream])
        return ShareParams(share=near / near.sum(), near=jnp.float32(2.0), total=jnp.float32(4.0))

    def apply(
        self, params: ShareParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return [N] whole units that are missing to the levels."""
        del key
        expected = observation.forecast.sum()
        position = observation.on_hand + in_transit(observation.pipeline)
        wanted = params.near * expected * params.share - position
        bought = params.total * expected - position.sum()
        up = jnp.asarray(self.upstream)
        asked = jnp.where(up, bought / jnp.maximum(up.sum(), 1), wanted)
        return jnp.where(observation.active, jnp.maximum(jnp.round(asked), 0.0), 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaceAtRandom:
    """``PlaceByShare`` with shares and covers of each product drawn from a key, for good.

    Shares go by Exponential(1)**power over nodes near customers: Dirichlet(1) at power 1, mostly
    one node at 3. near ~ exp(Uniform(log low, log high)) periods of expected demand; total = near
    + Uniform(low_far, high_far) periods. The parameter is the key.
    """

    upstream: tuple[bool, ...]
    power: float
    near: tuple[float, float]  # periods
    far: tuple[float, float]  # periods

    def init(self, key: Array) -> dict[str, Array]:
        """Return the key of the draws."""
        return {"key": key}

    def apply(
        self, params: dict[str, Array], observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return [N] whole units that are missing to the levels that were drawn."""
        # Price and weight identify a product, as in ``Historical``.
        mark = jax.lax.bitcast_convert_type(jnp.sum(observation.attributes[:2]), jnp.uint32)
        key_share, key_near, key_far = jax.random.split(jax.random.fold_in(params["key"], mark), 3)
        serves = ~jnp.asarray(self.upstream)
        weight = jax.random.exponential(key_share, serves.shape) ** self.power * serves
        low, high = jnp.log(jnp.asarray(self.near))
        near = jnp.exp(jax.random.uniform(key_near, minval=low, maxval=high))
        far = jax.random.uniform(key_far, minval=self.far[0], maxval=self.far[1])
        levels = ShareParams(share=weight / weight.sum(), near=near, total=near + far)
        return PlaceByShare(upstream=self.upstream).apply(levels, observation, key)


def market_shares(network: Network) -> NDArray[np.float64]:
    """Return [N] the share of all people whose nearest serving node each is."""
    serves = np.asarray(network.serves_customers, bool)
    distance = np.where(serves[:, None], network.distance_km, np.inf)
    people = np.bincount(distance.argmin(axis=0), network.population, minlength=len(serves))
    shares: NDArray[np.float64] = people / people.sum()
    return shares


def diverse_policies(
    network: Network, period_days: float, seed: int = 0
) -> Mapping[str, tuple[Policy, PyTree]]:
    """Return policies whose stock, replayed in the oracle, a drain model should learn from, too.

    Little stock and plenty, spread evenly; as much as people live nearby, off by a log-normal
    factor; and most of it in one or two nodes, others for each product.

    Args:
        network: What they place in.
        period_days: Length of a period.
        seed: Of what is drawn.
    """
    serves = np.asarray(network.serves_customers, bool)
    upstream = tuple(bool(x) for x in ~serves)
    people = market_shares(network)
    noise = np.random.default_rng([seed, 7]).lognormal(0.0, 0.8, serves.size)
    noisy = people * noise / (people * noise).sum()
    even = serves / serves.sum()
    key = jax.random.fold_in(jax.random.key(seed), 2)

    def at(share: NDArray[np.float64], near: float, total: float) -> tuple[Policy, PyTree]:
        params = ShareParams.of_days(share, near, total, period_days)
        return PlaceByShare(upstream=upstream), params

    sparse = PlaceAtRandom(
        upstream=upstream,
        power=3.0,
        near=(1.0 / period_days, 20.0 / period_days),
        far=(2.0 / period_days, 8.0 / period_days),
    )
    return {
        "lean": at(even, 3.0, 9.0),
        "deep": at(even, 20.0, 30.0),
        "noisy demand": at(noisy, 10.0, 18.0),
        "sparse": (sparse, {"key": key}),
    }
