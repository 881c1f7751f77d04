"""Derive the package's tables of regions and places from a table of US three-digit zips.

Usage::

    python -m world.data.derive SOURCE.csv [FOLDER]

``SOURCE.csv`` has the columns zip3, latitude, longitude and population.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_HEADER = ("latitude", "longitude", "population")


def derive(source: Path, folder: Path) -> tuple[int, int]:
    """Write ``places.csv`` (three-digit zips) and ``regions.csv`` (two-digit zips).

    Places are rounded to 0.01 degree (about 1 km) and 100 people, places without people are
    left out. A region's centre is the population-weighted mean of its places on the sphere.

    Args:
        source: The table to derive from.
        folder: Where to write.

    Returns:
        How many places and how many regions were written.

    Raises:
        ValueError: If a column is missing or no place has people.
    """
    with source.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        missing = {"zip3", *_HEADER} - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"{source} lacks the columns {sorted(missing)}")
        rows = [
            (row["zip3"].zfill(3), float(row["latitude"]), float(row["longitude"]), people)
            for row in reader
            if (people := round(float(row["population"]) / 100.0) * 100) > 0
        ]
    if not rows:
        raise ValueError(f"{source} holds no place with people, must hold at least 1")
    rows.sort()
    places = [(z, f"{lat:.2f}", f"{lon:.2f}", n) for z, lat, lon, n in rows]
    _write(folder / "places.csv", ("zip3", *_HEADER), places)

    members: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    for zip3, latitude, longitude, people in rows:
        members[zip3[:2]].append((latitude, longitude, people))
    regions = []
    for zip2, group in sorted(members.items()):
        lat, lon, weight = (np.array(column) for column in zip(*group, strict=True))
        lat, lon = np.radians(lat), np.radians(lon)
        x, y, z = (
            float(np.sum(weight * part))
            for part in (np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat))
        )
        centre_lat = np.degrees(np.arctan2(z, np.hypot(x, y)))
        centre_lon = np.degrees(np.arctan2(y, x))
        regions.append((zip2, f"{centre_lat:.3f}", f"{centre_lon:.3f}", int(weight.sum())))
    _write(folder / "regions.csv", ("zip2", *_HEADER), regions)
    return len(places), len(regions)


def _write(path: Path, header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    target = Path(sys.argv[2]) if len(sys.argv) == 3 else Path(__file__).parent
    num_places, num_regions = derive(Path(sys.argv[1]), target)
    print(f"{num_places} places, {num_regions} regions")
