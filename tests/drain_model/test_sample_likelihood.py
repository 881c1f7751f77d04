import numpy as np
import pytest

from draingym.drain_model.evaluation import sample_likelihood as likelihood


@pytest.mark.parametrize(
    ("samples", "actual", "stock", "probability"),
    [
        pytest.param([0, 0, 0, 1], 0, 9, (3 + 1 / 4) / 5, id="an atom"),
        pytest.param([5, 7, 0, 1], 8, 9, (2 + 1 / 4) / 5, id="all of the tail is one class"),
        pytest.param([0, 0, 0, 0], 9, 9, (0 + 1 / 4) / 5, id="never sampled"),
        pytest.param([1, 1, 0, 0], 1, 1, (2 + 1 / 2) / 5, id="stock leaves two classes"),
        pytest.param([0, 0, 0, 0], 0, 0, 1.0, id="no stock"),
    ],
)
def test_cross_entropy_by_hand(samples, actual, stock, probability) -> None:
    x = np.array(samples, float)[:, None]
    found = likelihood.class_log_score(x, np.array([actual]), np.array([stock]), 3)
    np.testing.assert_allclose(np.exp(-found), [probability])


@pytest.mark.parametrize(
    ("samples", "actual", "stock", "probability"),
    [
        pytest.param([3, 3, 5, 0], 3, 9, (2 / 1 + 1 / 7) / 4, id="one number"),
        pytest.param([19, 20, 22, 25], 20, 99, (3 / 5 + 1 / 97) / 5, id="within 10%"),
        pytest.param([20, 20, 19, 0], 20, 20, (2 / 1 + 1 / 18) / 4, id="all of the stock"),
        pytest.param([20, 20, 19, 0], 19, 20, (1 / 2 + 1 / 18) / 4, id="stock is not near it"),
        pytest.param([0, 0, 1, 2], 5, 8, 1 / 6, id="no sample in the tail"),
        pytest.param([3, 3, 5, 0], 2, 9, 1.0, id="not in the tail"),
    ],
)
def test_tail_likelihood_by_hand(samples, actual, stock, probability) -> None:
    x = np.array(samples, float)[:, None]
    found = likelihood.tail_log_score(x, np.array([actual]), np.array([stock]), 3)
    np.testing.assert_allclose(np.exp(-found), [probability])


def test_tail_quantiles_by_hand() -> None:
    ordered = np.array([[0.0, 0.0], [3.0, 0.0], [5.0, 1.0], [9.0, 2.0]])
    found = likelihood.tail_quantiles(ordered, (0.1, 0.5, 0.9), 3)
    np.testing.assert_allclose(found, [[3, 3], [5, 3], [9, 3]])


def test_cost_likelihood_by_hand() -> None:
    units, cost = np.array([[2.0], [1.0], [0.0]]), np.array([[8.0], [9.0], [0.0]])
    bounds = (np.log(4.0), np.log(9.0))
    found = likelihood.cost_log_score(units, cost, np.array([3.0]), np.array([12.3]), bounds)
    spread = np.log(9 / 4) + 0.1
    np.testing.assert_allclose(np.exp(-found), [(1 / 0.1 + 1 / spread) / 3])
    nothing = likelihood.cost_log_score(units, cost, np.zeros(1), np.zeros(1), bounds)
    assert nothing.tolist() == [0.0]


def test_many_samples_come_near_the_true_entropies() -> None:
    random = np.random.default_rng(0)
    y = random.poisson(6.0, 4000)
    x = random.poisson(6.0, (512, 4000))
    stock = np.full(4000, 40.0)
    k = np.arange(60)
    log_p = k * np.log(6.0) - 6.0 - np.cumsum(np.log(np.maximum(k, 1)))
    exact = -log_p[y[y < 4]]
    found = likelihood.class_log_score(x, y, stock, 4)[y < 4]
    assert abs(found.mean() - exact.mean()) < 0.05
    tail = np.exp(log_p[4:]) / np.exp(log_p[4:]).sum()
    entropy = -(tail * np.log(np.maximum(tail, 1e-300))).sum()
    found = likelihood.tail_log_score(x, y, stock, 4)[y >= 4]
    assert abs(found.mean() - entropy) < 0.1
