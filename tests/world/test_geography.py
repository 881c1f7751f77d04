import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from draingym.world.data.derive import derive
from draingym.world.geography import (
    great_circle_km,
    load_metros,
    load_places,
    load_regions,
    merge_regions,
    merged_regions,
)

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)


@pytest.mark.parametrize(
    ("a", "b", "km"),
    [
        pytest.param((0, 0), (0, 180), np.pi * 6371.0088, id="half the equator"),
        pytest.param((90, 0), (-90, 77), np.pi * 6371.0088, id="pole to pole"),
        pytest.param((40.6413, -73.7781), (33.9416, -118.4085), 3974.3, id="JFK to LAX"),
        pytest.param((12.5, 7.0), (12.5, 7.0), 0.0, id="same point"),
    ],
)
def test_great_circle_by_hand(a: tuple[float, float], b: tuple[float, float], km: float) -> None:
    assert float(great_circle_km(*a, *b)) == pytest.approx(km, rel=2e-4, abs=1e-6)


@given(latitudes, longitudes, latitudes, longitudes, latitudes, longitudes)
def test_great_circle_is_a_metric(a1, o1, a2, o2, a3, o3) -> None:
    there, back = great_circle_km(a1, o1, a2, o2), great_circle_km(a2, o2, a1, o1)
    assert float(there) == pytest.approx(float(back), abs=1e-6)
    around = great_circle_km(a1, o1, a3, o3) + great_circle_km(a3, o3, a2, o2)
    assert float(there) <= float(around) + 1e-3


def test_great_circle_broadcasts() -> None:
    km = great_circle_km(np.zeros((4, 1)), np.zeros((4, 1)), np.zeros(3), np.arange(3.0))
    assert km.shape == (4, 3)


def test_tables_cover_the_country() -> None:
    regions, places, metros = load_regions(), load_places(), load_metros()
    assert len(regions.name) == 99
    assert len(set(zip(metros.name, metros.state, strict=True))) == len(metros.name) >= 30
    assert regions.population.sum() == pytest.approx(329.6e6, rel=0.01)
    for table in (regions, places, metros):
        assert table.latitude.min() > 17.0
        assert table.latitude.max() < 72.0
        assert table.longitude.min() > -180.0
        assert table.longitude.max() < -60.0


def test_regions_are_their_places() -> None:
    regions, places = load_regions(), load_places()
    assert all(
        name[:2] == regions.name[z] for name, z in zip(places.name, places.zip2, strict=True)
    )
    people = np.bincount(places.zip2, weights=places.population)
    np.testing.assert_array_equal(people, regions.population)
    mean = np.bincount(places.zip2, weights=places.population * places.latitude) / people
    np.testing.assert_allclose(mean, regions.latitude, atol=1.0)  # the sphere is not flat


def test_tables_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        load_regions().population[0] = 0.0
    with pytest.raises(ValueError, match="read-only"):
        merge_regions(5)[0] = 3


@pytest.mark.parametrize("num", [1, 2, 12, 98, 99])
def test_merging_partitions_the_country(num: int) -> None:
    label = merge_regions(num)
    assert sorted(set(label.tolist())) == list(range(num))
    merged = merged_regions(label)
    assert merged.population.sum() == load_regions().population.sum()
    assert sum(len(name.split("-")) for name in merged.name) == 99
    # Numbered by first zip.
    assert list(merged.name) == sorted(merged.name)


@pytest.mark.parametrize("num", [3, 30, 90])
def test_one_region_fewer_joins_two(num: int) -> None:
    fine, coarse = merge_regions(num), merge_regions(num - 1)
    pairs = {(int(a), int(b)) for a, b in zip(fine, coarse, strict=True)}
    assert len(pairs) == num  # every fine region lies in one coarse region


def test_first_merge_has_the_least_cost() -> None:
    regions, label = load_regions(), merge_regions(98)
    weight = regions.population
    chord = 2 * np.sin(
        great_circle_km(
            regions.latitude[:, None],
            regions.longitude[:, None],
            regions.latitude,
            regions.longitude,
        )
        / (2 * 6371.0088)
    )
    cost = chord**2 * weight[:, None] * weight / (weight[:, None] + weight)
    cost[np.tril_indices(99)] = np.inf
    a, b = np.unravel_index(np.argmin(cost), cost.shape)
    assert label[a] == label[b]


@pytest.mark.parametrize("num", [0, 100])
def test_merging_names_the_bound(num: int) -> None:
    with pytest.raises(ValueError, match=rf"num_regions is {num}, must be .*\[1, 99\]"):
        merge_regions(num)


def _write(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(rows) + "\n")
    return path


def test_derive_weights_by_people(tmp_path: Path) -> None:
    source = _write(
        tmp_path / "in.csv",
        [
            "zip3,latitude,longitude,population",
            "012,40.0,-80.0,1000",
            "010,40.0,-84.0,3000",
            "990,61.126,-150.0,20",
            "207,38.994,-77.0,149.0",
        ],
    )
    assert derive(source, tmp_path) == (3, 2)
    places = list(csv.DictReader((tmp_path / "places.csv").read_text().splitlines()))
    assert [tuple(p.values()) for p in places] == [
        ("010", "40.00", "-84.00", "3000"),
        ("012", "40.00", "-80.00", "1000"),
        ("207", "38.99", "-77.00", "100"),
    ]
    regions = list(csv.DictReader((tmp_path / "regions.csv").read_text().splitlines()))
    assert [(r["zip2"], r["population"]) for r in regions] == [("01", "4000"), ("20", "100")]
    assert float(regions[0]["longitude"]) == pytest.approx(-83.0, abs=0.01)
    assert 40.0 < float(regions[0]["latitude"]) < 40.05  # the great circle bends north


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["zip3,latitude,longitude", "010,40,-84"], r"lacks the columns \['population'\]"),
        (["zip3,latitude,longitude,population", "010,40,-84,0"], "no place with people"),
    ],
    ids=["column", "people"],
)
def test_derive_refuses(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        derive(_write(tmp_path / "in.csv", rows), tmp_path)
    assert not (tmp_path / "places.csv").exists()


@pytest.mark.parametrize("num", [95, 60, 31, 12])
def test_merging_adds_the_least_spread(num: int) -> None:
    regions = load_regions()
    lat, lon = np.radians(regions.latitude), np.radians(regions.longitude)
    x = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)

    def spread(members: np.ndarray) -> float:
        weight = regions.population[members]
        centre = weight @ x[members] / weight.sum()
        return float(weight @ ((x[members] - centre) ** 2).sum(axis=1))

    label = merge_regions(num)
    group = [np.flatnonzero(label == k) for k in range(num)]
    alone = [spread(members) for members in group]
    added = {
        (a, b): spread(np.concatenate([group[a], group[b]])) - alone[a] - alone[b]
        for a in range(num)
        for b in range(a + 1, num)
    }
    a, b = min(added, key=lambda pair: added[pair])
    coarse = merge_regions(num - 1)
    assert coarse[group[a][0]] == coarse[group[b][0]]
