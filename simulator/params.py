"""Checked construction of the simulator's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from draingym.common.arrays import Int32Array, require, require_range, require_shape
from draingym.simulator.bounds import LARGEST, numbers, require_numbers
from draingym.simulator.precision import real
from draingym.simulator.types import Params, PyTree
from draingym.world.network import Network


@dataclass(frozen=True, kw_only=True, slots=True)
class Economics:
    """What stock costs a retailer, a day where time matters: the same for any length of a period.

    Not from the paper; shares are of a product's unit cost. ``params_from_network`` turns days into
    periods.
    """

    holding_rate: float = 0.25 / 365  # a day: capital, space and obsolescence of 25% a year
    holding_cost: float = 0.01  # currency a unit and day: space
    transfer_cost: float = 0.25  # currency a unit moved between nodes, by the truckload
    salvage_rate: float = 0.9  # of the unit cost, for stock left when a trajectory ends
    discount: float = 1.0  # a day: what a unit of currency is worth a day later

    def __post_init__(self) -> None:
        """Refuse negative costs and shares above one."""
        for name in ("holding_rate", "holding_cost", "transfer_cost"):
            require_range(name, getattr(self, name), low=0.0, high=LARGEST)
        require_range("salvage_rate", self.salvage_rate, low=0.0, high=1.0)
        require_range("discount", self.discount, low=0.0, high=1.0, open_low=True)


def make_params(
    parent: Sequence[int] | np.ndarray,
    kernel: PyTree,
    *,
    serves: ArrayLike | None = None,
    active_from: ArrayLike | None = None,
    holding_cost: ArrayLike = 0.0,
    holding_rate: ArrayLike = 0.0,
    transfer_cost: ArrayLike = 0.0,
    unmet_cost: ArrayLike = 0.0,
    transit_cost: ArrayLike | None = None,
    capacity: ArrayLike | None = None,
    capacity_price: ArrayLike = 0.0,
    overflow_price: ArrayLike = 0.0,
    salvage_rate: ArrayLike = 0.0,
    discount: ArrayLike = 1.0,
) -> Params:
    """Build ``Params`` for a tree of any depth and width.

    Args:
        parent: [N] index of the node that replenishes each node, -1 for the vendor; a parent comes
            before its children.
        kernel: Parameters of the drain kernel.
        serves: [N] whether customers are served; leaves alone when not given.
        active_from: [N] first period in which a node exists; 0 when not given.
        holding_cost: [N] or scalar, currency per unit on hand at a period's end.
        holding_rate: [N] or scalar, share of the unit cost per unit on hand at a period's end.
        transfer_cost: Scalar, or [N] that is 0 at nodes that the vendor replenishes: currency per
            unit shipped to the node by its parent node. What the vendor ships has no such cost.
        unmet_cost: [N] or scalar, currency per unit lost, or waiting at a period's end.
        transit_cost: [N] or scalar, currency per unit on its way to the node at a period's end.
        capacity: [N] or scalar, units of storage; needed for the two prices that follow.
        capacity_price: [N] or scalar, currency per unit stored within capacity at a period's end.
        overflow_price: [N] or scalar, currency per unit stored above capacity.
        salvage_rate: Share of the unit cost credited for stock left at the end, in [0, 1].
        discount: Per period, in (0, 1].

    Returns:
        Parameters of the simulator.

    Raises:
        ValueError: If a parent does not come before its child, an array has a wrong shape, a cost
            is negative, not finite or above ``LARGEST``, a transfer cost is given where the vendor
            ships, salvage rate or discount are not in [0, 1] and (0, 1], or storage has a price but
            no capacity.
    """
    tree = _whole("parent", np.asarray(parent))
    nodes = tree.size
    if tree.ndim != 1 or not nodes:
        raise ValueError(f"parent has shape {tree.shape}, must be (N,) with N >= 1")
    for child, node in enumerate(tree):
        if not -1 <= node < child:
            raise ValueError(f"parent of node {child} is {node}, must be in [-1, {child})")

    def per_node(name: str, value: ArrayLike, most: float = LARGEST) -> jnp.ndarray:
        if np.shape(value) not in ((), (nodes,)):
            raise ValueError(f"{name} has shape {np.shape(value)}, must be () or ({nodes},)")
        require_numbers(name, value, high=most)
        if isinstance(value, jax.Array):
            return jnp.broadcast_to(real(value), (nodes,))
        return real(np.broadcast_to(value, (nodes,)))

    if capacity is None and (np.any(capacity_price) or np.any(overflow_price)):
        raise ValueError(
            "capacity is None, must be given (infinity will do) if storage has a price"
        )
    _require_no_root(tree, transfer_cost)
    _require_share("salvage_rate", salvage_rate)
    _require_share("discount", discount, open_low=True)
    leaves = ~np.isin(np.arange(nodes), tree)
    sells = leaves if serves is None else np.asarray(serves, dtype=bool)
    opens = np.zeros(nodes, np.int32) if active_from is None else _whole("active_from", active_from)
    require_shape("serves", sells, (nodes,))
    require_shape("active_from", opens, (nodes,))
    return Params(
        source=jax.device_put(tree),
        serves=jax.device_put(sells),
        active_from=jax.device_put(opens),
        holding_cost=per_node("holding_cost", holding_cost),
        holding_rate=per_node("holding_rate", holding_rate),
        transfer_cost=per_node("transfer_cost", transfer_cost),
        unmet_cost=per_node("unmet_cost", unmet_cost),
        salvage_rate=real(salvage_rate),
        discount=real(discount),
        kernel=kernel,
        transit_cost=None if transit_cost is None else per_node("transit_cost", transit_cost),
        capacity=None if capacity is None else per_node("capacity", capacity, np.inf),
        capacity_price=None if capacity is None else per_node("capacity_price", capacity_price),
        overflow_price=None if capacity is None else per_node("overflow_price", overflow_price),
    )


def _require_no_root(parent: Int32Array, transfer_cost: ArrayLike) -> None:
    """Raise where a node has a transfer cost of its own that nothing would ever charge."""
    known = not isinstance(transfer_cost, jax.core.Tracer)
    if known and np.shape(transfer_cost) == parent.shape:
        cost = np.asarray(transfer_cost)
        free = (parent >= 0) | (cost == 0)
        require(free, "transfer_cost", cost, "0 at a node that the vendor replenishes (parent -1)")


def _require_share(name: str, value: Any, *, open_low: bool = False) -> None:
    """Raise unless a number is in [0, 1], or in (0, 1]; a traced one may be swept."""
    if not isinstance(value, jax.core.Tracer):
        require_range(name, value, low=0.0, high=1.0, open_low=open_low)


def _whole(name: str, values: ArrayLike) -> Int32Array:
    """Return whole numbers of 32 bits."""
    given = numbers(name, values)
    fits = (given == np.floor(given)) & (np.abs(given) < 2**31)
    require(fits, name, given, "a whole number of 32 bits")
    return given.astype(np.int32)


def params_from_network(
    network: Network, economics: Economics, kernel: PyTree, *, period_days: float
) -> Params:
    """Build ``Params`` for a network of nodes with the same economics everywhere.

    Args:
        network: Nodes and who replenishes them.
        economics: Costs, a day where time matters.
        kernel: Parameters of the drain kernel.
        period_days: Length of a period: what is on hand at its end has been there so long.

    Returns:
        Parameters by period: a day's holding cost times ``period_days``, a day's discount to that
        power.

    Raises:
        ValueError: If ``period_days`` is not finite and above 0; as ``make_params`` does.
    """
    require_range("period_days", period_days, low=0.0, high=LARGEST, open_low=True)
    return make_params(
        network.parent,
        kernel,
        serves=network.serves_customers,
        active_from=network.active_from,
        holding_cost=economics.holding_cost * period_days,
        holding_rate=economics.holding_rate * period_days,
        transfer_cost=economics.transfer_cost,
        salvage_rate=economics.salvage_rate,
        discount=economics.discount**period_days,
    )
