"""The map and the palette of reports, and what they say of the machine."""

from __future__ import annotations

import re

import numpy as np
import pytest

from draingym.common.machine import machine, versions
from draingym.report.geography import outline, project, project_about
from draingym.report.style import PALETTE, node_colours
from draingym.world.geography import centres, great_circle_km


def test_projection_gives_the_published_example() -> None:
    # Snyder (1987), appendix A: sphere of radius 1, origin (96 W, 23 N), point (75 W, 35 N).
    east, north = project([-96.0, -75.0], [23.0, 35.0])
    assert (east[1] - east[0]) / 6371.0088 == pytest.approx(0.2952720, abs=1e-7)
    assert (north[1] - north[0]) / 6371.0088 == pytest.approx(0.2416774, abs=1e-7)


def test_outline_is_the_contiguous_states() -> None:
    from matplotlib.path import Path as Line

    from draingym.world.geography import load_metros

    east, north = outline()
    assert (east[0], north[0]) == (east[-1], north[-1])
    line = Line(np.stack([east, north], axis=1))
    turns = np.sum(east[:-1] * north[1:] - east[1:] * north[:-1]) / 2
    assert abs(turns) == pytest.approx(8.1e6, rel=0.05)  # km2, land and inland water
    metros = load_metros()
    at = np.stack(project(metros.longitude, metros.latitude), axis=1)
    away = np.linalg.norm(at[:, None] - line.vertices[None], axis=2).min(axis=1)
    assert (line.contains_points(at) | (away < 60.0)).all()
    assert line.contains_points(at).mean() > 0.9
    # Toronto, Monterrey, Havana, Vancouver, the middle of Lake Michigan
    abroad = project([-79.4, -100.3, -82.4, -123.1, -87.0], [43.7, 25.7, 23.1, 49.3, 43.5])
    assert not line.contains_points(np.stack(abroad, axis=1)).any()


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        pytest.param([52.5, 48.1, 53.6, 51.3], [13.4, 11.6, 10.0, 6.8], id="Germany"),
        pytest.param([25.0, 25.1, 24.9], [121.5, 121.6, 121.4], id="Taipei"),
        pytest.param([-18.1, -13.8, -21.1], [178.4, -171.8, -175.2], id="beyond the date line"),
    ],
)
def test_a_map_about_any_places_keeps_their_distances(
    latitude: list[float], longitude: list[float]
) -> None:
    lat, lon = np.array(latitude), np.array(longitude)
    north, east = centres(lat, lon, np.ones(lat.size), np.zeros(lat.size, np.int64))
    at = np.stack(project_about(lon, lat, (float(east[0]), float(north[0]))), axis=1)
    away = np.linalg.norm(at[:, None] - at[None], axis=2)
    truth = great_circle_km(lat[:, None], lon[:, None], lat[None], lon[None])
    np.testing.assert_allclose(away, truth, rtol=0.01, atol=1e-6)


def test_colours_can_be_told_apart() -> None:
    for side in (0, 1):
        values = [pair[side] for pair in PALETTE.values()]
        assert len(set(values)) == len(values)
    assert node_colours([True, False, False]) == ["upstream", "node0", "node1"]
    assert node_colours([False] * 11)[-1] == "node0"


def test_machine_and_versions() -> None:
    found = machine()
    assert found["cores"] >= 1
    assert found["cpu"]
    assert found["gpu"] is None or isinstance(found["gpu"], str)
    assert {"python", "jax", "numpy", "scipy"} <= versions().keys()
    assert all(re.match(r"\d+\.\d+", value) for value in versions().values())
