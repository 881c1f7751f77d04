"""What the arcs of a network say about each other."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from draingym.networks.description import Arc


def require_acyclic(arcs: Sequence[Arc]) -> None:
    """Raise ``ValueError`` naming a circle of arcs, if there is one."""
    into: dict[str, list[str]] = {}
    for arc in arcs:
        if arc.source is not None:
            into.setdefault(arc.target, []).append(arc.source)
    try:
        TopologicalSorter(into).prepare()
    except CycleError as error:
        way = " > ".join(error.args[1])
        raise ValueError(
            f"arcs go in a circle, {way}, must not: what leaves a node must not reach it again"
        ) from None


def longest_pass(arcs: Sequence[Arc]) -> int:
    """Return how many arcs goods may pass in one period, at least 1, along lead times of 0.

    >>> longest_pass([Arc(None, "a"), Arc("a", "b"), Arc("b", "c", lead_time=1)])
    3
    """

    def at_once(arc: Arc) -> bool:
        lead = arc.lead_time
        return lead == 0 if isinstance(lead, int) else 0 in lead

    # An arc adds one to what may have reached its source within the period.
    reach: dict[str, int] = {}
    longest = 1
    for _ in range(len(arcs)):
        before = dict(reach)
        for arc in arcs:
            passed = 1 + (0 if arc.source is None else reach.get(arc.source, 0))
            longest = max(longest, passed)
            if at_once(arc):
                reach[arc.target] = max(reach.get(arc.target, 0), passed)
        if reach == before:
            break
    return longest


def order_of_nodes(names: Sequence[str], arcs: Sequence[Arc]) -> dict[str, int]:
    """Return how many arcs lie between a vendor and each node, on the longest way."""
    depth, known = dict.fromkeys(names, 0), dict[str, int]()
    while depth != known:
        known = dict(depth)
        for arc in arcs:
            if arc.source is not None:
                depth[arc.target] = max(depth[arc.target], depth[arc.source] + 1)
    return depth
