"""idinn: one stock, one or two suppliers, everything is backlogged.

Same timing as ours. The net inventory is our stock less the waiting customers.
"""

from __future__ import annotations

from typing import Any

from benchmarks.parity.play import Case, Mapped, Run, series_of, summed
from draingym import Arc, Network, Node


def mapped(case: Case) -> Mapped:
    """Map a case."""
    p = case["parameters"]
    start = int(case["initial"]["on_hand"])
    suppliers = ["regular", "expedited"] if "regular_lead_time" in p else ["single"]
    network = Network(
        nodes=[
            Node(
                "stock",
                on_hand=max(start, 0),
                waiting=max(-start, 0),
                backlog=True,
                holding_cost=p["holding_cost"],
                unmet_cost=p["shortage_cost"],
            )
        ],
        arcs=[
            Arc(
                None,
                "stock",
                lead_time=p["lead_time" if name == "single" else f"{name}_lead_time"],
                request_cost=p.get(f"{name}_order_cost", 0.0),
            )
            for name in suppliers
        ],
        demand={"stock": series_of(case, "inputs", "demand")},
        discount=p["discount"],
    )
    orders = ["order" if name == "single" else f"{name}_order" for name in suppliers]

    def read(run: Run, t: int) -> dict[str, Any]:
        ledger = run.ledger
        costs = {"holding": ledger.holding[t, 0], "shortage": ledger.unmet[t, 0]}
        if len(suppliers) > 1:
            costs |= {f"{name}_order": ledger.requests[t, e] for e, name in enumerate(suppliers)}
        return {
            "flows": {
                "arrived": {name: ledger.flows.arrived[t, e] for e, name in enumerate(suppliers)}
            },
            "state_end": {
                "on_hand": run.state.on_hand[t, 0],
                "backlog": run.state.waiting[t, 0],
                "in_transit": {name: run.transit[t, e] for e, name in enumerate(suppliers)},
            },
            "costs": costs,
            "cost": -run.moves.reward[t],
        }

    requests = [[period["actions"][name] for name in orders] for period in case["periods"]]
    return Mapped(network, requests, read, summed("cost"))
