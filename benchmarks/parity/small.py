"""DynaPlex and decisionrl: one or two stocks that lose what they cannot sell."""

from __future__ import annotations

from typing import Any

from benchmarks.parity.play import CannotMapError, Case, Mapped, Run, series_of, summed
from draingym import Arc, Network, Node, Store


def dynaplex(case: Case) -> Mapped:
    """Map a case: what arrives at a period's end there arrives at the start of the next here."""
    p, initial = case["parameters"], case["initial"]
    lead = p["lead_time"]
    network = Network(
        nodes=[
            Node(
                "stock",
                on_hand=initial["on_hand"],
                holding_cost=p["holding_cost"],
                unmet_cost=p["penalty_per_lost_unit"],
            )
        ],
        arcs=[
            Arc(None, "stock", lead_time=lead, in_transit=[0, *initial["outstanding"]][:lead]),
        ],
        demand={"stock": series_of(case, "inputs", "demand")},
    )

    def read(run: Run, t: int) -> dict[str, Any]:
        due = run.state.pipeline[t, :, 0]
        return {
            "flows": {
                "sold": run.moves.outbound[t, 0],
                "lost": run.moves.lost[t, 0],
                "received": due[0],
            },
            "state_end": {"on_hand": run.state.on_hand[t, 0] + due[0], "outstanding": due[1:]},
            "costs": {
                "holding": run.ledger.holding[t, 0],
                "lost_sales": run.ledger.unmet[t, 0],
            },
            "cost": -run.moves.reward[t],
        }

    return Mapped(network, [[o] for o in series_of(case, "actions", "order")], read, summed("cost"))


def decisionrl(case: Case) -> Mapped:
    """Map a case of either problem: same timing as ours."""
    if case["problem"] == "InventoryManagement":
        return _inventory(case)
    if case["problem"] == "SupplyChain":
        return _chain(case)
    raise CannotMapError(f"problem {case['problem']} of decisionrl is not known")


def _inventory(case: Case) -> Mapped:
    p = case["parameters"]
    network = Network(
        nodes=[
            Node(
                "stock",
                on_hand=case["initial"]["on_hand"],
                holding_cost=p["holding_cost"],
                price=p["price"],
                unmet_cost=p["stockout_penalty"],
                store="room",
            )
        ],
        arcs=[Arc(None, "stock", request_cost=p["unit_cost"])],
        demand={"stock": series_of(case, "inputs", "demand")},
        stores=[Store("room", p["max_inventory"])],
    )

    def read(run: Run, t: int) -> dict[str, Any]:
        ledger = run.ledger
        return {
            "flows": {"sales": run.moves.outbound[t, 0], "lost": run.moves.lost[t, 0]},
            "state_end": {"on_hand": run.state.on_hand[t, 0]},
            "costs": {
                "revenue": ledger.revenue[t, 0],
                "purchase": ledger.requests[t, 0],
                "holding": ledger.holding[t, 0],
                "stockout": ledger.unmet[t, 0],
            },
            "reward": run.moves.reward[t],
        }

    orders = [[order] for order in series_of(case, "actions", "order")]
    return Mapped(network, orders, read, summed("reward"))


def _chain(case: Case) -> Mapped:
    p, initial = case["parameters"], case["initial"]
    network = Network(
        nodes=[
            Node("warehouse", on_hand=initial["warehouse"], holding_cost=p["h_warehouse"]),
            Node(
                "retailer",
                on_hand=initial["retailer"],
                holding_cost=p["h_retail"],
                unmet_cost=p["stockout_penalty"],
            ),
        ],
        arcs=[
            Arc(None, "warehouse", lead_time=1, in_transit=[initial["to_warehouse"]]),
            Arc("warehouse", "retailer", lead_time=1, in_transit=[initial["to_retailer"]]),
        ],
        demand={"retailer": series_of(case, "inputs", "demand")},
        arrivals="before shipping",
    )

    def read(run: Run, t: int) -> dict[str, Any]:
        on_hand, ledger = run.state.on_hand[t], run.ledger
        return {
            "flows": {
                "shipped_to_retailer": run.moves.shipped[t, 1],
                "lost": run.moves.lost[t, 1],
            },
            "state_end": {
                "retailer": on_hand[1],
                "warehouse": on_hand[0],
                "to_retailer": run.transit[t, 1],
                "to_warehouse": run.transit[t, 0],
            },
            "costs": {
                "holding_retailer": ledger.holding[t, 1],
                "holding_warehouse": ledger.holding[t, 0],
                "stockout": ledger.unmet[t, 1],
            },
            "reward": run.moves.reward[t],
        }

    orders = [
        [period["actions"]["order_warehouse"], period["actions"]["order_retailer"]]
        for period in case["periods"]
    ]
    return Mapped(network, orders, read, summed("reward"))
