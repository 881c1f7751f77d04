"""What the benchmark of trainers makes of learning curves."""

import numpy as np
import pytest

from benchmarks._docs_policies import policies_classic, policies_clock, policies_gradients
from benchmarks.policies_parts.classic import classic_claims, reached
from benchmarks.policies_parts.gradients import OURS, gradient_claims
from benchmarks.policies_parts.part import mean_interval


def row(method, to_1, high, periods=1000):
    return {
        "table": "classic problems", "problem": "B. store", "method": method, "optimum": 4.0,
        "cost": 4.02, "gap, %": 0.5, "low, %": 0.4, "high, %": high,
        "periods to 3%": 100.0, "periods to 1%": to_1, "periods": periods,
    }  # fmt: skip


def test_the_first_evaluation_within_a_gap_counts():
    gap = np.array([40.0, 2.5, 0.8, 1.2])
    assert reached(gap, [0, 10, 20, 30], 3.0) == 10
    assert reached(gap, [0, 10, 20, 30], 1.0) == 20
    assert reached(gap, [0, 10, 20, 30], 0.5) == float("inf")


@pytest.mark.parametrize(
    ("ppo", "ratio", "passes"),
    [(800.0, 4.0, True), (100.0, 0.5, False), (float("inf"), 5.0, True)],
    ids=["slower", "faster", "never"],
)
def test_periods_are_compared(ppo, ratio, passes):
    claims = classic_claims([row("gradient", 200.0, 0.6), row("ppo", ppo, 1.4)])
    (claim,) = [c for c in claims if "until within 1%" in c.what]
    assert claim.value == ratio
    assert claim.passes is passes
    assert ("never" in claim.what) == (ppo == float("inf"))
    (gap,) = [c for c in claims if "upper end" in c.what]
    assert gap.passes


def test_gradients_that_never_arrive_fail():
    claims = classic_claims([row("gradient", float("inf"), 1.2), row("ppo", 800.0, 1.4)])
    assert [c.passes for c in claims] == [False, None, True, False]


def test_ours_must_be_better_beyond_its_interval():
    ours, theirs = np.array([10.0, 12.0, 11.0]), np.array([9.0, 11.5, 10.0])
    claims = gradient_claims({OURS: ours, "other": theirs, "close": ours - [2.0, -2.0, 0.1]})
    assert [c.passes for c in claims] == [None, None, None, True, False]
    assert claims[3].value == pytest.approx(mean_interval(ours - theirs)[1])


def test_tables_say_never_where_a_gap_was_not_reached():
    clock = {
        "table": "wall clock", "problem": "B. store", "method": "ppo", "compile_seconds": 3.0,
        "seconds": [0.0, 0.5, 1.5], "gap": [40.0, 4.0, 2.0],
    }  # fmt: skip
    draws = {
        "table": "gradients through draws", "estimator": OURS, "updates": 80, "rate": 0.01,
        "value": 12.0, "low": 11.0, "high": 13.0,
    }  # fmt: skip
    # As JSON has them: what is infinite is None.
    result = {"rows": [{"no": "table"}, row("gradient", 200.0, 0.6), row("ppo", None, 1.4)]}
    assert "| B. store: ppo | 4 | 4.02 | 0.5 [0.4, 1.4] | 100 | never | 1,000 |" in (
        policies_classic(result)
    )
    assert "| 0.5 | 1.5 | never | 2 | 1.5 | 3 |" in policies_clock({"rows": [clock]})
    assert f"| {OURS} | 80 | 0.01 | 12 [11, 13] |" in policies_gradients({"rows": [draws]})
