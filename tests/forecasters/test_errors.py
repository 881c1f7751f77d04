from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np

from draingym.forecasters.training.errors import error_width, with_errors

# The fourth period was not observed. The mean is 4, squares of what is off it sum to 8, and the
# scale counts as two more observations: (8 + 2 * 16) / 5 = 8.
BATCH = SimpleNamespace(
    target=jnp.array([[2.0, 4.0, 6.0, 0.0]]),
    observed=jnp.array([[True, True, True, False]]),
    scale=jnp.array([4.0]),
)
POINT = jnp.array([[10.0, 0.0]])
WIDTH = np.sqrt(np.sqrt(8.0) * np.array([[10.2, 0.2]]))


def test_the_width_of_errors_grows_with_deviation_and_with_the_point():
    np.testing.assert_allclose(error_width(BATCH, POINT), WIDTH, rtol=1e-6)
    tenfold = SimpleNamespace(
        target=10 * BATCH.target, observed=BATCH.observed, scale=10 * BATCH.scale
    )
    np.testing.assert_allclose(error_width(tenfold, 10 * POINT), 10 * WIDTH, rtol=1e-6)


def test_samples_are_the_point_and_a_row_of_errors_in_widths():
    keys = jax.random.split(jax.random.key(0), 1)
    rows = jnp.array([[0.5, 1.0], [-0.5, -1.0]])
    found = np.asarray(with_errors(BATCH, POINT, keys, rows, 50, nonnegative=False))[0]
    up = np.isclose(found, POINT + WIDTH * [0.5, 1.0], rtol=1e-5).all(axis=1)
    down = np.isclose(found, POINT - WIDTH * [0.5, 1.0], rtol=1e-5).all(axis=1)
    assert (up ^ down).all()
    assert up.any()
    assert down.any()
    assert with_errors(BATCH, POINT, keys, rows, 50, nonnegative=True).min() == 0
