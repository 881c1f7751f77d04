"""mdpax: perishables.

De Moor and Hendrix receive at a period's end, after ageing; here the same units arrive at the start
of the next period, so that an order of lead time L is one of lead time L here, too, and the peer's
youngest class is what is due. Mirjalili receives before demand, and pays holding for what expires:
here that is part of the cost of waste. Hendrix' customers of B who accept A are given as numbers
and are customers of A here.
"""

from __future__ import annotations

from typing import Any

from benchmarks.parity.play import CannotMapError, Case, Mapped, Run, series_of, summed
from benchmarks.parity.reading import require_one_of
from draingym import Arc, Network, Node


def mapped(case: Case) -> Mapped:
    """Map a case of any problem."""
    kinds = {
        "DeMoorPerishable": _de_moor,
        "HendrixTwoProduct": _hendrix,
        "MirjaliliPlatelet": _mirjalili,
    }
    if case["problem"] not in kinds:
        raise CannotMapError(f"problem {case['problem']} of mdpax is not known")
    return kinds[case["problem"]](case)


def _de_moor(case: Case) -> Mapped:
    p, initial = case["parameters"], case["initial"]
    require_one_of("issue_policy", p["issue_policy"], "lifo", "fifo")
    lead = p["lead_time"]
    network = Network(
        nodes=[
            Node(
                "stock",
                on_hand=sum(initial["stock_by_age"]),
                ages=initial["stock_by_age"],
                shelf_life=p["max_useful_life"],
                lifo=p["issue_policy"] == "lifo",
                holding_cost=p["holding_cost"],
                unmet_cost=p["shortage_cost"],
                waste_cost=p["wastage_cost"],
            )
        ],
        arcs=[
            Arc(
                None,
                "stock",
                lead_time=lead,
                in_transit=[0, *reversed(initial["in_transit"])][:lead],
                request_cost=p["variable_order_cost"],
            )
        ],
        demand={"stock": series_of(case, "inputs", "demand")},
    )

    def read(run: Run, t: int) -> dict[str, Any]:
        ledger = run.ledger
        due = run.state.pipeline[t, :, 0]
        ages = run.ages[t, :, 0].copy()
        ages[0] += due[0]
        return {
            "flows": {
                "sold": run.moves.outbound[t, 0],
                "lost": run.moves.lost[t, 0],
                "wasted": ledger.flows.wasted[t, 0],
                "received": due[0],
            },
            "state_end": {"in_transit": due[:0:-1], "stock_by_age": ages},
            "costs": {
                "order": ledger.requests[t, 0],
                "shortage": ledger.unmet[t, 0],
                "wastage": ledger.wasted[t, 0],
                "holding": ledger.holding[t, 0],
            },
            "cost": -run.moves.reward[t],
        }

    orders = [[order] for order in series_of(case, "actions", "order")]
    return Mapped(network, orders, read, summed("cost"))


def _hendrix(case: Case) -> Mapped:
    p, initial = case["parameters"], case["initial"]
    accept = series_of(case, "inputs", "acceptors")
    wanted = {x: series_of(case, "inputs", f"demand_{x}") for x in "ab"}
    wanted["a"] = [own + more for own, more in zip(wanted["a"], accept, strict=True)]
    network = Network(
        nodes=[
            Node(
                x,
                on_hand=sum(initial[f"stock_{x}"]),
                ages=initial[f"stock_{x}"],
                shelf_life=p["max_useful_life"],
                price=p[f"sales_price_{x}"],
            )
            for x in "ab"
        ],
        arcs=[Arc(None, x, lead_time=1, request_cost=p[f"variable_order_cost_{x}"]) for x in "ab"],
        demand=wanted,
    )

    def read(run: Run, t: int) -> dict[str, Any]:
        ledger = run.ledger
        ages = run.ages[t].copy()
        ages[0] += run.state.pipeline[t, 0]
        return {
            "flows": {
                "issued_a": run.moves.outbound[t, 0],
                "issued_b": run.moves.outbound[t, 1],
                "wasted_a": ledger.flows.wasted[t, 0],
                "wasted_b": ledger.flows.wasted[t, 1],
            },
            "state_end": {"stock_a": ages[:, 0], "stock_b": ages[:, 1]},
            "costs": {"revenue": ledger.revenue[t].sum(), "order": ledger.requests[t].sum()},
            "reward": run.moves.reward[t],
        }

    orders = [[p["actions"]["order_a"], p["actions"]["order_b"]] for p in case["periods"]]
    return Mapped(network, orders, read, summed("reward"))


def _mirjalili(case: Case) -> Mapped:
    p, initial = case["parameters"], case["initial"]
    life, hold = p["max_useful_life"], p["holding_cost"]
    start = [0, *initial["stock_by_age"]]
    shares = []
    for period in case["periods"]:
        came, order = period["inputs"]["received_by_age"], period["actions"]["order"]
        shares.append([units / order for units in came] if order else [1.0] + [0.0] * (life - 1))
    network = Network(
        nodes=[
            Node(
                "stock",
                on_hand=sum(start),
                ages=start,
                shelf_life=life,
                holding_cost=hold,
                unmet_cost=p["shortage_cost"],
                waste_cost=p["wastage_cost"] + hold,
                class_limit=p["max_order_quantity"],
            )
        ],
        arcs=[
            Arc(
                None,
                "stock",
                ages=shares,
                request_cost=p["variable_order_cost"],
                request_fee=p["fixed_order_cost"],
            )
        ],
        demand={"stock": series_of(case, "inputs", "demand")},
    )

    def read(run: Run, t: int) -> dict[str, Any]:
        ledger = run.ledger
        wasted = ledger.flows.wasted[t, 0]
        return {
            "flows": {
                "sold": run.moves.outbound[t, 0],
                "lost": run.moves.lost[t, 0],
                "wasted": wasted,
                "not_accepted": ledger.flows.spilled[t, 0],
            },
            "state_end": {
                "weekday": (initial["weekday"] + t + 1) % 7,
                "stock_by_age": run.ages[t, 1:, 0],
            },
            "costs": {
                "order_variable": ledger.requests[t, 0],
                "order_fixed": ledger.fees[t, 0],
                "shortage": ledger.unmet[t, 0],
                "wastage": ledger.wasted[t, 0] - hold * wasted,
                "holding": ledger.holding[t, 0] + hold * wasted,
            },
            "cost": -run.moves.reward[t],
        }

    orders = [[order] for order in series_of(case, "actions", "order")]
    return Mapped(network, orders, read, summed("cost"))
