"""One store whose stock expires."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from draingym.common.arrays import require_range, require_whole
from draingym.networks.network import Network
from draingym.zoo.demand import Table, rounded_gamma
from draingym.zoo.one_store import one_store
from draingym.zoo.problem import Problem, require_costs


@dataclass(frozen=True, kw_only=True)
class Perishable(Problem):
    """A store with lost sales whose units live for a few periods, in whole units.

    Order, demand, waste of what is too old, cost, arrival: what arrives at the end of a period
    there arrives at the start of the next here, with the same lead time. Costs are discounted.

    Attributes:
        shelf_life: Periods of demand that a unit can serve.
        lead_time: Periods, at least 1: an order first serves the demand so many periods on.
        lifo: Customers take the youngest units, and not the oldest.
        mean_demand: Units a period, of a gamma distribution that is rounded.
        cv_demand: Its standard deviation over its mean.
        max_demand: Units; more are as many.
        order_cost: Currency a unit ordered.
        holding_cost: Currency a unit left that has not expired.
        unmet_cost: Currency a unit lost.
        waste_cost: Currency a unit that expires.
        max_order: Units, the most that can be ordered, and what an action of 1 requests.
        discount: A period.

    Source:
        De Moor, Gijsbrechts and Boute (2022), "Reward shaping to improve the performance of deep
        reinforcement learning in perishable inventory management", European Journal of Operational
        Research 301(2), experiment 1; as the package mdpax has it.
    """

    long_run: ClassVar[bool] = False

    shelf_life: int = 2
    lead_time: int = 1
    lifo: bool = True
    mean_demand: float = 4.0
    cv_demand: float = 0.5
    max_demand: int = 100
    order_cost: float = 3.0
    holding_cost: float = 1.0
    unmet_cost: float = 5.0
    waste_cost: float = 7.0
    max_order: int = 10
    discount: float = 0.99

    def check(self) -> None:
        """See ``Problem``."""
        require_whole("shelf_life", self.shelf_life, low=1, high=100)
        require_whole("lead_time", self.lead_time, low=1, high=100)
        require_whole("max_demand", self.max_demand, low=1, high=10_000)
        require_whole("max_order", self.max_order, low=1, high=10_000)
        for name in ("mean_demand", "cv_demand"):
            require_range(name, getattr(self, name), low=0.0, high=1000.0, open_low=True)
        require_costs(
            order_cost=self.order_cost,
            holding_cost=self.holding_cost,
            unmet_cost=self.unmet_cost,
            waste_cost=self.waste_cost,
        )
        require_range("discount", self.discount, low=0.0, high=1.0, open_low=True)

    @property
    def distribution(self) -> Table:
        """Of demand."""
        return rounded_gamma(self.mean_demand, self.cv_demand, self.max_demand)

    def network(self) -> Network:
        """See ``Problem``."""
        supplier = {
            "lead_time": self.lead_time,
            "batch": 1,
            "request_limit": self.max_order,
            "request_cost": self.order_cost,
            "most": self.max_order,
        }
        return one_store(
            supplier,
            demand=self.distribution,
            discount=self.discount,
            shelf_life=self.shelf_life,
            lifo=self.lifo,
            holding_cost=self.holding_cost,
            unmet_cost=self.unmet_cost,
            waste_cost=self.waste_cost,
        )
