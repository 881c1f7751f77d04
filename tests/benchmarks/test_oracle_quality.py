"""The measures of the oracle's quality, on numbers whose answer is known."""

import numpy as np
import pytest

from benchmarks.oracle_parts.estimates import summary
from benchmarks.oracle_parts.estimates import variance_factor as factor
from benchmarks.oracle_parts.replayed_world import MEASURES, make_setting, measure, replay
from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines


def test_the_factor_of_known_spreads():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(3, 400, 5)) * [1.0, 2.0, 3.0, 4.0, 5.0]
    second = rng.normal(size=(3, 400, 5)) * [2.0, 4.0, 6.0, 8.0, 10.0]
    found, low, high = factor(first, second, 300)
    assert low < 4.0 < high
    assert low < found < high
    assert high / low < 1.5


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(60):
        first, second = rng.normal(size=(2, 2, 24, 1))
        _, low, high = factor(first, 3.0 * second, 200)
        inside += low < 9.0 < high
    assert inside >= 50  # of 60 at 95%, less what a bootstrap of 24 draws misses


def test_bias_spread_and_error_by_hand():
    # Two worlds, three seeds: biases 1 and 3, deviations of 2 around them.
    truth = np.array([10.0, 20.0])
    found = np.array([[9.0, 11.0, 13.0], [21.0, 23.0, 25.0]])
    result = summary(truth, found)
    assert result["truth"] == 15.0
    assert result["bias"] == 2.0
    assert result["bias_se"] == pytest.approx(1.0)
    assert result["sd"] == pytest.approx(2.0)
    assert result["rmse"] == pytest.approx(np.sqrt((1 + 1 + 9 + 1 + 9 + 25) / 6))


@pytest.mark.slow
def test_history_comes_back_unit_for_unit_given_itself():
    lines = synthetic_order_lines(
        SyntheticConfig(num_products=14, num_customers=500, num_days=16, lines_per_day=150.0),
        seed=0,
    )
    setting = make_setting(lines, "small", 0)
    truth, found = replay(setting, [0, 1], 0)
    first = list(setting.policies).index("history")
    units, box = MEASURES.index("units"), MEASURES.index("units a box")
    for what in (units, box):
        assert found["conditional"][:, first, what].tolist() == [truth[first, what]] * 2
        assert truth[first, what] not in found["independent"][:, first, what]
    # What is measured is all that happened.
    real = setting.world.views
    seed = setting.world.config.seed
    again = measure(setting, "history", real, setting.systems, seed, 0)
    np.testing.assert_allclose(again, truth[first], rtol=1e-6)
