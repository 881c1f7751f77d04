"""Lines and trees whose nodes owe what they cannot ship: the beer game, a distribution tree."""

from __future__ import annotations

from dataclasses import dataclass

from draingym.common.arrays import require_range, require_whole
from draingym.networks.description import Arc, Node
from draingym.networks.network import Network
from draingym.simulator import Poisson
from draingym.zoo.demand import uniform
from draingym.zoo.problem import Problem, require_costs


@dataclass(frozen=True, kw_only=True)
class BeerGame(Problem):
    """A line of four whose orders take time to reach their supplier; what is owed is delivered.

    All stages are decided by one who sees them all. Act, orders reach suppliers, arrivals,
    shipments (what arrives is shipped on at once), demand, costs. Goods and orders on their way are
    free.

    Attributes:
        lead_times: Periods from shipment to arrival: factory, distributor, wholesaler, retailer.
        order_delays: Periods until the supplier sees an order; the factory's is part of its lead
            time.
        holding_costs: Currency a unit on hand at a period's end.
        unmet_cost: Currency a unit that the retailer's customers wait for at a period's end.
        demand_low: Units a period, at least, in whole units.
        demand_high: Units a period, at most.
        max_order: Units that an action of 1 requests.

    Source:
        Oroojlooyjadid, Nazari, Snyder and Takáč (2022), "A deep Q-network for the beer game",
        Manufacturing & Service Operations Management 24(1); values as its public code has them
        (OptMLGroup/DeepBeerInventory-RL, config.py), whose base-stock levels are 8, 8, 0 and 0 from
        the retailer up.
    """

    lead_times: tuple[int, ...] = (4, 2, 2, 2)
    order_delays: tuple[int, ...] = (0, 2, 2, 2)
    holding_costs: tuple[float, ...] = (2.0, 2.0, 2.0, 2.0)
    unmet_cost: float = 2.0
    demand_low: int = 0
    demand_high: int = 2
    max_order: float = 16.0

    def check(self) -> None:
        """See ``Problem``."""
        stages = len(self.lead_times)
        for name in ("order_delays", "holding_costs"):
            if len(getattr(self, name)) != stages or stages < 1:
                raise ValueError(
                    f"lead_times has {stages} entries, and {name} has "
                    f"{len(getattr(self, name))}, must be as many, at least 1"
                )
        for name in ("lead_times", "order_delays"):
            for i, periods in enumerate(getattr(self, name)):
                require_whole(f"{name}[{i}]", periods, high=100)
        require_costs(
            unmet_cost=self.unmet_cost,
            **{f"holding_costs[{i}]": cost for i, cost in enumerate(self.holding_costs)},
        )
        require_whole("demand_high", self.demand_high, low=1, high=10_000)
        require_whole("demand_low", self.demand_low, high=self.demand_high)
        require_range("max_order", self.max_order, low=1.0, high=1e6)

    def network(self) -> Network:
        """See ``Problem``."""
        stages = len(self.lead_times)
        names = [f"stage {i + 1}" for i in range(stages - 1)] + ["retailer"]
        if stages == 4:
            names[:3] = ["factory", "distributor", "wholesaler"]
        return Network(
            nodes=[
                Node(
                    name,
                    holding_cost=cost,
                    backlog=i == stages - 1,
                    unmet_cost=self.unmet_cost if i == stages - 1 else 0.0,
                )
                for i, (name, cost) in enumerate(zip(names, self.holding_costs, strict=True))
            ],
            arcs=[
                Arc(
                    names[i - 1] if i else None,
                    name,
                    lead_time=self.lead_times[i] + (0 if i else self.order_delays[0]),
                    delay=self.order_delays[i] if i else 0,
                    batch=1,
                    most=self.max_order,
                )
                for i, name in enumerate(names)
            ],
            demand={"retailer": uniform(self.demand_low, self.demand_high)},
            arrivals="before shipping",
            backorders=True,
            rounding="nearest",
        )


@dataclass(frozen=True, kw_only=True)
class DistributionTree(Problem):
    """A warehouse that supplies two, each of which supplies two stores; what is owed is delivered.

    Act, arrivals, shipments (what arrives is shipped on at once; a short source shares in
    proportion), demand, costs. Stores have a backlog; goods on their way are free.

    Attributes:
        lead_time: Periods to every node from its supplier.
        holding_costs: Currency a unit on hand at a period's end: root, middle, stores.
        unmet_cost: Currency a unit waiting at a store at a period's end.
        mean_demand: Units a period of every store, Poisson.

    Source:
        Rong, Atan and Snyder (2017), "Heuristics for base-stock levels in multi-echelon
        distribution networks", Production and Operations Management 26(9), figure 1(a), with the
        costs that stockpyl's instance ``rong_atan_snyder_figure_1a`` has. Theirs is in continuous
        time and serves first come, first served.
    """

    lead_time: int = 1
    holding_costs: tuple[float, float, float] = (1 / 3, 2 / 3, 1.0)
    unmet_cost: float = 20.0
    mean_demand: float = 8.0

    def check(self) -> None:
        """See ``Problem``."""
        require_whole("lead_time", self.lead_time, low=1, high=100)
        require_costs(
            unmet_cost=self.unmet_cost,
            **{f"holding_costs[{i}]": cost for i, cost in enumerate(self.holding_costs)},
        )
        require_range("mean_demand", self.mean_demand, low=0.0, high=1000.0, open_low=True)

    def network(self) -> Network:
        """See ``Problem``."""
        source = {"root": None, "middle 1": "root", "middle 2": "root"}
        stores = [f"store {i + 1}" for i in range(4)]
        source |= {name: f"middle {1 + i // 2}" for i, name in enumerate(stores)}
        level = {"root": 0, "middle": 1, "store": 2}
        return Network(
            nodes=[
                Node(
                    name,
                    holding_cost=self.holding_costs[level[name.split()[0]]],
                    backlog=name in stores,
                    unmet_cost=self.unmet_cost if name in stores else 0.0,
                )
                for name in source
            ],
            arcs=[
                Arc(above, name, lead_time=self.lead_time, batch=1)
                for name, above in source.items()
            ],
            demand={name: Poisson(rate=self.mean_demand) for name in stores},
            arrivals="before shipping",
            backorders=True,
            rounding="nearest",
        )
