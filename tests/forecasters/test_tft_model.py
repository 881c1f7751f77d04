"""TFT-MTL behind the interface: what it learns, what it explains, and what it refuses."""

from dataclasses import replace

import jax
import numpy as np
import pytest

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
from draingym.forecasters.data.encoding import Encoder
from draingym.forecasters.fitted import Fitted
from draingym.forecasters.tft_mtl.model import inputs_of
from tests.forecasters.drawn import batch_of, shapes_of
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


def test_a_head_begins_at_the_mean_with_the_quantiles_of_an_exponential_distribution():
    for levels in ((), (0.1, 0.5, 0.9)):
        model = replace(MODEL, levels=levels)
        first = model.initial("amounts/bias", (2 * (1 + len(levels)),), np.random.default_rng(0))
        for head in np.split(first, 2):  # sales and inventory
            mean, *quantiles = head
            assert mean == 1.0
            quantiles[1:] = np.log1p(np.exp(quantiles[1:]))  # steps, by softplus
            expected = -np.log(1.0 - np.array(levels))
            np.testing.assert_allclose(np.cumsum(quantiles), expected, rtol=1e-12)


@pytest.mark.slow
def test_it_beats_seasonal_naive_where_promotions_drive_sales(fitted):
    data, actual, _ = stocked()
    forecast = fitted.predict(data)
    naive = np.abs(seasonal_naive(data, 6, 4) - actual).mean()
    assert np.abs(forecast.point - actual).mean() < 0.7 * naive
    assert np.abs(forecast.quantiles([0.5])[0] - actual).mean() < 0.7 * naive
    inside = (actual >= forecast.quantiles([0.1])[0]) & (actual <= forecast.quantiles([0.9])[0])
    assert 0.5 < inside.mean() < 1.0


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_it_comes_back_from_a_file(fitted, tmp_path):
    save_forecaster(fitted, tmp_path / "model.npz")
    data = stocked()[0]
    again = load_forecaster(tmp_path / "model.npz")
    assert again.model == MODEL
    np.testing.assert_array_equal(
        again.predict(data, samples=5).samples, fitted.predict(data, samples=5).samples
    )


def test_what_it_needs_must_be_there():
    data = stocked()[0]
    missing = r"column 'inventory' \(past\) is missing"
    with pytest.raises(ValueError, match=missing):
        fit(replace(data, past={}), MODEL)
    encoder = Encoder.learned(data, raw=MODEL.raw)
    fitted = Fitted(
        model=MODEL,
        encoder=encoder,
        weights={"all": {}},
        residuals={"all": np.zeros((1, 4))},
    )
    with pytest.raises(ValueError, match=missing):
        fitted.predict(replace(data, past={}))
    known = {name: values[:, :-3] for name, values in data.known.items()}
    words = {name: values[:, :-3] for name, values in data.known_labels.items()}
    with pytest.raises(ValueError, match=r"series 's00', column 'promotion', .* is not given"):
        fitted.predict(replace(data, known=known, known_labels=words))
    with pytest.raises(ValueError, match="model is LSTM, must be TFTMTL"):
        explain(replace(fitted, model=LSTM(horizon=4)), data)


@pytest.mark.parametrize(
    ("model", "amounts"),
    [
        (MODEL, 2),
        pytest.param(
            replace(MODEL, tasks=("sales", "stockout"), dropout=0.1), 1, marks=pytest.mark.slow
        ),
        pytest.param(replace(MODEL, levels=()), 2, marks=pytest.mark.slow),
        (replace(MODEL, inventory=None), 1),
    ],
    ids=["all tasks", "two tasks", "no quantiles", "no inventory"],
)
def test_every_task_has_its_loss_and_windows_become_inputs(model, amounts):
    loss, point, drawn, inputs = shapes_of(model, stocked()[0], inputs_of)
    assert [x.shape for x in loss[0]] == [(), ()]
    assert point.shape == (24, 4)
    assert drawn.shape == (24, 3, 4)
    assert inputs.past.shape == (24, 8, 2)
    assert len(model.amounts) == amounts


def test_targets_are_what_the_data_say():
    data, _, _ = stocked()
    encoder = Encoder.learned(data, raw=MODEL.raw)
    batch = batch_of(MODEL, data, encoder, range(3), 50)
    sizes = MODEL.sizes(encoder.layout)
    found, inputs = jax.jit(lambda x: (MODEL.targets(x, sizes), inputs_of(x, sizes)))(batch)
    sales, stock = data.target[:3, 50:54], data.past["inventory"][:3, 49:54]
    np.testing.assert_allclose(found.stockout, stock[:, 1:] == 0)
    mean = (stock[:, 1:] + stock[:, :-1]) / 2
    expected = np.where(mean > 0, sales / np.maximum(mean, 1e-9), 0.0)
    np.testing.assert_allclose(found.turnover, expected, rtol=1e-5)
    np.testing.assert_array_equal(found.turnover_known, mean > 0)
    scale = data.past["inventory"][:3, 42:50].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found.amounts[..., 1], stock[:, 1:] / scale, rtol=1e-5)
    np.testing.assert_allclose(
        inputs.past[..., 1], data.past["inventory"][:3, 42:50] / scale, rtol=1e-5
    )
