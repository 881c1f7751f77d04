"""The stock of a replay: what is free, what is reserved, and what nodes took in today."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


class Shelves:
    """Units by product and node; no unit is ever reserved twice or shipped unreserved.

    Read ``free``, ``taken`` and ``open_nodes`` at will; change them by the methods alone.
    """

    def __init__(self, num_products: int, num_nodes: int) -> None:
        """Start with empty shelves."""
        self.free: IntArray = np.zeros((num_products, num_nodes), np.int64)
        self.reserved: IntArray = np.zeros((num_products, num_nodes), np.int64)
        self.taken: IntArray = np.zeros(num_nodes, np.int64)  # units reserved today, by node
        self.held = 0  # units reserved, over all products and nodes
        self.open_nodes: list[int] = []  # nodes that serve customers in this period
        self.period = -1
        self.day = -1

    def restock(self, period: int, available: IntArray, open_nodes: IntArray) -> None:
        """Begin a period: free is what is there less what is reserved for earlier orders.

        Args:
            period: The period.
            available: [P, N] units at the nodes, reserved ones too.
            open_nodes: Nodes that serve customers in it.

        Raises:
            ValueError: If shapes disagree, stock is negative, or less than is reserved.
        """
        if available.shape != self.free.shape:
            msg = f"stock has shape {available.shape}, must be {self.free.shape}"
            raise ValueError(msg)
        if not np.issubdtype(available.dtype, np.integer):
            msg = f"stock is {available.dtype}, must be whole units of an integer type"
            raise ValueError(msg)
        free = available - self.reserved
        for values, bound in ((available, "0"), (free, "0 after what is reserved for orders")):
            if values.min() < 0:
                i, n = np.unravel_index(int(values.argmin()), values.shape)
                msg = f"stock[{i}, {n}] of period {period} is {values.min()}, must be at least "
                raise ValueError(f"{msg}{bound}")
        self.free = free.astype(np.int64)
        self.period, self.open_nodes = period, [int(n) for n in open_nodes]

    def new_day(self, day: int) -> None:
        """Begin a day: capacity is counted from zero again."""
        self.day = day
        self.taken = np.zeros_like(self.taken)

    def reserve(self, product: int, node: int, units: int) -> None:
        """Set units aside for an order.

        Raises:
            ValueError: If there are not as many free, or the node is not open.
        """
        if units < 1 or units > self.free[product, node]:
            msg = (
                f"reserve: units is {units}, must be in [1, {self.free[product, node]}], the free "
                f"stock of product {product} at node {node} in period {self.period}"
            )
            raise ValueError(msg)
        if node not in self.open_nodes:
            msg = f"reserve: node is {node}, must be open in period {self.period}"
            raise ValueError(msg)
        self.free[product, node] -= units
        self.reserved[product, node] += units
        self.held += units
        self.taken[node] += units

    def release(self, product: int, node: int, units: int) -> None:
        """Give reserved units back to the shelf.

        Raises:
            ValueError: If there are not as many reserved.
        """
        self._unreserve("release", product, node, units)
        self.free[product, node] += units
        self.taken[node] = max(0, int(self.taken[node]) - units)

    def ship(self, product: int, node: int, units: int) -> None:
        """Take reserved units out of the node; the engine does so for every parcel's item.

        Raises:
            ValueError: If there are not as many reserved.
        """
        self._unreserve("ship", product, node, units)

    def _unreserve(self, what: str, product: int, node: int, units: int) -> None:
        if units < 1 or units > self.reserved[product, node]:
            msg = (
                f"{what}: units is {units}, must be in [1, {self.reserved[product, node]}], what "
                f"is reserved of product {product} at node {node} in period {self.period}"
            )
            raise ValueError(msg)
        self.reserved[product, node] -= units
        self.held -= units
