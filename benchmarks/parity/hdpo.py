"""HDPO (Neural_inventory_control): stores, warehouses that supply them, echelons above.

Its stock at the start of a period holds the period's arrivals already: ours is ``on_hand`` plus
what is due, and sources ship from both (``arrivals="before shipping"``). A store's vector of what
is in transit sums over its arcs. What it calls reward is a cost.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.parity.play import CannotMapError, Case, Mapped, Run, series_of, summed
from benchmarks.parity.reading import require_one_of
from draingym import Arc, Network, Node


def _lead_time(periods: int, name: str) -> int:
    """Return a lead time; the peer counts places of a vector from it, the first of which is 1."""
    if periods < 1:
        raise CannotMapError(f"the lead time of {name} is {periods}, must be at least 1 there")
    return periods


def mapped(case: Case) -> Mapped:
    """Map a case."""
    p, initial = case["parameters"], case["initial"]
    require_one_of("mode", p["mode"], "lost", "backlog")
    require_one_of("objective", p["objective"], "cost", "profit")
    if p["objective"] == "profit" and p["mode"] == "backlog":
        raise CannotMapError("objective is 'profit' where mode is 'backlog': a sale is not counted")
    stores, warehouses = p["n_stores"], p["n_warehouses"]
    levels = p["n_extra_echelons"]
    backlog, profit = p["mode"] == "backlog", p["objective"] == "profit"
    demand = series_of(case, "inputs", "demand")
    nodes: list[Node] = []
    arcs: list[Arc] = []
    rows: list[tuple[str, int, int]] = []  # where the action of each arc is

    def passes_on(kind: str, i: int, source: str | None, **costs: Any) -> None:
        """Add a place that only supplies others, and the arc into it."""
        vector, name = initial[f"{kind}s"][i], f"{kind} {i}"
        nodes.append(Node(name, on_hand=vector[0], holding_cost=p[f"{kind}_holding_cost"][i]))
        lead = _lead_time(p[f"{kind}_lead_time"][i], name)
        arcs.append(Arc(source, name, lead_time=lead, in_transit=[0, *vector[1:]], **costs))
        rows.append((f"{kind}s", i, 0))

    for e in range(levels):
        passes_on("echelon", e, f"echelon {e - 1}" if e else None)
    for w in range(warehouses):
        above = f"echelon {levels - 1}" if levels else None
        passes_on("warehouse", w, above, request_cost=p["warehouse_edge_cost"][w])
    for s in range(stores):
        vector = initial["stores"][s]
        rate = p["store_underage_cost_or_unit_margin"][s]
        nodes.append(
            Node(
                f"store {s}",
                on_hand=max(vector[0], 0.0),
                waiting=max(-vector[0], 0.0) if backlog else 0.0,
                backlog=backlog,
                holding_cost=p["store_holding_cost"][s],
                unmet_cost=0.0 if profit else rate,
                price=rate if profit else 0.0,
            )
        )
        edges = [w for w, there in enumerate(p["edges_store_x_source"][s]) if there]
        for i, w in enumerate(edges):
            arcs.append(
                Arc(
                    f"warehouse {w}" if warehouses else None,
                    f"store {s}",
                    lead_time=_lead_time(
                        p["store_lead_time_by_store_and_source"][s][w], f"store {s}"
                    ),
                    in_transit=() if i else [0, *vector[1:]],
                )
            )
            rows.append(("stores", s, w))
    network = Network(
        nodes=nodes,
        arcs=arcs,
        demand={f"store {s}": [units[s] for units in demand] for s in range(stores)},
        arrivals="before shipping",
        discount=p["discount"],
    )
    index = {node.name: n for n, node in enumerate(nodes)}
    kinds = {
        "stores": [index[f"store {s}"] for s in range(stores)],
        "warehouses": [index[f"warehouse {w}"] for w in range(warehouses)],
        "echelons": [index[f"echelon {e}"] for e in range(levels)],
    }
    into = np.array([[arc.target == node.name for arc in arcs] for node in nodes], float)

    def read(run: Run, t: int) -> dict[str, Any]:
        ledger = run.ledger
        short = ledger.flows.short[t]
        if (short > 1e-4 * np.maximum(run.moves.ordered[t], 1.0)).any():
            arc = arcs[int(short.argmax())]
            raise CannotMapError(
                f"in period {t} {arc.source} has less than is asked for, by {short.max():g} for "
                f"{arc.target}: the peer ships it all the same"
            )
        net = run.state.on_hand[t] - run.state.waiting[t]
        coming = np.asarray(run.state.pipeline[t], np.float64) @ into.T  # [L, N]
        start = {}
        for kind, members in kinds.items():
            vectors = []
            for place, n in enumerate(members):
                size = len(initial[kind][place])
                vector = np.zeros(max(size, len(coming)))
                vector[: len(coming)] = coming[:, n]
                vector[0] += net[n]
                vectors.append(vector[:size])
            start[kind] = vectors
        at = kinds["stores"]
        costs = {
            "store_holding": ledger.holding[t, at],
            "store_underage": ledger.unmet[t, at],
            "store_margin_negative": -ledger.revenue[t, at],
            "warehouse_holding": ledger.holding[t, kinds["warehouses"]],
            "warehouse_edge": ledger.requests[t, levels : levels + warehouses],
            "echelon_holding": ledger.holding[t, kinds["echelons"]],
        }
        return {
            "stock_after_demand": net[at],
            "state_next_start": start,
            "costs": costs,
            "cost": -run.moves.reward[t],
        }

    requests = [
        [period["actions"][kind][place][column] for kind, place, column in rows]
        for period in case["periods"]
    ]
    return Mapped(network, requests, read, summed("cost"))
