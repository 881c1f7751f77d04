"""MABIM (ReplenishmentEnv): a chain of warehouses that store many products in one room.

A product in a warehouse is a node; a warehouse is a store. What arrives is stowed at the day's end.
The order of a warehouse is demand of the one upstream, so that a shipment is a sale: its margin, or
its price, is a credit on the arc. The peer's ``reward1`` charges all of an order when it is placed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.parity.play import CannotMapError, Case, Mapped, Run
from benchmarks.parity.reading import require_one_of
from draingym import Arc, Network, Node, Store


def mapped(case: Case) -> Mapped:
    """Map a case."""
    p, initial = case["parameters"], case["initial"]
    require_one_of("reward_function", p["reward_function"], "reward1", "reward2")
    _require_room_in_units(case)
    warehouses, skus = len(p["warehouses_head_to_tail"]), len(p["skus"])
    periods = case["periods"]
    inputs = [period["inputs"] for period in periods]
    sell = np.array([entry["selling_price"] for entry in inputs])  # [T, W, S]
    cost = np.array([entry["procurement_cost"] for entry in inputs])
    ordering = p["reward_function"] == "reward1"
    margin = sell - cost
    income = sell if ordering else margin
    over = np.asarray(p["overflow_cost_ratio"])[None, :, None] * cost * (not ordering)
    late = np.asarray(p["backlog_ratio"])[None, :, None] * margin
    if not ordering:
        late = np.maximum(late, 0.0)
    if (late < 0).any():
        raise CannotMapError("a procurement cost above the price makes lost demand a gain")
    lead = np.array([entry.get("lead_time", p["lead_time"]) for entry in inputs])
    nodes, arcs = [], []
    for w in range(warehouses):
        tail = w == warehouses - 1
        for s in range(skus):
            nodes.append(
                Node(
                    f"{w} {s}",
                    on_hand=initial["stock"][w][s],
                    store=str(w),
                    volume=p["volume"][w][s],
                    holding_cost=p["basic_holding_cost"][w]
                    + p["unit_storage_cost_per_volume"][w] * p["volume"][w][s],
                    price=income[:, w, s].tolist() if tail else 0.0,
                    unmet_cost=late[:, w, s].tolist() if tail else 0.0,
                    refuse_cost=over[:, w, s].tolist(),
                )
            )
            arcs.append(
                Arc(
                    f"{w - 1} {s}" if w else None,
                    f"{w} {s}",
                    lead_time=lead[:, w, s].tolist(),
                    accepts=[float(day["t"] < p["days"] - 1) for day in periods] if w else 1.0,
                    batch=1 if p["integer_mode"] else None,
                    request_cost=cost[:, w, s].tolist() if ordering else 0.0,
                    request_fee=p["unit_order_cost"][w],
                    ship_cost=(-income[:, w - 1, s]).tolist() if w else 0.0,
                    short_cost=late[:, w - 1, s].tolist() if w else 0.0,
                )
            )
    network = Network(
        nodes=nodes,
        arcs=arcs,
        demand={
            f"{warehouses - 1} {s}": [entry["customer_demand"][s] for entry in inputs]
            for s in range(skus)
        },
        stores=[Store(str(w), room) for w, room in enumerate(p["capacity"])],
        arrivals="end",
        whole_units=p["integer_mode"],
    )

    def table(values: Any) -> Any:
        return np.asarray(values).reshape(warehouses, skus)

    def read(run: Run, t: int) -> dict[str, Any]:
        ledger, moves = run.ledger, run.moves
        shipped, sold = table(moves.shipped[t]), table(moves.outbound[t])
        sale, demand = sold.copy(), sold + table(moves.lost[t])
        sale[:-1] = shipped[1:]
        demand[:-1] = (shipped + table(ledger.flows.short[t]))[1:]
        came, refused = table(ledger.flows.arrived[t]), table(ledger.flows.refused[t])
        earned = table(ledger.revenue[t]).copy()
        earned[:-1] = -table(ledger.shipments[t])[1:]
        missed = table(ledger.unmet[t]).copy()
        missed[:-1] = table(ledger.short[t])[1:]
        fee, held = table(ledger.fees[t]), table(ledger.holding[t])
        wasted, bought = table(ledger.refused[t]), table(ledger.requests[t])
        return {
            "flows": {
                "demand": demand,
                "sale": sale,
                "arrived": came,
                "accepted": came - refused,
                "excess": refused,
            },
            "state_end": {
                "stock": table(run.state.on_hand[t]),
                "in_transit": table(run.transit[t]),
            },
            "costs": {
                "profit": earned,
                "income": earned,
                "outcome": bought,
                "excess_cost": wasted,
                "order_cost": fee,
                "holding_cost": held,
                "backlog_cost": missed,
            },
            "reward": moves.reward[t],
        }

    def totals(ours: list[dict[str, Any]]) -> dict[str, float]:
        counted = [o["reward"] for o, period in zip(ours, periods, strict=True) if period["t"] >= 0]
        return {"reward_from_day_0": float(sum(counted))}

    requests = [np.ravel(period["actions"]["order"]).tolist() for period in periods]
    return Mapped(network, requests, read, totals)


def _require_room_in_units(case: Case) -> None:
    """Raise where the peer's capacity binds and a unit's volume is not 1.

    It compares arriving units with free volume, so that more comes in than there is room for.

    Raises:
        CannotMapError: Naming the day and the warehouse.
    """
    volume = np.asarray(case["parameters"]["volume"], float)
    if (volume == 1).all():
        return
    capacity = np.asarray(case["parameters"]["capacity"], float)
    for day in case["periods"]:
        full = (volume * np.asarray(day["state_end"]["stock"])).sum(axis=1) > capacity
        full |= (np.asarray(day["flows"]["excess"]) != 0).any(axis=1)
        if full.any():
            raise CannotMapError(
                f"volume is not 1, and on day {day['t']} warehouse {int(full.argmax())} is full: "
                "the peer compares arriving units with free volume"
            )
