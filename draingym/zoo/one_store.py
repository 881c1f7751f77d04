"""The network of one store that is replenished from outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from draingym.networks.description import Arc, Node
from draingym.networks.network import Network
from draingym.simulator import Demand


def one_store(
    *suppliers: Mapping[str, Any], demand: Demand, discount: float = 1.0, **store: Any
) -> Network:
    """Return a store and an arc from each supplier; requests are rounded to the nearest batch.

    Args:
        *suppliers: Fields of each arc; see ``Arc``.
        demand: Of the store's customers.
        discount: A period.
        **store: Fields of the node; see ``Node``.
    """
    return Network(
        nodes=[Node("store", **store)],
        arcs=[Arc(None, "store", **fields) for fields in suppliers],
        demand={"store": demand},
        rounding="nearest",
        discount=discount,
    )
