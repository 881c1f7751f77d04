"""Policies that put stock where history never did."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from draingym.demo.config import LoopConfig
from draingym.demo.history import historical_policy
from draingym.simulator.types import Observation, Policy, PyTree
from draingym.world.orders import World

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """Keep every node at its share of a cover of expected demand; the vendor refills the rest.

    Parameters: ``share`` [N] of what lies near customers, 0 for the upstream node; ``near`` and
    ``total``, periods of expected demand near customers and in all.
    """

    upstream: tuple[bool, ...]

    def init(self, key: Array) -> dict[str, Array]:
        """Return an even placement of two periods near customers, four in all."""
        del key
        near = jnp.asarray([0.0 if up else 1.0 for up in self.upstream])
        return {"share": near / near.sum(), "near": jnp.float32(2.0), "total": jnp.float32(4.0)}

    def apply(self, params: dict[str, Array], observation: Observation, key: Array) -> Array:
        """Return what is missing to the levels."""
        del key
        expected = observation.forecast.sum()
        position = observation.on_hand + observation.pipeline.sum(axis=0)
        wanted = params["near"] * expected * params["share"] - position
        bought = params["total"] * expected - position.sum()
        up = jnp.asarray(self.upstream)
        asked = jnp.where(up, bought / up.sum(), wanted)
        return jnp.maximum(jnp.round(asked), 0.0)


def far_policies(world: World, config: LoopConfig) -> dict[str, tuple[Policy, PyTree]]:
    """Return history's policy, and five that put stock where it never did."""
    serves = np.asarray(world.network.serves_customers)
    place = Place(upstream=tuple(bool(x) for x in ~serves))
    even = serves / serves.sum()
    alone = np.eye(len(serves))[int(np.flatnonzero(serves)[0])]
    distance = np.where(serves[:, None], world.network.distance_km, np.inf)
    people = np.bincount(
        distance.argmin(axis=0), weights=world.network.population, minlength=len(serves)
    )
    days = world.period_days

    def at(share: FloatArray, near: float, total: float) -> tuple[Policy, PyTree]:
        params = {
            "share": jnp.asarray(share, jnp.float32),
            "near": jnp.float32(near / days),
            "total": jnp.float32(total / days),
        }
        return place, params

    past = historical_policy(world, config)
    return {
        "history": (past.policy, past.params),
        "even": at(even, 7.0, 14.0),
        "concentrated": at(alone, 7.0, 14.0),
        "starved": at(even, 1.5, 5.0),
        "flooded": at(even, 40.0, 50.0),
        "demand": at(people / people.sum(), 7.0, 14.0),
    }
