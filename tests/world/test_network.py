from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from draingym.world.geography import great_circle_km, load_metros, load_regions
from draingym.world.network import Network, NetworkConfig, build_network


@pytest.fixture(scope="module")
def network() -> Network:
    return build_network(NetworkConfig(num_nodes=4, num_upstream=2, num_regions=10))


def test_vendor_upstream_nodes_is_a_tree(network: Network) -> None:
    assert network.num_nodes == 6
    assert network.num_regions == 10
    assert network.parent[:2].tolist() == [-1, -1]
    assert not network.serves_customers[:2].any()
    assert network.serves_customers[2:].all()
    for node in range(2, 6):
        km = great_circle_km(
            network.node_latitude[node],
            network.node_longitude[node],
            network.node_latitude[:2],
            network.node_longitude[:2],
        )
        assert network.parent[node] == np.argmin(km)


def test_without_upstream_nodes_all_hang_on_the_vendor() -> None:
    network = build_network(NetworkConfig(num_nodes=3, num_upstream=0, num_regions=5))
    assert network.parent.tolist() == [-1, -1, -1]
    assert network.serves_customers.all()
    np.testing.assert_allclose(network.lead_time[0], [0, 0, 0, 0.3, 0.4, 0.3])


def test_first_node_is_the_weighted_median() -> None:
    metros, regions = load_metros(), load_regions()
    km = great_circle_km(
        metros.latitude[:, None], metros.longitude[:, None], regions.latitude, regions.longitude
    )
    best = int(np.argmin(km @ regions.population))
    network = build_network(NetworkConfig(num_nodes=1, num_regions=5))
    assert network.node_name[1] == f"{metros.name[best]}, {metros.state[best]}"
    assert network.node_latitude[0] == metros.latitude[best]


def test_every_node_shortens_the_way() -> None:
    regions = load_regions()

    def mean_km(num: int) -> float:
        network = build_network(NetworkConfig(num_nodes=num, num_upstream=0, num_regions=99))
        return float(network.distance_km.min(axis=0) @ regions.population)

    lengths = [mean_km(num) for num in (1, 2, 4, 8, 16)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < 0.3 * lengths[0]


def test_capacity_is_shared_out() -> None:
    config = NetworkConfig(num_nodes=5, daily_capacity=1000.0)
    network = build_network(config)
    assert np.isinf(network.daily_capacity[0])
    assert network.daily_capacity[1:].sum() == pytest.approx(1000.0, abs=3.0)
    even = build_network(replace(config, capacity_evenness=1.0))
    np.testing.assert_array_equal(even.daily_capacity[1:], 200.0)


@pytest.mark.parametrize(
    ("period_days", "days", "periods"),
    [
        pytest.param(1, (0.0, 0.6, 0.4), [0.0, 0.6, 0.4], id="days"),
        pytest.param(7, (0.0, 0.6, 0.4), [0.0, 1.0], id="within a week: sold from the next"),
        pytest.param(2, (0.1, 0.2, 0.3, 0.4), [0.1, 0.5, 0.4], id="two days"),
        pytest.param(7, (1.0,), [1.0], id="at once"),
    ],
)
def test_lead_time_in_periods(
    period_days: int, days: tuple[float, ...], periods: list[float]
) -> None:
    config = NetworkConfig(period_days=period_days, vendor_lead_days=days, transfer_lead_days=days)
    np.testing.assert_allclose(config.lead_time(from_vendor=False), periods)
    longer = replace(config, max_lead_time=6)
    np.testing.assert_allclose(
        longer.lead_time(from_vendor=True), periods + [0.0] * (7 - len(periods))
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_nodes": 0}, r"num_nodes is 0, must be .*\[1"),
        ({"num_nodes": 1000}, r"num_nodes is 1000, must be"),
        ({"num_upstream": -1}, r"num_upstream is -1"),
        ({"num_regions": 100}, r"num_regions is 100, .*\[1, 99\]"),
        ({"period_days": 0}, r"period_days is 0"),
        ({"max_lead_time": 4}, r"max_lead_time is 4, must be >= 5"),
        ({"vendor_lead_days": (0.5, 0.4)}, r"vendor_lead_days sums to 0.9, must be 1"),
        ({"transfer_lead_days": (1.5, -0.5)}, r"transfer_lead_days\[1\] is -0.5, must be >= 0"),
        ({"transfer_lead_days": ()}, r"transfer_lead_days has shape \(0,\)"),
        ({"daily_capacity": 0.0}, r"daily_capacity is 0.0, must be > 0"),
        ({"capacity_evenness": 1.5}, r"capacity_evenness is 1.5"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_config_names_field_value_and_bound(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkConfig(**change)


def _with(network: Network, name: str, index: Any, value: float) -> dict[str, Any]:
    values = getattr(network, name).copy()
    values[index] = value
    return {name: values}


@pytest.mark.parametrize(
    ("name", "index", "value", "message"),
    [
        ("parent", 0, 3, r"network.parent\[0\] is 3, must be -1"),
        ("parent", 2, 2, r"network.parent\[2\] is 2, .*cycle"),
        ("parent", 4, -2, r"network.parent\[4\] is -2"),
        ("lead_time", (1, 0), 1.0, r"network.lead_time.sum\(axis=1\)\[1\] is 2.0\d*, must be 1"),
        ("lead_time", (1, 0), -0.5, r"network.lead_time\[1, 0\] is -0.5"),
        ("node_latitude", 3, 91.0, r"network.node_latitude\[3\] is 91.0, .*\[-90, 90\]"),
        ("region_longitude", 3, np.nan, r"network.region_longitude\[3\] is nan"),
        ("active_from", 5, -1, r"network.active_from\[5\] is -1, must be >= 0"),
        ("daily_capacity", 5, 0.0, r"network.daily_capacity\[5\] is 0.0, must be > 0"),
        ("population", 9, np.inf, r"network.population\[9\] is inf"),
        ("distance_km", (2, 7), -1.0, r"network.distance_km\[2, 7\] is -1.0"),
        ("serves_customers", slice(None), False, r"serves_customers is False everywhere"),
    ],
)
def test_network_names_field_index_value_and_bound(
    network: Network, name: str, index: Any, value: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(network, **_with(network, name, index, value))


def test_network_refuses_every_wrong_shape(network: Network) -> None:
    every = {field.name: getattr(network, field.name) for field in fields(network)}
    arrays = {name: values for name, values in every.items() if isinstance(values, np.ndarray)}
    assert {"parent", "lead_time", "distance_km", "population"} <= arrays.keys()
    for name, values in arrays.items():
        with pytest.raises(ValueError, match=name):
            replace(network, **{name: values[:-1]})
    with pytest.raises(ValueError, match="0 nodes"):
        replace(network, node_name=())
