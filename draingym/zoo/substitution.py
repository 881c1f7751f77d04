"""Two products that live for a few periods, one of which stands in for the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.common.arrays import require_range, require_whole
from draingym.networks.build import Built
from draingym.networks.description import Arc, Node
from draingym.networks.network import Network
from draingym.simulator import (
    History,
    LocalDemand,
    LocalDemandParams,
    Poisson,
    PyTree,
    Scenario,
    Series,
)
from draingym.simulator.draws import lesser
from draingym.simulator.types import Drain
from draingym.zoo.problem import Problem, require_costs

_LOCAL = LocalDemand()


@dataclass(frozen=True, kw_only=True, slots=True)
class Acceptance:
    """Customers of the second node who find nothing take the first's product, each by chance.

    ``LocalDemand`` sells their expected number; here customer k of those who find nothing accepts
    where the period's uniform k is below ``params.substitute[0, 1]``.

    Attributes:
        customers: Of a period who may find nothing, at most.

    Gradients: to stock exact almost everywhere: a unit more spares its customer the choice.
    """

    customers: int

    @property
    def backlog(self) -> bool:
        """No: who finds nothing leaves."""
        return False

    @property
    def num_uniforms(self) -> int:
        """One a customer."""
        return self.customers

    def prepare(self, params: LocalDemandParams, series: Series) -> PyTree:
        """Return the demand of every period at every node, units."""
        return _LOCAL.prepare(params, series)

    def init(self, params: LocalDemandParams, history: History) -> Float[Array, " N"]:
        """Return the units of demand that wait at the start: none."""
        return _LOCAL.init(params, history)

    def drain(
        self,
        params: LocalDemandParams,
        memory: Float[Array, " N"],
        available: Float[Array, " N"],
        exogenous: PyTree,
        uniforms: Float[Array, " K"],
    ) -> tuple[Float[Array, " N"], Drain]:
        """Serve each node's own customers, then those who accept the first instead."""
        memory, served = _LOCAL.drain(
            replace(params, substitute=None), memory, available, exogenous, uniforms
        )
        share = jnp.float32(0.0) if params.substitute is None else params.substitute[0, 1]
        unmet = served.lost[1]
        asked = jnp.zeros_like(unmet)
        for k in range(self.customers):
            finds_nothing = jnp.clip(unmet - k, 0.0, 1.0)
            asked = asked + jnp.where(uniforms[k] < share, finds_nothing, 0.0)
        sold = lesser(asked, available[0] - served.outbound[0])
        moved = jnp.stack([sold, jnp.zeros_like(sold)])
        drain = replace(served, outbound=served.outbound + moved, lost=served.lost - moved[::-1])
        return memory, drain


@dataclass(frozen=True, kw_only=True)
class TwoProducts(Problem):
    """A shop that sells two perishables; customers who find no B take A, each by chance.

    Order, demand (the oldest units first), what is too old expires, orders arrive: they are sold
    from the next period on. Profit is discounted; nothing but orders costs anything.

    Attributes:
        shelf_life: Periods of demand that a unit can serve.
        mean_demand_a: Units a period, Poisson.
        mean_demand_b: Units a period, Poisson.
        accepts: Probability that a customer who finds no B takes an A.
        price_a: Currency a unit sold.
        price_b: Currency a unit sold.
        order_cost_a: Currency a unit ordered.
        order_cost_b: Currency a unit ordered.
        max_order_a: Units, the most that can be ordered.
        max_order_b: Units, the most that can be ordered.
        discount: A period.

    Source:
        Hendrix, Ortega, Haijema, Buisman and García (2019), "On computing optimal policies in
        perishable inventory control using value iteration", Computational and Mathematical Methods
        1(4), in the size that the package mdpax solves.
    """

    long_run: ClassVar[bool] = False

    shelf_life: int = 2
    mean_demand_a: float = 2.0
    mean_demand_b: float = 2.0
    accepts: float = 0.5
    price_a: float = 1.0
    price_b: float = 1.0
    order_cost_a: float = 0.5
    order_cost_b: float = 0.5
    max_order_a: int = 4
    max_order_b: int = 4
    discount: float = 0.95

    def check(self) -> None:
        """See ``Problem``."""
        require_whole("shelf_life", self.shelf_life, low=1, high=100)
        for x in "ab":
            require_whole(f"max_order_{x}", getattr(self, f"max_order_{x}"), low=1, high=1000)
            mean = f"mean_demand_{x}"
            require_range(mean, getattr(self, mean), low=0.0, high=100.0, open_low=True)
            for name in (f"price_{x}", f"order_cost_{x}"):
                require_costs(**{name: getattr(self, name)})
        require_range("accepts", self.accepts, low=0.0, high=1.0)
        require_range("discount", self.discount, low=0.0, high=1.0, open_low=True)

    def network(self) -> Network:
        """See ``Problem``; customers who accept A are expected numbers in it, and drawn in play."""
        return Network(
            nodes=[
                Node(
                    x,
                    shelf_life=self.shelf_life,
                    price=getattr(self, f"price_{x}"),
                    substitutes={"a": self.accepts} if x == "b" else None,
                )
                for x in "ab"
            ],
            arcs=[
                Arc(
                    None,
                    x,
                    lead_time=1,
                    batch=1,
                    request_limit=getattr(self, f"max_order_{x}"),
                    request_cost=getattr(self, f"order_cost_{x}"),
                    most=getattr(self, f"max_order_{x}"),
                )
                for x in "ab"
            ],
            demand={x: Poisson(rate=getattr(self, f"mean_demand_{x}")) for x in "ab"},
            rounding="nearest",
            discount=self.discount,
        )

    @property
    def customers(self) -> int:
        """Customers of B in a period, at most; one in 10**8 periods has more."""
        return int(self.mean_demand_b + 6 * self.mean_demand_b**0.5) + 8

    def assemble(self, built: Built) -> Built:
        """See ``Problem``: customers of B decide by chance."""
        kernel = Acceptance(customers=self.customers)
        return replace(built, simulator=replace(built.simulator, kernel=kernel))

    def scenario(self, key: Array, periods: int, batch: int | None = None) -> Scenario:
        """See ``Problem``."""
        key_rest, key_accepts = jax.random.split(key)
        scenario = self.built.sample(key_rest, periods, batch)
        shape = (periods, self.customers, *(() if batch is None else (batch,)))
        drawn = jax.random.uniform(key_accepts, shape, jnp.float32)
        return replace(scenario, series=replace(scenario.series, drain_uniform=drawn))
