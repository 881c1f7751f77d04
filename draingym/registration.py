"""The environments. An entry here is all that a new one takes; imports nothing but Gymnasium.

Gymnasium's registry, the factory (``draingym.envs.make``), the table in docs/gym.md
(``python -m draingym.envs.page`` writes it) and what the tests run follow from the entries.
"""

from dataclasses import dataclass

import gymnasium


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """A problem, and the words for it in the page."""

    make: str  # the function of keyword arguments that returns its ``FunctionalEnv``
    actions: str
    nodes: str
    demand: str
    unmet: str  # what becomes of demand that finds no stock


_US = "30 US regions; near nodes with stock"
_LEARNED = "30 US regions; a learned drain model"

ENVIRONMENTS = {
    "Placement": Environment(
        make="draingym.envs.us:placement",
        actions="a request a node",
        nodes="upstream and 6 fulfilment nodes",
        demand=_US,
        unmet="lost",
    ),
    "OrderPerNode": Environment(
        make="draingym.envs.us:order_per_node",
        actions="a request a node",
        nodes="6 fulfilment nodes, all from the vendor",
        demand=_US,
        unmet="lost",
    ),
    "PlacementLearned": Environment(
        make="draingym.envs.us:placement_learned",
        actions="a request a node",
        nodes="as `Placement-v0`",
        demand=_LEARNED,
        unmet="lost, and not counted",
    ),
    "OrderPerNodeLearned": Environment(
        make="draingym.envs.us:order_per_node_learned",
        actions="a request a node",
        nodes="as `OrderPerNode-v0`",
        demand=_LEARNED,
        unmet="lost, and not counted",
    ),
    "Pricing": Environment(
        make="draingym.envs.us:pricing",
        actions="a request a node, a discount",
        nodes="upstream and 4 fulfilment nodes",
        demand="30 US regions, each split over near nodes; rises with the discount",
        unmet="lost",
    ),
    "Serial": Environment(
        make="draingym.envs.classic:serial",
        actions="a request a stage",
        nodes="4 stages in a line",
        demand="Normal(5, 2) at the last",
        unmet="waits",
    ),
    "OneWarehouseManyStores": Environment(
        make="draingym.envs.classic:one_warehouse_many_stores",
        actions="a request a node",
        nodes="warehouse and 5 stores",
        demand="correlated normal at the stores",
        unmet="waits",
    ),
    "SingleStore": Environment(
        make="draingym.envs.classic:single_store",
        actions="a request",
        nodes="a store",
        demand="Normal(5, 1.6)",
        unmet="lost (or waits: `backlog=True`)",
    ),
}
# Gymnasium's name of each, in the same order.
IDS = {name: f"draingym/{name}-v0" for name in ENVIRONMENTS}


def register_envs() -> None:
    """Register every environment that is not registered yet."""
    for name, id in IDS.items():
        if id not in gymnasium.registry:
            gymnasium.register(
                id=id,
                entry_point="draingym.envs.make:make_env",
                vector_entry_point="draingym.envs.make:make_vector_env",
                kwargs={"problem": name},
            )
