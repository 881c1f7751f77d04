"""Nodes and places of a company, in any country: network, regions, and where they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from draingym.common.arrays import BoolArray, FloatArray, IntArray
from draingym.ingest.given.cells import Table
from draingym.ingest.given.mapping import Mapping
from draingym.ingest.made.keys import codes, distinct
from draingym.ingest.made.notes import Notes
from draingym.world.geography import cluster, great_circle_km, regions_of
from draingym.world.network import Network
from draingym.world.views import Places

MOST_REGIONS = 30  # that places are merged to by default
_MOST_PEOPLE = 1e12  # of a place
_NEAR_DEGREES, _FAR_DEGREES = 1.0, 6.0  # of stand-ins: a group's members, the groups


@dataclass(frozen=True, kw_only=True, slots=True)
class Geography:
    """A company's nodes and places."""

    network: Network
    places: Places
    stand_in: bool  # whether coordinates are no places on earth


def read_geography(
    tables: dict[str, Table], mapping: Mapping, serving: frozenset[str], day0: float, notes: Notes
) -> Geography:
    """Make network and places of the tables of nodes and places.

    Nodes come parents first. A node that ships serves customers; without a column that says which
    do, those that are nobody's parent. Places without a table are the nodes. Where nothing has
    coordinates, groups (regions of places, parents of nodes) stand on a ring, so that the same
    node, the same group and another group are near, further and far.

    Args:
        tables: Those that were read.
        mapping: The mapping.
        serving: Names of nodes that boxes left from.
        day0: Day of the first period, since 1970.
        notes: Filled.

    Raises:
        ValueError: Naming table, column, row and bound.
    """
    if "nodes" not in tables:
        raise ValueError("tables.nodes is missing, must name the nodes and where they are")
    nodes = tables["nodes"]
    names = _names(nodes, "node")
    parent = _parents(nodes, names)
    order = _parents_first(nodes, parent)
    names = tuple(names[k] for k in order)
    new = np.empty(len(order), np.int64)
    new[order] = np.arange(len(order))
    parent = np.where(parent[order] >= 0, new[parent[order]], -1)

    places = tables.get("places")
    place_names = names if places is None else _names(places, "place")
    node_at, place_at, stand_in = _coordinates(nodes, order, names, parent, places, notes)
    population = _population(places, len(place_names), notes)
    label, region_names = _regions(places, place_names, place_at, population, mapping, notes)
    regions = regions_of(*place_at, population, label, region_names)
    lead = _lead_time(nodes, order, parent, mapping, notes)
    network = Network(
        node_name=names,
        node_latitude=node_at[0],
        node_longitude=node_at[1],
        parent=parent,
        serves_customers=_serves(nodes, order, names, parent, serving, notes),
        active_from=_active_from(nodes, order, mapping, day0),
        daily_capacity=_capacity(nodes, order),
        region_name=region_names,
        region_latitude=regions.latitude,
        region_longitude=regions.longitude,
        population=regions.population,
        distance_km=great_circle_km(
            node_at[0][:, None], node_at[1][:, None], regions.latitude, regions.longitude
        ),
        lead_time=lead,
    )
    at = Places(
        name=place_names,
        latitude=place_at[0],
        longitude=place_at[1],
        region=label,
        population=population,
    )
    return Geography(network=network, places=at, stand_in=stand_in)


def _names(table: Table, role: str) -> tuple[str, ...]:
    text = table.text(role)
    values = text.to_pylist()
    if not values:
        raise ValueError(f"{table.files[0]}: {table.name} is empty, must have at least 1 row")
    seen: set[str] = set()
    fine = []
    for value in values:
        fine.append(value is not None and value not in seen)
        seen.add(value)
    table.require(role, np.array(fine), np.array(values, object), "a name, there once")
    return tuple(values)


def _parents(nodes: Table, names: tuple[str, ...]) -> IntArray:
    if "parent" not in nodes:
        return np.full(len(names), -1, np.int64)
    text = nodes.text("parent")
    found = codes(text, names)
    itself = found == np.arange(len(names))  # a central warehouse that names itself
    known = (found >= 0) | np.asarray(text.is_null().to_numpy(zero_copy_only=False))
    nodes.require("parent", known, np.array(text.to_pylist(), object), "a node, or empty")
    return np.where(itself, -1, found)


def _parents_first(nodes: Table, parent: IntArray) -> IntArray:
    """Return an order of nodes in which a parent comes before its children."""
    depth = np.zeros(parent.size, np.int64)
    for _ in range(parent.size):
        deeper = np.where(parent >= 0, depth[parent] + 1, 0)
        if np.array_equal(deeper, depth):
            return np.argsort(depth, kind="stable")
        depth = deeper
    nodes.fail(
        "parent",
        int(np.argmax(depth)),
        nodes.text("parent")[int(np.argmax(depth))].as_py(),
        "no node that it replenishes itself",
    )


def _located(table: Table | None) -> tuple[FloatArray, FloatArray] | None:
    """Return latitude and longitude of a table's rows; None where it has no such columns."""
    if table is None or "latitude" not in table or "longitude" not in table:
        return None
    found = []
    for role, limit in (("latitude", 90.0), ("longitude", 180.0)):
        values = table.number(role)
        fine = np.abs(values) <= limit  # false for a missing one
        table.require(role, fine, values, f"in [-{limit:g}, {limit:g}] degrees")
        found.append(values)
    return found[0], found[1]


def _coordinates(
    nodes: Table,
    order: IntArray,
    names: tuple[str, ...],
    parent: IntArray,
    places: Table | None,
    notes: Notes,
) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray], bool]:
    """Return latitude and longitude of nodes and of places, and whether they are stand-ins."""
    own = _located(nodes)
    if own is not None:
        own = (own[0][order], own[1][order])
    there = _located(places)
    if own is not None and (places is None or there is not None):
        return own, own if there is None else there, False
    if own is None and there is not None and places is not None:
        which = codes(pa.array(names, pa.string()), _names(places, "place"))
        if (which >= 0).all():
            notes.assume("Nodes have no coordinates: each is where the place of its name is.")
            return (there[0][which], there[1][which]), there, False
    if own is not None or there is not None:
        lacks = "places" if own is not None else "nodes"
        raise ValueError(
            f"tables.{lacks} has no columns latitude and longitude, must have both, as the other "
            "table has"
        )
    notes.assume(
        "Neither nodes nor places have coordinates. Stand-ins are used: a group of nodes with one "
        "parent, or of places with one region, is a ring about a point of a larger ring. "
        "Distances mean same place, same group or another group, and nothing else."
    )
    root = np.where(parent >= 0, parent, np.arange(parent.size))
    for _ in range(parent.size):
        root = np.where(parent[root] >= 0, parent[root], root)
    at = _rings(np.unique(root, return_inverse=True)[1])
    if places is None:
        return at, at, True
    place_names = _names(places, "place")
    which = codes(pa.array(place_names, pa.string()), names)
    if (which >= 0).all():
        return at, (at[0][which], at[1][which]), True
    group = np.zeros(len(place_names), np.int64)
    if "region" in places:
        text = places.text("region")
        group = codes(text, distinct(text)) + 1
    return at, _rings(group), True


def _rings(group: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return stand-ins for coordinates: groups on a ring about (0, 0), members around each."""
    groups = int(group.max()) + 1
    angle = 2.0 * np.pi * group / groups
    size = np.bincount(group, minlength=groups)
    first = np.cumsum(size) - size
    rank = np.empty(group.size, np.int64)
    rank[np.argsort(group, kind="stable")] = np.arange(group.size)
    rank = rank - first[group]
    turn = 2.0 * np.pi * rank / np.maximum(size[group], 1)
    far = _FAR_DEGREES if groups > 1 else 0.0
    near = np.where(rank > 0, _NEAR_DEGREES, 0.0)
    return far * np.sin(angle) + near * np.sin(turn), far * np.cos(angle) + near * np.cos(turn)


def _population(places: Table | None, number: int, notes: Notes) -> FloatArray:
    if places is not None and "population" in places:
        values = places.number("population")
        fine = (values > 0.0) & (values <= _MOST_PEOPLE)
        places.require("population", fine, values, f"above 0, and at most {_MOST_PEOPLE:g}")
        return values
    notes.assume("Places have no population: customers whose place is not known are spread evenly.")
    return np.ones(number)


def _regions(
    places: Table | None,
    names: tuple[str, ...],
    at: tuple[FloatArray, FloatArray],
    population: FloatArray,
    mapping: Mapping,
    notes: Notes,
) -> tuple[IntArray, tuple[str, ...]]:
    """Return the region of each place, and the regions' names."""
    if places is not None and "region" in places:
        text = places.text("region")
        regions = distinct(text)
        label = codes(text, regions)
        known = label >= 0
        places.require("region", known, np.array(text.to_pylist(), object), "a region")
        return label, regions
    wanted = mapping.experiment.num_regions or MOST_REGIONS
    if len(names) <= wanted:
        return np.arange(len(names)), names
    label = cluster(*at, population, wanted)
    largest = [
        names[int(np.flatnonzero(label == k)[np.argmax(population[label == k])])]
        for k in range(wanted)
    ]
    notes.assume(
        f"Places name no regions: {len(names)} places were merged to {wanted} regions, each named "
        "after its most populous place."
    )
    return label, tuple(largest)


def _serves(
    nodes: Table,
    order: IntArray,
    names: tuple[str, ...],
    parent: IntArray,
    serving: frozenset[str],
    notes: Notes,
) -> BoolArray:
    ships = np.array([name in serving for name in names], np.bool_)
    if "serves_customers" in nodes:
        said = nodes.flag("serves_customers", True)[order]
        notes.mend(
            "nodes that boxes left from, though they serve no customers", (ships & ~said).sum()
        )
        return said | ships
    leaf = ~np.isin(np.arange(parent.size), parent)
    return leaf | ships


def _active_from(nodes: Table, order: IntArray, mapping: Mapping, day0: float) -> IntArray:
    if "active_from" not in nodes:
        return np.zeros(order.size, np.int64)
    days = nodes.time("active_from")[0][order]
    period = np.floor((np.nan_to_num(days, nan=day0) - day0) / mapping.periods.days)
    return np.maximum(period, 0).astype(np.int64)


def _capacity(nodes: Table, order: IntArray) -> FloatArray:
    if "daily_capacity" not in nodes:
        return np.full(order.size, np.inf)
    values = nodes.number("daily_capacity")
    nodes.require("daily_capacity", ~(values <= 0.0), values, "above 0, or empty for no limit")
    return np.where(np.isnan(values), np.inf, values)[order]


def _lead_time(
    nodes: Table, order: IntArray, parent: IntArray, mapping: Mapping, notes: Notes
) -> FloatArray:
    """Return [N, L+1] the probability of k periods from the parent: of one number of days."""
    assume = mapping.assume
    days = np.where(parent < 0, assume.vendor_lead_days, assume.transfer_lead_days)
    said = np.full(order.size, np.nan)
    if "lead_days" in nodes:
        said = nodes.number("lead_days")
        nodes.require("lead_days", ~((said < 0.0) | (said > 3660.0)), said, "in [0, 3660] days")
        said = said[order]
    if np.isnan(said).any():
        notes.assume(
            f"Lead times that nodes do not say: {assume.vendor_lead_days:g} days from the vendor, "
            f"{assume.transfer_lead_days:g} from a parent."
        )
    periods = np.ceil(np.where(np.isnan(said), days, said) / mapping.periods.days).astype(np.int64)
    share = np.zeros((order.size, int(periods.max()) + 1))
    share[np.arange(order.size), periods] = 1.0
    return share
