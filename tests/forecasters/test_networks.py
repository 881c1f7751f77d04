"""The networks of the LSTM and of ARMDN beside slow NumPy, and the mixture beside SciPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from draingym.forecasters import ARMDN, LSTM, SeriesData
from draingym.forecasters.data.encoding import Encoder
from draingym.forecasters.data.grid import Grid, Step
from draingym.forecasters.mixture import Mixture
from draingym.forecasters.training.weights import definition, initial_weights
from tests.forecasters.drawn import batch_of

GRID = np.linspace(-260.0, 260.0, 60_001)


@partial(jax.jit, static_argnums=(0, 1), static_argnames="training")
def _loss(model, graph, weights, batch, *, training):
    key = jax.random.key(0) if training else None
    return model.loss(nnx.merge(graph, weights), batch, key, 0)


MIXTURE_ROW = st.lists(st.floats(-3, 3, width=32), min_size=9, max_size=9)


@jax.jit
def _density(raw, y):
    return jnp.exp(Mixture.of(raw[None, :], 0.05, 8.0).log_density(y))


@settings(max_examples=15)
@given(MIXTURE_ROW, st.floats(0.1, 20.0))
def test_the_mixture_integrates_to_one_and_is_scipys(raw, stretch):
    raw = np.array(raw) * stretch
    density = np.asarray(_density(raw, GRID))
    assert np.isfinite(density).all()
    weight = np.exp(raw[:3] - raw[:3].max())
    weight /= weight.sum()
    deviation = np.clip(np.exp(np.clip(raw[6:], -50, 50)), 0.05, 8.0)
    expected = stats.norm.pdf(GRID[:, None], raw[3:6], deviation) @ weight
    np.testing.assert_allclose(density, expected, rtol=2e-3, atol=2e-5)
    assert abs(np.trapezoid(density.astype(float), GRID) - 1.0) < 2e-3


def test_draws_of_the_mixture_have_its_mean():
    raw = jnp.array([0.0, 1.0, -2.0, 0.0, 0.5, -1.0])
    mixture = Mixture.of(jnp.broadcast_to(raw, (20_000, 6)), 1e-3, 1e3)
    drawn = np.asarray(jax.jit(lambda m, k: m.sample(k))(mixture, jax.random.key(0)))
    expected = float(mixture.expectation()[0])
    assert abs(drawn.mean() - expected) < 4 * drawn.std() / np.sqrt(len(drawn))


def test_the_density_far_away_is_finite_and_so_is_its_gradient():
    raw = jnp.array([0.0, 0.0, 0.0, 0.0, -100.0, 100.0])
    y = jnp.array(500.0)
    loss, slope = jax.value_and_grad(lambda r: -Mixture.of(r, 1e-3, 1e3).log_density(y))(raw)
    assert np.isfinite(loss)
    assert np.isfinite(slope).all()


def _window(model, *, missing=()):
    random = np.random.default_rng(0)
    target = random.poisson(8.0, (2, model.context + model.horizon)).astype(float)
    for place in missing:
        target[place] = np.nan
    data = SeriesData(
        ids=("a", "b"),
        grid=Grid(0, Step("whole", 1)),
        target=target,
        known={"price": random.random(target.shape)},
        labels={"kind": np.array(["x", "y"])},
    )
    encoder = Encoder.learned(data)
    batch = batch_of(model, data, encoder, range(2), model.context)
    graph, weights = (
        definition(model, encoder.layout),
        jax.tree.map(
            lambda x: x + 0.1 * random.standard_normal(x.shape).astype(np.float32),
            initial_weights(model, encoder.layout, 1),
        ),
    )
    return data, batch, graph, weights


@partial(jax.jit, static_argnums=0)
def _out(graph, weights, batch):
    return nnx.merge(graph, weights)(batch, jnp.zeros_like(batch.target))


def _outputs(graph, weights, batch):
    return np.asarray(_out(graph, weights, batch))


def _sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


@pytest.mark.parametrize("levels", [(), (0.2, 0.5, 0.9)])
def test_the_peephole_network_is_that_of_slow_numpy(levels):
    model = LSTM(horizon=2, window=3, steps=4, cell=5, ahead=True, levels=levels)
    data, batch, graph, w = _window(model)
    found = _outputs(graph, w, batch)
    w = jax.tree.map(np.asarray, w)
    price = np.asarray(batch.known[..., 0])
    scale = data.target[:, : model.context].mean(axis=1)
    kind = np.eye(2)
    for b in range(2):
        memory, output = np.zeros(5), np.zeros(5)
        x = data.target[b, : model.context] / scale[b]
        for t in range(model.steps):
            part = x[t : t + 3]
            gates = w["sales"]["bias"] + w["static"]["kernel"].T @ kind[b]
            for k in range(3):
                gates = gates + w["sales"]["kernel"][k] * (part[k] - part.mean())
                gates = gates + w["columns"]["kernel"][k] * price[b, t + k]
            i, f, o, g = np.split(gates + w["cell"]["recurrent"]["kernel"].T @ output, 4)
            i = _sigmoid(i + w["cell"]["input_peephole"] * memory)
            f = _sigmoid(f + w["cell"]["forget_peephole"] * memory + 1.0)
            memory = f * memory + i * np.tanh(g)
            output = _sigmoid(o) * np.tanh(memory)
            outputs = (w["dense"]["kernel"].T @ output).reshape(2, -1)
            for h in range(2):
                state = w["state"]["kernel"].T @ output + w["state"]["bias"]
                hidden = np.maximum(state + w["to_come"]["kernel"][0] * price[b, t + 3 + h], 0.0)
                expected = outputs[h] + w["step"]["kernel"].T @ hidden
                if levels:
                    # Without weights, the quantiles of an exponential around the window's mean.
                    first, *steps = expected
                    start = -np.log1p(-np.array(levels))
                    more = np.log1p(np.exp(steps) * np.expm1(np.diff(start)))
                    expected = np.cumsum([first + start[0] - 1.0, *more])
                expected = expected + part.mean()
                np.testing.assert_allclose(found[b, t, h], expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("scheme", ["LS1", "LS2"])
def test_the_learning_schemes_count_all_cells_or_the_last(scheme):
    model = LSTM(horizon=2, window=3, steps=4, cell=5, noise=0.0, scheme=scheme)
    data, batch, graph, weights = _window(model, missing=[(0, 4), (1, 7)])
    out = _outputs(graph, weights, batch)
    scale = np.nanmean(data.target[:, : model.context], axis=1)
    total, count = 0.0, 0
    for b in range(2):
        for t in range(model.steps) if scheme == "LS1" else [model.steps - 1]:
            for h in range(2):
                actual = data.target[b, t + 3 + h]
                if not np.isnan(actual):
                    total, count = total + abs(out[b, t, h, 0] - actual / scale[b]), count + 1
    loss, number = _loss(model, graph, weights, batch, training=True)
    assert float(number) == count
    np.testing.assert_allclose(float(loss), total, rtol=1e-4)
    last, at_validation = _loss(model, graph, weights, batch, training=False)
    assert float(at_validation) == 3.0  # the last cells' horizons, less one that is missing
    assert float(last) <= total + 1e-4


@partial(jax.jit, static_argnums=0)
def _period(graph, weights, batch, t, carry, last, now):
    """The log density of one period, given the one before, and the state after it."""
    network = nnx.merge(graph, weights)
    factors = jax.lax.dynamic_slice_in_dim(network.factors(batch, None), t, 1, axis=1)
    mixture, carry = network.run(carry, factors, last[:, None])
    return mixture.log_density(now[:, None])[:, 0], carry


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="ARMDN"),
        pytest.param({"associative": False}, id="RMDN", marks=pytest.mark.slow),
        pytest.param({"recurrent": False}, id="AMDN"),
        pytest.param({"mixtures": 1}, id="single-Gaussian", marks=pytest.mark.slow),
    ],
)
def test_the_loss_is_the_likelihood_period_by_period(changes):
    settings = {"horizon": 2, "context": 4, "width": 5, "mixtures": 3, "dropout": 0.0}
    model = ARMDN(**settings | changes)
    data, batch, graph, weights = _window(model, missing=[(1, 2), (0, 4)])
    scale = np.nanmean(data.target[:, : model.context], axis=1)
    total, count = 0.0, 0
    carry, last = (np.zeros((2, 5), np.float32),) * 2, np.zeros(2, np.float32)
    for t in range(6):
        now = (data.target[:, t] / scale).astype(np.float32)
        density, carry = _period(graph, weights, batch, t, carry, last, np.nan_to_num(now))
        density = np.asarray(density)
        total -= density[~np.isnan(now)].sum()
        count += int((~np.isnan(now)).sum())
        last = np.where(np.isnan(now), last, now).astype(np.float32)
    loss, number = _loss(model, graph, weights, batch, training=True)
    assert float(number) == count == 10
    np.testing.assert_allclose(float(loss), total, rtol=1e-4)
    assert float(_loss(model, graph, weights, batch, training=False)[1]) == 3.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LSTM(window=0), "lstm.window is 0, must be at least 1"),
        (lambda: LSTM(levels=(0.5,)), r"lstm.levels is \(0.5,\), must rise within \(0, 1\)"),
        (lambda: LSTM(scheme="LS3"), "scheme is 'LS3', must be one of LS1, LS2"),
        (lambda: ARMDN(dropout=1.0), "armdn.dropout is 1.0"),
        (lambda: ARMDN(low=2.0, high=1.0), "armdn.high is 1.0"),
        (lambda: ARMDN(associative=False, recurrent=False), "one must be True"),
    ],
    ids=["window", "levels", "scheme", "dropout", "bounds", "nothing-left"],
)
def test_settings_out_of_bounds_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
