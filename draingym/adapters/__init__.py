"""What small adapter a library needs that does not take Gymnasium's environments as they are.

A name loads its library when it is first used: nothing here is needed otherwise.
"""

from typing import TYPE_CHECKING

from draingym.common.lazy import lazy_names

if TYPE_CHECKING:
    from draingym.adapters.offline import Episode, collect, to_d3rlpy, to_minari
    from draingym.adapters.parallel import NodeAgents
    from draingym.adapters.stable_baselines3 import StableBaselinesVecEnv

__all__ = [
    "Episode",
    "NodeAgents",
    "StableBaselinesVecEnv",
    "collect",
    "to_d3rlpy",
    "to_minari",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "draingym.adapters.offline": ("Episode", "collect", "to_d3rlpy", "to_minari"),
        "draingym.adapters.parallel": ("NodeAgents",),
        "draingym.adapters.stable_baselines3": ("StableBaselinesVecEnv",),
    },
)
