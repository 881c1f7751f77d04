"""The network: nodes, customer regions, and what lies between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from draingym.common.arrays import (
    BoolArray,
    FloatArray,
    IntArray,
    require,
    require_range,
    require_shape,
    require_whole,
)
from draingym.common.config import require_fields
from draingym.world.geography import (
    Metros,
    great_circle_km,
    load_metros,
    load_regions,
    merge_regions,
    merged_regions,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """A tree of nodes that serves ``Z`` customer regions. Static for a world.

    Nodes are in topological order: a parent comes before its children. ``-1`` is the vendor.

    Raises:
        ValueError: If shapes disagree, a parent does not come before its child, a distribution of
            lead times does not sum to one, or a coordinate, population, capacity or distance is
            out of bounds.
    """

    node_name: tuple[str, ...]
    node_latitude: FloatArray  # [N] degrees
    node_longitude: FloatArray  # [N] degrees
    parent: IntArray  # [N] index of the replenishing node, -1 for the vendor
    serves_customers: BoolArray  # [N]
    active_from: IntArray  # [N] first period in which the node exists
    daily_capacity: FloatArray  # [N] units per day over all products; inf for none
    region_name: tuple[str, ...]
    region_latitude: FloatArray  # [Z] degrees, population-weighted centre
    region_longitude: FloatArray  # [Z] degrees
    population: FloatArray  # [Z] people
    distance_km: FloatArray  # [N, Z] great circle
    lead_time: FloatArray  # [N, L+1] probability of k periods from the parent

    def __post_init__(self) -> None:
        """Check the structure; see the class."""
        n, z = len(self.node_name), len(self.region_name)
        if n == 0 or z == 0:
            raise ValueError(f"network has {n} nodes and {z} regions, must be at least 1 of each")
        for name in ("node_latitude", "node_longitude", "parent", "serves_customers"):
            require_shape(f"network.{name}", getattr(self, name), (n,))
        for name in ("active_from", "daily_capacity"):
            require_shape(f"network.{name}", getattr(self, name), (n,))
        for name in ("region_latitude", "region_longitude", "population"):
            require_shape(f"network.{name}", getattr(self, name), (z,))
        require_shape("network.distance_km", self.distance_km, (n, z))
        if self.lead_time.ndim != 2 or self.lead_time.shape[0] != n or not self.lead_time.shape[1]:
            raise ValueError(
                f"network.lead_time has shape {self.lead_time.shape}, must be ({n}, L+1)"
            )
        index = np.arange(n)
        require(
            (self.parent >= -1) & (self.parent < index),
            "network.parent",
            self.parent,
            "-1 (vendor) or the index of an earlier node, so that no cycle can exist",
        )
        for kind in ("node", "region"):
            latitude = getattr(self, f"{kind}_latitude")
            longitude = getattr(self, f"{kind}_longitude")
            require(np.abs(latitude) <= 90.0, f"network.{kind}_latitude", latitude, "in [-90, 90]")
            require(
                np.abs(longitude) <= 180.0,
                f"network.{kind}_longitude",
                longitude,
                "in [-180, 180]",
            )
        require(self.active_from >= 0, "network.active_from", self.active_from, ">= 0")
        require(self.daily_capacity > 0.0, "network.daily_capacity", self.daily_capacity, "> 0")
        finite = np.isfinite(self.population) & (self.population > 0.0)
        require(finite, "network.population", self.population, "finite and > 0")
        finite = np.isfinite(self.distance_km) & (self.distance_km >= 0.0)
        require(finite, "network.distance_km", self.distance_km, "finite and >= 0")
        require(self.lead_time >= 0.0, "network.lead_time", self.lead_time, ">= 0")
        total = self.lead_time.sum(axis=1)
        require(np.abs(total - 1.0) < 1e-9, "network.lead_time.sum(axis=1)", total, "1")
        if not self.serves_customers.any():
            raise ValueError("network.serves_customers is False everywhere, must hold one True")

    @property
    def num_nodes(self) -> int:
        """How many nodes the network has, ``N``, upstream nodes included."""
        return len(self.node_name)

    @property
    def num_regions(self) -> int:
        """How many customer regions the network serves, ``Z``."""
        return len(self.region_name)

    @property
    def max_lead_time(self) -> int:
        """The longest lead time in periods, ``L``."""
        return int(self.lead_time.shape[1]) - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """What kind of network to build from the catalogue of metros and the table of regions.

    Lead times are probabilities by whole days; an order placed when a period starts can be sold
    from the first period that starts no earlier than its arrival.

    Raises:
        ValueError: If a field is out of its bounds.
    """

    num_nodes: int = 6  # fulfilment nodes, those that serve customers
    num_upstream: int = 1  # nodes between the vendor and the fulfilment nodes; 0 for none
    num_regions: int = 30  # customer regions, at most 99
    period_days: int = 1
    max_lead_time: int | None = None  # periods; None for the shortest that holds every lead time
    vendor_lead_days: tuple[float, ...] = (0.0, 0.0, 0.0, 0.3, 0.4, 0.3)  # by day: from 3 to 5
    transfer_lead_days: tuple[float, ...] = (0.0, 0.6, 0.4)  # upstream to node, by day: 1 or 2
    daily_capacity: float = math.inf  # units per day over all fulfilment nodes and products
    capacity_evenness: float = 0.5  # 0: capacity follows the population nearest; 1: equal

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        require_fields(self, "network")
        metros = len(load_metros().name)
        require_whole("network.num_nodes", self.num_nodes, low=1, high=metros)
        require_whole("network.num_upstream", self.num_upstream, low=0, high=metros)
        require_whole("network.num_regions", self.num_regions, low=1, high=99)
        require_whole("network.period_days", self.period_days, low=1, high=366)
        require_range("network.capacity_evenness", self.capacity_evenness, low=0.0, high=1.0)
        if not self.daily_capacity > 0.0:
            raise ValueError(f"network.daily_capacity is {self.daily_capacity}, must be > 0")
        for name in ("vendor_lead_days", "transfer_lead_days"):
            share = np.asarray(getattr(self, name), dtype=np.float64)
            if share.ndim != 1 or not share.size:
                raise ValueError(f"network.{name} has shape {share.shape}, must be (days,)")
            if share.size > 1001:
                raise ValueError(f"network.{name} has {share.size} entries, must have at most 1001")
            require(share >= 0.0, f"network.{name}", share, ">= 0")
            if abs(float(share.sum()) - 1.0) > 1e-9:
                raise ValueError(f"network.{name} sums to {float(share.sum())}, must be 1")
        if self.max_lead_time is not None:
            require_whole("network.max_lead_time", self.max_lead_time, high=1000)
        longest = self._longest_lead()
        if self.max_lead_time is not None and self.max_lead_time < longest:
            raise ValueError(
                f"network.max_lead_time is {self.max_lead_time}, must be >= {longest}, the longest "
                "lead time in periods"
            )

    def _longest_lead(self) -> int:
        days = max(
            int(np.flatnonzero(np.asarray(share))[-1])
            for share in (self.vendor_lead_days, self.transfer_lead_days)
        )
        return -(-days // self.period_days)

    def lead_time(self, *, from_vendor: bool) -> FloatArray:
        """Return the lead-time distribution in periods, [L+1]."""
        length = self._longest_lead() if self.max_lead_time is None else self.max_lead_time
        share = np.zeros(length + 1)
        for day, p in enumerate(self.vendor_lead_days if from_vendor else self.transfer_lead_days):
            if p > 0.0:
                share[-(-day // self.period_days)] += p
        return share


def build_network(config: NetworkConfig | None = None) -> Network:
    """Place nodes at real US logistics metros and merge the two-digit zips to regions.

    Fulfilment metros are chosen one by one, each the one that lowers the population-weighted
    distance to the nearest chosen node most (greedy k-median). Upstream nodes are chosen in the
    same way on their own, so that the first is the population's median; every fulfilment node
    hangs on the nearest upstream node, every upstream node on the vendor. A metro can hold both.

    Args:
        config: Sizes, lead times and capacity.

    Returns:
        A network with ``num_upstream + num_nodes`` nodes, upstream nodes first.
    """
    config = NetworkConfig() if config is None else config
    metros = load_metros()
    regions = load_regions()
    merged = merged_regions(merge_regions(config.num_regions))
    km = great_circle_km(
        metros.latitude[:, None], metros.longitude[:, None], regions.latitude, regions.longitude
    )
    upstream = _greedy_median(km, regions.population, config.num_upstream)
    serving = _greedy_median(km, regions.population, config.num_nodes)
    chosen = np.concatenate([upstream, serving]).astype(np.int64)
    n_up = len(upstream)
    is_up = np.arange(len(chosen)) < n_up
    latitude, longitude = metros.latitude[chosen], metros.longitude[chosen]
    parent = np.full(len(chosen), -1, dtype=np.int64)
    if n_up:
        between = great_circle_km(
            latitude[n_up:, None], longitude[n_up:, None], latitude[:n_up], longitude[:n_up]
        )
        parent[n_up:] = np.argmin(between, axis=1)
    nearest = np.argmin(km[serving], axis=0)
    share = np.bincount(nearest, weights=regions.population, minlength=config.num_nodes)
    share = share / share.sum()
    even = config.capacity_evenness
    capacity = np.full(len(chosen), np.inf)
    if math.isfinite(config.daily_capacity):
        weight = even / config.num_nodes + (1.0 - even) * share
        capacity[n_up:] = np.maximum(1.0, np.round(config.daily_capacity * weight))
    return Network(
        node_name=_names(metros, chosen, n_up),
        node_latitude=latitude,
        node_longitude=longitude,
        parent=parent,
        serves_customers=~is_up,
        active_from=np.zeros(len(chosen), dtype=np.int64),
        daily_capacity=capacity,
        region_name=merged.name,
        region_latitude=merged.latitude,
        region_longitude=merged.longitude,
        population=merged.population,
        distance_km=great_circle_km(
            latitude[:, None], longitude[:, None], merged.latitude, merged.longitude
        ),
        lead_time=np.stack([config.lead_time(from_vendor=bool(p < 0)) for p in parent]),
    )


def _greedy_median(km: FloatArray, weight: FloatArray, count: int) -> IntArray:
    """Return ``count`` rows of ``km`` [M, Z], each lowering the weighted distance most."""
    chosen: list[int] = []
    best = np.full(km.shape[1], np.inf)
    for _ in range(count):
        cost = np.minimum(km, best) @ weight
        cost[chosen] = np.inf
        chosen.append(int(np.argmin(cost)))
        best = np.minimum(best, km[chosen[-1]])
    return np.asarray(chosen, dtype=np.int64)


def _names(metros: Metros, chosen: IntArray, num_upstream: int) -> tuple[str, ...]:
    return tuple(
        f"{metros.name[m]}, {metros.state[m]}" + (" (upstream)" if i < num_upstream else "")
        for i, m in enumerate(chosen)
    )
