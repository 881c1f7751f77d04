"""Networks of a user's own under an id of Gymnasium's registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import gymnasium

from draingym.common.arrays import require_whole, short
from draingym.envs.classic import MOST_PERIODS
from draingym.networks.network import Network
from draingym.simulator.adapters.gymnasium_env import METADATA
from draingym.simulator.adapters.origin import Origin


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """Makes a network's environments: equal where the networks are, as functions are not."""

    id: str
    network: Network
    vector: bool
    metadata: ClassVar[dict[str, Any]] = METADATA  # where Gymnasium looks for render modes

    def __call__(self, *args: Any, **options: Any) -> Any:
        make: Any = self.network.vector if self.vector else self.network.gymnasium
        return make(*args, origin=Origin(id=self.id), **options)


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

    gymnasium.register(
        id=id,
        entry_point=cast(Any, _Entry(id=id, network=network, vector=False)),
        vector_entry_point=cast(Any, _Entry(id=id, network=network, vector=True)),
        kwargs={"horizon": horizon},
    )
