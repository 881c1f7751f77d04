"""Series of a panel."""

import numpy as np
import pytest
import xarray as xr

from draingym.forecasters import read_panel
from draingym.forecasters.data.grid import Grid, Step

ORDERS = np.arange(24.0).reshape(2, 4, 3)  # products, periods, regions


def panel(**attributes):
    days = attributes.get("period_days", 1)
    dates = np.datetime64("2024-01-01", "ns") + np.arange(4) * np.timedelta64(days, "D")
    return xr.Dataset(
        {
            "orders": (("product", "period", "region"), ORDERS),
            "price": (("product",), [2.0, 3.0]),
            "calendar": (("period", "feature"), np.arange(8.0).reshape(4, 2)),
            "date": (("period",), dates),
        },
        coords={"product": ["a", "b"], "feature": ["weekday", "event"]},
        attrs=attributes,
    )


def test_a_series_for_each_product():
    data = read_panel(panel(period_days=7), "orders")
    assert data.ids == ("a", "b")
    np.testing.assert_array_equal(data.target, ORDERS.sum(axis=2))
    np.testing.assert_array_equal(data.static["price"], [2.0, 3.0])
    np.testing.assert_array_equal(data.known["event"], [[1.0, 3.0, 5.0, 7.0]] * 2)
    assert data.grid.step == Step.parse("W")
    assert str(data.times[1]) == "2024-01-08T00:00:00"


def test_a_series_for_each_product_and_place():
    data = read_panel(panel(period_days=1), "orders", by_place=True)
    assert data.ids == ("a/0", "a/1", "a/2", "b/0", "b/1", "b/2")
    np.testing.assert_array_equal(data.target[4], ORDERS[1, :, 1])
    assert data.labels["product"].tolist() == ["a"] * 3 + ["b"] * 3
    assert data.labels["region"].tolist() == ["0", "1", "2"] * 2


def test_periods_that_leave_days_out_are_numbered():
    found = panel(period_days=1)
    found["date"] = found["date"] + xr.where(found["period"] > 1, np.timedelta64(3, "D"), 0)
    assert read_panel(found, "orders").grid == Grid(0, Step("whole", 1))


def test_what_the_panel_does_not_have_is_named():
    with pytest.raises(ValueError, match="panel has no 'views', must be one of"):
        read_panel(panel(), "views")
    with pytest.raises(ValueError, match="price has dimensions"):
        read_panel(panel(), "price")


def test_a_second_variable_is_known_once_a_period_is_over():
    found = panel()
    found["stock"] = found["orders"] * 2.0
    data = read_panel(found, "orders", by_place=True, past=("stock",))
    np.testing.assert_array_equal(data.past["stock"], 2.0 * data.target)
    data = read_panel(found, "orders", past=("stock",))
    np.testing.assert_array_equal(data.past["stock"], 2.0 * ORDERS.sum(axis=2))
    found["held"] = (("product", "period", "node"), ORDERS[:, :, :2])
    with pytest.raises(ValueError, match="held is by node, must be by region"):
        read_panel(found, "orders", by_place=True, past=("held",))


def test_the_time_of_the_year_can_be_left_out():
    found = panel(period_days=7).assign_coords(feature=["weekday", "event_new_year"])
    data = read_panel(found, "orders", yearly=False)
    assert set(data.known) == {"weekday"}
    assert data.grid == Grid(0, Step("whole", 1))
