"""Maps: of the contiguous United States with a hand-made outline, and of any places."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

# Longitude and latitude of capes, border corners and city shores, clockwise from Cape Flattery, to
# about a tenth of a degree: enough for a reader to know where things are. Ours, from general
# geographic knowledge.
_OUTLINE = """
-124.7,48.4 -123.1,48.2 -122.8,49.0 -95.2,49.0 -95.2,49.4 -94.6,48.7 -91.5,48.1 -89.6,48.0
-92.1,46.8 -90.8,46.9 -88.0,47.4 -87.4,46.5 -85.0,46.7 -84.0,46.1 -84.8,45.9 -87.1,45.7 -88.0,44.6
-87.1,45.2 -87.8,43.3 -87.6,41.8 -87.1,41.7 -86.3,42.5 -86.5,43.7 -85.6,45.0 -84.8,45.8 -83.4,45.2
-83.3,44.3 -83.9,43.7 -82.9,44.1 -82.4,43.0 -83.2,42.1 -83.4,41.7 -81.7,41.5 -80.1,42.2 -78.9,42.9
-79.0,43.3 -76.3,43.5 -76.3,44.1 -74.8,45.0 -71.5,45.0 -70.4,45.8 -70.0,46.7 -69.2,47.4 -68.3,47.3
-67.8,47.1 -67.8,45.7 -67.0,44.8 -69.0,44.2 -70.2,43.6 -70.8,42.8 -71.0,42.3 -70.5,41.9 -70.2,42.1
-69.9,41.7 -71.4,41.5 -73.6,41.0 -71.9,41.1 -73.9,40.6 -74.1,39.7 -74.9,39.0 -75.5,39.5 -75.1,38.6
-76.0,37.2 -76.2,39.2 -76.4,38.2 -76.0,36.9 -75.5,35.3 -76.5,34.7 -77.9,33.9 -79.2,33.2 -81.0,32.0
-81.4,30.7 -80.6,28.4 -80.1,26.8 -80.4,25.2 -81.1,25.2 -81.8,26.2 -82.8,27.8 -82.7,28.8 -84.0,30.1
-85.3,29.7 -86.4,30.4 -88.1,30.3 -89.6,30.2 -89.2,29.1 -90.6,29.2 -91.8,29.6 -93.8,29.7 -95.2,29.0
-97.2,27.7 -97.2,26.0 -99.1,26.4 -99.5,27.5 -101.4,29.8 -102.6,29.7 -103.2,29.0 -104.5,29.6
-106.5,31.8 -108.2,31.8 -108.2,31.3 -111.1,31.3 -114.8,32.5 -117.1,32.5 -118.4,33.8 -120.6,34.6
-121.9,36.6 -122.5,37.8 -123.8,39.1 -124.4,40.4 -124.5,42.8 -124.0,46.2 -124.7,48.4
"""


def project(longitude: ArrayLike, latitude: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Project to km east and north of (96 W, 37.5 N) by Albers' equal-area conic.

    Standard parallels 29.5 N and 45.5 N, as is usual for the contiguous United States.

    Args:
        longitude: Degrees; the two arguments broadcast.
        latitude: Degrees.

    Returns:
        East and north, km.

    Source:
        Snyder, Map Projections: A Working Manual (1987), section 14.

    >>> [float(x.round(6)) + 0.0 for x in project(-96.0, 37.5)]
    [0.0, 0.0]
    """
    lon, lat = (np.radians(np.asarray(x, dtype=np.float64)) for x in (longitude, latitude))
    lon0, lat0, south, north = np.radians([-96.0, 37.5, 29.5, 45.5])
    n = (np.sin(south) + np.sin(north)) / 2
    c = np.cos(south) ** 2 + 2 * n * np.sin(south)
    radius = 6371.0088 * np.sqrt(c - 2 * n * np.sin(lat)) / n
    start = 6371.0088 * np.sqrt(c - 2 * n * np.sin(lat0)) / n
    angle = n * (lon - lon0)
    return np.asarray(radius * np.sin(angle)), np.asarray(start - radius * np.cos(angle))


def project_about(
    longitude: ArrayLike, latitude: ArrayLike, centre: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """Project to km east and north of a centre by Lambert's azimuthal equal-area projection.

    It has no fault but at the point opposite to the centre, so that it fits places of any country.

    Args:
        longitude: Degrees; the two arguments broadcast.
        latitude: Degrees.
        centre: Longitude and latitude, degrees.

    Returns:
        East and north, km.

    Source:
        Snyder, Map Projections: A Working Manual (1987), section 24.

    >>> [float(x.round(1)) for x in project_about(0.0, [51.5, 52.5], (0.0, 51.5))[1]]
    [0.0, 111.2]
    """
    lon, lat = (np.radians(np.asarray(x, dtype=np.float64)) for x in (longitude, latitude))
    lon0, lat0 = np.radians(centre)
    cosine = np.sin(lat0) * np.sin(lat) + np.cos(lat0) * np.cos(lat) * np.cos(lon - lon0)
    scale = 6371.0088 * np.sqrt(2.0 / np.maximum(1.0 + cosine, 1e-9))
    east = scale * np.cos(lat) * np.sin(lon - lon0)
    north = np.cos(lat0) * np.sin(lat) - np.sin(lat0) * np.cos(lat) * np.cos(lon - lon0)
    return np.asarray(east), np.asarray(scale * north)


def outline() -> tuple[FloatArray, FloatArray]:
    """Return the projected outline of the contiguous United States, a closed line, km.

    Long straight borders follow their parallel: points are added every degree.
    """
    corners = np.array([pair.split(",") for pair in _OUTLINE.split()], dtype=np.float64)
    parts = []
    for start, stop in pairwise(corners):
        steps = max(1, int(np.ceil(np.abs(stop - start).max())))
        parts.append(start + (stop - start) * np.linspace(0, 1, steps, endpoint=False)[:, None])
    points = np.concatenate([*parts, corners[-1:]])
    return project(points[:, 0], points[:, 1])
