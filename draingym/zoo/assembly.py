"""A product that is assembled of parts, which are assembled of others."""

from __future__ import annotations

from dataclasses import dataclass

from draingym.common.arrays import require_range, require_whole
from draingym.networks.description import Arc, Node
from draingym.networks.network import Network
from draingym.zoo.demand import uniform
from draingym.zoo.problem import Problem, require_costs


@dataclass(frozen=True, kw_only=True)
class Assembly(Problem):
    """A tree of parts that ends in a product, sold with backlog; one of each part makes a unit.

    Act, arrivals, assembly of what is there of every part, shipments (what is assembled is shipped
    on at once), demand, costs. A part that waits for others costs as much as on its shelf; goods on
    their way are free.

    Attributes:
        feeds: Item that each item is a part of; -1 for the product, which is the first. An item
            comes after what it is a part of.
        lead_times: Periods that it takes to make an item of its parts, or to buy it.
        echelon_holding_costs: Currency a unit and period that each item adds to its parts' cost.
        unmet_cost: Currency a unit that customers wait for at a period's end.
        demand_low: Units a period, at least, in whole units.
        demand_high: Units a period, at most.
        max_order: Units that an action of 1 requests.

    Source:
        Rosling (1989), "Optimal inventory policies for assembly systems under random demands",
        Operations Research 37(4), figure 1: structure and lead times. Demand is that of stockpyl's
        instance ``rosling_figure_1``; costs are ours.
    """

    feeds: tuple[int, ...] = (-1, 0, 0, 2, 1, 3, 3)
    lead_times: tuple[int, ...] = (1, 1, 3, 2, 4, 1, 2)
    echelon_holding_costs: tuple[float, ...] = (1.0,) * 7
    unmet_cost: float = 63.0
    demand_low: int = 0
    demand_high: int = 10
    max_order: float = 40.0

    def check(self) -> None:
        """See ``Problem``."""
        items = len(self.feeds)
        for name in ("lead_times", "echelon_holding_costs"):
            if len(getattr(self, name)) != items or items < 2:
                raise ValueError(
                    f"feeds has {items} entries, and {name} has {len(getattr(self, name))}, must "
                    "be as many, at least 2"
                )
        for i, target in enumerate(self.feeds):
            if not (target == -1 if i == 0 else 0 <= target < i):
                raise ValueError(
                    f"feeds[{i}] is {target}, must be -1 for the first and an earlier item for "
                    "others"
                )
        for i, periods in enumerate(self.lead_times):
            require_whole(f"lead_times[{i}]", periods, low=1, high=100)
        costs = enumerate(self.echelon_holding_costs)
        require_costs(
            unmet_cost=self.unmet_cost, **{f"echelon_holding_costs[{i}]": c for i, c in costs}
        )
        require_whole("demand_high", self.demand_high, low=1, high=10_000)
        require_whole("demand_low", self.demand_low, high=self.demand_high)
        require_range("max_order", self.max_order, low=1.0, high=1e6)

    @property
    def holding_costs(self) -> tuple[float, ...]:
        """Currency a unit on hand: what it and all its parts add."""
        costs = list(self.echelon_holding_costs)
        for i in reversed(range(1, len(costs))):
            costs[self.feeds[i]] += costs[i]
        return tuple(costs)

    def network(self) -> Network:
        """See ``Problem``."""
        names = ["product"] + [f"part {i}" for i in range(1, len(self.feeds))]
        costs = self.holding_costs
        nodes = [
            Node(
                name,
                holding_cost=costs[i],
                backlog=i == 0,
                unmet_cost=self.unmet_cost if i == 0 else 0.0,
            )
            for i, name in enumerate(names)
        ]
        arcs = []
        for i, name in enumerate(names):
            parts: list[int | None] = [k for k, target in enumerate(self.feeds) if target == i]
            for k in parts or [None]:
                arcs.append(
                    Arc(
                        None if k is None else names[k],
                        name,
                        lead_time=self.lead_times[i],
                        needs=1.0 if len(parts) > 1 else None,
                        dock_cost=0.0 if k is None else costs[k],
                        batch=1,
                        most=self.max_order,
                    )
                )
        return Network(
            nodes=nodes,
            arcs=arcs,
            demand={"product": uniform(self.demand_low, self.demand_high)},
            arrivals="before shipping",
            backorders=True,
            rounding="nearest",
        )
