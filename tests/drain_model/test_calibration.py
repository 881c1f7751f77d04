import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from draingym.common import bootstrap as resampling
from draingym.drain_model.evaluation import calibration, metrics


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_calibration_slope_minimises_the_quantile_loss(level: float) -> None:
    random = np.random.default_rng(1)
    q = random.gamma(2.0, 3.0, 400)
    y = q * random.gamma(4.0, 0.25, 400)
    found = calibration.calibration_slope(y, q, level)
    best = minimize_scalar(
        lambda b: metrics.quantile_loss(y, b * q, level).sum(), bounds=(0, 4), method="bounded"
    )
    assert metrics.quantile_loss(y, found * q, level).sum() <= best.fun + 1e-9


def test_slopes_by_hand() -> None:
    y, q = np.array([2.0, 4.0, 100.0]), np.array([1.0, 2.0, 0.0])
    assert calibration.calibration_slope(y, q, 0.5) == 2.0
    assert np.isnan(calibration.calibration_slope(y, np.zeros(3), 0.5))
    assert calibration.ols_slope(y[:2], q[:2]) == 2.0


def test_a_resampled_slope_is_the_slope_of_the_repeated_products() -> None:
    random = np.random.default_rng(2)
    product = np.repeat(np.arange(4), 5)
    y, q = random.gamma(2.0, 1.0, 20), random.gamma(2.0, 1.0, 20)
    drawn = np.array([[1.0, 1, 1, 1], [2, 0, 1, 1], [0, 0, 0, 4]])
    found = calibration.slope_draws(y, q, product, 0.7, drawn)
    for times, slope in zip(drawn.astype(int), found, strict=True):
        again = np.repeat(np.arange(20), times[product])
        assert slope == pytest.approx(calibration.calibration_slope(y[again], q[again], 0.7))


def test_pit_of_a_calibrated_forecast_is_uniform() -> None:
    random = np.random.default_rng(2)
    value = calibration.pit(random.poisson(2.0, (99, 20_000)), random.poisson(2.0, 20_000))
    counts, _ = np.histogram(value, bins=10, range=(0, 1))
    assert np.abs(counts / 2000 - 1).max() < 0.08


def test_coverage_by_hand() -> None:
    transforms = np.array([[[0.05, 0.3]], [[0.45, 0.95]]])  # 2 products, 1 period, 2 nodes
    counted = np.array([[[True, True]], [[True, False]]])
    found = calibration.coverage(transforms, (0.1, 0.5), counted)
    np.testing.assert_allclose(found, [[1 / 3, 1.0]])


def test_discrete_reliability_by_hand() -> None:
    samples = np.array([[[0, 5]], [[1, 5]], [[1, 0]], [[1, 5]]])[:, None]  # S 4, P 1, T 1, N 2
    p = calibration.class_probabilities(samples, 2)
    np.testing.assert_allclose(p[0, 0], [[0.25, 0.75, 0.0], [0.25, 0.0, 0.75]])
    happened = calibration.observed_classes(np.array([[[1.0, 9.0]]]), 2)
    assert happened[0, 0].tolist() == [[False, True, False], [False, False, True]]
    counted = np.ones((1, 1, 2), bool)
    predicted, observed = calibration.reliability_over_time(p, happened, counted)
    np.testing.assert_allclose(predicted, [[0.25, 0.375, 0.375]])
    np.testing.assert_allclose(observed, [[0.0, 0.5, 0.5]])
    predicted, observed, number = calibration.reliability_bins(p, happened, counted, bins=2)
    np.testing.assert_allclose(number, [[2, 1, 1], [0, 1, 1]])
    np.testing.assert_allclose(predicted, [[0.25, 0.0, 0.0], [np.nan, 0.75, 0.75]])
    np.testing.assert_allclose(observed, [[0.0, 0.0, 0.0], [np.nan, 1.0, 1.0]])


def test_reliability_of_a_calibrated_forecast_is_the_diagonal() -> None:
    random = np.random.default_rng(4)
    mean = random.gamma(2.0, 1.5, (200, 4, 5))
    p = calibration.class_probabilities(random.poisson(mean, (400, *mean.shape)), 4)
    happened = calibration.observed_classes(random.poisson(mean), 4)
    counted = np.ones(mean.shape, bool)
    over_time = calibration.reliability_over_time(p, happened, counted)
    assert np.abs(over_time[0] - over_time[1]).max() < 0.05
    predicted, observed, number = calibration.reliability_bins(p, happened, counted)
    assert np.abs(predicted - observed)[number > 400].max() < 0.08


def test_bootstrap_covers_the_mean() -> None:
    random = np.random.default_rng(3)
    found = resampling.bootstrap(random.normal(2.0, 1.0, 400), np.ones(400))
    assert found.low < found.value < found.high
    assert abs(found.high - found.low - 2 * 1.96 / 20) < 0.04


def test_a_paired_ratio_is_narrower_than_its_parts() -> None:
    random = np.random.default_rng(5)
    size = random.lognormal(0.0, 1.5, 200)  # products are very unequal
    floor, model = size * random.uniform(0.9, 1.1, 200), 1.3 * size * random.uniform(0.9, 1.1, 200)
    ratio = resampling.bootstrap(model, floor)
    alone = resampling.bootstrap(model, np.ones(200))
    assert abs(ratio.value - 1.3) < 0.03
    assert (ratio.high - ratio.low) / ratio.value < 0.2 * (alone.high - alone.low) / alone.value


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: resampling.bootstrap(np.ones(2), np.ones(3)), r"numerator has shape \(2,\)"),
        (lambda: resampling.bootstrap(np.ones(2), np.ones(2), level=1.0), "level is 1.0"),
        (lambda: resampling.bootstrap(np.ones(2), np.ones(2), resamples=0), "resamples is 0"),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
