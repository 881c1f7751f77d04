"""Which lines a log puts into one box, and how long they wait for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from draingym.oracle.fitting.findings import Finding, finding
from draingym.oracle.fitting.shelf_history import ShelfHistory


@dataclass(frozen=True, kw_only=True, slots=True)
class Merging:
    """How boxes were filled."""

    share_boxes: bool  # whether lines of a basket that leave one node go in one box
    same_box: float  # share of such lines that did; nan where there are none
    findings: tuple[Finding, ...]


def box_merging(history: ShelfHistory) -> Merging:
    """Return how the boxes of a history were filled.

    A replay by the greedy planner puts a basket's lines from one node into one box, or each into a
    box of its own, whichever the log does more often; it never joins baskets.
    """
    basket = history.basket[history.part_view]
    order = np.lexsort((history.part_box, history.part_node, basket))
    pair = np.stack([basket, history.part_node, history.part_box])[:, order]
    near = (pair[:2, 1:] == pair[:2, :-1]).all(axis=0)
    together = pair[2, 1:] == pair[2, :-1]
    same = float(together[near].mean()) if near.any() else float("nan")
    by_box = np.lexsort((basket, history.part_box))
    box, who = history.part_box[by_box], basket[by_box]
    other = (box[1:] == box[:-1]) & (who[1:] != who[:-1])
    boxes = np.unique(box).size
    joint = float(np.unique(box[1:][other]).size / boxes) if boxes else 0.0
    wait = (history.shipped_at - history.view_time[history.part_view]) * 24.0
    hours = float(np.median(wait)) if wait.size else 0.0
    return Merging(
        share_boxes=not same < 0.5,
        same_box=same,
        findings=(
            finding(
                "boxes",
                "lines of a basket, from one node, in one box",
                f"{same:.1%}" if near.any() else "one box, as assumed",
                bool(near.any()),
                "no basket had two lines from one node",
            ),
            finding(
                "boxes",
                "boxes with several baskets",
                f"{joint:.1%}",
                joint < 0.01,
                "greedy replays join none of them; planner batch_milp does",
            ),
            finding(
                "boxes",
                "hours from order to shipment",
                f"{hours:.1f}, median",
                hours < 24.0,
                "greedy replays ship at once",
            ),
        ),
    )
