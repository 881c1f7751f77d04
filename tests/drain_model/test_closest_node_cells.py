import jax
import numpy as np

from draingym.common.scores import crps
from draingym.drain_model.closest_node.cells import Tuned, sample, tune
from draingym.drain_model.closest_node.kernel import ClosestNodeParams, draw_orders, fill_orders

DISTANCE = np.array([[100.0, 900.0, 400.0], [800.0, 150.0, 500.0], [600.0, 700.0, 120.0]])
VIEWS = np.array([[40, 10, 25], [0, 60, 5]])
RATE = np.array([0.1, 0.2])
STOCK = np.array([[2, 3, 20], [4, 0, 30]])


def test_the_law_is_the_drain_models():
    tuned = Tuned(temperature=0.004, rate_scale=1.1)
    ours, km = sample(tuned, DISTANCE, VIEWS, RATE, STOCK, 4_000, 0)
    params = ClosestNodeParams(
        distance_km=jax.numpy.asarray(DISTANCE),
        serves=jax.numpy.ones(3, bool),
        active_from=jax.numpy.zeros(3, int),
        temperature=jax.numpy.float32(tuned.temperature),
        rate_scale=jax.numpy.float32(1.0),
        cost_fixed=jax.numpy.float32(0.0),
        cost_per_km=jax.numpy.float32(1.0),
    )

    @jax.vmap
    def draw(key, views, rate, stock):
        u = jax.random.uniform(key, (1 + 2 * 48,))
        region, _ = draw_orders(views, rate, u[:49])
        return fill_orders(params, region, jax.numpy.ones(3, bool), stock, u[49:], choices=1)[:2]

    keys = jax.random.split(jax.random.key(0), 8_000)
    views, stock = (jax.numpy.asarray(np.tile(x, (4_000, 1)), float) for x in (VIEWS, STOCK))
    rate = jax.numpy.asarray(np.tile(RATE * tuned.rate_scale, 4_000), jax.numpy.float32)
    theirs, their_km = (
        np.asarray(x).reshape(4_000, 2, 3) for x in jax.jit(draw)(keys, views, rate, stock)
    )
    np.testing.assert_allclose(km.mean(axis=0), their_km.mean(axis=0), rtol=0.03, atol=8.0)
    for node in range(3):
        for cell in range(2):
            top = STOCK[cell, node] + 1
            left, right = (
                np.bincount(x[:, cell, node].astype(int), minlength=top) / 4_000
                for x in (ours, theirs)
            )
            assert np.abs(np.cumsum(left) - np.cumsum(right)).max() < 0.05


def test_without_temperature_choice_is_even_and_with_much_of_it_the_nearest_with_stock():
    views, rate, stock = np.array([[100, 0, 0]]), np.array([1.0]), np.array([[1000, 1000, 1000]])
    even, _ = sample(Tuned(temperature=0.0, rate_scale=1.0), DISTANCE, views, rate, stock, 2000, 0)
    np.testing.assert_allclose(even.mean(axis=(0, 1)), 100 / 3, atol=0.6)
    stock = np.array([[30, 1000, 50]])
    near, _ = sample(Tuned(temperature=10.0, rate_scale=1.0), DISTANCE, views, rate, stock, 3, 0)
    np.testing.assert_array_equal(near, np.broadcast_to([30, 20, 50], near.shape))


def test_tuning_finds_what_made_the_data():
    rng = np.random.default_rng(0)
    views, rate = rng.integers(20, 200, (120, 3)), np.full(120, 0.1)
    stock = rng.integers(0, 40, (120, 3))
    truth = Tuned(temperature=0.006, rate_scale=0.8)
    actual = sample(truth, DISTANCE, views, rate, stock, 1, 5)[0][0]
    found = tune(DISTANCE, views, rate, stock, actual)
    assert abs(found.rate_scale - 0.8) < 0.06
    assert 0.003 < found.temperature < 0.012
    drawn = [sample(x, DISTANCE, views, rate, stock, 100, 9)[0] for x in (truth, found)]
    best, ours = (crps(x, actual).mean() for x in drawn)
    assert ours < 1.03 * best
