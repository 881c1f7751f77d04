import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from draingym.common.scores import crps
from draingym.drain_model.evaluation import metrics


@given(seed=st.integers(0, 10_000), number=st.integers(2, 9))
def test_crps_equals_the_double_sum(seed: int, number: int) -> None:
    random = np.random.default_rng(seed)
    x, y = random.poisson(3, (number, 4)), random.poisson(3, 4)
    pairs = np.abs(x[:, None] - x[None]).sum(axis=(0, 1))
    slow = np.abs(x - y).mean(axis=0) - pairs / (2 * number * (number - 1))
    np.testing.assert_allclose(crps(x, y), slow, atol=1e-12)
    np.testing.assert_allclose(crps(np.sort(x, axis=0), y, ordered=True), slow, atol=1e-12)


def test_crps_is_fair_and_proper() -> None:
    random = np.random.default_rng(0)
    y = random.poisson(5.0, 20_000)
    few, many = (crps(random.poisson(5.0, (m, y.size)), y).mean() for m in (2, 100))
    assert abs(few - many) < 0.03  # the number of samples does not matter ...
    wrong = crps(random.poisson(6.0, (100, y.size)), y).mean()
    assert wrong > many + 0.05  # ... and the truth scores best


@pytest.mark.parametrize(
    ("samples", "actual", "score"),
    [
        pytest.param([[0, 0], [0, 0]], [3, 4], 5.0, id="a point, 5 away"),
        pytest.param([[3, 4], [0, 0]], [0, 0], 0.0, id="two points"),
        pytest.param([[6, 8], [0, 0], [0, 0]], [0, 0], 10 / 3 - 40 / 12, id="two alike"),
        pytest.param([[1, 0], [0, 1]], [0, 0], 1 - np.sqrt(2) / 2, id="across"),
    ],
)
def test_energy_score_by_hand(samples: list, actual: list, score: float) -> None:
    x, y = np.array(samples, float)[:, None], np.array(actual, float)[None]
    np.testing.assert_allclose(metrics.energy_score(x, y), [score], atol=1e-9)


@given(seed=st.integers(0, 10_000))
def test_energy_score_equals_the_double_sum_and_for_one_node_the_crps(seed: int) -> None:
    random = np.random.default_rng(seed)
    x, y = random.gamma(2.0, 9.0, (7, 5, 3)), random.gamma(2.0, 9.0, (5, 3))
    pairs = np.linalg.norm(x[:, None] - x[None], axis=-1).sum(axis=(0, 1))
    slow = np.linalg.norm(x - y, axis=-1).mean(axis=0) - pairs / (2 * 7 * 6)
    np.testing.assert_allclose(metrics.energy_score(x, y, block=2), slow, atol=1e-9)
    one = metrics.energy_score(x[..., :1], y[..., :1])
    np.testing.assert_allclose(one, crps(x[..., 0], y[..., 0]), atol=1e-9)


def test_energy_score_sees_a_wrong_joint_that_marginals_hide() -> None:
    random = np.random.default_rng(1)

    def opposite(*shape: int) -> np.ndarray:
        first = random.poisson(4.0, shape)
        return np.stack([first, 8 - first], axis=-1).astype(float)

    y, right = opposite(4000), opposite(60, 4000)
    wrong = np.stack([right[..., 0], random.permutation(right[..., 1])], axis=-1)
    for node in range(2):
        scores = [crps(x[..., node], y[..., node]).mean() for x in (right, wrong)]
        assert abs(scores[0] - scores[1]) < 0.01
    scores = [metrics.energy_score(x, y).mean() for x in (right, wrong)]
    assert scores[0] < scores[1] - 0.05


@pytest.mark.parametrize(
    ("level", "expected"), [(0.1, 1), (0.25, 1), (0.26, 2), (0.5, 2), (0.75, 3), (0.9, 4)]
)
def test_sample_quantiles_by_hand(level: float, expected: int) -> None:
    samples = np.array([3, 1, 4, 2])
    assert metrics.sample_quantile(samples, level) == expected
    assert metrics.sample_quantile(np.sort(samples), level, ordered=True) == expected
    assert np.quantile(samples, level, method="inverted_cdf") == expected


def test_scaled_quantile_loss_by_hand() -> None:
    y, q = np.array([4.0, 1.0]), np.array([2.0, 3.0])
    assert metrics.scaled_quantile_loss(y, q, 0.9) == pytest.approx((0.9 * 2 + 0.1 * 2) / 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: crps(np.zeros((1, 2)), np.zeros(2)), r"len\(samples\) is 1"),
        (lambda: crps(np.zeros((3, 2)), np.zeros(3)), "samples have shape"),
        (lambda: metrics.energy_score(np.zeros((1, 2)), np.zeros(2)), r"len\(samples\) is 1"),
        (lambda: metrics.energy_score(np.zeros((3, 2)), np.zeros(3)), "samples have shape"),
        (
            lambda: metrics.scaled_quantile_loss(np.zeros(2), np.zeros(2), 0.5),
            "actual sums to 0",
        ),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
