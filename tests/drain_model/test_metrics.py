import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from drain_model import metrics


@given(seed=st.integers(0, 10_000), number=st.integers(2, 9))
def test_crps_equals_the_double_sum(seed: int, number: int) -> None:
    random = np.random.default_rng(seed)
    x, y = random.poisson(3, (number, 4)), random.poisson(3, 4)
    pairs = np.abs(x[:, None] - x[None]).sum(axis=(0, 1))
    slow = np.abs(x - y).mean(axis=0) - pairs / (2 * number * (number - 1))
    np.testing.assert_allclose(metrics.crps(x, y), slow, atol=1e-12)


def test_crps_is_fair_and_proper() -> None:
    random = np.random.default_rng(0)
    y = random.poisson(5.0, 20_000)
    few, many = (metrics.crps(random.poisson(5.0, (m, y.size)), y).mean() for m in (2, 100))
    assert abs(few - many) < 0.03  # the number of samples does not matter ...
    wrong = metrics.crps(random.poisson(6.0, (100, y.size)), y).mean()
    assert wrong > many + 0.05  # ... and the truth scores best


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_calibration_slope_minimises_the_quantile_loss(level: float) -> None:
    random = np.random.default_rng(1)
    q = random.gamma(2.0, 3.0, 400)
    y = q * random.gamma(4.0, 0.25, 400)
    found = metrics.calibration_slope(y, q, level)
    best = minimize_scalar(
        lambda b: metrics.quantile_loss(y, b * q, level).sum(), bounds=(0, 4), method="bounded"
    )
    loss = metrics.quantile_loss(y, found * q, level).sum()
    assert loss <= best.fun + 1e-9


def test_slopes_by_hand() -> None:
    y, q = np.array([2.0, 4.0, 100.0]), np.array([1.0, 2.0, 0.0])
    assert metrics.calibration_slope(y, q, 0.5) == 2.0
    assert np.isnan(metrics.calibration_slope(y, np.zeros(3), 0.5))
    assert metrics.ols_slope(y[:2], q[:2]) == 2.0


def test_pit_of_a_calibrated_forecast_is_uniform() -> None:
    random = np.random.default_rng(2)
    value = metrics.pit(random.poisson(2.0, (99, 20_000)), random.poisson(2.0, 20_000))
    counts, _ = np.histogram(value, bins=10, range=(0, 1))
    assert np.abs(counts / 2000 - 1).max() < 0.08


def test_bootstrap_covers_the_mean() -> None:
    random = np.random.default_rng(3)
    found = metrics.bootstrap(random.normal(2.0, 1.0, 400), np.ones(400))
    assert found.low < found.value < found.high
    assert abs(found.high - found.low - 2 * 1.96 / 20) < 0.04


def test_scores_of_samples_by_hand() -> None:
    actual = np.array([[1.0, 2.0], [3.0, 7.0]])
    samples = np.stack([actual, actual])
    mask = np.array([[True, True], [True, False]])
    found = metrics.score(samples, actual, mask)
    assert found.crps == 0.0
    assert found.slope == {0.1: 1.0, 0.5: 1.0, 0.9: 1.0}
    assert found.entries_by_product.tolist() == [2.0, 1.0]
    shifted = metrics.score(samples + 1.0, actual, mask)
    assert shifted.crps == 1.0
    assert shifted.crps_by_product.tolist() == [2.0, 1.0]
    assert shifted.quantile_loss[0.5] == pytest.approx(0.5 * 3 / 6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.crps(np.zeros((1, 2)), np.zeros(2)), r"len\(samples\) = 1"),
        (lambda: metrics.crps(np.zeros((3, 2)), np.zeros(3)), "samples have shape"),
        (
            lambda: metrics.scaled_quantile_loss(np.zeros(2), np.zeros(2), 0.5),
            "actual sums to 0",
        ),
        (
            lambda: metrics.score(np.zeros((3, 1, 2)), np.zeros((1, 2)), np.zeros((1, 2), bool)),
            "mask is false everywhere",
        ),
        (lambda: metrics.bootstrap(np.ones(2), np.ones(3)), r"numerator has shape \(2,\)"),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
