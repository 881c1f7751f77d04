"""What a policy knows of the network: who feeds whom, and whose customers are near."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from numpy.typing import NDArray

from draingym.common.arrays import require, require_shape
from draingym.simulator import Observation
from draingym.simulator.network.arcs import in_transit
from draingym.world.network import Network


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tree:
    """Static arrays of a network, as policies use them.

    Compared by value, and with it the policies that hold one: two policies of one network share
    their compiled programs.

    >>> tree = Tree(  # a warehouse that feeds two nodes, each with a region of its own
    ...     parent=jnp.array([-1, 0, 0]),
    ...     descends=jnp.asarray(descendants([-1, 0, 0])),
    ...     serves=jnp.array([False, True, True]),
    ...     distance=jnp.array([[2.0, 2.0], [0.1, 3.9], [3.9, 0.1]]),
    ...     population=jnp.array([0.3, 0.7]),
    ... )
    >>> tree.descends[0].tolist(), tree == jax.tree.map(jnp.copy, tree)
    ([True, True, True], True)
    """

    parent: Int[Array, " N"]  # -1 for the vendor
    descends: Bool[Array, "N N"]  # [n, m]: m is n, or below it
    serves: Bool[Array, " N"]
    distance: Float[Array, "N Z"]  # 1000 km
    population: Float[Array, " Z"]  # share of all people

    def _content(self) -> tuple[tuple[tuple[int, ...], bytes], ...]:
        arrays = [np.asarray(leaf) for leaf in jax.tree.leaves(self)]
        return tuple((array.shape, array.tobytes()) for array in arrays)

    def __eq__(self, other: object) -> bool:
        """Return whether all arrays are the same."""
        return isinstance(other, Tree) and self._content() == other._content()

    def __hash__(self) -> int:
        """Return a hash of the arrays."""
        return hash(self._content())


def descendants(parent: Sequence[int] | np.ndarray) -> NDArray[np.bool_]:
    """Return [N, N] whether m (column) is n (row), or below it; parents come before children."""
    descends = np.eye(len(parent), dtype=bool)
    for child in reversed(range(len(parent))):
        if parent[child] >= 0:
            descends[parent[child]] |= descends[child]
    return descends


def children(parent: Sequence[int] | np.ndarray) -> NDArray[np.bool_]:
    """Return [N, N] whether m (column) is fed by n (row)."""
    fed: NDArray[np.bool_] = np.asarray(parent)[None, :] == np.arange(len(parent))[:, None]
    return fed


def height(parent: Sequence[int] | np.ndarray) -> int:
    """Return how many nodes the vendor's goods pass on the longest way, the first not counted."""
    depth: list[int] = []
    for node in parent:
        depth.append(0 if node < 0 else depth[int(node)] + 1)
    return max(depth)


def tree_of(network: Network) -> Tree:
    """Return the policy's view of a network."""
    parent = np.asarray(network.parent, np.int32)
    population = network.population / network.population.sum()
    arrays: dict[str, NDArray[Any]] = {
        "parent": parent,
        "descends": descendants(parent),
        "serves": np.asarray(network.serves_customers),
        "distance": np.asarray(network.distance_km / 1000.0, np.float32),
        "population": np.asarray(population, np.float32),
    }
    return Tree(**jax.device_put(arrays))


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


def require_fit(
    observation: Observation,
    *,
    nodes: int,
    regions: int | None = None,
    attributes: int | None = None,
) -> None:
    """Raise unless what a policy was made for is what it is shown; only shapes are looked at.

    Args:
        observation: What the policy sees.
        nodes: That it requests units for.
        regions: That it knows; None where it does not look at them one by one.
        attributes: Of a product, that it knows; None where it does not look at them.

    Raises:
        ValueError: Naming what differs, the number the policy was made for and the one there is.
    """
    for name, count, there in (
        ("nodes", nodes, observation.on_hand.shape[0]),
        ("regions", regions, observation.forecast.shape[0]),
        ("attributes", attributes, observation.attributes.shape[0]),
    ):
        if count not in (None, there):
            raise ValueError(f"policy is for {count} {name}, must be for {there}, those it sees")


def net_stock(observation: Observation) -> Float[Array, " N"]:
    """Return the units on hand at and in transit to each node, less what its customers wait for."""
    return observation.on_hand + in_transit(observation.pipeline) - observation.waiting


def owed_to(observation: Observation, position: Float[Array, " N"]) -> Float[Array, " N"]:
    """Return a position with what each node's parent owes it, where requests are held."""
    return position if observation.owed is None else position + observation.owed


def echelon_position(tree: Tree, observation: Observation) -> Float[Array, " N"]:
    """Return the net stock of each node and all nodes below it, and what its parent owes the node.

    What nodes owe each other inside an echelon cancels out.
    """
    require_fit(observation, nodes=tree.parent.shape[0])
    local = net_stock(observation)
    return owed_to(observation, tree.descends.astype(local.dtype) @ local)


def order_upwards(
    parent: tuple[int, ...] | None,
    observation: Observation,
    order: Callable[[Float[Array, " N"]], Float[Array, " N"]],
) -> Float[Array, " N"]:
    """Return what nodes request by their inventory positions, downstream nodes first.

    ``position = net stock + owed by the parent - what the node's children claim``: what it owes
    them, and what they request in this period. A node that knows what its children request orders
    it in the same period, as if it were its customers' demand.

    Args:
        parent: [N] of every node, -1 for the vendor; parents come before their children. None is
            one store.
        observation: What the policy sees.
        order: Returns requests by positions, node by node.

    Returns:
        [N] units.

    Raises:
        ValueError: If the network has another number of nodes.

    Source:
        Axsäter and Rosling (1993), installation and echelon stock policies: on a serial line,
        levels on these positions do what their cumulated sums do on echelon positions.
    """
    parent = (-1,) if parent is None else parent
    nodes = observation.on_hand.shape[0]
    if len(parent) != nodes:
        raise ValueError(f"parent is {parent}, must have {nodes} entries: the network's nodes")
    position = owed_to(observation, net_stock(observation))
    if height(parent) == 0:
        return order(position)
    feeds = jnp.asarray(children(parent))

    def of_children(units: Float[Array, " N"]) -> Float[Array, " N"]:
        return jnp.sum(jnp.where(feeds, units[None, :], 0.0), axis=1)

    if observation.owed is not None:
        position = position - of_children(observation.owed)
    request = order(position)
    for _ in range(height(parent)):  # one level of the tree after the other
        request = order(position - of_children(request))
    return request


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


def evenness(
    served: Float[Array, "N Z"], demand: Float[Array, " N"], forecast: Float[Array, " Z"]
) -> Float[Array, " N"]:
    """Return how evenly a node's demand comes from regions: 0 from one alone or none, below 1.

    One less the sum of squared shares (Herfindahl's index).

    Args:
        served: Share of each region's demand that is the node's, or of nodes below it.
        demand: Forecast of the node, units: ``served @ forecast``.
        forecast: Of regions, units.
    """
    wanted = served * forecast[None, :]
    crowded = jnp.sum(wanted**2, axis=1) / jnp.maximum(demand, 1e-6) ** 2
    even: Float[Array, " N"] = jnp.where(demand > 0, 1.0 - crowded, 0.0)
    return even
