"""Baselines against what is best: exact optima, the bound by perfect information, capacity.

Four problems, each small enough for its yardstick: a store with lost sales (value iteration), a
serial line (Clark and Scarf), a placement problem whose customers go to the closest node with
stock (the hindsight program), and several products that share the storage of its nodes. Every
baseline is tuned by the same number of rollouts as the neural policy is trained with, and all are
judged on draws that none has seen.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks._common import Row
from benchmarks.policies_parts.capacity import capacities
from benchmarks.policies_parts.known_optima import classic, lost_sales_problem, serial_problem
from benchmarks.policies_parts.part import Part
from benchmarks.policies_parts.small_placement import placement_problem, placements
from draingym.policies import serial_suite, store_suite


def run(*, updates: int = 100, rollouts: int = 20_000) -> Part:
    """Run all four problems.

    Args:
        updates: Of the neural policies on the placement problem; baselines get as many rollouts.
        rollouts: Of every baseline of the classic problems.
    """
    placed = placement_problem()
    problems: dict[str, Callable[[], list[Row]]] = {
        "lost sales": lambda: classic(lost_sales_problem(), store_suite(most=60.0), rollouts),
        "serial line": lambda: classic(
            serial_problem(), serial_suite((-1, 0, 1, 2), most=120.0), rollouts
        ),
        "placement": lambda: placements(placed, updates),
        "capacity": lambda: capacities(placed),
    }
    rows = [
        {"table": f"baselines, {name}", **row} for name, make in problems.items() for row in make()
    ]
    return Part(claims=(), rows=rows, seeds=(0,))
