"""The problems of HDPO's configuration files: as networks of ours, and as its own arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.parity.hdpo import mapped
from benchmarks.throughput_parts.store import store
from draingym import Network, Normal, Poisson, serial_line
from draingym.simulator import Demand
from draingym.simulator.problems.classic import Problem as Classic

ONE, MANY = "one warehouse", "many warehouses"
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A problem, in the words of the trajectories that ``benchmarks.parity`` plays."""

    what: str
    parameters: Mapping[str, Any]
    demand: Demand
    classic: Classic | None = None  # the same, ready made
    layers: tuple[int, ...] = ()  # hidden, of what is trained; nothing is when there are none
    network_name: str = ""  # of HDPO's network
    chunk: int = 256  # trajectories of our gradient at a time

    @cached_property
    def network(self) -> Network:
        """The problem as it is described to ours."""
        p = self.parameters
        stores = p["n_stores"]
        initial = {
            "stores": [[0.0] * depth for depth in [self._depth] * stores],
            "warehouses": [[0.0] * lead for lead in p.get("warehouse_lead_time", ())],
            "echelons": [[0.0] * lead for lead in p.get("echelon_lead_time", ())],
        }
        none = {
            "stores": [[0.0] * max(p["n_warehouses"], 1)] * stores,
            "warehouses": [[0.0]] * p["n_warehouses"],
            "echelons": [[0.0]] * p["n_extra_echelons"],
        }
        period = {"inputs": {"demand": [1.0] * stores}, "actions": none}
        empty = mapped({"parameters": dict(p), "initial": initial, "periods": [period]}).network
        names = tuple(f"store {s}" for s in range(stores))
        return replace(empty, demand={names if stores > 1 else names[0]: self.demand})

    @property
    def _depth(self) -> int:
        """How long HDPO's vector of a store is."""
        return max(2, int(np.max(self.parameters["store_lead_time_by_store_and_source"])))

    @property
    def weights(self) -> int:
        """Weights of the matrices of our network, which sees all stock and transit."""
        nodes = len(self.network.nodes)
        lead = max(arc.longest_lead for arc in self.network.arcs)
        sizes = [nodes * lead, *self.layers, nodes]
        return sum(a * b for a, b in pairwise(sizes))

    def told(self) -> dict[str, Any]:
        """Return what HDPO's configuration files say."""
        p = self.parameters
        edges = np.array(p["edges_store_x_source"])
        network = None
        if self.layers:
            network = {
                "name": self.network_name,
                "inner_layer_activations": {"master": "elu"},
                "output_layer_activation": {"master": None},
                "neurons_per_hidden_layer": {"master": list(self.layers)},
                "output_sizes": {"master": len(self.network.arcs)},
                "initial_bias": None,
                "warehouse_upper_bound_mult": 4,
            }
        return {
            "problem_params": {
                "n_stores": p["n_stores"],
                "n_warehouses": p["n_warehouses"],
                "n_extra_echelons": p["n_extra_echelons"],
                "lost_demand": p["mode"] == "lost",
                "maximize_profit": False,
                "warehouse_store_adjacency": edges.T.tolist(),
            },
            "observation_params": {
                "include_warehouse_inventory": p["n_warehouses"] > 0,
                "include_static_features": dict.fromkeys(
                    ("holding_costs", "underage_costs", "lead_times"), True
                ),
                "demand": {"past_periods": 0, "period_shift": 0},
            },
            "nn_params": network,
            "means": np.asarray(self.demand.mean, float).tolist(),
        }

    def arrays(self, orders: NDArray[np.float32]) -> Arrays:
        """Return HDPO's data but for demand, without a batch, and orders [T, B, places, sources].

        Args:
            orders: [T, E, B] units, in the order of our arcs.
        """
        p = self.parameters
        stores, warehouses = p["n_stores"], p["n_warehouses"]
        found: Arrays = {
            "initial_inventories": np.zeros((stores, self._depth)),
            "lead_times": np.array(p["store_lead_time_by_store_and_source"]),
            "holding_costs": np.array(p["store_holding_cost"]),
            "underage_costs": np.array(p["store_underage_cost_or_unit_margin"]),
        }
        for kind, number in (("warehouse", warehouses), ("echelon", p["n_extra_echelons"])):
            if number:
                lead = np.array(p[f"{kind}_lead_time"])
                found[f"initial_{kind}_inventories"] = np.zeros((number, lead.max()))
                found[f"{kind}_lead_times"] = lead
                found[f"{kind}_holding_costs"] = np.array(p[f"{kind}_holding_cost"])
        if warehouses:
            found["warehouse_edge_costs"] = np.array(p["warehouse_edge_cost"])
        periods, _, batch = orders.shape
        sizes = {
            "store": (stores, max(warehouses, 1)),
            "warehouse": (warehouses, 1),
            "echelon": (p["n_extra_echelons"], 1),
        }
        for kind, size in sizes.items():
            if size[0]:
                found[f"orders_{kind}s"] = np.zeros((periods, batch, *size))
        for e, arc in enumerate(self.network.arcs):
            kind, place = arc.target.split()
            column = int(arc.source.split()[1]) if arc.source and kind == "store" else 0
            found[f"orders_{kind}s"][:, :, int(place), column] = orders[:, e]
        return {name: value.astype(np.float32) for name, value in found.items()}


def _spread(low: float, high: float, number: int) -> list[float]:
    """Return numbers over a range from which HDPO draws its own."""
    return [float(x) for x in np.linspace(low, high, number).round(3)]


_NONE: dict[str, Any] = {
    "objective": "cost",
    "discount": 1.0,
    "n_warehouses": 0,
    "n_extra_echelons": 0,
}


def _stores(number: int) -> dict[str, Any]:
    """Return stores that differ, whose customers do not wait."""
    return _NONE | {
        "mode": "lost",
        "n_stores": number,
        "store_holding_cost": _spread(0.7, 1.3, number),
        "store_underage_cost_or_unit_margin": _spread(6.3, 11.7, number),
    }


def _demand(number: int) -> Normal:
    mean = np.linspace(2.5, 7.5, number)
    return Normal(means=tuple(mean.tolist()), sds=tuple((0.4 * mean).tolist()), correlation=0.5)


PROBLEMS: Mapping[str, Problem] = MappingProxyType(
    {
        "store": Problem(
            what="lost-sales store",
            parameters=_NONE
            | {
                "mode": "lost",
                "n_stores": 1,
                "store_holding_cost": [1.0],
                "store_underage_cost_or_unit_margin": [9.0],
                "store_lead_time_by_store_and_source": [[4]],
                "edges_store_x_source": [[1]],
            },
            demand=Poisson(rate=5.0),
            classic=store(),
            layers=(32, 32, 32),
            network_name="vanilla_one_store",
        ),
        "serial": Problem(
            what="serial system of four",
            parameters=_NONE
            | {
                "mode": "backlog",
                "n_stores": 1,
                "n_warehouses": 1,
                "n_extra_echelons": 2,
                "store_holding_cost": [1.0],
                "store_underage_cost_or_unit_margin": [9.0],
                "store_lead_time_by_store_and_source": [[4]],
                "edges_store_x_source": [[1]],
                "warehouse_holding_cost": [0.5],
                "warehouse_lead_time": [3],
                "warehouse_edge_cost": [0.0],
                "echelon_holding_cost": [0.1, 0.2],
                "echelon_lead_time": [2, 4],
            },
            demand=Normal(means=(5.0,), sds=(2.0,)),
            classic=serial_line(
                lead_times=(2, 4, 3, 4), holding_cost=(0.1, 0.2, 0.5, 1.0), unmet_cost=9.0
            ),
            layers=(32, 32, 32),
            network_name="vanilla_serial",
        ),
        ONE: Problem(
            what="one warehouse, five stores",
            parameters=_stores(5)
            | {
                "n_warehouses": 1,
                "store_lead_time_by_store_and_source": [[2], [3], [2], [3], [2]],
                "edges_store_x_source": [[1]] * 5,
                "warehouse_holding_cost": [0.3],
                "warehouse_lead_time": [3],
                "warehouse_edge_cost": [0.0],
            },
            demand=_demand(5),
            layers=(512, 512, 512),
            network_name="vanilla_warehouse",
            chunk=512,
        ),
        MANY: Problem(
            what="two warehouses, ten stores",
            parameters=_stores(10)
            | {
                "n_warehouses": 2,
                "store_lead_time_by_store_and_source": [
                    *([0, 2], [0, 1], [6, 2], [6, 2], [6, 1]),
                    *([0, 2], [6, 0], [5, 2], [6, 2], [0, 2]),
                ],
                "edges_store_x_source": [
                    *([0, 1], [0, 1], [1, 1], [1, 1], [1, 1]),
                    *([0, 1], [1, 0], [1, 1], [1, 1], [0, 1]),
                ],
                "warehouse_holding_cost": [0.3, 0.4],
                "warehouse_lead_time": [3, 3],
                "warehouse_edge_cost": [0.5, 1.5],
            },
            demand=_demand(10),
        ),
    }
)
