"""A chain of warehouses that store many products in rooms of limited size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from draingym.common.arrays import require_range, require_whole, short
from draingym.networks.description import Arc, Node, Store
from draingym.networks.network import Network
from draingym.simulator import Normal
from draingym.zoo.problem import Problem, require_costs


@dataclass(frozen=True, kw_only=True)
class SharedStorage(Problem):
    """Products that pass a chain of warehouses, the last of which sells, and share their rooms.

    Order, shipment, demand, arrivals: what arrives can be sold, or shipped on, in the next period,
    and what finds no room is gone. Orders a warehouse cannot serve are lost. A warehouse earns its
    margin on what it sells to the next; a product's demand is normal and clipped at zero.

    Attributes:
        num_products: Of which the mean demand differs.
        prices: Currency a unit of the vendor, and of each warehouse from the head to the tail.
        mean_demand: Units a period and product, on average; products are evenly spread from half
            of it to one and a half times it.
        cv_demand: Standard deviation of a period's demand over its mean.
        lead_time: Periods to each warehouse.
        room: Units of each warehouse, a product.
        order_fee: Currency an order of a product in a warehouse.
        holding_cost: Currency a unit on hand at a period's end.
        missed_share: Of the margin, a unit that a warehouse could not sell.
        overflow_share: Of the cost, a unit that found no room.

    Source:
        The mechanisms of Yang, Liu, Jiang, Zhang, Zhao, Song and Bian (2023), "A versatile
        multi-agent reinforcement learning benchmark for inventory management" (MABIM),
        arXiv:2306.07542. Its data are sales of real products; these numbers are ours.
    """

    num_products: int = 20
    prices: tuple[float, ...] = (6.0, 8.0, 9.0, 11.0)
    mean_demand: float = 10.0
    cv_demand: float = 0.3
    lead_time: int = 2
    room: float = 45.0
    order_fee: float = 1.0
    holding_cost: float = 0.1
    missed_share: float = 0.1
    overflow_share: float = 0.5

    def check(self) -> None:
        """See ``Problem``."""
        require_whole("num_products", self.num_products, low=1, high=10_000)
        require_whole("lead_time", self.lead_time, high=100)
        if len(self.prices) < 2 or (np.diff(self.prices) < 0).any() or self.prices[0] < 0:
            raise ValueError(
                f"prices is {short(self.prices)}, must be at least two numbers of at least 0 that "
                "do not fall"
            )
        require_range("mean_demand", self.mean_demand, low=0.0, high=1e5, open_low=True)
        require_range("cv_demand", self.cv_demand, low=0.0, high=10.0)
        require_range("room", self.room, low=0.0, high=1e6, open_low=True)
        require_costs(order_fee=self.order_fee, holding_cost=self.holding_cost)
        require_range("missed_share", self.missed_share, low=0.0, high=1.0)
        require_range("overflow_share", self.overflow_share, low=0.0, high=1.0)

    def network(self) -> Network:
        """See ``Problem``."""
        last = len(self.prices) - 2
        margins = np.diff(self.prices)
        means = self.mean_demand * np.linspace(0.5, 1.5, self.num_products)
        nodes, arcs = [], []
        for w, margin in enumerate(margins):
            for s in range(self.num_products):
                nodes.append(
                    Node(
                        f"{w + 1} {s + 1}",
                        on_hand=2.0 * means[s],
                        store=f"warehouse {w + 1}",
                        holding_cost=self.holding_cost,
                        price=margin if w == last else 0.0,
                        unmet_cost=self.missed_share * margin if w == last else 0.0,
                        refuse_cost=self.overflow_share * self.prices[w],
                    )
                )
                arcs.append(
                    Arc(
                        f"{w} {s + 1}" if w else None,
                        f"{w + 1} {s + 1}",
                        lead_time=self.lead_time,
                        request_fee=self.order_fee,
                        ship_cost=-margins[w - 1] if w else 0.0,
                        short_cost=self.missed_share * margins[w - 1] if w else 0.0,
                    )
                )
        sells = tuple(f"{last + 1} {s + 1}" for s in range(self.num_products))
        demand = Normal(means=tuple(means.tolist()), sds=tuple((self.cv_demand * means).tolist()))
        return Network(
            nodes=nodes,
            arcs=arcs,
            demand={sells if len(sells) > 1 else sells[0]: demand},
            stores=[
                Store(f"warehouse {w + 1}", self.room * self.num_products) for w in range(last + 1)
            ],
            arrivals="end",
        )
