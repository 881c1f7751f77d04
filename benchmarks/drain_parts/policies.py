"""The policies that the drain-model benchmark replays: those that judge, and those to tune on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from draingym.policies import Historical, OrderUpToParams, tree_of
from draingym.policies.rules.shares import (
    PlaceAtRandom,
    PlaceByShare,
    ShareParams,
    diverse_policies,
    market_shares,
)
from draingym.simulator import Policy, PyTree
from draingym.world.orders import World

FloatArray = NDArray[np.float64]
HELDOUT = ("even", "concentrated", "starved", "flooded", "demand", "random")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A policy whose parameters change from one block of periods to the next."""

    policy: Policy
    blocks: tuple[PyTree, ...]  # one for each block; the last one lasts
    block_periods: int  # length of a block


def lasting(world: World, policy: Policy, params: PyTree) -> Plan:
    """Return a plan whose parameters never change."""
    return Plan(policy=policy, blocks=(params,), block_periods=world.num_periods)


def diverse_plans(world: World) -> dict[str, Plan]:
    """Return plans of the policies that a drain model learns from in the demo."""
    found = diverse_policies(world.network, world.period_days, seed=world.config.seed)
    return {name: lasting(world, *made) for name, made in found.items()}


def heldout_policies(world: World) -> dict[str, Plan]:
    """Return the policies that judge a model and that it is never trained on, by ``HELDOUT``."""
    at, serves, people = _placing(world)
    nodes = np.flatnonzero(serves)
    even = serves / serves.sum()
    return {
        "even": at(even, 7.0, 14.0),
        "concentrated": at(np.eye(len(serves))[nodes[0]], 7.0, 14.0),
        "starved": at(even, 1.5, 5.0),
        "flooded": at(even, 40.0, 50.0),
        "demand": at(people, 7.0, 14.0),
        "random": _random(world, 1, 6, 1.0, near=(1.5, 30.0), far=(4.0, 12.0)),
    }


def tuning_policies(world: World) -> dict[str, Plan]:
    """Return the policies whose replays fine-tune a model; none of them is held out.

    Shares on other nodes, covers in between, and draws from other distributions than
    ``heldout_policies``.
    """
    at, serves, _ = _placing(world)
    days = world.period_days
    nodes = np.flatnonzero(serves)
    diverse = diverse_plans(world)
    unit = np.eye(len(serves))
    history = Historical(tree=tree_of(world.network))

    def up_to(buy: float, place: float) -> Plan:
        covers = (jnp.float32(buy / days), jnp.float32(place / days), jnp.float32(1.0))
        names = ("buy_cover", "place_cover", "safety")
        params = OrderUpToParams(**dict(zip(names, covers, strict=True)))
        return lasting(world, history, params)

    return {
        "two nodes": at((unit[nodes[1]] + unit[nodes[2]]) / 2.0, 8.0, 16.0),
        "last node": at(unit[nodes[-1]], 5.0, 12.0),
        **{name: diverse[name] for name in ("lean", "deep", "noisy demand")},
        "up to less": up_to(8.0, 3.0),
        "up to more": up_to(30.0, 20.0),
        "sparse random": _random(world, 2, 3, 3.0, near=(1.0, 20.0), far=(2.0, 8.0)),
    }


def _placing(world: World) -> tuple[Any, NDArray[np.bool_], FloatArray]:
    """Return how to make a plan from shares and days, who serves, and markets [N]."""
    network = world.network
    serves = np.asarray(network.serves_customers, bool)
    place = PlaceByShare(upstream=tuple(bool(x) for x in ~serves))

    def at(share: FloatArray, near: float, total: float) -> Plan:
        return lasting(world, place, ShareParams.of_days(share, near, total, world.period_days))

    return at, serves, market_shares(network)


def _random(
    world: World,
    stream: int,
    block_periods: int,
    power: float,
    *,
    near: tuple[float, float],
    far: tuple[float, float],
) -> Plan:
    """Return a plan of ``PlaceAtRandom`` with a key for each block; covers in days."""
    policy = PlaceAtRandom(
        upstream=tuple(bool(x) for x in ~np.asarray(world.network.serves_customers, bool)),
        power=power,
        near=(near[0] / world.period_days, near[1] / world.period_days),
        far=(far[0] / world.period_days, far[1] / world.period_days),
    )
    blocks = -(-world.num_periods // block_periods)
    keys = jax.random.split(jax.random.fold_in(jax.random.key(world.config.seed), stream), blocks)
    return Plan(
        policy=policy, blocks=tuple({"key": key} for key in keys), block_periods=block_periods
    )
