"""or-gym's InvManagement: a chain of stages, the last of which has raw material without end.

Stage M is a node that starts with more than can ever be shipped. Orders are cut to whole units.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.parity import supply
from benchmarks.parity.play import Case, Mapped, Run, series_of
from benchmarks.parity.reading import require_one_of
from draingym import Arc, Network, Node
from draingym.simulator import LARGEST


def mapped(case: Case) -> Mapped:
    """Map a case of either problem."""
    if case["problem"].startswith("NetworkManagement"):
        return supply.orgym(case)
    p = case["parameters"]
    require_one_of("mode", p["mode"], "lost_sales", "backlog")
    links = p["number_of_stages_incl_source"] - 1
    backlog = p["mode"] == "backlog"
    stock, waiting = case["initial"]["on_hand"], case["initial"]["backlog"]
    endless = min(sum(p["link_capacity"]) * len(case["periods"]), LARGEST)
    network = Network(
        nodes=[
            Node(
                f"stage {i}",
                on_hand=stock[i] if i < links else endless,
                waiting=waiting[0] if backlog and not i else 0,
                backlog=backlog and not i,
                holding_cost=p["holding_cost_by_stage"][i] if i < links else 0.0,
                price=0.0 if i else p["unit_price_by_stage"][0],
                unmet_cost=0.0 if i else p["unfilled_penalty_by_stage"][0],
            )
            for i in range(links + 1)
        ],
        arcs=[
            Arc(
                f"stage {i + 1}",
                f"stage {i}",
                lead_time=p["lead_time"][i],
                owed=waiting[i + 1] if backlog else 0.0,
                batch=1,
                ship_limit=p["link_capacity"][i],
                price=p["unit_price_by_stage"][i + 1],
                ship_cost=p["unit_purchase_or_production_cost_by_stage"][-1]
                if i == links - 1
                else 0.0,
                short_cost=p["unfilled_penalty_by_stage"][i + 1],
            )
            for i in range(links)
        ],
        demand={"stage 0": series_of(case, "inputs", "demand")},
        backorders=backlog,
        discount=p["discount"],
    )

    def read(run: Run, t: int) -> dict[str, Any]:
        ledger, moves = run.ledger, run.moves
        unmet = moves.waiting[t, 0] + moves.lost[t, 0]
        unfilled = np.append(unmet, ledger.flows.short[t])
        return {
            "flows": {
                "received": ledger.flows.arrived[t],
                "shipped_on_link": moves.shipped[t],
                "sold_by_stage": np.append(moves.outbound[t, 0], moves.shipped[t]),
                "unfilled_by_stage": unfilled,
            },
            "state_end": {
                "on_hand": run.state.on_hand[t, :links],
                "in_transit": run.transit[t],
                "backlog": unfilled if backlog else np.zeros(links + 1),
            },
            "costs": {
                "revenue": np.append(ledger.revenue[t, 0], ledger.paid[t]),
                "purchase_cost": np.append(ledger.paid[t], ledger.shipments[t, -1]),
                "penalty_cost": np.append(ledger.unmet[t, 0], ledger.short[t]),
                "holding_cost": ledger.holding[t],
            },
            "profit_undiscounted": moves.reward[t],
            "reward": p["discount"] ** t * moves.reward[t],
        }

    def totals(periods: list[dict[str, Any]]) -> dict[str, float]:
        return {
            "reward": float(sum(period["reward"] for period in periods)),
            "sales": float(sum(period["flows"]["sold_by_stage"][0] for period in periods)),
            "demand": float(sum(series_of(case, "inputs", "demand"))),
        }

    return Mapped(network, series_of(case, "actions", "orders"), read, totals)
