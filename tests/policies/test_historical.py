"""The rule that keeps the covers that a log kept."""

import numpy as np
import pytest
import xarray as xr

from draingym.policies.rules.historical import covers_kept


def test_the_covers_that_a_log_kept_are_its_stock_over_its_demand():
    dims = ("product", "period", "node")
    # One upstream node, one store. Each period begins with 12 and 6 units, and sells 3.
    on_hand = np.tile(np.array([12, 6]), (1, 4, 1))
    transit = np.tile(np.array([3, 0]), (1, 4, 1))
    shipped = np.zeros((1, 4, 2, 2), np.int64)
    shipped[:, :, 0, 1] = 3
    shipped[:, :, 1, 0] = 3
    panel = xr.Dataset(
        {
            "on_hand": (dims, on_hand),
            "in_transit": (dims, transit),
            "shipped": ((*dims, "lead"), shipped),
            "ordered_units": (("product", "period", "region"), np.full((1, 4, 1), 3)),
            "parent": (("node",), np.array([-1, 0])),
            "serves_customers": (("node",), np.array([False, True])),
        }
    )
    kept = covers_kept(panel, 4)
    assert float(kept.place_cover) == pytest.approx((6 + 3) / 3)  # on hand, and sent
    assert float(kept.buy_cover) == pytest.approx((12 + 6 + 3 + 3) / 3)  # all there is, and bought
    with pytest.raises(ValueError, match="ordered_units sums to 0 over the first 4"):
        covers_kept(panel.assign(ordered_units=panel["ordered_units"] * 0), 4)
