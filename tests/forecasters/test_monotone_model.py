"""The monotone transformer behind the interface: what it learns, and what it refuses."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from draingym.forecasters import (
    LSTM,
    MonotoneTransformer,
    TrainConfig,
    fit,
    load_forecaster,
    price_curves,
    save_forecaster,
)
from draingym.forecasters.data.encoding import Encoder
from draingym.forecasters.fitted import Fitted
from draingym.forecasters.monotone_transformer.model import inputs_of
from tests.forecasters.drawn import batch_of, shapes_of
from tests.forecasters.synthetic import RISE, discounted, seasonal_naive

MODEL = MonotoneTransformer(
    context=8,
    horizon=4,
    near=2,
    layers=1,
    heads=4,
    head_width=4,
    embedding=2,
    dropout=0.0,
    near_epochs=12,
    far_epochs=6,
    discount="discount",
    stock="stock",
)
CONFIG = TrainConfig(batch=64, windows=768, learning_rate=5e-3)


def untrained():
    """A forecaster whose weights were never looked at."""
    encoder = Encoder.learned(discounted()[0], raw=MODEL.raw)
    return Fitted(
        model=MODEL,
        encoder=encoder,
        weights={"all": {}},
        residuals={"all": np.zeros((1, 4))},
    )


@pytest.fixture(scope="module")
def fitted():
    return fit(discounted()[0], MODEL, config=CONFIG)


@pytest.mark.slow
def test_it_beats_seasonal_naive_where_discounts_drive_demand(fitted):
    data, actual = discounted()
    forecast = fitted.predict(data)
    naive = np.abs(seasonal_naive(data, 4, 4) - actual).mean(axis=0)
    error = np.abs(forecast.point - actual).mean(axis=0)
    # The near and the far decoder each.
    assert error[:2].mean() < 0.5 * naive[:2].mean()
    assert error[2:].mean() < 0.5 * naive[2:].mean()
    stages = [point.part for point in fitted.history]
    assert stages == ["near"] * stages.count("near") + ["far"] * stages.count("far")
    assert stages.count("near") > stages.count("far") > 0


@pytest.mark.slow
def test_the_fitted_curves_have_the_true_rise(fitted):
    data, _ = discounted()
    prices = price_curves(fitted, data)
    grid = prices.grid()
    assert grid.shape == (data.num_series, 4, 15)
    assert (np.diff(grid, axis=-1) >= 0).all()
    lift = np.median(grid[..., 6] / grid[..., 0])
    assert lift == pytest.approx(np.exp(0.3 * RISE), rel=0.25)
    # The point forecast is the curve at the planned discounts.
    planned = data.known["discount"][:, -4:]
    np.testing.assert_allclose(prices.demand(planned), fitted.predict(data).point, rtol=1e-3)


@pytest.mark.slow
def test_weeks_without_stock_have_no_influence(fitted):
    data, _ = discounted()
    stock = data.past["stock"].copy()
    stock[:, -2] = 0.0
    out = replace(data, past={"stock": stock})
    wild = replace(out, target=np.where(stock == 0.0, 500.0, data.target))
    found, same = fitted.predict(out), fitted.predict(wild)
    np.testing.assert_array_equal(found.point, same.point)
    assert np.abs(found.point - fitted.predict(data).point).max() > 1e-3


@pytest.mark.slow
def test_it_comes_back_from_a_file(fitted, tmp_path):
    save_forecaster(fitted, tmp_path / "model.npz")
    data, _ = discounted()
    again = load_forecaster(tmp_path / "model.npz")
    assert again.model == MODEL
    np.testing.assert_array_equal(
        again.predict(data, samples=5).samples, fitted.predict(data, samples=5).samples
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: replace(data, known={"discount": data.known["discount"] * 2}),
            r"series 's\d\d', column 'discount', .* is (0.8|1), must be in \[0, 0.7\]",
        ),
        (
            lambda data: replace(data, known={"discount": data.known["discount"] - 0.1}),
            r"series 's\d\d', column 'discount', .* is -0.1, must be in \[0, 0.7\]",
        ),
        (lambda data: replace(data, known={}), r"column 'discount' \(known\) is missing"),
        (lambda data: replace(data, past={}), r"column 'stock' \(past\) is missing"),
    ],
    ids=["above", "below", "no discount", "no stock"],
)
def test_bad_columns_are_refused(change, message):
    data = change(discounted()[0])
    with pytest.raises(ValueError, match=message):
        fit(data, MODEL, config=CONFIG)
    with pytest.raises(ValueError, match=message):
        untrained().predict(data)


def test_discounts_that_end_too_soon_are_refused():
    data, _ = discounted()
    short = replace(data, known={"discount": data.known["discount"][:, :-2]})
    with pytest.raises(ValueError, match=r"series 's00', column 'discount', .* is not given"):
        untrained().predict(short)


def test_other_models_have_no_curves():
    with pytest.raises(ValueError, match="model is LSTM, must be MonotoneTransformer"):
        price_curves(replace(untrained(), model=LSTM(horizon=4)), discounted()[0])


def test_every_stage_has_its_loss_and_windows_become_inputs():
    model = replace(MODEL, weighting="demand", dropout=0.1)
    loss, point, drawn, inputs = shapes_of(model, discounted()[0], inputs_of)
    assert len(loss) == 2
    assert all(total.shape == count.shape == () for total, count in loss)
    assert point.shape == (24, 4)
    assert drawn.shape == (24, 3, 4)
    assert inputs.known.shape == (24, 12, 0)
    assert inputs.future_discount.shape == (24, 4)


def test_inputs_are_what_the_data_say():
    data, _ = discounted()
    encoder = Encoder.learned(MODEL.clean(data), raw=MODEL.raw)
    stock = data.past["stock"].copy()
    stock[0, -1] = 0.0
    batch = batch_of(MODEL, replace(data, past={"stock": stock}), encoder, range(2), 48)
    inputs = jax.jit(inputs_of, static_argnums=1)(batch, MODEL.sizes(encoder.layout))
    np.testing.assert_allclose(inputs.future_discount, data.known["discount"][:2, 48:], rtol=1e-6)
    np.testing.assert_allclose(inputs.discount, data.known["discount"][:2, 40:48], rtol=1e-6)
    assert inputs.mask.tolist() == [[True] * 7 + [False], [True] * 8]
    scale = data.target[1, 40:].mean()
    np.testing.assert_allclose(inputs.demand[1], np.log1p(data.target[1, 40:] / scale), rtol=1e-5)
    np.testing.assert_allclose(inputs.past[1], np.log(101.0), rtol=1e-5)
    assert inputs.codes.tolist() == [[1], [2]]


@pytest.mark.slow
def test_a_run_that_stopped_in_its_second_stage_goes_on(tmp_path):
    data, _ = discounted(series=8)
    model = replace(MODEL, near_epochs=2, far_epochs=3)
    whole = fit(data, model, config=CONFIG)

    def stop(progress):
        if progress.part == "far" and progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(data, model, config=CONFIG, folder=tmp_path, progress=stop)
    again = fit(data, model, config=CONFIG, folder=tmp_path)
    assert [p.part for p in again.history] == ["near"] * 2 + ["far"] * 3
    jax.tree.map(np.testing.assert_array_equal, again.weights["all"], whole.weights["all"])


@pytest.mark.slow
def test_a_free_response_follows_the_data_down():
    """Discounts that come with less demand: a free curve falls, a monotone one is flat."""
    data, _ = discounted()
    less = np.exp(-4 * data.known["discount"][:, :48])
    falling = replace(data, target=np.round(data.target * less))
    slopes = {}
    for response in ("free", "monotone"):
        fitted = fit(falling, replace(MODEL, response=response), config=CONFIG)
        grid = price_curves(fitted, falling).grid()
        slopes[response] = np.median(grid[..., 8] / grid[..., 0])
    assert slopes["free"] < 0.8
    assert slopes["monotone"] >= 1.0
