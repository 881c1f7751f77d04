"""What a policy knows of the network: who feeds whom, and whose customers are near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from numpy.typing import NDArray

from draingym.common.arrays import require, require_shape
from draingym.simulator import Observation
from draingym.world.network import Network


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """Static arrays of a network, as policies use them."""

    parent: Int[Array, " N"]  # -1 for the vendor
    descends: Bool[Array, "N N"]  # [n, m]: m is n, or below it
    serves: Bool[Array, " N"]
    distance: Float[Array, "N Z"]  # 1000 km
    population: Float[Array, " Z"]  # share of all people


def descendants(parent: Sequence[int] | np.ndarray) -> NDArray[np.bool_]:
    """Return [N, N] whether m (column) is n (row), or below it; parents come before children."""
    descends = np.eye(len(parent), dtype=bool)
    for child in reversed(range(len(parent))):
        if parent[child] >= 0:
            descends[parent[child]] |= descends[child]
    return descends


def tree_of(network: Network) -> Tree:
    """Return the policy's view of a network."""
    parent = np.asarray(network.parent)
    return Tree(
        parent=jnp.asarray(parent, jnp.int32),
        descends=jnp.asarray(descendants(parent)),
        serves=jnp.asarray(network.serves_customers),
        distance=jnp.asarray(network.distance_km / 1000.0, jnp.float32),
        population=jnp.asarray(network.population / network.population.sum(), jnp.float32),
    )


def require_tree(tree: Tree) -> None:
    """Raise ``ValueError`` unless a tree's arrays belong together; never inside ``jit``."""
    parent = np.asarray(tree.parent)
    nodes = np.arange(parent.size)
    require((parent >= -1) & (parent < nodes), "parent", parent, "-1, or an earlier node")
    require_shape("serves", np.asarray(tree.serves), (parent.size,))
    require_shape("descends", np.asarray(tree.descends), (parent.size, parent.size))
    descends = np.asarray(tree.descends)
    require(descends == descendants(parent), "descends", descends, "as parent has it")
    require_shape("distance", np.asarray(tree.distance), (parent.size, tree.population.size))
    for name in ("distance", "population"):
        values = np.asarray(getattr(tree, name))
        require(np.isfinite(values) & (values >= 0), name, values, "finite and at least 0")


def echelon_position(tree: Tree, observation: Observation) -> Float[Array, " N"]:
    """Return the units on hand at and in transit to each node and all nodes below it.

    Units that customers wait for count as gone.
    """
    local = observation.on_hand + jnp.sum(observation.pipeline, axis=0) - observation.waiting
    return tree.descends.astype(local.dtype) @ local


def catchment_share(
    tree: Tree, active: Bool[Array, " N"], reach: Float[Array, ""]
) -> Float[Array, "N Z"]:
    """Return the share of each region that each open node should expect to serve.

    A softmax over serving nodes of ``-distance / reach``: nearest node alone as reach goes to 0.

    Args:
        tree: The network.
        active: [N] nodes that exist.
        reach: 1000 km, above 0.

    Returns:
        [N, Z]; columns sum to one.
    """
    open_now = (tree.serves & active)[:, None]
    logits = jnp.where(open_now, -tree.distance / reach, -jnp.inf)
    return jax.nn.softmax(logits, axis=0)
