"""Warehouses that supply stores, which lose what they cannot sell."""

from __future__ import annotations

from dataclasses import dataclass

from draingym.common.arrays import require_range, require_whole
from draingym.networks.description import Arc, Node
from draingym.networks.network import Network
from draingym.simulator import Normal
from draingym.zoo.problem import Problem, require_costs


@dataclass(frozen=True, kw_only=True)
class ManyWarehousesLostSales(Problem):
    """Warehouses and stores, each of which has one supplier or several.

    Act, arrivals, shipments (what arrives is shipped on at once; a short warehouse shares in
    proportion), demand, which is normal, equally correlated and clipped at zero, costs. Goods on
    their way are free; units are real.

    Attributes:
        warehouse_lead_times: Periods from the vendor.
        warehouse_holding_costs: Currency a unit on hand at a period's end.
        warehouse_order_costs: Currency a unit ordered.
        lead_times: Periods to each store from each warehouse; -1 where it does not supply it.
        holding_costs: Currency a unit on hand at a period's end, by store.
        unmet_costs: Currency a unit lost, by store.
        means: Units a period, by store.
        sds: Units a period, by store.
        correlation: Of demand between two stores.

    Source:
        Alvo, Russo and Kanoria (2023), "Neural inventory control in networks via hindsight
        differentiable policy optimization", arXiv:2306.11246: many warehouses, many stores, lost
        demand. Costs and lead times are a draw of its public settings
        (MatiasAlvo/Neural_inventory_control); means and deviations are evenly spread over the
        range that it draws from.
    """

    warehouse_lead_times: tuple[int, ...] = (3, 3)
    warehouse_holding_costs: tuple[float, ...] = (0.3, 0.4)
    warehouse_order_costs: tuple[float, ...] = (0.5, 1.5)
    lead_times: tuple[tuple[int, ...], ...] = (
        *((-1, 2), (-1, 1), (6, 2), (6, 2), (6, 1)),
        *((-1, 2), (6, -1), (5, 2), (6, 2), (-1, 2)),
    )
    holding_costs: tuple[float, ...] = (
        *(1.086, 1.023, 1.007, 1.066, 0.996),
        *(0.829, 0.846, 1.043, 1.164, 0.886),
    )
    unmet_costs: tuple[float, ...] = (
        *(10.237, 9.331, 6.975, 8.447, 10.519),
        *(9.059, 7.287, 10.909, 11.459, 11.615),
    )
    means: tuple[float, ...] = (2.5, 3.056, 3.611, 4.167, 4.722, 5.278, 5.833, 6.389, 6.944, 7.5)
    sds: tuple[float, ...] = (1.0, 1.222, 1.444, 1.667, 1.889, 2.111, 2.333, 2.556, 2.778, 3.0)
    correlation: float = 0.5

    def check(self) -> None:
        """See ``Problem``."""
        for many, names in (
            ("warehouse_lead_times", ("warehouse_holding_costs", "warehouse_order_costs")),
            ("lead_times", ("holding_costs", "unmet_costs", "means", "sds")),
        ):
            number = len(getattr(self, many))
            for name in names:
                if len(getattr(self, name)) != number or not number:
                    raise ValueError(
                        f"{many} has {number} entries, and {name} has {len(getattr(self, name))}, "
                        "must be as many, at least 1"
                    )
        for w, periods in enumerate(self.warehouse_lead_times):
            require_whole(f"warehouse_lead_times[{w}]", periods, high=100)
        for s, row in enumerate(self.lead_times):
            if len(row) != len(self.warehouse_lead_times) or max(row) < 0:
                raise ValueError(
                    f"lead_times[{s}] is {row}, must have an entry a warehouse, one at least 0"
                )
            for w, periods in enumerate(row):
                require_whole(f"lead_times[{s}][{w}]", periods, low=-1, high=100)
        names = ("warehouse_holding_costs", "warehouse_order_costs", "holding_costs", "unmet_costs")
        for name in (*names, "means", "sds"):
            require_costs(**{f"{name}[{i}]": cost for i, cost in enumerate(getattr(self, name))})
        require_range("correlation", self.correlation, low=0.0, high=1.0)

    def network(self) -> Network:
        """See ``Problem``."""
        warehouses = [f"warehouse {w + 1}" for w in range(len(self.warehouse_lead_times))]
        stores = [f"store {s + 1}" for s in range(len(self.lead_times))]
        nodes = [
            Node(name, holding_cost=cost)
            for name, cost in zip(warehouses, self.warehouse_holding_costs, strict=True)
        ]
        nodes += [
            Node(name, holding_cost=holding, unmet_cost=unmet)
            for name, holding, unmet in zip(
                stores, self.holding_costs, self.unmet_costs, strict=True
            )
        ]
        arcs = [
            Arc(None, name, lead_time=lead, request_cost=cost)
            for name, lead, cost in zip(
                warehouses, self.warehouse_lead_times, self.warehouse_order_costs, strict=True
            )
        ]
        arcs += [
            Arc(warehouse, name, lead_time=lead)
            for name, row in zip(stores, self.lead_times, strict=True)
            for warehouse, lead in zip(warehouses, row, strict=True)
            if lead >= 0
        ]
        demand = Normal(means=self.means, sds=self.sds, correlation=self.correlation)
        return Network(
            nodes=nodes,
            arcs=arcs,
            demand={tuple(stores) if len(stores) > 1 else stores[0]: demand},
            arrivals="before shipping",
        )


@dataclass(frozen=True, kw_only=True)
class OneWarehouseLostSales(ManyWarehousesLostSales):
    """One warehouse that supplies stores; see ``ManyWarehousesLostSales``.

    Attributes:
        lead_times: Periods to each store, a list of one each.

    Source:
        The same, one warehouse, many stores, lost demand; all values are a draw of its public
        settings.
    """

    warehouse_lead_times: tuple[int, ...] = (3,)
    warehouse_holding_costs: tuple[float, ...] = (0.3,)
    warehouse_order_costs: tuple[float, ...] = (0.0,)
    lead_times: tuple[tuple[int, ...], ...] = ((2,), (3,), (2,), (2,), (2,))
    holding_costs: tuple[float, ...] = (1.086, 1.023, 1.007, 1.066, 0.996)
    unmet_costs: tuple[float, ...] = (10.237, 9.331, 6.975, 8.447, 10.519)
    means: tuple[float, ...] = (3.743, 4.75, 4.555, 3.801, 6.852)
    sds: tuple[float, ...] = (1.765, 2.124, 1.622, 1.405, 1.714)
    correlation: float = 0.5
