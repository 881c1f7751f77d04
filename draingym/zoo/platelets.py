"""A hospital's platelets, of random age on arrival."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Array

from draingym.common.arrays import require_range, require_whole
from draingym.networks.ages import MOST_DRAWN, AgeOdds
from draingym.networks.network import Network
from draingym.simulator import Scenario
from draingym.simulator.precision import real
from draingym.zoo.demand import InTurn, negative_binomial
from draingym.zoo.one_store import one_store
from draingym.zoo.problem import Problem, require_costs


@dataclass(frozen=True, kw_only=True)
class Platelets(Problem):
    """A store with lost sales and a fee an order, whose units arrive in an age that is drawn.

    Order, arrival, demand (the oldest unit first), waste, cost. Of an order of ``a`` units each has
    ``k`` periods left with a probability in proportion to ``exp(intercept + slope * a)`` (1 for the
    last period of its life), and at most ``max_order`` units of an age are kept. Demand differs by
    weekday, from Monday on, which policies see (``Observation.calendar``), with its mean as the
    forecast. Holding is charged for all that is left, what expires included. Costs are discounted.

    Attributes:
        mean_demands: Units by weekday, of a negative binomial distribution.
        demand_sizes: Its size by weekday: the variance is ``mean + mean**2 / size``.
        max_demand: Units; more are as many.
        intercepts: Log odds of 2, 3, ... periods left on arrival, against those of 1; the longest
            is the shelf life.
        slopes: What each unit ordered adds to them; 0 is ages that no order changes.
        order_fee: Currency an order.
        holding_cost: Currency a unit left.
        unmet_cost: Currency a unit lost.
        waste_cost: Currency a unit that expires.
        max_order: Units, the most that can be ordered, and what an action of 1 requests.
        discount: A period.

    Source:
        Mirjalili (2022), "Data-driven modelling and control of hospital blood inventory", thesis,
        University of Toronto, chapter 6, a life of 3 periods and ages that depend on the order, in
        the rounded numbers of table 6.1; as the packages viso_jax and mdpax have it.
    """

    long_run: ClassVar[bool] = False

    mean_demands: tuple[float, ...] = (5.7, 6.9, 6.5, 6.2, 5.8, 3.3, 3.4)
    demand_sizes: tuple[float, ...] = (3.5, 11.0, 7.2, 11.1, 5.9, 5.5, 2.2)
    max_demand: int = 20
    intercepts: tuple[float, ...] = (1.0, 0.5)
    slopes: tuple[float, ...] = (0.4, 0.8)
    order_fee: float = 10.0
    holding_cost: float = 1.0
    unmet_cost: float = 20.0
    waste_cost: float = 5.0
    max_order: int = 20
    discount: float = 0.95

    def check(self) -> None:
        """See ``Problem``."""
        days = len(self.mean_demands)
        if not days or len(self.demand_sizes) != days:
            raise ValueError(
                f"mean_demands has {days} entries, and demand_sizes has {len(self.demand_sizes)}, "
                "must be as many, at least 1"
            )
        for name in ("mean_demands", "demand_sizes"):
            for i, value in enumerate(getattr(self, name)):
                require_range(f"{name}[{i}]", value, low=0.0, high=1000.0, open_low=True)
        if len(self.slopes) != len(self.intercepts):
            raise ValueError(
                f"intercepts has {len(self.intercepts)} entries, and slopes has "
                f"{len(self.slopes)}, must be as many"
            )
        require_whole("max_demand", self.max_demand, low=1, high=10_000)
        require_whole("max_order", self.max_order, low=1, high=MOST_DRAWN)
        require_costs(
            order_fee=self.order_fee,
            holding_cost=self.holding_cost,
            unmet_cost=self.unmet_cost,
            waste_cost=self.waste_cost,
        )
        require_range("discount", self.discount, low=0.0, high=1.0, open_low=True)
        _ = self.odds  # which has bounds of its own

    @property
    def demand(self) -> InTurn:
        """By weekday."""
        return InTurn(
            tables=tuple(
                negative_binomial(mean, size, self.max_demand)
                for mean, size in zip(self.mean_demands, self.demand_sizes, strict=True)
            )
        )

    @property
    def odds(self) -> AgeOdds:
        """Of an age on arrival, the youngest first."""
        return AgeOdds(
            intercepts=(*reversed(self.intercepts), 0.0),
            slopes=(*reversed(self.slopes), 0.0),
            most=self.max_order,
        )

    def network(self) -> Network:
        """See ``Problem``."""
        supplier = {
            "batch": 1,
            "request_limit": self.max_order,
            "request_fee": self.order_fee,
            "most": self.max_order,
            "ages": self.odds,
        }
        return one_store(
            supplier,
            demand=self.demand,
            discount=self.discount,
            shelf_life=len(self.intercepts) + 1,
            class_limit=self.max_order,
            holding_cost=self.holding_cost,
            unmet_cost=self.unmet_cost,
            waste_cost=self.waste_cost + self.holding_cost,
        )

    def scenario(self, key: Array, periods: int, batch: int | None = None) -> Scenario:
        """Return an episode from a Monday on, which says of each period what weekday it is."""
        scenario = self.built.sample(key, periods, batch)
        day = np.arange(periods) % len(self.mean_demands)
        series = replace(
            scenario.series,
            calendar=real(np.eye(len(self.mean_demands))[day]),
            forecast=real(self.demand.means[day][:, None]),
        )
        return replace(scenario, series=series)
