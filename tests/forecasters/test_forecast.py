"""Forecasts as frames, and their scores."""

import numpy as np
import pandas as pd
import pytest

from draingym.forecasters import Forecast
from draingym.forecasters.results.scores import crps_of, mmape, wmape_by_step

RANDOM = np.random.default_rng(0)


def forecast(ids=("a", "b"), samples=12):
    drawn = RANDOM.random((samples, len(ids), 3), np.float32)
    times = np.arange("2024-01-05", "2024-01-08", dtype="datetime64[D]").astype("datetime64[s]")
    return Forecast(ids=ids, times=times, samples=drawn, point=drawn.mean(axis=0, dtype=float))


@pytest.mark.parametrize("backend", ["pandas", "pyarrow", "polars"])
def test_a_forecast_goes_to_a_long_frame_and_back(backend):
    pytest.importorskip(backend)
    one = forecast()
    frame = one.to_frame((0.1, 0.9), samples=True, backend=backend)
    two = Forecast.from_frame(frame)
    assert two.ids == one.ids
    for name in ("times", "samples", "point"):
        np.testing.assert_array_equal(getattr(two, name), getattr(one, name))


def test_columns_of_the_long_frame():
    one = forecast()
    frame = one.to_frame((0.1, 0.9))
    assert isinstance(frame, pd.DataFrame)
    assert frame.columns.tolist() == ["unique_id", "ds", "mean", "point", "q0.1", "q0.9"]
    np.testing.assert_allclose(frame["q0.9"], one.quantiles((0.9,))[0].reshape(-1))
    assert frame.unique_id.tolist() == ["a"] * 3 + ["b"] * 3


def test_a_frame_with_a_hole_is_named():
    frame = forecast().to_frame(samples=True).drop(index=4)
    with pytest.raises(ValueError, match="series 'b', 2024-01-06"):
        Forecast.from_frame(frame)


def test_scores_by_hand():
    samples = np.array([[[1.0, 4.0]], [[3.0, 4.0]]], np.float32)
    one = Forecast(ids=("a",), times=np.arange(2), samples=samples, point=np.array([[2.0, 4.0]]))
    actual = np.array([[3.0, np.nan]])
    # Fair CRPS of 1 and 3 at 3: (2 + 0) / 2 - |1 - 3| / 2 = 0.
    np.testing.assert_array_equal(crps_of(one.samples, actual), [[0.0, np.nan]])
    np.testing.assert_allclose(mmape(one.point, actual), [1 / 4])
    np.testing.assert_allclose(wmape_by_step(one.point, actual), [100 / 3, np.nan])


def test_general_measures_are_those_of_utilsforecast():
    pytest.importorskip("utilsforecast")
    one = forecast()
    actual = RANDOM.random((2, 3))
    actual[1, 2] = np.nan
    found = one.score(actual, (0.5, 0.9))
    error = one.point - actual
    np.testing.assert_allclose(found["mae"], np.nanmean(np.abs(error), axis=1))
    np.testing.assert_allclose(found["rmse"], np.sqrt(np.nanmean(error**2, axis=1)))
    np.testing.assert_allclose(
        found["wape"], np.nansum(np.abs(error), axis=1) / np.nansum(actual, axis=1)
    )
    gap = actual - one.quantiles((0.9,))[0]
    loss = np.maximum(0.9 * gap, -0.1 * gap)
    np.testing.assert_allclose(found["quantile_loss_0.9"], np.nanmean(loss, axis=1))
    assert set(found) == {
        *("crps", "mmape", "mae", "rmse", "wape", "bias", "quantile_loss_0.5", "quantile_loss_0.9")
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": np.zeros((1, 2, 3), np.float32)}, "samples have shape"),
        ({"point": np.zeros((2, 2))}, "point has shape"),
        ({"point": np.full((2, 3), np.nan)}, "forecast of series 'a', 2024-01-05"),
    ],
    ids=["samples", "point", "finite"],
)
def test_a_forecast_that_is_none_is_refused(changes, message):
    one = forecast()
    fields = {"ids": one.ids, "times": one.times, "samples": one.samples, "point": one.point}
    with pytest.raises(ValueError, match=message):
        Forecast(**fields | changes)
