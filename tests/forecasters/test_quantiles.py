"""Quantiles that networks learn: their order, their paths, and what they cover."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from draingym.forecasters import fit
from draingym.forecasters.quantiles import exponential_start, levels_like, quantile_at, rising
from tests.forecasters.conftest import COLUMNS, CONFIG, FIRST, MODELS

QUANTILE_AT = jax.jit(quantile_at, static_argnums=1)


@settings(max_examples=25)
@given(
    st.lists(st.floats(-50, 50, width=32), min_size=3, max_size=3),
    st.floats(0.001, 0.998),
)
def test_quantiles_rise_with_their_level(knots, level):
    ordered, levels = np.sort(np.array(knots, np.float32)), (0.1, 0.5, 0.9)
    at = np.array([level, level + 0.001, *levels], np.float32)
    found = np.asarray(QUANTILE_AT(np.tile(ordered, (5, 1)), levels, at))
    assert found[1] >= found[0] - 1e-4
    np.testing.assert_allclose(found[2:], ordered, rtol=1e-4, atol=1e-3)


def test_tails_by_hand():
    knots, levels = jnp.asarray([[1.0, 3.0]] * 2), (0.25, 0.75)
    found = quantile_at(knots, levels, jnp.asarray([0.875, 0.125]))
    # Slope 4 at the ends: 3 + 4 * .25 * log 2, and 1 - 4 * .25 * log 2.
    np.testing.assert_allclose(found, [3 + np.log(2), 1 - np.log(2)], rtol=1e-5)


def test_paths_are_joint_as_errors_were():
    random = np.random.default_rng(0)
    common = random.normal(size=(200, 1))
    residuals = jnp.asarray(common + 0.3 * random.normal(size=(200, 3)), jnp.float32)
    keys = jax.random.split(jax.random.key(0), 1)
    found = np.asarray(jax.jit(levels_like, static_argnums=2)(keys, residuals, 4000))[0]
    assert found.min() > 0
    assert found.max() < 1
    np.testing.assert_allclose(found.mean(axis=0), 0.5, atol=0.02)
    np.testing.assert_allclose(np.quantile(found, 0.9, axis=0), 0.9, atol=0.02)
    assert np.corrcoef(found[:, 0], found[:, 2])[0, 1] > 0.8


@settings(max_examples=25)
@given(st.lists(st.floats(-50, 50, width=32), min_size=4, max_size=4))
def test_what_a_network_says_becomes_quantiles_in_order(raw):
    assert (np.diff(np.asarray(rising(jnp.asarray(raw)))) >= 0).all()


def test_a_network_begins_with_the_quantiles_of_an_exponential():
    levels = np.array([0.1, 0.5, 0.9])
    found = np.asarray(rising(jnp.asarray(exponential_start(levels))))
    np.testing.assert_allclose(found, -np.log(1.0 - levels), rtol=1e-5)


def test_the_lstm_learns_quantiles(data, history):
    # Sales have a weekday pattern and noise of their own; the point has the errors of one origin.
    levels = (0.1, 0.3, 0.5, 0.7, 0.9)
    found = fit(history, replace(MODELS["LSTM"], levels=levels), columns=COLUMNS, config=CONFIG)
    forecast = found.predict(data.until(FIRST), samples=400)
    actual = data.actual(FIRST, forecast.horizon)
    wide = forecast.quantiles((0.05, 0.95))
    assert np.mean((wide[0] <= actual) & (actual <= wide[1])) > 0.7
    np.testing.assert_allclose(
        forecast.point, forecast.quantiles((0.5,))[0], rtol=0.1, atol=0.05 * actual.mean()
    )
    plain = fit(history, MODELS["LSTM"], columns=COLUMNS, config=CONFIG)
    error = np.abs(plain.predict(history).point - actual).mean()
    assert np.abs(forecast.point - actual).mean() < 1.5 * error
