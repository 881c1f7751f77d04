"""stockpyl: demand, then orders downstream to upstream, then shipments upstream to downstream.

Orders are given, so when they are decided makes no difference. Shipments pass on what arrives in
the same period (``arrivals="before shipping"``), successors are served one after the other, and
everything is backlogged, at inner nodes too. The inventory level is our stock less what customers
wait for and successors are owed. A shipment lead time is ours; an order lead time is our delay, and
for orders to the outside part of the lead time. Goods wait for other parts at the rate of their
supplier, before the door of a node whose receipts are paused, or set aside where shipments to it
are; the transit to a node may stand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.parity.play import CannotMapError, Case, Mapped, Run
from benchmarks.parity.reading import require_one_of
from draingym import Arc, Network, Node

OUTSIDE = "external"
OPEN = 1e9  # units let in where receipts are not paused


def mapped(case: Case) -> Mapped:
    """Map a case."""
    p = case["parameters"]
    described: dict[str, Any] = p["nodes"]
    periods = case["periods"]
    arcs: list[Arc] = []
    ways: list[tuple[str, str]] = []  # predecessor and node of each arc, in the order of service
    on_way = {name: _transit_rate(node) for name, node in described.items()}
    start = {name: state["inventory_level"] for name, state in case["initial"].items()}
    for name, node in described.items():
        require_one_of(
            f"disruption_type of node {name}", node["disruption_type"], None, "OP", "SP", "TP", "RP"
        )
        customers = node["successors_in_service_order"]
        if OUTSIDE in customers[:-1]:
            raise CannotMapError("customers outside are served before other nodes")
        if OUTSIDE in node["predecessors"]:
            ways.append((OUTSIDE, name))
        ways += [(name, after) for after in customers if after != OUTSIDE]
    if {tuple(map(str, edge)) for edge in p["edges"]} != {
        way for way in ways if OUTSIDE not in way
    }:
        raise CannotMapError("edges are other than successors_in_service_order say")
    for before, name in ways:
        node, inner = described[name], before != OUTSIDE
        lead, delay = node["SLT"], node["OLT"]
        paused = [0.0 if at["inputs"]["disrupted"][name] else OPEN for at in periods]
        kind, most = node["disruption_type"], node["order_capacity"]
        if kind == "OP":
            most = [units if most is None else min(units, most) for units in paused]
        supplier = described[before] if inner else None
        shipments, orders = node["initial_shipments"], node["initial_orders"]
        arcs.append(
            Arc(
                before if inner else None,
                name,
                lead_time=lead if inner else lead + delay,
                delay=delay if inner else 0,
                in_transit=[shipments] * lead + ([] if inner else [orders] * delay),
                on_order=[orders] * delay if inner else [],
                request_limit=most,
                needs=1.0 if len(node["predecessors"]) > 1 else None,
                receive_limit=paused if kind == "RP" else None,
                leave_limit=paused if kind == "SP" and inner else None,
                stands=[float(not units) for units in paused] if kind == "TP" else 0.0,
                transit_cost=on_way.get(before, 0.0),
                dock_cost=0.0 if supplier is None else supplier["holding_cost"],
                short_cost=0.0 if supplier is None else supplier["stockout_cost"],
                ship_cost=0.0 if supplier is None else -supplier["revenue"],
            )
        )
    sells = {name: node["demand"] is not None for name, node in described.items()}
    network = Network(
        nodes=[
            Node(
                name,
                on_hand=max(start[name], 0),
                waiting=max(-start[name], 0),
                backlog=sells[name],
                holding_cost=node["holding_cost"],
                unmet_cost=node["stockout_cost"] if sells[name] else 0.0,
                price=node["revenue"] if sells[name] else 0.0,
            )
            for name, node in described.items()
        ],
        arcs=arcs,
        demand={
            name: [at["inputs"]["demand"][name] for at in periods]
            for name, there in sells.items()
            if there
        },
        arrivals="before shipping",
        rationing="rank",
        backorders=True,
    )
    index = {name: n for n, name in enumerate(described)}
    rate = np.array([float(np.max(arc.dock_cost)) for arc in arcs])
    earns = -np.array([float(np.max(arc.ship_cost)) for arc in arcs])
    started = [
        described[name]["initial_shipments"] * described[name]["SLT"]
        + described[name]["initial_orders"] * described[name]["OLT"]
        for _, name in ways
    ]

    def read(run: Run, t: int) -> dict[str, Any]:
        ledger, moves, state = run.ledger, run.moves, run.state
        none = np.zeros(len(ways))
        door = none if state.door is None else state.door[t]
        gate = np.zeros((len(periods), len(ways))) if state.gate is None else state.gate
        aside = gate[t] - (gate[t - 1] if t else none)
        before = none if state.door is None or t == 0 else state.door[t - 1]
        came = ledger.flows.arrived[t] - (door - before)
        owed = np.asarray(state.owed)
        reached = moves.shipped[t] + owed[t] - (owed[t - 1] if t else none)
        # What is held up at the door is no longer on order.
        so_far = moves.ordered[: t + 1] - ledger.flows.arrived[: t + 1]
        on_order = np.array(started) + so_far.sum(axis=0)
        # Units set aside are charged on the arc; their source pays, as it holds them.
        kept = rate * gate[t]
        # They are sold when they leave it, and not when they are set aside.
        unsold = earns * aside
        held = ledger.dock[t] - kept
        flows, ends, costs = {}, {}, {}
        for name, n in index.items():
            into = {w[0]: e for e, w in enumerate(ways) if w[1] == name}
            out = {w[1]: e for e, w in enumerate(ways) if w[0] == name}
            waiting = state.waiting[t, n]
            asked = {after: reached[e] for after, e in out.items()}
            sent = {after: moves.shipped[t, e] - aside[e] for after, e in out.items()}
            behind = {after: owed[t, e] for after, e in out.items()}
            if sells[name]:
                sent[OUTSIDE], behind[OUTSIDE] = moves.outbound[t, n], waiting
                asked[OUTSIDE] = periods[t]["inputs"]["demand"][name]
            parts = none if state.parts is None else state.parts[t]
            flows[name] = {
                "inbound_order_by_successor": asked,
                "shipped_by_successor": sent,
                "received_by_predecessor": {w: came[e] for w, e in into.items()},
            }
            ends[name] = {
                "inventory_level": state.on_hand[t, n] - sum(behind.values()),
                "backorders_by_successor": behind,
                "set_aside_by_successor": {after: gate[t, e] for after, e in out.items()},
                "raw_material_by_predecessor": {w: parts[e] for w, e in into.items()},
                "held_up_receipts_by_predecessor": {w: door[e] for w, e in into.items()},
                "in_transit_by_predecessor": {w: run.transit[t, e] for w, e in into.items()},
                "on_order_by_predecessor": {w: on_order[e] for w, e in into.items()},
            }
            leaving, coming = list(out.values()), list(into.values())
            cost = {
                "holding": ledger.holding[t, n] + held[coming].sum() + kept[leaving].sum(),
                "stockout": ledger.unmet[t, n] + ledger.short[t, leaving].sum(),
                "in_transit_holding": ledger.transit[t, leaving].sum(),
            }
            revenue = ledger.revenue[t, n] - (ledger.shipments[t] + unsold)[leaving].sum()
            costs[name] = cost | {"revenue": revenue, "total": sum(cost.values()) - revenue}
        return {
            "flows": flows,
            "state_end": ends,
            "costs": costs,
            "cost": unsold.sum() - moves.reward[t],
        }

    def totals(ours: list[dict[str, Any]]) -> dict[str, float]:
        return {"cost": float(sum(period["cost"] for period in ours))}

    requests = [
        [at["actions"]["orders_by_predecessor"][name][before] for before, name in ways]
        for at in periods
    ]
    return Mapped(network, requests, read, totals)


def _transit_rate(node: dict[str, Any]) -> float:
    """Return what a unit on its way from a node costs it: as on its shelf, unless said."""
    own = node["in_transit_holding_cost"]
    rate: float = node["holding_cost"] if own is None else own
    return rate
