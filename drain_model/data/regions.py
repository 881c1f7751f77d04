"""Groups of nodes: what "regional" means between the whole network and the single node."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from draingym.common.arrays import require_range
from draingym.drain_model.data.dataset import DrainData
from draingym.world.geography import great_circle_km


def node_groups(data: DrainData, number: int | None = None) -> NDArray[np.int64]:
    """Return a group for every node that ever serves customers, by where the nodes are.

    Agglomerative clustering with average linkage of great-circle distances. The paper aggregates
    drain to regions that it does not describe; these groups are ours. Groups are numbered in the
    order of their first nodes.

    Args:
        data: A panel; its coordinates and active nodes count.
        number: Of groups; half of the serving nodes, rounded up, when not given.

    Returns:
        [N]; -1 for nodes that never serve customers.

    Raises:
        ValueError: If no node is ever active, or ``number`` is not in [1, serving nodes].
    """
    serving = np.flatnonzero(data.active.any(axis=0))
    if not serving.size:
        raise ValueError("data.active is false everywhere, must be true for at least 1 node")
    number = (serving.size + 1) // 2 if number is None else number
    require_range("number", number, low=1, high=serving.size)
    groups = np.full(data.num_nodes, -1, np.int64)
    if serving.size == 1:
        groups[serving] = 0
        return groups
    at: NDArray[Any] = np.asarray(data.geography.node_coordinates, np.float64)[serving]
    distance = great_circle_km(at[:, None, 0], at[:, None, 1], at[None, :, 0], at[None, :, 1])
    tree = linkage(squareform(distance, checks=False), method="average")
    found = fcluster(tree, number, criterion="maxclust")
    _, first, label = np.unique(found, return_index=True, return_inverse=True)
    groups[serving] = np.argsort(np.argsort(first))[label]
    return groups
