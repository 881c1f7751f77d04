"""Of each problem: where it is from, what its optimum or best known value is, and its rule.

``python -m draingym.zoo.page`` writes it into docs/gym.md. What the tuned rules and the trained
policies reach is measured by ``make bench-zoo``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Unit = Literal["cost a period", "discounted cost", "profit of an episode", "discounted profit"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A row; amounts in the currency of the problem, at the options that are given.

    >>> lost = next(entry for entry in TABLE if entry.name == "LostSales")
    >>> lost.optimum, lost.rule, lost.of_profit
    (6.836, 'capped base stock', False)
    """

    name: str  # of the environment, a key of ``registration.ENVIRONMENTS``
    options: tuple[tuple[str, Any], ...] = ()  # that differ from the defaults
    source: str
    unit: Unit
    optimum: float | None  # None where no policy is known to be optimal
    bound: bool = False  # no policy of a class is better, and none needs to reach it
    how: str  # how the optimum was computed, by us
    published: str = ""  # what a publication says of it
    rule: str  # that is tuned

    @property
    def label(self) -> str:
        """What the row is called."""
        told = ", ".join(f"{name}={value!r}" for name, value in self.options)
        return f"{self.name}-v0" + (f", {told}" if told else "")

    @property
    def of_profit(self) -> bool:
        """Whether more is better."""
        return "profit" in self.unit


_NONE = "none known; best known: the best of `make bench-zoo`"

TABLE = (
    Entry(
        name="SingleStore",
        options=(("backlog", True),),
        source="Zipkin (2000); parameters of our own",
        unit="cost a period",
        optimum=3.9703,
        how="critical fractile of two periods' demand, `policies.bounds.optimal`",
        rule="base stock",
    ),
    Entry(
        name="LostSales",
        source="Zipkin (2008), table 3: Poisson(5), lead time 4, penalty 9",
        unit="cost a period",
        optimum=6.8360,
        how="relative value iteration, `policies.bounds.lost_sales`",
        published="6.84 (Zipkin 2008)",
        rule="capped base stock",
    ),
    Entry(
        name="FixedOrderCost",
        source="Zheng and Federgruen (1991): mean 10, K = 64",
        unit="cost a period",
        optimum=35.0216,
        how="value iteration, `policies.bounds.one_node`: (s, S) = (6, 40)",
        published="35.022, by (s, S) = (6, 40) (Zheng and Federgruen 1991)",
        rule="(s, S)",
    ),
    Entry(
        name="DualSourcing",
        source="Böttcher, Asikis and Fragkos (2023), and idinn's documentation",
        unit="cost a period",
        optimum=23.0714,
        how="value iteration, `policies.bounds.one_node`",
        rule="capped dual index",
    ),
    Entry(
        name="RandomLeadTimes",
        source="orders that cross: Zipkin (2000); parameters of our own",
        unit="cost a period",
        optimum=5.2840,
        how="value iteration over what is due in each period, `draingym.zoo.exact`",
        rule="base stock",
    ),
    Entry(
        name="Disruptions",
        source="Snyder and Shen (2019), example 9.3",
        unit="cost a period",
        optimum=2737.0690,
        how="closed form, lemma 9.2 and equation (9.18): a level of 8,000",
        published="2,737.07, by the same level (the book's package stockpyl)",
        rule="base stock",
    ),
    Entry(
        name="Perishable",
        source="De Moor, Gijsbrechts and Boute (2022), experiment 1",
        unit="discounted cost",
        optimum=1603.5974,
        how="value iteration, `policies.bounds.perishables`, from an empty store",
        published="the same by the package mdpax",
        rule="base stock",
    ),
    Entry(
        name="Platelets",
        source="Mirjalili (2022), chapter 6: a life of 3 days, ages that depend on the order",
        unit="discounted cost",
        optimum=349.8843,
        how="value iteration, `policies.bounds.perishables`, from no stock on a Monday",
        published="its orders: figure 6.1 of the thesis, by its demand before rounding",
        rule="(s, S)",
    ),
    Entry(
        name="TwoProducts",
        source="Hendrix et al. (2019), in the size that the package mdpax solves",
        unit="discounted profit",
        optimum=26.5457,
        how="value iteration, `policies.bounds.perishables`, from an empty shop",
        published="26.5435 (mdpax, which cuts demand off)",
        rule="base stock",
    ),
    Entry(
        name="Serial",
        source="Clark and Scarf (1960); costs of Alvo, Russo and Kanoria (2023)",
        unit="cost a period",
        optimum=10.7341,
        how="Clark and Scarf's recursion, `policies.bounds.optimal`",
        rule="echelon base stock",
    ),
    Entry(
        name="BeerGame",
        source="Oroojlooyjadid et al. (2022), demand of 0 to 2",
        unit="cost a period",
        optimum=4.2977,
        how="Clark and Scarf's recursion, `draingym.zoo.echelons`",
        published="its base stock, with other timing: 8, 8, 0, 0 from the retailer up",
        rule="echelon base stock",
    ),
    Entry(
        name="Assembly",
        source="Rosling (1989), figure 1; costs of our own",
        unit="cost a period",
        optimum=103.0041,
        how="Rosling's equal line, by Clark and Scarf's recursion, `draingym.zoo.echelons`",
        rule="echelon base stock, balanced",
    ),
    Entry(
        name="DistributionTree",
        source="Rong, Atan and Snyder (2017), figure 1(a), in periods",
        unit="cost a period",
        optimum=None,
        how=_NONE,
        rule="base stock",
    ),
    Entry(
        name="OneWarehouseManyStores",
        source="transshipment of Alvo, Russo and Kanoria (2023); means of our own",
        unit="cost a period",
        optimum=23.0380,
        bound=True,
        how="bound of policies that keep nothing in the warehouse, Federgruen and Zipkin (1984)",
        rule="equal fractiles",
    ),
    Entry(
        name="OneWarehouseLostSales",
        source="Alvo, Russo and Kanoria (2023), one warehouse, lost demand",
        unit="cost a period",
        optimum=None,
        how=_NONE,
        rule="base stock",
    ),
    Entry(
        name="ManyWarehousesLostSales",
        source="Alvo, Russo and Kanoria (2023), many warehouses, lost demand",
        unit="cost a period",
        optimum=None,
        how=_NONE,
        rule="base stock, from the first supplier",
    ),
    Entry(
        name="InvManagement",
        source="Hubbs et al. (2020), or-gym's `InvManagement-v0`",
        unit="profit of an episode",
        optimum=None,
        how=_NONE,
        rule="base stock",
    ),
    Entry(
        name="InvManagement",
        options=(("backlog", False),),
        source="Hubbs et al. (2020), or-gym's `InvManagement-v1`",
        unit="profit of an episode",
        optimum=None,
        how=_NONE,
        rule="base stock",
    ),
    Entry(
        name="NetworkManagement",
        source="Perez et al. (2021), or-gym's `NetworkManagement-v0`",
        unit="profit of an episode",
        optimum=None,
        how=_NONE,
        rule="base stock, from the first supplier",
    ),
    Entry(
        name="SharedStorage",
        source="mechanisms of MABIM (Yang et al. 2023); numbers of our own",
        unit="cost a period",
        optimum=None,
        how=_NONE,
        rule="base stock, a cover for each echelon",
    ),
)
