from dataclasses import dataclass, replace

import jax
import numpy as np
import pytest

from draingym.drain_model import DrainData, Statistics
from draingym.drain_model.data.statistics import CostSums
from draingym.world.lanes import lane_slots


@pytest.fixture(scope="module")
def data(process) -> DrainData:
    return process.data


@dataclass
class Labelled:
    """As much of a labelled array as the adapter uses."""

    dims: tuple[str, ...]
    values: np.ndarray

    def transpose(self, *dims: str) -> "Labelled":
        axes = [self.dims.index(d) for d in dims]
        return Labelled(dims, self.values.transpose(axes))


class Panel(dict):
    """Arrays by name, and the product columns as attributes."""

    price = property(lambda self: self["price"].values)
    weight_lb = property(lambda self: self["weight_lb"].values)
    conversion = property(lambda self: self["conversion"].values)
    units_per_order = property(lambda self: np.ones_like(self.conversion))


def test_a_panel_in_any_order_of_dimensions_gives_the_same_data(data: DrainData) -> None:
    nodes, regions = data.geography.node_coordinates, data.geography.region_coordinates
    cube = ("node", "product", "period")
    panel = Panel(
        {
            name: Labelled(cube, getattr(data, name).transpose(2, 0, 1).astype(float))
            for name in ("outbound", "ship_cost", "available")
        }
    )
    panel |= {
        **{
            f"lane_{name}": Labelled(("lane", "product", "period"), values.transpose(2, 0, 1))
            for name, values in (
                ("node", data.lane // data.glance_views.shape[-1]),
                ("region", data.lane % data.glance_views.shape[-1]),
                ("units", data.lane_units),
            )
        },
        "active": Labelled(
            ("product", "period", "node"),
            np.broadcast_to(np.ones_like(data.active), data.outbound.shape),
        ),
        "serves_customers": Labelled(("node",), np.array([False, True, True, True])),
        "glance_views": Labelled(("product", "period", "region"), data.glance_views),
        "calendar": Labelled(("period", "feature"), data.calendar),
        "node_latitude": Labelled(("node",), np.asarray(nodes)[:, 0]),
        "node_longitude": Labelled(("node",), np.asarray(nodes)[:, 1]),
        "region_latitude": Labelled(("region",), np.asarray(regions)[:, 0]),
        "region_longitude": Labelled(("region",), np.asarray(regions)[:, 1]),
        "distance_km": Labelled(("region", "node"), np.asarray(data.geography.distance_km).T),
        **{
            name: Labelled(("product",), np.exp(data.attributes[:, i].astype(float)))
            for i, name in enumerate(("price", "weight_lb", "conversion"))
        },
    }
    found = DrainData.from_panel(panel)
    for name in (*data.cubes, "calendar"):
        np.testing.assert_array_equal(getattr(found, name), getattr(data, name))
    np.testing.assert_allclose(found.attributes, data.attributes, rtol=1e-6)
    assert not found.active[:, 0].any()
    assert found.active[:, 1:].all()
    np.testing.assert_array_equal(found.geography.distance_km, data.geography.distance_km)


@pytest.mark.parametrize(
    ("field", "change", "message"),
    [
        ("outbound", lambda x: x + 0.0 * np.inf, r"data\.outbound\[0, 0, 0\] is nan"),
        ("ship_cost", lambda x: x - 1e6, r"data\.ship_cost\[0, 0, 0\] is -.*, must be finite and"),
        ("available", lambda x: 0.0 * x, r"data\.outbound\[.*at most the units available"),
        ("active", np.zeros_like, r"data\.outbound\[.*must be 0 where not active"),
        ("calendar", lambda x: x[:3], r"data\.calendar has shape \(3, 2\), must be \(20, 2\)"),
        ("glance_views", lambda x: x[:, :, :2], r"region_coordinates has shape \(5, 2\)"),
        (
            "lane_units",
            lambda x: 2.0 * x,
            r"data\.outbound\[.*must be the units of the node's lanes",
        ),
        ("lane", lambda x: x + 20, r"data\.lane\[.*must be in \[0, 19\]"),
        ("lane", lambda x: None, r"data\.lane is None, must be given with lane_units"),
    ],
)
def test_bad_arrays_are_named(data: DrainData, field: str, change, message: str) -> None:
    with pytest.raises(ValueError, match=message), np.errstate(invalid="ignore"):
        replace(data, **{field: change(getattr(data, field))})


def test_names_of_products_follow_them_and_are_counted(data: DrainData) -> None:
    named = replace(data, product_id=tuple("abcdef"))
    part = named.products(np.array([4, 1]))
    assert part.product_id == ("e", "b")
    assert (part.name_of(0), data.name_of(3)) == ("'e'", "3")
    assert named.periods(0, 3).product_id == named.product_id
    with pytest.raises(ValueError, match=r"data\.product_id has 2 names, must be 6"):
        replace(data, product_id=("a", "b"))


def test_statistics_are_those_of_all_entries_however_the_products_come(data: DrainData) -> None:
    shipped = data.outbound > 0
    log_cost = np.log(data.ship_cost[shipped].astype(float) / data.outbound[shipped])
    found = Statistics.from_data(data)
    np.testing.assert_allclose(found.log_cost_mean, log_cost.mean(), rtol=1e-6)
    np.testing.assert_allclose(found.log_cost_scale, log_cost.std(), rtol=1e-5)
    parts = [CostSums.of(data.products(slice(a, b))) for a, b in ((0, 1), (1, 4), (4, 6))]
    again = Statistics.from_costs(data.calendar, data.attributes, data.geography, parts)
    jax.tree.map(np.testing.assert_array_equal, again, found)


def test_statistics_shift_a_constant_feature_to_zero(data: DrainData) -> None:
    constant = replace(data, attributes=np.ones_like(data.attributes))
    found = Statistics.from_data(constant)
    np.testing.assert_array_equal(found.attributes_mean, 1.0)
    np.testing.assert_array_equal(found.attributes_scale, 1.0)
    assert 1.0 < float(found.log_cost_mean) < 4.0


def test_lanes_follow_products_and_periods(data: DrainData) -> None:
    assert data.lane is not None
    part = data.products(np.array([3, 1])).periods(4, 9)
    np.testing.assert_array_equal(part.lane, data.lane[[3, 1], 4:9])
    both = DrainData.stack([part, replace(data.products(np.array([2])).periods(4, 9))])
    size = part.lane_units.shape[-1]
    np.testing.assert_array_equal(both.lane_units[:2, :, :size], part.lane_units)
    # Room is made in steps of 32 slots, up to one for every lane: panels alike have as many.
    assert both.lane_units.shape[-1] == data.geography.distance_km.size
    assert both.lane_units[..., size:].sum() == 0.0
    # Panels whose fullest period has fewer lanes have fewer slots.
    most = int((part.lane_units > 0).sum(axis=-1).max())
    narrow = replace(part, lane=part.lane[..., :most], lane_units=part.lane_units[..., :most])
    wide = DrainData.stack([narrow, part])
    np.testing.assert_array_equal(wide.lane[:2], wide.lane[2:])
    with pytest.raises(ValueError, match=r"parts\[1\] has other"):
        DrainData.stack([part, replace(part, lane=None, lane_units=None)])


def test_another_policy_leaves_what_was_before(data: DrainData) -> None:
    start, stop = 5, 8
    shape = (data.num_products, stop - start, data.num_nodes)
    outbound = np.zeros(shape, np.float32)
    outbound[1, 2, 3] = 7.0
    lanes = lane_slots([1, 1], [2, 2], [3, 3], [0, 4], [3, 4], shape[:2])
    moved = data.under(outbound, 2.0 * outbound, outbound + 1.0, lanes=lanes, start=start)
    assert moved.num_periods == stop
    for name in data.cubes:
        if name != "sales":
            before, old = getattr(moved, name)[:, :start], getattr(data, name)[:, :start]
            np.testing.assert_array_equal(before[..., : old.shape[-1]], old)
    np.testing.assert_array_equal(moved.outbound[:, start:], outbound)
    units = np.zeros((data.num_nodes, data.glance_views.shape[-1]))
    np.add.at(units.reshape(-1), moved.lane[1, 7], moved.lane_units[1, 7])
    assert units[3].tolist() == [3.0, 0.0, 0.0, 0.0, 4.0]
    assert units[:3].sum() == 0.0
    without = data.under(outbound, 2.0 * outbound, outbound + 1.0, start=start)
    assert without.lane is None
    assert without.lane_units is None
