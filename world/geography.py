"""Distances and regions anywhere; and the US: two- and three-digit zips, metros."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import ArrayLike

from draingym.common.arrays import FloatArray, IntArray, require_range, require_shape

EARTH_RADIUS_KM = 6371.0088


@dataclass(frozen=True, kw_only=True, slots=True)
class Regions:
    """Customer regions.

    >>> from draingym.world import load_regions
    >>> regions = load_regions()
    >>> regions.name[:3], regions.population.shape
    (('00', '01', '02'), (99,))
    """

    name: tuple[str, ...]  # such as two-digit zips, joined by "-" where regions were merged
    latitude: FloatArray  # [Z] degrees, population-weighted centre
    longitude: FloatArray  # [Z] degrees
    population: FloatArray  # [Z] people


@dataclass(frozen=True, kw_only=True, slots=True)
class ZipPlaces:
    """Three-digit zips: where customers live.

    >>> from draingym.world import load_places
    >>> places = load_places()
    >>> places.name[0], int(places.zip2[0]), round(places.population.sum() / 1e6)
    ('006', 0, 330)
    """

    name: tuple[str, ...]
    latitude: FloatArray  # [K] degrees
    longitude: FloatArray  # [K] degrees
    population: FloatArray  # [K] people
    zip2: IntArray  # [K] index of the two-digit region in ``load_regions()``


@dataclass(frozen=True, kw_only=True, slots=True)
class Metros:
    """US metros with a concentration of warehouses: the candidates for nodes.

    >>> from draingym.world import load_metros
    >>> metros = load_metros()
    >>> metros.name[0], metros.state[0], len(metros.name)
    ('Inland Empire', 'CA', 55)
    """

    name: tuple[str, ...]
    state: tuple[str, ...]
    latitude: FloatArray  # [M] degrees
    longitude: FloatArray  # [M] degrees


@cache
def load_regions() -> Regions:
    """Return the 99 two-digit zip regions of the United States, Puerto Rico included."""
    rows = tuple(_rows("regions.csv"))
    return Regions(
        name=tuple(row["zip2"] for row in rows),
        latitude=_column(rows, "latitude"),
        longitude=_column(rows, "longitude"),
        population=_column(rows, "population"),
    )


@cache
def load_places() -> ZipPlaces:
    """Return the three-digit zips with people."""
    rows = tuple(_rows("places.csv"))
    region = {name: i for i, name in enumerate(load_regions().name)}
    return ZipPlaces(
        name=tuple(row["zip3"] for row in rows),
        latitude=_column(rows, "latitude"),
        longitude=_column(rows, "longitude"),
        population=_column(rows, "population"),
        zip2=_frozen(np.array([region[row["zip3"][:2]] for row in rows], dtype=np.int64)),
    )


@cache
def load_metros() -> Metros:
    """Return the catalogue of logistics metros."""
    rows = tuple(_rows("metros.csv"))
    return Metros(
        name=tuple(row["name"] for row in rows),
        state=tuple(row["state"] for row in rows),
        latitude=_column(rows, "latitude"),
        longitude=_column(rows, "longitude"),
    )


def great_circle_km(
    lat1: ArrayLike, lon1: ArrayLike, lat2: ArrayLike, lon2: ArrayLike
) -> FloatArray:
    """Return the great-circle distance on a sphere by the haversine formula.

    d = 2 R asin sqrt(sin²(Δlat/2) + cos lat1 · cos lat2 · sin²(Δlon/2)), R = 6371.0088 km.

    Args:
        lat1: Latitudes, degrees; the four arguments broadcast.
        lon1: Longitudes, degrees.
        lat2: Latitudes, degrees.
        lon2: Longitudes, degrees.

    Returns:
        Distances in km, of the broadcast shape.

    >>> float(great_circle_km(0.0, 0.0, 0.0, 90.0).round(1))
    10007.6
    """
    a1, o1, a2, o2 = (np.radians(np.asarray(x, dtype=np.float64)) for x in (lat1, lon1, lat2, lon2))
    h = np.sin((a2 - a1) / 2) ** 2 + np.cos(a1) * np.cos(a2) * np.sin((o2 - o1) / 2) ** 2
    return np.asarray(2.0 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(h, 0.0, 1.0))))


def cluster(
    latitude: FloatArray, longitude: FloatArray, weight: FloatArray, count: int
) -> IntArray:
    """Merge points on the globe to fewer regions by weighted clustering.

    Ward's rule on the sphere, which is deterministic: again and again, the pair of clusters a, b
    with the smallest w_a w_b / (w_a + w_b) · |x_a - x_b|² becomes one, where w is weight and
    x the weighted centre as a vector. Clusters come out compact, and large where weights are low.

    Args:
        latitude: [K] degrees.
        longitude: [K] degrees.
        weight: [K] such as people, above 0.
        count: How many regions to keep, from 1 to K.

    Returns:
        [K] int64: the region of each point, numbered by first point.
    """
    weight = np.array(weight, np.float64)
    centre = np.stack(_on_sphere(latitude, longitude), axis=1)
    total = weight.size
    label = np.arange(total)
    alive = np.ones(total, dtype=np.bool_)
    for _ in range(total - count):
        squared = ((centre[:, None] - centre[None]) ** 2).sum(axis=2)
        cost = squared * (weight[:, None] * weight) / (weight[:, None] + weight)
        cost[~alive] = np.inf
        cost[:, ~alive] = np.inf
        np.fill_diagonal(cost, np.inf)
        a, b = sorted(int(k) for k in np.unravel_index(int(np.argmin(cost)), cost.shape))
        centre[a] = (weight[a] * centre[a] + weight[b] * centre[b]) / (weight[a] + weight[b])
        weight[a] += weight[b]
        label[label == b] = a
        alive[b] = False
    return np.unique(label, return_inverse=True)[1].astype(np.int64)


@cache
def merge_regions(num_regions: int) -> IntArray:
    """Merge the 99 two-digit zips to fewer regions by population (``cluster``).

    Args:
        num_regions: How many regions to keep, from 1 to 99.

    Returns:
        [99] int64, read-only: the new region of each two-digit zip, numbered by first zip.

    Raises:
        ValueError: If ``num_regions`` is out of bounds.

    Example:
        >>> label = merge_regions(8)
        >>> label.shape, int(label.max())
        ((99,), 7)
    """
    regions = load_regions()
    require_range("num_regions", num_regions, low=1, high=len(regions.name))
    label = cluster(regions.latitude, regions.longitude, regions.population, num_regions)
    return _frozen(label)


def merged_regions(label: IntArray) -> Regions:
    """Return the regions made of the two-digit zips with the same label.

    Args:
        label: [99] new region of each two-digit zip, numbered from 0 without gaps.

    Returns:
        Regions whose centre is the population-weighted mean on the sphere.
    """
    regions = load_regions()
    require_shape("label", label, (len(regions.name),))
    names = tuple(
        "-".join(regions.name[i] for i in np.flatnonzero(label == k))
        for k in range(int(label.max()) + 1)
    )
    return regions_of(regions.latitude, regions.longitude, regions.population, label, names)


def regions_of(
    latitude: FloatArray,
    longitude: FloatArray,
    population: FloatArray,
    label: IntArray,
    names: tuple[str, ...],
) -> Regions:
    """Return the regions that places make up.

    Args:
        latitude: [K] degrees.
        longitude: [K] degrees.
        population: [K] people, above 0.
        label: [K] region of each place, each of [0, Z) at least once.
        names: Z names.

    Returns:
        Regions whose centre is the population-weighted mean on the sphere.
    """
    north, east = centres(latitude, longitude, population, label)
    return Regions(
        name=names,
        latitude=north,
        longitude=east,
        population=np.bincount(label, weights=population).astype(np.float64),
    )


def centres(
    latitude: ArrayLike, longitude: ArrayLike, weight: ArrayLike, label: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return the weighted centres of groups of points on the sphere, degrees.

    Args:
        latitude: [K] degrees.
        longitude: [K] degrees.
        weight: [K] such as people.
        label: [K] group of each point, each of [0, Z) at least once.

    Returns:
        Latitude and longitude of each group, [Z] each.

    >>> north, east = centres([0.0, 0.0], [179.0, -179.0], [1.0, 1.0], np.array([0, 0]))
    >>> north.round(6).tolist(), np.abs(east).round(6).tolist()
    ([0.0], [180.0])
    """
    x, y, z = (
        np.bincount(label, weights=np.asarray(weight) * part)
        for part in _on_sphere(latitude, longitude)
    )
    return np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))


def _on_sphere(latitude: ArrayLike, longitude: ArrayLike) -> tuple[FloatArray, ...]:
    """Return points in degrees as the three coordinates of unit vectors."""
    lat, lon = np.radians(latitude), np.radians(longitude)
    return np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (files("draingym.world") / "data" / name).open(encoding="utf-8") as handle:
        yield from csv.DictReader(handle)


def _column(rows: tuple[dict[str, str], ...], name: str) -> FloatArray:
    values = np.array([float(row[name]) for row in rows])
    values.setflags(write=False)
    return values


def _frozen(values: IntArray) -> IntArray:
    values.setflags(write=False)
    return values
