"""One store and one supplier: lost sales, an order cost, random lead times, disruptions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array

from draingym.common.arrays import require_range, require_whole
from draingym.networks.network import Network
from draingym.simulator import Deterministic, Poisson, Scenario
from draingym.simulator.precision import real
from draingym.zoo.demand import Table, geometric
from draingym.zoo.one_store import one_store
from draingym.zoo.problem import Problem, require_costs


@dataclass(frozen=True, kw_only=True)
class LostSales(Problem):
    """A store that loses what it cannot sell, in whole units.

    Order, arrival of what was ordered ``lead_time`` periods ago, demand, cost on what is left and
    on what is lost.

    Attributes:
        lead_time: Periods from order to arrival, at least 1.
        holding_cost: Currency a unit on hand at a period's end.
        unmet_cost: Currency a unit lost.
        mean_demand: Units a period.
        demand: Its distribution.
        max_order: Units that an action of 1 requests.

    Source:
        Zipkin (2008), "Old and new methods for lost-sales inventory systems", Operations Research
        56(5), table 3: mean 5, holding 1, penalties 4, 9, 19, 39, lead times 1 to 4.
    """

    lead_time: int = 4
    holding_cost: float = 1.0
    unmet_cost: float = 9.0
    mean_demand: float = 5.0
    demand: Literal["poisson", "geometric"] = "poisson"
    max_order: float = 20.0

    def check(self) -> None:
        """See ``Problem``."""
        require_whole("lead_time", self.lead_time, low=1, high=100)
        require_costs(holding_cost=self.holding_cost, unmet_cost=self.unmet_cost)
        require_range("mean_demand", self.mean_demand, low=0.0, high=1000.0, open_low=True)
        require_range("max_order", self.max_order, low=1.0, high=1e6)

    @property
    def distribution(self) -> Poisson | Table:
        """Of demand."""
        if self.demand == "poisson":
            return Poisson(rate=self.mean_demand)
        return geometric(self.mean_demand)

    def network(self) -> Network:
        """See ``Problem``."""
        return one_store(
            {"lead_time": self.lead_time, "batch": 1, "most": self.max_order},
            demand=self.distribution,
            holding_cost=self.holding_cost,
            unmet_cost=self.unmet_cost,
        )


@dataclass(frozen=True, kw_only=True)
class FixedOrderCost(Problem):
    """A store with backlog that pays for every order: an (s, S) policy is optimal.

    Order, arrival, demand, cost on what is left and on what waits.

    Attributes:
        order_fee: Currency an order.
        lead_time: Periods from order to arrival.
        holding_cost: Currency a unit on hand at a period's end.
        unmet_cost: Currency a unit waiting at a period's end.
        mean_demand: Units a period, Poisson.
        max_order: Units that an action of 1 requests.

    Source:
        Zheng and Federgruen (1991), "Finding optimal (s, S) policies is about as simple as
        evaluating a single policy", Operations Research 39(4): K = 64, h = 1, p = 9.
    """

    order_fee: float = 64.0
    lead_time: int = 0
    holding_cost: float = 1.0
    unmet_cost: float = 9.0
    mean_demand: float = 10.0
    max_order: float = 100.0

    def check(self) -> None:
        """See ``Problem``."""
        require_whole("lead_time", self.lead_time, high=100)
        require_costs(
            order_fee=self.order_fee, holding_cost=self.holding_cost, unmet_cost=self.unmet_cost
        )
        require_range("mean_demand", self.mean_demand, low=0.0, high=1000.0, open_low=True)
        require_range("max_order", self.max_order, low=1.0, high=1e6)

    def network(self) -> Network:
        """See ``Problem``."""
        supplier = {
            "lead_time": self.lead_time,
            "batch": 1,
            "request_fee": self.order_fee,
            "most": self.max_order,
        }
        return one_store(
            supplier,
            demand=Poisson(rate=self.mean_demand),
            backlog=True,
            holding_cost=self.holding_cost,
            unmet_cost=self.unmet_cost,
        )


@dataclass(frozen=True, kw_only=True)
class RandomLeadTimes(Problem):
    """A store with backlog whose orders take a random time, and may overtake each other.

    How long an order takes is drawn when it is placed, and seen from then on.

    Attributes:
        lead_time_probabilities: Of 0, 1, 2, ... periods from order to arrival.
        holding_cost: Currency a unit on hand at a period's end.
        unmet_cost: Currency a unit waiting at a period's end.
        mean_demand: Units a period, Poisson.
        max_order: Units that an action of 1 requests.

    Source:
        Parameters of our own; orders that cross are those of Zipkin (2000), Foundations of
        Inventory Management.
    """

    lead_time_probabilities: tuple[float, ...] = (0.0, 0.25, 0.5, 0.25)
    holding_cost: float = 1.0
    unmet_cost: float = 9.0
    mean_demand: float = 2.0
    max_order: float = 10.0

    def check(self) -> None:
        """See ``Problem``."""
        for i, share in enumerate(self.lead_time_probabilities):
            require_range(f"lead_time_probabilities[{i}]", share, low=0.0, high=1.0)
        if abs(sum(self.lead_time_probabilities) - 1.0) > 1e-6:
            raise ValueError(
                f"lead_time_probabilities is {self.lead_time_probabilities}, must sum to 1"
            )
        require_costs(holding_cost=self.holding_cost, unmet_cost=self.unmet_cost)
        require_range("mean_demand", self.mean_demand, low=0.0, high=1000.0, open_low=True)
        require_range("max_order", self.max_order, low=1.0, high=1e6)

    def network(self) -> Network:
        """See ``Problem``."""
        lead_time = dict(enumerate(self.lead_time_probabilities))
        return one_store(
            {"lead_time": lead_time, "batch": 1, "most": self.max_order},
            demand=Poisson(rate=self.mean_demand),
            backlog=True,
            holding_cost=self.holding_cost,
            unmet_cost=self.unmet_cost,
        )


@dataclass(frozen=True, kw_only=True)
class Disruptions(Problem):
    """A store with known demand whose supplier comes and goes: a Markov chain of two states.

    A supplier who is down accepts nothing; one who is up delivers at once. Policies do not see
    which it is: what is requested from one who is down is cancelled.

    Attributes:
        disruption_probability: That a supplier who is up is down in the next period.
        recovery_probability: That one who is down is up in the next.
        holding_cost: Currency a unit on hand at a period's end.
        unmet_cost: Currency a unit waiting at a period's end.
        demand: Units a period.
        max_periods: Periods of demand that an action of 1 requests.

    Source:
        Snyder and Shen (2019), Fundamentals of Supply Chain Theory, 2nd ed., example 9.3.
    """

    disruption_probability: float = 0.04
    recovery_probability: float = 0.25
    holding_cost: float = 0.25
    unmet_cost: float = 3.0
    demand: float = 2000.0
    max_periods: float = 20.0

    def check(self) -> None:
        """See ``Problem``."""
        for name in ("disruption_probability", "recovery_probability"):
            require_range(name, getattr(self, name), low=0.0, high=1.0, open_low=True)
        require_costs(holding_cost=self.holding_cost, unmet_cost=self.unmet_cost)
        require_range("demand", self.demand, low=0.0, high=1e6, open_low=True)
        require_range("max_periods", self.max_periods, low=1.0, high=1000.0)

    def network(self) -> Network:
        """See ``Problem``."""
        return one_store(
            {"most": self.max_periods * self.demand},
            demand=Deterministic(pattern=(self.demand,)),
            backlog=True,
            holding_cost=self.holding_cost,
            unmet_cost=self.unmet_cost,
        )

    def scenario(self, key: Array, periods: int, batch: int | None = None) -> Scenario:
        """Return an episode in which the supplier is up (1) or down (0) by chance."""
        key_rest, key_first, key_chain = jax.random.split(key, 3)
        scenario = self.built.sample(key_rest, periods, batch)
        last = () if batch is None else (batch,)
        falls, rises = self.disruption_probability, self.recovery_probability
        begins = jax.random.uniform(key_first, last) < rises / (falls + rises)

        def period(up: Array, chance: Array) -> tuple[Array, Array]:
            return jnp.where(up, chance >= falls, chance < rises), up

        chances = jax.random.uniform(key_chain, (periods, *last))
        up = jax.lax.scan(period, begins, chances)[1]
        series = replace(scenario.series, fill_rate=real(up)[:, None])
        return replace(scenario, series=series)
