"""What the drain model is trained on: a panel's arrays, the geography, and their statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from numpy.typing import NDArray

from draingym.common.arrays import BoolArray, Int32Array, require, require_shape
from draingym.world.identity import WorldIdentity
from draingym.world.lanes import LANE, join_periods, with_slots
from draingym.world.views import attribute_matrix

Float32Array = NDArray[np.float32]

_CUBES = ("outbound", "ship_cost", "available", "glance_views")  # fields of [P, T, ...]
_SLOT = ("node", "region", "units")  # of lanes, as ``world.lanes`` has them
_SLOTS = 32  # room for lanes is made in steps: panels of one network then share their programs
_OPTIONAL = ("sales", "lane", "lane_units")  # those that data may lack


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Geography:
    """Where nodes and regions are.

    >>> geography = Geography(
    ...     node_coordinates=jnp.array([[40.0, -100.0], [34.0, -118.0]]),
    ...     region_coordinates=jnp.array([[41.0, -74.0]]),
    ...     distance_km=jnp.array([[2200.0], [3950.0]]),
    ... )
    >>> geography.distance_km.shape  # nodes, regions
    (2, 1)
    """

    node_coordinates: Float[Array, "N 2"]  # latitude, longitude, degrees
    region_coordinates: Float[Array, "Z 2"]  # latitude, longitude, degrees
    distance_km: Float[Array, "N Z"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """The arrays of some products, as the network takes them; any leading axes before ``T``."""

    outbound: Float[Array, "*batch T N"]  # units
    ship_cost: Float[Array, "*batch T N"]  # currency
    available: Float[Array, "*batch T N"]  # units
    active: Bool[Array, "*batch T N"]  # open in the period, and serves customers
    glance_views: Float[Array, "*batch T Z"]  # page views
    calendar: Float[Array, "*batch T E"]
    attributes: Float[Array, "*batch T F"]
    sales: Float[Array, "*batch T Z"] | None = None  # units ordered; leaky, see ``DrainConfig``
    # Lanes that shipped units, as ``n Z + z``, and how many; 0 units after the last. A label.
    lane: Int[Array, "*batch T S"] | None = None
    lane_units: Float[Array, "*batch T S"] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DrainData:
    """A panel as dense float32 arrays.

    Raises:
        ValueError: If shapes disagree, a value is not finite or negative, or a node ships more
            than it has, naming field, index, value and bound.
    """

    outbound: Float32Array  # [P, T, N] units
    ship_cost: Float32Array  # [P, T, N] currency
    available: Float32Array  # [P, T, N] units customers could buy in the period
    active: BoolArray  # [T, N] open in the period, and serves customers
    glance_views: Float32Array  # [P, T, Z] page views
    calendar: Float32Array  # [T, E]
    attributes: Float32Array  # [P, F], columns ``draingym.world.views.ATTRIBUTES``
    geography: Geography
    sales: Float32Array | None = None  # [P, T, Z] units ordered, filled or not
    # What shipped from where to where, which training alone sees: lanes ``n Z + z`` that shipped
    # units, and how many; 0 units after a product and period's last. Both, or neither.
    lane: Int32Array | None = None  # [P, T, S]
    lane_units: Float32Array | None = None  # [P, T, S]
    # Names for messages, or none.
    product_id: tuple[str, ...] = ()  # P
    node_name: tuple[str, ...] = ()  # N
    region_name: tuple[str, ...] = ()  # Z
    world: WorldIdentity | None = None  # which network and calendar it is of, where that is known

    def __post_init__(self) -> None:
        """Check shapes and bounds; see the class."""
        if self.outbound.ndim != 3:
            raise ValueError(f"data.outbound has shape {self.outbound.shape}, must be (P, T, N)")
        products, periods, nodes = self.outbound.shape
        regions = self.glance_views.shape[-1]
        expected = {
            "ship_cost": (products, periods, nodes),
            "available": (products, periods, nodes),
            "active": (periods, nodes),
            "glance_views": (products, periods, regions),
            "calendar": (periods, self.calendar.shape[-1]),
            "attributes": (products, self.attributes.shape[-1]),
        }
        for name, shape in expected.items():
            require_shape(f"data.{name}", getattr(self, name), shape)
        if self.sales is not None:
            require_shape("data.sales", self.sales, (products, periods, regions))
            valid = np.isfinite(self.sales) & (self.sales >= 0)
            require(valid, "data.sales", self.sales, "finite and >= 0")
        places = {
            "node_coordinates": (nodes, 2),
            "region_coordinates": (regions, 2),
            "distance_km": (nodes, regions),
        }
        for name, shape in places.items():
            values = np.asarray(getattr(self.geography, name))
            require_shape(f"data.geography.{name}", values, shape)
            require(np.isfinite(values), f"data.geography.{name}", values, "finite")
        for name in ("calendar", "attributes"):
            values = getattr(self, name)
            require(np.isfinite(values), f"data.{name}", values, "finite")
        for name in _CUBES:
            values = getattr(self, name)
            require(np.isfinite(values) & (values >= 0), f"data.{name}", values, "finite and >= 0")
        require(
            self.outbound <= self.available,
            "data.outbound",
            self.outbound,
            "at most the units available",
        )
        serves = np.broadcast_to(self.active, self.outbound.shape)
        require(serves | (self.outbound == 0), "data.outbound", self.outbound, "0 where not active")
        self._check_lanes()
        sizes = {"product_id": products, "node_name": nodes, "region_name": regions}
        for name, size in sizes.items():
            found = getattr(self, name)
            if found and len(found) != size:
                raise ValueError(f"data.{name} has {len(found)} names, must be {size}")

    def _check_lanes(self) -> None:
        """Check that lanes are there, and that their units are what nodes shipped."""
        if self.lane is None and self.lane_units is None:
            return
        if self.lane is None or self.lane_units is None:
            missing, there = ("lane", "lane_units")[:: 1 if self.lane is None else -1]
            raise ValueError(f"data.{missing} is None, must be given with {there}")
        products, periods, nodes = self.outbound.shape
        regions = self.glance_views.shape[-1]
        require_shape("data.lane", self.lane, (products, periods, self.lane.shape[-1]))
        require_shape("data.lane_units", self.lane_units, self.lane.shape)
        last = nodes * regions - 1
        require((self.lane >= 0) & (self.lane <= last), "data.lane", self.lane, f"in [0, {last}]")
        valid = np.isfinite(self.lane_units) & (self.lane_units >= 0)
        require(valid, "data.lane_units", self.lane_units, "finite and >= 0")
        row = np.arange(products * periods).reshape(products, periods, 1)
        cell = (row * nodes + self.lane // regions).ravel()
        size = products * periods * nodes
        shipped = np.bincount(cell, weights=self.lane_units.ravel(), minlength=size)
        same = shipped.reshape(self.outbound.shape) == self.outbound
        require(same, "data.outbound", self.outbound, "the units of the node's lanes")

    @property
    def num_products(self) -> int:
        """How many products there are, ``P``."""
        return int(self.outbound.shape[0])

    @property
    def num_periods(self) -> int:
        """How many periods there are, ``T``."""
        return int(self.outbound.shape[1])

    @property
    def num_nodes(self) -> int:
        """How many nodes there are, ``N``."""
        return int(self.outbound.shape[2])

    @classmethod
    def from_panel(cls, panel: Any) -> DrainData:
        """Take the arrays of a labelled panel.

        Args:
            panel: What ``draingym.world.panel.build_panel`` makes: ``panel[name]`` gives an
                array with ``dims`` and ``values``.

        Returns:
            The data. Nodes that do not serve customers are inactive throughout.
        """

        def values(name: str, *dims: str) -> NDArray[Any]:
            return np.asarray(panel[name].transpose(*dims).values)

        def cube(name: str, space: str) -> Float32Array:
            return values(name, "product", "period", space).astype(np.float32)

        serves = values("serves_customers", "node").astype(bool)
        dims = [d for d in ("product", "period", "node") if d in panel["active"].dims]
        is_open: BoolArray = values("active", *dims).astype(bool)
        if is_open.ndim == 3:
            is_open = np.max(is_open, axis=0)

        def coordinates(space: str) -> Float32Array:
            columns = [values(f"{space}_{axis}", space) for axis in ("latitude", "longitude")]
            return np.stack(columns, axis=1).astype(np.float32)

        def names(dim: str) -> tuple[str, ...]:
            return tuple(map(str, panel[dim].values)) if dim in panel else ()

        lanes: dict[str, Any] = {}
        if "lane_units" in panel:
            regions = values("distance_km", "node", "region").shape[1]
            lanes = _labels({x: values(f"lane_{x}", *LANE) for x in _SLOT}, regions)
        return cls(
            **lanes,
            outbound=cube("outbound", "node"),
            ship_cost=cube("ship_cost", "node"),
            available=cube("available", "node"),
            active=is_open & serves[None, :],
            glance_views=cube("glance_views", "region"),
            sales=cube("ordered_units", "region") if "ordered_units" in panel else None,
            calendar=values("calendar", "period", "feature").astype(np.float32),
            attributes=attribute_matrix(panel).astype(np.float32),
            geography=Geography(
                node_coordinates=jax.device_put(coordinates("node")),
                region_coordinates=jax.device_put(coordinates("region")),
                distance_km=jax.device_put(
                    values("distance_km", "node", "region").astype(np.float32)
                ),
            ),
            product_id=names("product"),
            node_name=names("node"),
            region_name=names("region"),
            world=WorldIdentity.from_panel(panel),
        )

    @property
    def cubes(self) -> tuple[str, ...]:
        """The fields with axes products and periods that this data has."""
        return (*_CUBES, *(name for name in _OPTIONAL if getattr(self, name) is not None))

    def periods(self, start: int, stop: int) -> DrainData:
        """Return periods ``start`` to ``stop - 1``.

        Raises:
            ValueError: If they are not a non-empty part of the data's periods.
        """
        if not 0 <= start < stop <= self.num_periods:
            raise ValueError(
                f"periods [{start}, {stop}), must be a non-empty part of [0, {self.num_periods})"
            )
        cut = slice(start, stop)
        return replace(
            self,
            active=self.active[cut],
            calendar=self.calendar[cut],
            **{name: getattr(self, name)[:, cut] for name in self.cubes},
        )

    def products(self, index: NDArray[np.int64] | slice) -> DrainData:
        """Return the data of some products."""
        names = np.asarray(self.product_id, dtype=object)[index] if self.product_id else ()
        return replace(
            self,
            product_id=tuple(names),
            attributes=self.attributes[index],
            **{name: getattr(self, name)[index] for name in self.cubes},
        )

    @classmethod
    def stack(cls, parts: Sequence[DrainData]) -> DrainData:
        """Return the products of several panels of one network and one calendar as one panel.

        Args:
            parts: Panels, such as one product set under several policies; at least 1.

        Returns:
            All products, panel by panel.

        Raises:
            ValueError: If periods, nodes or regions differ, or only some have sales or lanes.
        """
        if not parts:
            raise ValueError("parts is empty, must hold at least 1 panel")
        most = max(0 if part.lane is None else part.lane.shape[-1] for part in parts)
        lanes = int(parts[0].geography.distance_km.size)
        slots = max(most, min(-(-most // _SLOTS) * _SLOTS, lanes))
        parts = [part._with_slots(slots) for part in parts]
        first = parts[0]
        for i, part in enumerate(parts):
            same = (
                part.cubes == first.cubes
                and np.array_equal(part.active, first.active)
                and np.array_equal(part.calendar, first.calendar)
                and all(
                    np.array_equal(np.asarray(a), np.asarray(b))
                    for a, b in zip(
                        jax.tree.leaves(part.geography),
                        jax.tree.leaves(first.geography),
                        strict=True,
                    )
                )
            )
            if not same:
                raise ValueError(
                    f"parts[{i}] has other periods, nodes, regions or fields than parts[0], must "
                    "have the same"
                )
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in (*first.cubes, "attributes")
        }
        names = tuple(name for part in parts for name in part.product_id)
        return replace(first, product_id=names, **joined)

    def _with_slots(self, number: int) -> DrainData:
        """Return the data with room for more lanes, without units."""
        if self.lane is None or self.lane_units is None or self.lane.shape[-1] == number:
            return self
        lane, units = (with_slots(x, number) for x in (self.lane, self.lane_units))
        return replace(self, lane=lane, lane_units=units)

    def under(
        self,
        outbound: NDArray[Any],
        ship_cost: NDArray[Any],
        available: NDArray[Any],
        lanes: Mapping[str, NDArray[Any]] | None = None,
        start: int = 0,
    ) -> DrainData:
        """Return the data as another policy would have made them, from a period on.

        Customers' views, calendar and attributes stay; sales, which followed from the stock, go.

        Args:
            outbound: [P, T', N] units.
            ship_cost: [P, T', N] currency.
            available: [P, T', N] units.
            lanes: ``node``, ``region`` and ``units``, [P, T', S], as ``world.lanes.lane_slots``
                makes them; without them no period keeps its lanes.
            start: First period of the arguments; periods after their last one are dropped.
        """
        stop = start + outbound.shape[1]
        data = replace(self.periods(0, stop), sales=None)
        changed: dict[str, Any] = {"lane": None, "lane_units": None}
        if lanes is not None and data.lane is not None and data.lane_units is not None:
            before = {"lane": data.lane[:, :start], "lane_units": data.lane_units[:, :start]}
            changed = join_periods([before, _labels(lanes, data.glance_views.shape[-1])])
        flows = {"outbound": outbound, "ship_cost": ship_cost, "available": available}
        for name, values in flows.items():
            changed[name] = np.array(getattr(data, name))
            changed[name][:, start:] = values
        return replace(data, **changed)

    def name_of(self, product: int) -> str:
        """Return what messages call a product: its id, or its index where it has none."""
        return _called(self.product_id, product)

    def node_of(self, node: int) -> str:
        """Return what messages call a node, likewise."""
        return _called(self.node_name, node)

    def region_of(self, region: int) -> str:
        """Return what messages call a region, likewise."""
        return _called(self.region_name, region)

    def arrays(self) -> Inputs:
        """Return the network's inputs in the host's memory, [P, T, ...].

        What products or periods share is a view of one copy.
        """
        lead = (self.num_products, self.num_periods)
        shared: dict[str, Any] = {
            "active": self.active,
            "calendar": self.calendar,
            "attributes": self.attributes[:, None],
        }
        cubes: dict[str, Any] = {name: getattr(self, name) for name in self.cubes}
        spread: dict[str, Any] = {
            name: np.broadcast_to(values, (*lead, values.shape[-1]))
            for name, values in shared.items()
        }
        return Inputs(**cubes, **spread)

    def inputs(self) -> Inputs:
        """Return the network's inputs on the device, [P, T, ...]."""
        inputs: Inputs = jax.tree.map(jnp.asarray, self.arrays())
        return inputs


def _called(names: tuple[str, ...], index: int) -> str:
    return repr(names[index]) if names else str(index)


def _labels(lanes: Mapping[str, NDArray[Any]], regions: int) -> dict[str, NDArray[Any]]:
    """Return ``lane`` and ``lane_units`` of a ``DrainData`` with so many regions."""
    lane = lanes["node"] * regions + lanes["region"]
    return {"lane": lane.astype(np.int32), "lane_units": lanes["units"].astype(np.float32)}
