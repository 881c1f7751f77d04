"""One store, and two suppliers: one slow, the other dear and soon there."""

from __future__ import annotations

from dataclasses import dataclass

from draingym.common.arrays import require_range, require_whole
from draingym.networks.network import Network
from draingym.zoo.demand import uniform
from draingym.zoo.one_store import one_store
from draingym.zoo.problem import Problem, require_costs


@dataclass(frozen=True, kw_only=True)
class DualSourcing(Problem):
    """A store with backlog that orders whole units from two suppliers.

    Order, arrivals, demand (uniform in whole units), cost on what is left and on what waits. An
    action is a regular and an expedited order.

    Attributes:
        lead_time_regular: Periods from order to arrival.
        lead_time_expedited: The same, of the dear supplier.
        cost_regular: Currency a unit ordered.
        cost_expedited: The same, of the dear supplier.
        holding_cost: Currency a unit on hand at a period's end.
        unmet_cost: Currency a unit waiting at a period's end.
        demand_low: Units a period, at least.
        demand_high: Units a period, at most.
        on_hand: Units at the start.
        max_order: Units that an action of 1 requests of each.

    Source:
        Veeraraghavan and Scheller-Wolf (2008), "Now or later: a simple policy for effective dual
        sourcing in capacitated systems"; these values are those of Böttcher, Asikis and Fragkos
        (2023), "Control of dual-sourcing inventory systems using recurrent neural networks", and
        of the documentation of its package idinn.
    """

    lead_time_regular: int = 2
    lead_time_expedited: int = 0
    cost_regular: float = 0.0
    cost_expedited: float = 20.0
    holding_cost: float = 5.0
    unmet_cost: float = 495.0
    demand_low: int = 0
    demand_high: int = 4
    on_hand: float = 6.0
    max_order: float = 10.0

    def check(self) -> None:
        """See ``Problem``."""
        for name in ("lead_time_regular", "lead_time_expedited"):
            require_whole(name, getattr(self, name), high=100)
        require_costs(
            cost_regular=self.cost_regular,
            cost_expedited=self.cost_expedited,
            holding_cost=self.holding_cost,
            unmet_cost=self.unmet_cost,
            on_hand=self.on_hand,
        )
        require_whole("demand_high", self.demand_high, low=1, high=10_000)
        require_whole("demand_low", self.demand_low, high=self.demand_high)
        require_range("max_order", self.max_order, low=1.0, high=1e6)

    def network(self) -> Network:
        """See ``Problem``."""
        terms = {"batch": 1, "most": self.max_order}
        return one_store(
            terms | {"lead_time": self.lead_time_regular, "request_cost": self.cost_regular},
            terms | {"lead_time": self.lead_time_expedited, "request_cost": self.cost_expedited},
            demand=uniform(self.demand_low, self.demand_high),
            on_hand=self.on_hand,
            backlog=True,
            holding_cost=self.holding_cost,
            unmet_cost=self.unmet_cost,
        )
