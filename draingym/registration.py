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
    "LostSales": Environment(
        make="draingym.zoo.store:LostSales",
        actions="a request",
        nodes="a store",
        demand="Poisson(5), or geometric",
        unmet="lost",
    ),
    "FixedOrderCost": Environment(
        make="draingym.zoo.store:FixedOrderCost",
        actions="a request",
        nodes="a store that pays for every order",
        demand="Poisson(10)",
        unmet="waits",
    ),
    "DualSourcing": Environment(
        make="draingym.zoo.dual_sourcing:DualSourcing",
        actions="a regular and an expedited request",
        nodes="a store with two suppliers",
        demand="0 to 4, all as probable",
        unmet="waits",
    ),
    "RandomLeadTimes": Environment(
        make="draingym.zoo.store:RandomLeadTimes",
        actions="a request",
        nodes="a store whose orders may cross",
        demand="Poisson(2)",
        unmet="waits",
    ),
    "Disruptions": Environment(
        make="draingym.zoo.store:Disruptions",
        actions="a request",
        nodes="a store whose supplier is down at times",
        demand="2,000",
        unmet="waits",
    ),
    "Perishable": Environment(
        make="draingym.zoo.perishable:Perishable",
        actions="a request",
        nodes="a store whose stock expires",
        demand="rounded gamma, mean 4",
        unmet="lost",
    ),
    "Platelets": Environment(
        make="draingym.zoo.platelets:Platelets",
        actions="a request",
        nodes="a hospital whose platelets arrive in a random age",
        demand="negative binomial by weekday, mean 3.3 to 6.9",
        unmet="lost",
    ),
    "TwoProducts": Environment(
        make="draingym.zoo.substitution:TwoProducts",
        actions="a request a product",
        nodes="a shop with two perishables, of which A stands in for B",
        demand="Poisson(2) each",
        unmet="lost",
    ),
    "BeerGame": Environment(
        make="draingym.zoo.lines:BeerGame",
        actions="a request a stage",
        nodes="4 stages in a line, with delayed orders",
        demand="0 to 2, all as probable, at the last",
        unmet="waits",
    ),
    "DistributionTree": Environment(
        make="draingym.zoo.lines:DistributionTree",
        actions="a request a node",
        nodes="a root, 2 in the middle, 4 stores",
        demand="Poisson(8) at the stores",
        unmet="waits",
    ),
    "Assembly": Environment(
        make="draingym.zoo.assembly:Assembly",
        actions="a request a part of each item",
        nodes="7 items, assembled to one",
        demand="0 to 10, all as probable",
        unmet="waits",
    ),
    "OneWarehouseLostSales": Environment(
        make="draingym.zoo.warehouses:OneWarehouseLostSales",
        actions="a request a node",
        nodes="warehouse and 5 stores",
        demand="correlated normal at the stores",
        unmet="lost",
    ),
    "ManyWarehousesLostSales": Environment(
        make="draingym.zoo.warehouses:ManyWarehousesLostSales",
        actions="a request an arc",
        nodes="2 warehouses and 10 stores",
        demand="correlated normal at the stores",
        unmet="lost",
    ),
    "InvManagement": Environment(
        make="draingym.zoo.orgym:InvManagement",
        actions="a request a stage",
        nodes="3 stages in a line, and raw material",
        demand="Poisson(20) at the last",
        unmet="waits (or is lost: `backlog=False`)",
    ),
    "NetworkManagement": Environment(
        make="draingym.zoo.orgym:NetworkManagement",
        actions="a request an arc",
        nodes="a retailer, 2 distributors, 3 factories",
        demand="Poisson(20) at the retailer",
        unmet="waits (or is lost: `backlog=False`)",
    ),
    "SharedStorage": Environment(
        make="draingym.zoo.shared_storage:SharedStorage",
        actions="a request a product and warehouse",
        nodes="20 products in 3 warehouses in a line",
        demand="normal, by product",
        unmet="lost",
    ),
}
# Those of ``draingym.zoo``: descriptions of networks, which are made without the simulator.
ZOO = tuple(name for name, words in ENVIRONMENTS.items() if words.make.startswith("draingym.zoo."))
CORE = tuple(name for name in ENVIRONMENTS if name not in ZOO)
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
