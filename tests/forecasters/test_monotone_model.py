"""The monotone transformer behind the interface: what it learns, and what it refuses."""

from dataclasses import replace

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


@pytest.fixture(scope="module")
def fitted():
    return fit(discounted()[0], MODEL, config=CONFIG)


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


def test_weeks_without_stock_have_no_influence(fitted):
    data, _ = discounted()
    stock = data.past["stock"].copy()
    stock[:, -2] = 0.0
    out = replace(data, past={"stock": stock})
    wild = replace(out, target=np.where(stock == 0.0, 500.0, data.target))
    found, same = fitted.predict(out), fitted.predict(wild)
    np.testing.assert_array_equal(found.point, same.point)
    assert np.abs(found.point - fitted.predict(data).point).max() > 1e-3


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
def test_bad_columns_are_refused(fitted, change, message):
    data, _ = discounted()
    with pytest.raises(ValueError, match=message):
        fitted.predict(change(data))
    with pytest.raises(ValueError, match=message):
        fit(change(data), MODEL, config=CONFIG)


def test_discounts_that_end_too_soon_are_refused(fitted):
    data, _ = discounted()
    short = replace(data, known={"discount": data.known["discount"][:, :-2]})
    with pytest.raises(ValueError, match="discount"):
        fitted.predict(short)


def test_other_models_have_no_curves(fitted):
    data, _ = discounted()
    with pytest.raises(ValueError, match="model is LSTM, must be MonotoneTransformer"):
        price_curves(replace(fitted, model=LSTM(horizon=4)), data)
