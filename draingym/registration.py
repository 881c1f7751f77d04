"""Registers the environments with Gymnasium; imports nothing but Gymnasium."""

import gymnasium

IDS = (
    "draingym/Placement-v0",
    "draingym/OrderPerNode-v0",
    "draingym/PlacementLearned-v0",
    "draingym/OrderPerNodeLearned-v0",
    "draingym/Pricing-v0",
    "draingym/Serial-v0",
    "draingym/OneWarehouseManyStores-v0",
    "draingym/SingleStore-v0",
)


def register_envs() -> None:
    """Register every environment that is not registered yet."""
    for id in IDS:
        if id not in gymnasium.registry:
            name = id.removeprefix("draingym/").removesuffix("-v0")
            gymnasium.register(
                id=id,
                entry_point="draingym.envs.make:make_env",
                vector_entry_point="draingym.envs.make:make_vector_env",
                kwargs={"problem": name},
            )
