"""Networks of factories, distributors and retailers: or-gym's NetworkManagement, gym-invmgmt.

Both ship from the stock at the start of a period, and pay when units are shipped. A factory's yield
is ours; its operating cost of a unit of input is one of ``cost / yield`` a unit shipped. or-gym
fills every edge by itself and rounds orders; gym-invmgmt shares stock and capacity, edge by edge.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.parity.play import CannotMapError, Case, Mapped, Run
from benchmarks.parity.reading import require_one_of
from draingym import Arc, Network, Node


def orgym(case: Case) -> Mapped:
    """Map a case of or-gym."""
    return _mapped(case, case["parameters"]["edges"], shared=False)


def gyminvmgmt(case: Case) -> Mapped:
    """Map a case of gym-invmgmt."""
    return _mapped(case, case["parameters"]["edges_in_filling_order"], shared=True)


def _mapped(case: Case, edges: list[dict[str, Any]], *, shared: bool) -> Mapped:
    p, initial = case["parameters"], case["initial"]
    require_one_of("mode", p["mode"], "lost_sales", "backlog")
    kinds = {name: node["type"] for name, node in p["nodes"].items()}
    stocks = [name for name, kind in kinds.items() if kind not in ("market", "source")]
    retail = {str(e["supplier"]): e for e in edges if kinds[str(e["buyer"])] == "market"}
    supply = [e for e in edges if kinds[str(e["buyer"])] != "market"]
    if len(retail) != sum(kinds[str(e["buyer"])] == "market" for e in edges):
        raise CannotMapError("a retailer with several markets")
    backlog = p["mode"] == "backlog"
    demand = {
        name: [period["inputs"]["demand"][_name(edge)] for period in case["periods"]]
        for name, edge in retail.items()
    }
    nodes = []
    for name in stocks:
        node, sells = p["nodes"][name], retail.get(name)
        capacity, _ = node.get("C"), node.get("o")  # of no account where it supplies nobody
        nodes.append(
            Node(
                name,
                on_hand=initial["on_hand"][name],
                waiting=_waiting(initial, sells) if backlog and sells is not None else 0.0,
                holding_cost=node["h"],
                backlog=backlog and sells is not None,
                price=0.0 if sells is None else sells["p"],
                unmet_cost=0.0 if sells is None else sells["b"],
                ship_limit=capacity if shared else None,
                yields=node.get("v", 1.0),
            )
        )
    arcs = []
    for edge in supply:
        source = p["nodes"][str(edge["supplier"])]
        arcs.append(
            Arc(
                None if source["type"] == "source" else str(edge["supplier"]),
                str(edge["buyer"]),
                lead_time=edge["L"],
                batch=None if shared else 1,
                ship_limit=None if shared else source.get("C"),
                price=edge["p"],
                ship_cost=source.get("o", 0.0) / source.get("v", 1.0),
                ship_fee=edge.get("K") or 0.0,
                transit_cost=edge["g"],
            )
        )
    network = Network(
        nodes=nodes,
        arcs=arcs,
        demand=demand,
        rationing="rank",
        rounding="nearest",
        discount=p["discount"],
    )

    def require_no_overdraft(run: Run, t: int) -> None:
        """Raise where a source has less than its buyers ask for together: or-gym ships to each."""
        for e, edge in enumerate(supply):
            name = str(edge["supplier"])
            node = p["nodes"][name]
            if node["type"] == "source":
                continue
            before = run.state.on_hand[t - 1, stocks.index(name)] if t else initial["on_hand"][name]
            alone = min(run.moves.ordered[t, e], node.get("C", np.inf), node.get("v", 1.0) * before)
            if alone - run.moves.shipped[t, e] > 1e-4 * max(1.0, alone):
                raise CannotMapError(
                    f"in period {t} node {name} has less than its buyers ask for together, and the "
                    "peer ships to each as if it were the only one"
                )

    def read(run: Run, t: int) -> dict[str, Any]:
        if not shared:
            require_no_overdraft(run, t)
        ledger, moves = run.ledger, run.moves
        weight = p["discount"] ** t
        by_edge = {_name(edge): e for e, edge in enumerate(supply)}
        index = {name: n for n, name in enumerate(stocks)}
        costs, profit = {}, {}
        for name, n in index.items():
            into = [e for e, edge in enumerate(supply) if str(edge["buyer"]) == name]
            out = [e for e, edge in enumerate(supply) if str(edge["supplier"]) == name]
            costs[name] = {
                "revenue": ledger.revenue[t, n] + ledger.paid[t, out].sum(),
                "purchase": ledger.paid[t, into].sum(),
                "holding_on_hand": ledger.holding[t, n],
                "holding_pipeline": ledger.transit[t, into].sum(),
                "operating": ledger.shipments[t, out].sum(),
                "unfilled_penalty": ledger.unmet[t, n],
                "fixed_order": ledger.fees[t, into].sum(),
            }
            spent = sum(value for key, value in costs[name].items() if key != "revenue")
            profit[name] = weight * (costs[name]["revenue"] - spent)
        unmet = moves.waiting[t] + moves.lost[t]
        return {
            "flows": {
                "shipped": {name: moves.shipped[t, e] for name, e in by_edge.items()},
                "received": {name: ledger.flows.arrived[t, e] for name, e in by_edge.items()},
                "sales": {_name(e): moves.outbound[t, index[n]] for n, e in retail.items()},
            },
            "state_end": {
                "on_hand": {name: run.state.on_hand[t, n] for name, n in index.items()},
                "in_transit": {name: run.transit[t, e] for name, e in by_edge.items()},
                "unfilled_demand": {_name(e): unmet[index[n]] for n, e in retail.items()},
                "sentiment": _sentiment(p.get("goodwill"), run, t),
            },
            "costs": costs,
            "profit_by_node_discounted": profit,
            "reward": weight * moves.reward[t],
        }

    def totals(periods: list[dict[str, Any]]) -> dict[str, float]:
        return {
            "reward": float(sum(period["reward"] for period in periods)),
            "sales": float(sum(sum(period["flows"]["sales"].values()) for period in periods)),
            "demand": float(sum(sum(units) for units in demand.values())),
        }

    requests = [
        [period["actions"]["orders"][_name(edge)] for edge in supply] for period in case["periods"]
    ]
    return Mapped(network, requests, read, totals)


def _name(edge: dict[str, Any]) -> str:
    return f"{edge['supplier']}>{edge['buyer']}"


def _waiting(initial: dict[str, Any], edge: dict[str, Any]) -> float:
    """Return the units that customers of a retailer wait for at the start."""
    units: float = initial.get("unfilled_demand", {}).get(_name(edge), 0.0)
    return units


def _sentiment(goodwill: dict[str, float] | None, run: Run, t: int) -> float:
    """Return what multiplies the mean demand of a period, which is itself an input of the file."""
    if not goodwill:
        return 1.0
    rate = {name.removeprefix("gw_"): value for name, value in goodwill.items()}
    unmet = (run.moves.waiting + run.moves.lost).sum(axis=1)
    level = 1.0
    for before in unmet[:t]:
        if before > 0:
            level = max(level * rate["decay"], rate["floor"])
        else:
            level = min(level * rate["growth"], rate["cap"])
    return level
