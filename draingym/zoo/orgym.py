"""The inventory problems of or-gym: a chain of stages, and a network of factories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from draingym.common.arrays import require_range, require_whole, short
from draingym.networks.description import Arc, Node
from draingym.networks.network import Network
from draingym.simulator import LARGEST, Poisson
from draingym.zoo.problem import Problem, require_costs


@dataclass(frozen=True, kw_only=True)
class InvManagement(Problem):
    """A chain of stages, the last of which has raw material without end; profit of all counts.

    Order (whole units), shipment from the stock at a period's start, arrivals, demand, costs.
    Stages sell to each other; what a stage cannot ship is owed with ``backlog``, else forgotten,
    and costs a penalty either way. Entries are from the retailer up; the last is the raw material.

    Attributes:
        backlog: Unmet orders and demand wait; else they are lost.
        initial_stock: Units of each stage but the last.
        unit_prices: Currency a unit that a stage sells.
        production_cost: Currency a unit of raw material.
        unfilled_penalties: Currency a unit that a stage cannot ship, a period.
        holding_costs: Currency a unit on hand at a period's end, of all but the last.
        capacities: Units on each link in a period.
        lead_times: Periods of each link.
        mean_demand: Units a period, Poisson.
        discount: A period.

    Source:
        Hubbs, Perez, Sarwar, Sahinidis, Grossmann and Wassick (2020), "OR-Gym: a reinforcement
        learning library for operations research problems", arXiv:2008.06319; defaults of
        ``InvManagement-v0`` (backlog) and ``InvManagement-v1`` (lost sales).
    """

    long_run: ClassVar[bool] = False

    horizon: int = 30
    backlog: bool = True
    initial_stock: tuple[float, ...] = (100.0, 100.0, 200.0)
    unit_prices: tuple[float, ...] = (2.0, 1.5, 1.0, 0.75)
    production_cost: float = 0.5
    unfilled_penalties: tuple[float, ...] = (0.1, 0.075, 0.05, 0.025)
    holding_costs: tuple[float, ...] = (0.15, 0.1, 0.05)
    capacities: tuple[float, ...] = (100.0, 90.0, 80.0)
    lead_times: tuple[int, ...] = (3, 5, 10)
    mean_demand: float = 20.0
    discount: float = 0.97

    def check(self) -> None:
        """See ``Problem``."""
        links = len(self.lead_times)
        for name, number in (
            *((name, links) for name in ("initial_stock", "holding_costs", "capacities")),
            *((name, links + 1) for name in ("unit_prices", "unfilled_penalties")),
        ):
            values = getattr(self, name)
            if len(values) != number or not links:
                raise ValueError(f"{name} is {short(values)}, must have {number} entries")
            require_costs(**{f"{name}[{i}]": value for i, value in enumerate(values)})
        for i, periods in enumerate(self.lead_times):
            require_whole(f"lead_times[{i}]", periods, high=100)
        require_costs(production_cost=self.production_cost)
        require_range("mean_demand", self.mean_demand, low=0.0, high=1e5, open_low=True)
        require_range("discount", self.discount, low=0.0, high=1.0, open_low=True)

    def network(self) -> Network:
        """See ``Problem``."""
        links = len(self.lead_times)
        endless = min(sum(self.capacities) * self.horizon, LARGEST)
        return Network(
            nodes=[
                Node(
                    f"stage {i}",
                    on_hand=self.initial_stock[i] if i < links else endless,
                    backlog=self.backlog and i == 0,
                    holding_cost=self.holding_costs[i] if i < links else 0.0,
                    price=0.0 if i else self.unit_prices[0],
                    unmet_cost=0.0 if i else self.unfilled_penalties[0],
                )
                for i in range(links + 1)
            ],
            arcs=[
                Arc(
                    f"stage {i + 1}",
                    f"stage {i}",
                    lead_time=self.lead_times[i],
                    batch=1,
                    ship_limit=self.capacities[i],
                    price=self.unit_prices[i + 1],
                    ship_cost=self.production_cost if i == links - 1 else 0.0,
                    short_cost=self.unfilled_penalties[i + 1],
                    most=self.capacities[i],
                )
                for i in range(links)
            ],
            demand={"stage 0": Poisson(rate=self.mean_demand)},
            backorders=self.backlog,
            rounding="nearest",
            discount=self.discount,
        )


# Supplier, buyer, lead time, price, currency a unit and period on its way: or-gym's default.
_EDGES = (
    *(("2", "1", 5, 1.5, 0.01), ("3", "1", 3, 1.6, 0.015), ("4", "2", 8, 1.0, 0.008)),
    *(("4", "3", 10, 0.8, 0.006), ("5", "2", 9, 0.7, 0.005), ("6", "2", 11, 0.75, 0.007)),
    *(("6", "3", 12, 0.8, 0.004), ("", "4", 0, 0.15, 0.0), ("", "5", 1, 0.05, 0.005)),
    *(("", "5", 2, 0.07, 0.002), ("", "6", 0, 0.2, 0.0)),
)


@dataclass(frozen=True, kw_only=True)
class NetworkManagement(Problem):
    """Sources, three factories, two distributors and a retailer; profit of all counts.

    Order (whole units), shipment from the stock at a period's start, arrivals, demand, costs. What
    is shipped is paid; what cannot be shipped is forgotten. A supplier that is short serves its
    buyers in the order of the edges, where or-gym ships more than there is.

    Attributes:
        backlog: Unmet demand waits; else it is lost.
        edges: Supplier ("" is a source without end), buyer, lead time, price, and currency a unit
            on its way at a period's end.
        initial_stock: Units of nodes 1 to 6: retailer, distributors, factories.
        holding_costs: Currency a unit on hand at a period's end, of the same.
        capacities: Units that each factory, nodes 4 to 6, ships on an edge in a period.
        operating_costs: Currency a unit that each factory ships.
        price: Currency a unit sold to customers.
        unmet_cost: Currency a unit of unmet demand, a period.
        mean_demand: Units a period, Poisson.
        discount: A period.

    Source:
        Perez, Hubbs, Li and Grossmann (2021), "Algorithmic approaches to inventory management
        optimization", Processes 9(1), 102; defaults of or-gym's ``NetworkManagement-v0`` (backlog)
        and ``-v1`` (lost sales).
    """

    long_run: ClassVar[bool] = False

    horizon: int = 30
    backlog: bool = True
    edges: tuple[tuple[str, str, int, float, float], ...] = _EDGES
    initial_stock: tuple[float, ...] = (100.0, 110.0, 80.0, 400.0, 350.0, 380.0)
    holding_costs: tuple[float, ...] = (0.03, 0.02, 0.015, 0.012, 0.013, 0.011)
    capacities: tuple[float, ...] = (90.0, 90.0, 80.0)
    operating_costs: tuple[float, ...] = (0.01, 0.015, 0.012)
    price: float = 2.0
    unmet_cost: float = 0.1
    mean_demand: float = 20.0
    discount: float = 1.0

    def check(self) -> None:
        """See ``Problem``."""
        for name, number in (
            *(("initial_stock", 6), ("holding_costs", 6)),
            *(("capacities", 3), ("operating_costs", 3)),
        ):
            values = getattr(self, name)
            if len(values) != number:
                raise ValueError(f"{name} is {short(values)}, must have {number} entries")
            require_costs(**{f"{name}[{i}]": value for i, value in enumerate(values)})
        require_costs(price=self.price, unmet_cost=self.unmet_cost)
        if not self.edges:
            raise ValueError("edges is (), must hold at least one edge")
        require_range("mean_demand", self.mean_demand, low=0.0, high=1e5, open_low=True)
        require_range("discount", self.discount, low=0.0, high=1.0, open_low=True)

    def network(self) -> Network:
        """See ``Problem``."""
        limit = {str(4 + i): units for i, units in enumerate(self.capacities)}
        makes = {str(4 + i): cost for i, cost in enumerate(self.operating_costs)}
        return Network(
            nodes=[
                Node(
                    str(i + 1),
                    on_hand=units,
                    holding_cost=self.holding_costs[i],
                    backlog=self.backlog and i == 0,
                    price=0.0 if i else self.price,
                    unmet_cost=0.0 if i else self.unmet_cost,
                )
                for i, units in enumerate(self.initial_stock)
            ],
            arcs=[
                Arc(
                    supplier or None,
                    buyer,
                    lead_time=lead_time,
                    batch=1,
                    ship_limit=limit.get(supplier),
                    ship_cost=makes.get(supplier, 0.0),
                    price=price,
                    transit_cost=transit_cost,
                )
                for supplier, buyer, lead_time, price, transit_cost in self.edges
            ],
            demand={"1": Poisson(rate=self.mean_demand)},
            rationing="rank",
            rounding="nearest",
            discount=self.discount,
        )
