"""TFT-MTL behind the interface: what it learns, what it explains, and what it refuses."""

from dataclasses import replace

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from draingym.forecasters import (
    LSTM,
    TFTMTL,
    TrainConfig,
    explain,
    fit,
    load_forecaster,
    plot_attention,
    plot_selection,
    save_forecaster,
)
from draingym.forecasters.tft_mtl.sampling import levels_like, quantile_at
from tests.forecasters.synthetic import seasonal_naive, stocked

MODEL = TFTMTL(
    context=8,
    horizon=4,
    width=8,
    heads=2,
    dropout=0.0,
    levels=(0.1, 0.5, 0.9),
    inventory="inventory",
)
CONFIG = TrainConfig(epochs=12, batch=64, windows=768, learning_rate=1e-2)


@pytest.fixture(scope="module")
def fitted():
    return fit(stocked()[0], MODEL, config=CONFIG)


def test_it_beats_seasonal_naive_where_promotions_drive_sales(fitted):
    data, actual, _ = stocked()
    forecast = fitted.predict(data)
    naive = np.abs(seasonal_naive(data, 6, 4) - actual).mean()
    assert np.abs(forecast.point - actual).mean() < 0.7 * naive
    assert np.abs(forecast.quantiles([0.5])[0] - actual).mean() < 0.7 * naive
    inside = (actual >= forecast.quantiles([0.1])[0]) & (actual <= forecast.quantiles([0.9])[0])
    assert 0.5 < inside.mean() < 1.0


def test_it_explains_what_drives_sales(fitted):
    data, _, stock = stocked()
    insight = explain(fitted, data)
    table = insight.selection_table()
    weight = {
        name: table["weight"][(table["part"] == "future") & (table["variable"] == name)].mean()
        for name in insight.future_variables
    }
    assert set(weight) == {"promotion", "noise", "step", "phase"}
    assert sum(weight.values()) == pytest.approx(1.0, rel=1e-4)
    assert weight["promotion"] > 1.5 * weight["noise"]
    attention = insight.attention_table()
    assert len(attention["weight"]) == data.num_series * (4 * 8 + 4 * 5 // 2)
    per_step = attention["weight"].reshape(data.num_series, -1).sum(axis=1)
    np.testing.assert_allclose(per_step, 4.0, rtol=1e-4)
    # Both other tasks know which periods end without stock.
    out = stock == 0
    assert 0 < out.mean() < 1
    assert insight.stockout[out].mean() > insight.stockout[~out].mean() + 0.1
    assert insight.inventory[out].mean() < insight.inventory[~out].mean()
    assert (insight.turnover >= 0).all()


def test_weights_and_attention_are_drawn(fitted, tmp_path):
    insight = explain(fitted, stocked()[0], horizon=3)
    for name, figure in (
        ("selection", plot_selection(insight)),
        ("attention", plot_attention(insight)),
        ("step", plot_attention(insight, step=2)),
    ):
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
    bars = plot_selection(insight, most=2).axes[0].patches
    assert len(bars) == 2
    assert bars[0].get_width() >= bars[1].get_width()
    with pytest.raises(ValueError, match=r"step is 4, must be in \[1, 3\]"):
        plot_attention(insight, step=4)


def test_it_comes_back_from_a_file(fitted, tmp_path):
    save_forecaster(fitted, tmp_path / "model.npz")
    data = stocked()[0]
    again = load_forecaster(tmp_path / "model.npz")
    assert again.model == MODEL
    np.testing.assert_array_equal(
        again.predict(data, samples=5).samples, fitted.predict(data, samples=5).samples
    )


def test_what_it_needs_must_be_there(fitted):
    data = stocked()[0]
    with pytest.raises(ValueError, match=r"column 'inventory' \(past\) is missing"):
        fitted.predict(replace(data, past={}))
    known = {name: values[:, :-3] for name, values in data.known.items()}
    words = {name: values[:, :-3] for name, values in data.known_labels.items()}
    short = replace(data, known=known, known_labels=words)
    with pytest.raises(ValueError, match="promotion"):
        fitted.predict(short)
    with pytest.raises(ValueError, match="model is LSTM, must be TFTMTL"):
        explain(replace(fitted, model=LSTM(horizon=4)), data)


@settings(max_examples=25)
@given(
    st.lists(st.floats(-50, 50, width=32), min_size=3, max_size=3),
    st.floats(0.001, 0.998),
)
def test_quantiles_rise_with_their_level(knots, level):
    ordered = jnp.sort(jnp.asarray(knots, jnp.float32))
    at = jnp.asarray([level, level + 0.001], jnp.float32)
    found = np.asarray(quantile_at(jnp.stack([ordered] * 2), (0.1, 0.5, 0.9), at))
    assert found[1] >= found[0] - 1e-4
    exact = quantile_at(jnp.stack([ordered] * 3), (0.1, 0.5, 0.9), jnp.asarray([0.1, 0.5, 0.9]))
    np.testing.assert_allclose(exact, ordered, rtol=1e-4, atol=1e-3)


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
    found = np.asarray(levels_like(keys, residuals, 4000))[0]
    assert found.min() > 0
    assert found.max() < 1
    np.testing.assert_allclose(found.mean(axis=0), 0.5, atol=0.02)
    np.testing.assert_allclose(np.quantile(found, 0.9, axis=0), 0.9, atol=0.02)
    assert np.corrcoef(found[:, 0], found[:, 2])[0, 1] > 0.8
