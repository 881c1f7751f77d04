"""A fulfilment rule of one's own in the oracle: always ship from the fullest node."""
# ruff: noqa: D102

import sys
from dataclasses import replace

from oracle import ProductionSystems, greedy_systems, read_setting, replay
from oracle.protocols import Item, Parcel


class FullestNode:
    """Ships a line at once, in a box of its own; what it does not reserve is unfilled."""

    def start(self, shelves):
        self.shelves, self.packed = shelves, []

    def submit(self, line):
        view, stock = line.view, self.shelves.free[line.view.product]
        node = max(self.shelves.open_nodes, key=lambda n: stock[n])
        if units := min(view.quantity, int(stock[node])):
            self.shelves.reserve(view.product, node, units)
            self.packed.append(Parcel(node, (Item(view, units),), view.time))

    def pop_shipped(self, now):
        shipped, self.packed = self.packed, []
        return shipped

    flush = pop_shipped


def fullest(systems, seed) -> ProductionSystems:
    """Return the emulated systems with the rule in the place of theirs."""
    return replace(greedy_systems(systems, seed), fulfilment=FullestNode())


if __name__ == "__main__":
    setting = read_setting(sys.argv[1])
    for planner in ("greedy", fullest):
        result = replay(setting, setting.stock, planner=planner, record=False)
        print(planner, result.ship_cost.sum() / result.outbound.sum(), "USD a unit")
