"""The simulator's dynamics once more: slow, node by node, in plain NumPy and float64.

Follows the order of events of ``draingym.simulator.dynamics``, with customers of ``LocalDemand``.
"""

import jax
import numpy as np


def _round(amounts, uniform, limit):
    """Round one parent's shipments, in the order of its children."""
    sent, reached, out = 0.0, 0.0, []
    for amount in amounts:
        reached += amount
        upto = min(np.floor(reached + uniform), limit)
        out.append(upto - sent)
        sent = upto
    return out


def _split(units, share, uniform, whole):
    """Split a shipment over the periods in which it arrives."""
    if not whole:
        return [units * part for part in share]
    pieces, sent = [], 0.0
    for k in range(len(share)):
        last = k == len(share) - 1
        upto = units if last else min(np.floor(units * sum(share[: k + 1]) + uniform), units)
        pieces.append(upto - sent)
        sent = upto
    return pieces


def rollout(params, dynamics, backlog, scenario, requests):
    """Return a list of dictionaries of what happened, one a period."""
    params, scenario = jax.tree.map(np.asarray, (params, scenario))
    parent = np.asarray(params.parent)
    nodes = len(parent)
    series, initial = scenario.series, scenario.initial
    on_hand = np.asarray(initial.on_hand, np.float64)
    pipeline = [list(map(float, row)) for row in np.asarray(initial.pipeline)]
    owed = np.zeros(nodes)
    waiting = np.zeros(nodes)
    if initial.history.waiting is not None:
        waiting = np.asarray(initial.history.waiting, np.float64)
    periods = len(requests)
    history = []
    for t in range(periods):
        now = {
            name: None if getattr(series, name) is None else np.asarray(getattr(series, name)[t])
            for name in (
                "period", "glance_views", "price", "unit_cost", "lead_share", "last",
                "round_uniform", "fill_rate", "split_uniform",
            )
        }  # fmt: skip
        opened = np.asarray(params.active_from) <= now["period"]
        ordered = np.array([max(float(requests[t][n]), 0.0) * opened[n] for n in range(nodes)])
        fill = 1.0 if now["fill_rate"] is None else np.asarray(now["fill_rate"], np.float64)
        claim = ordered * fill + owed
        due = np.array(pipeline[0]) if pipeline else np.zeros(nodes)
        stock = on_hand + due if dynamics.ship_arrivals else on_hand.copy()

        shipped, new_owed, transferred = np.zeros(nodes), np.zeros(nodes), np.zeros(nodes)
        for owner in range(-1, nodes):
            children = [n for n in range(nodes) if parent[n] == owner]
            asked = sum(claim[n] for n in children)
            limit = np.inf if owner < 0 else stock[owner]
            short = asked > limit
            amounts = [claim[n] * (limit / asked if short else 1.0) for n in children]
            if dynamics.whole_units:
                amounts = _round(amounts, float(now["round_uniform"][owner]), limit)
            for n, amount in zip(children, amounts, strict=True):
                shipped[n] = amount
                if short and dynamics.hold_requests:
                    new_owed[n] = max(claim[n] - amount, 0.0)
                if owner >= 0:
                    transferred[owner] += amount
        owed = new_owed

        rows = [list(row) for row in pipeline] + [[0.0] * nodes]
        for n in range(nodes):
            whole = dynamics.whole_units and now["split_uniform"] is not None
            uniform = float(now["split_uniform"][n]) if whole else 0.0
            share = [float(part) for part in now["lead_share"][n]]
            for k, piece in enumerate(_split(shipped[n], share, uniform, whole)):
                rows[k][n] += piece
        stowed, pipeline = np.array(rows[0]), rows[1:]
        available = on_hand - transferred + stowed

        demand = np.asarray(params.kernel.share, np.float64) @ now["glance_views"]
        need = demand + waiting
        outbound = np.minimum(need, available)
        unmet = need - outbound
        waiting = unmet if backlog else np.zeros(nodes)
        lost = np.zeros(nodes) if backlog else unmet
        on_hand = available - outbound

        price, unit_cost = float(now["price"]), float(now["unit_cost"])
        costs = dict.fromkeys(
            ("revenue", "purchase", "transfer", "holding", "unmet", "transit", "capacity", "ship"),
            0.0,
        )
        salvage = 0.0
        for n in range(nodes):
            transit = sum(row[n] for row in pipeline)
            root = parent[n] < 0
            costs["revenue"] += price * outbound[n]
            costs["ship"] += float(params.kernel.unit_ship_cost[n]) * outbound[n]
            costs["purchase"] += unit_cost * stowed[n] * root
            costs["transfer"] += float(params.transfer_cost[n]) * shipped[n] * (not root)
            rate = float(params.holding_cost[n]) + float(params.holding_rate[n]) * unit_cost
            costs["holding"] += rate * on_hand[n]
            costs["unmet"] += float(params.unmet_cost[n]) * unmet[n]
            if params.transit_cost is not None:
                costs["transit"] += float(params.transit_cost[n]) * transit
            if params.capacity is not None:
                within = min(on_hand[n], float(params.capacity[n]))
                costs["capacity"] += float(params.capacity_price[n]) * within
                costs["capacity"] += float(params.overflow_price[n]) * (on_hand[n] - within)
            salvage += unit_cost * (on_hand[n] + transit * (not root))
        salvage *= float(params.salvage_rate) * bool(now["last"])
        reward = 2 * costs["revenue"] + salvage - sum(costs.values())
        history.append(
            {
                "ordered": ordered,
                "shipped": shipped,
                "transferred": transferred,
                "stowed": stowed,
                "available": available,
                "outbound": outbound,
                "lost": lost,
                "waiting": waiting,
                "on_hand": on_hand,
                "revenue": costs["revenue"],
                "purchase_cost": costs["purchase"],
                "transfer_cost": costs["transfer"],
                "holding_cost": costs["holding"],
                "unmet_cost": costs["unmet"],
                "transit_cost": costs["transit"],
                "capacity_cost": costs["capacity"],
                "salvage": salvage,
                "reward": reward,
            }
            | ({"owed": owed} if dynamics.hold_requests else {})
        )
    return history
