"""What forecasts are worth: gains are paired, and the bar's intervals hold all together."""

import numpy as np
import pytest

from benchmarks.forecasters_parts.worth import INFORMED, POLICIES, TODAY, judged


def values(gain, spread, seed=0):
    """Values by policy and forecast, 2 seeds and 60 products, whose levels differ widely."""
    random = np.random.default_rng(seed)
    today = random.uniform(50.0, 5000.0, (2, 60))
    found = {}
    for policy in POLICIES:
        found[policy, TODAY] = today
        found[policy, INFORMED] = today + 9.0
        found[policy, "good"] = today + gain + spread * random.standard_normal((2, 60))
        found[policy, "same"] = today
    return found


@pytest.mark.parametrize(("gain", "passes"), [(4.0, True), (0.0, False), (-4.0, False)])
def test_a_gain_counts_where_its_interval_is_above_zero(gain, passes):
    rows, claims = judged(values(gain, 6.0), ("good", "same"))
    bar = claims[0]
    assert bar.passes is passes
    assert ("good" in bar.what) is (gain > 0)
    found = {(r["policy"], r["forecast"]): r for r in rows}
    row = found[POLICIES[0], "good"]["against the moving average"]
    assert row["low"] < gain < row["high"]
    assert found[POLICIES[0], "good"]["low of all together"] < row["low"]
    assert found[POLICIES[0], INFORMED]["against the moving average"]["low"] == pytest.approx(9.0)
    assert [claim.value for claim in claims[1:]] == pytest.approx([9.0] * len(POLICIES))


def test_who_knows_the_demand_is_no_contender():
    _, claims = judged(values(0.0, 6.0), ("good", "same"))
    assert INFORMED not in claims[0].what
