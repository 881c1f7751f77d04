"""Networks of a user's own under an id of Gymnasium's registry."""

from __future__ import annotations

from typing import Any, cast

import gymnasium

from draingym.common.arrays import require_whole, short
from draingym.envs.classic import MOST_PERIODS
from draingym.networks.network import Network
from draingym.simulator import InventoryEnv, InventoryVectorEnv


def register(id: str, network: Network, *, horizon: int = 100) -> None:
    """Give a network an id, for ``gymnasium.make`` and ``gymnasium.make_vec``.

    Args:
        id: Such as ``"mine/Chain-v0"``.
        network: What it stands for.
        horizon: Periods of an episode, unless told otherwise.

    Raises:
        ValueError: If the id is none, or registered already, the network is none, or the horizon
            no whole number in [1, 100000].
    """
    try:
        gymnasium.envs.registration.parse_env_id(id)
    except (TypeError, gymnasium.error.Error):
        raise ValueError(f"id is {short(id)}, must be text such as 'mine/Chain-v0'") from None
    require_whole("horizon", horizon, low=1, high=MOST_PERIODS)
    if id in gymnasium.registry:
        raise ValueError(f"id is {id!r}, must be one that is not registered")
    if not isinstance(network, Network):
        raise ValueError(f"network is {type(network).__name__}, must be a Network")

    def make_env(*, horizon: int, **options: Any) -> InventoryEnv:
        return network.gymnasium(horizon=horizon, **options)

    def make_vector_env(num_envs: int = 1, *, horizon: int, **options: Any) -> InventoryVectorEnv:
        return network.vector(num_envs, horizon=horizon, **options)

    gymnasium.register(
        id=id,
        entry_point=cast(Any, make_env),
        vector_entry_point=cast(Any, make_vector_env),
        kwargs={"horizon": horizon},
    )
