"""A fulfilment rule of one's own in the oracle: always ship from the fullest node."""

import sys
from dataclasses import replace

from draingym.oracle import greedy_systems, read_setting, replay
from draingym.oracle.protocols import Item, Parcel


class FullestNode:
    """Ships a line at once, in a box of its own; what it does not reserve is unfilled."""

    def start(self, shelves):
        self.shelves, self.packed = shelves, []

    def submit(self, line):
        view, stock = line.view, self.shelves.free[line.view.product]
        node = max(self.shelves.open_nodes, key=stock.__getitem__)
        if units := min(view.quantity, int(stock[node])):
            self.shelves.reserve(view.product, node, units)
            self.packed.append(Parcel(node, (Item(view, units),), view.time))

    def pop_shipped(self, now):
        shipped, self.packed = self.packed, []
        return shipped

    flush = pop_shipped  # at the end of the replay


def fullest(systems, seed):
    """Return the emulated systems with the rule in the place of theirs."""
    return replace(greedy_systems(systems, seed), fulfilment=FullestNode())


if __name__ == "__main__":
    setting = read_setting(sys.argv[1])
    for planner in ("greedy", fullest):
        result = replay(setting, setting.stock, planner=planner, record=False)
        print(planner, result.ship_cost.sum() / result.outbound.sum(), "USD a unit")
