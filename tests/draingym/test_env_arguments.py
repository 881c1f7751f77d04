"""Arguments of the environments that are refused, each by its name, value and bound."""

import numpy as np
import pytest

from draingym.envs.make import make_problem


@pytest.mark.parametrize(
    ("problem", "arguments", "message"),
    [
        ("Placement", {"units_per_view": 0.0}, r"units_per_view is 0.0, must be finite and in \(0"),
        ("Placement", {"price": np.inf}, "price is inf, must be finite and in"),
        ("Placement", {"price": 1e30}, r"price is 1e\+30, must be finite and in"),
        ("Pricing", {"unit_cost": np.nan}, "unit_cost is nan, must be finite and in"),
        ("Placement", {"units_per_view": 1e-12}, "units_per_view is 1e-12, must be at least"),
        ("OrderPerNode", {"units_per_period": -1.0}, "units_per_period is -1.0, must be finite"),
        ("SingleStore", {"horizon": 2.5}, "horizon is 2.5, must be a whole number of at least 1"),
        ("SingleStore", {"horizon": True}, "horizon is True, must be a whole number"),
        ("SingleStore", {"lead_time": 1.5}, "lead_time is 1.5, must be a whole number of at least"),
        ("SingleStore", {"lead_time": True}, "lead_time is True, must be a whole number"),
        ("SingleStore", {"unmet_cost": np.inf}, r"unmet_cost is inf, must be in \[0, 1e\+09\]"),
        ("SingleStore", {"holding_cost": 1e30}, r"holding_cost is 1e\+30, must be in"),
        ("Serial", {"mean_demand": -5.0}, "must be"),
        ("OneWarehouseManyStores", {"num_stores": 1.5}, "num_stores is 1.5, must be a whole"),
        ("Pricing", {"horizon": 0}, r"horizon is 0, must be in \[1, 100000\]"),
        ("Pricing", {"horizon": 10**9}, r"horizon is 1000000000, must be in \[1, 100000\]"),
        ("Pricing", {"lift": (2.0, 1.0)}, "must be 7 finite factors that rise from 1"),
        ("SingleStore", {"horizon": 0}, "horizon is 0, must be in"),
        ("SingleStore", {"max_request": -1.0}, r"max_action\[0\] is -1.0, must be in"),
        ("Serial", {"lead_times": (1, 2)}, "lead_times has 2 entries, holding_costs 4"),
        (
            "Serial",
            {"lead_times": (1, -2, 1, 1)},
            "lead_times is .*, must be at least 1 bef",
        ),
        ("Serial", {"mean_demand": 0.0}, "mean_demand is 0.0, must be above 0"),
        ("OneWarehouseManyStores", {"num_stores": 0}, "num_stores is 0, must be in"),
        (
            "OneWarehouseManyStores",
            {"correlation": 2.0},
            r"correlation is 2.0, must be finite and in \[0.0, 1",
        ),
        ("Unknown", {}, "problem is 'Unknown', must be one of Placement, "),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_bad_arguments_are_refused(problem, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_problem(problem, **arguments)
