"""Policies that put stock where history never did."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from draingym.demo.config import LoopConfig
from draingym.demo.history import historical_policy
from draingym.policies.rules.shares import PlaceByShare, ShareParams, market_shares
from draingym.simulator.types import Policy, PyTree
from draingym.world.orders import World

FloatArray = NDArray[np.float64]


def far_policies(world: World, config: LoopConfig) -> dict[str, tuple[Policy, PyTree]]:
    """Return history's policy, and five that put stock where it never did."""
    serves = np.asarray(world.network.serves_customers)
    place = PlaceByShare(upstream=tuple(bool(x) for x in ~serves))
    even = serves / serves.sum()
    alone = np.eye(len(serves))[int(np.flatnonzero(serves)[0])]

    def at(share: FloatArray, near: float, total: float) -> tuple[Policy, PyTree]:
        return place, ShareParams.of_days(share, near, total, world.period_days)

    past = historical_policy(world, config)
    return {
        "history": (past.policy, past.params),
        "even": at(even, 7.0, 14.0),
        "concentrated": at(alone, 7.0, 14.0),
        "starved": at(even, 1.5, 5.0),
        "flooded": at(even, 40.0, 50.0),
        "demand": at(market_shares(world.network), 7.0, 14.0),
    }
