"""Fitting and forecasting: what is learned, what must not count, and what goes wrong."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draingym.common.compiling import Compiling
from draingym.forecasters import (
    ARMDN,
    LSTM,
    Groups,
    NonFiniteLossError,
    SeriesData,
    TrainConfig,
    cross_validate,
    fit,
    load_forecaster,
    lstm_groups,
    save_forecaster,
    verticals,
)
from draingym.forecasters.cross_validation import origins_of
from draingym.forecasters.data.grid import Grid
from tests.forecasters.conftest import COLUMNS, CONFIG, FIRST, HORIZON, MODELS
from tests.forecasters.frames import weekly_pattern

SAMPLES = 16
SHORT = replace(CONFIG, epochs=2)


def predict(fitted, history, **options):
    return fitted.predict(history, samples=SAMPLES, **options)


def same(one, two):
    np.testing.assert_allclose(one.samples, two.samples, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(one.point, two.point, rtol=1e-4, atol=1e-4)


def test_the_weekly_pattern_is_learned(fitted, data, history):
    found = fitted.predict(history)
    actual = data.actual(FIRST, HORIZON)
    naive = history.target[:, -1:]
    assert np.abs(found.point - actual).mean() < 0.7 * np.abs(naive - actual).mean()
    low, high = found.quantiles((0.02, 0.98))
    assert ((low <= actual) & (actual <= high)).mean() > 0.7
    assert (found.samples >= 0).all()
    np.testing.assert_array_equal(found.times, data.times[FIRST:])


def test_a_frame_and_its_future_are_forecast_as_series_are(fitted, history):
    frame = weekly_pattern()
    first = frame.ds.unique()[FIRST]
    future = frame[frame.ds >= first].drop(columns="y")
    found = fitted.predict(frame[frame.ds < first], HORIZON, future, samples=SAMPLES)
    same(found, predict(fitted, history))


@settings(max_examples=5)
@given(st.permutations(range(8)), st.integers(5, 8))
def test_the_other_series_of_a_batch_do_not_count(fitted, history, order, number):
    whole, some = predict(fitted, history), order[:number]
    same(predict(fitted, history.take(some)), whole.take(some))


@settings(max_examples=5)
@given(st.integers(-3, 6))
def test_a_series_times_a_number_is_forecast_that_many_times(fitted, history, power):
    times = 2.0**power
    found = predict(fitted, replace(history, target=history.target * times))
    whole = predict(fitted, history)
    np.testing.assert_allclose(found.samples, times * whole.samples, rtol=1e-4, atol=1e-4 * times)


@settings(max_examples=5)
@given(st.integers(40, 77), st.integers(0, 2**31))
def test_nothing_of_the_future_leaks(fitted, data, origin, seed):
    random = np.random.default_rng(seed)
    after = np.arange(data.num_periods) >= origin
    price = data.known["price"].copy()
    price[:, origin + HORIZON :] = random.random(price[:, origin + HORIZON :].shape)
    changed = replace(
        data,
        target=np.where(after, random.random(data.target.shape) * 50, data.target),
        known={"price": price},
    )
    same(predict(fitted, data.until(origin)), predict(fitted, changed.until(origin)))


@settings(max_examples=5)
@given(st.integers(1, FIRST - max(model.context for model in MODELS.values())))
def test_periods_before_a_series_began_have_no_influence(fitted, history, missing):
    target = history.target.copy()
    target[:, :missing] = np.nan
    later = SeriesData(
        ids=history.ids,
        grid=Grid(int(history.grid.stamps(np.array([missing]))[0]), history.grid.step),
        target=target[:, missing:],
        known={"price": history.known["price"][:, missing:]},
        labels=history.labels,
    )
    # A price before the beginning is known, and the networks may look at it within a window.
    price = history.known["price"].copy()
    price[:, :missing] = fitted.encoder.means["known price"]
    same(
        predict(fitted, replace(history, target=target, known={"price": price})),
        predict(fitted, later),
    )


def test_a_label_that_was_not_met_is_like_one_that_is_missing(fitted, history):
    new = np.array(["never seen"] * 8)
    found = predict(fitted, replace(history, labels={"kind": new}))
    same(found, predict(fitted, replace(history, labels={"kind": np.array([""] * 8)})))
    assert np.abs(found.point - predict(fitted, history).point).max() > 1e-6


def test_a_series_that_was_not_met_is_forecast(fitted, history):
    strange = replace(history, ids=tuple(f"new {i}" for i in range(8)))
    found, known = predict(fitted, strange).point, predict(fitted, history).point
    if isinstance(fitted.model, ARMDN):  # the one that embeds ids; its point is a mean of draws
        assert 0.01 < np.abs(found / known - 1).max() < 1.0
    else:
        np.testing.assert_allclose(found, known, rtol=1e-4, atol=1e-4)


def test_zero_series_short_series_and_missing_values_are_forecast(fitted, history):
    target = history.target.copy()
    target[0] = 0.0
    target[1, :-1] = np.nan  # one observation
    target[2, 50:70] = np.nan
    found = predict(fitted, replace(history, target=target))
    assert np.isfinite(found.samples).all()
    # The scale of a series of zeros is one unit. A network that met none takes it for one that
    # sells a unit a period: at most what it forecasts of the others, over their scales.
    scale = history.target[:, -fitted.model.context :].mean(axis=1, keepdims=True)
    assert found.point[0].max() < (predict(fitted, history).point / scale).max()


def test_a_model_is_fitted_to_zero_series_short_series_and_missing_values(history):
    target = history.target.copy()
    target[0] = 0.0
    target[1, :-1] = np.nan
    target[2, 20:60] = np.nan
    changed = replace(history, target=target)
    found = fit(changed, MODELS["LSTM"], columns=COLUMNS, config=CONFIG)
    assert np.isfinite(predict(found, history).samples).all()
    # One that did meet a series of zeros goes on with nothing, though others sell 20 units.
    assert predict(found, changed).point[0].max() < 1.0


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda d: d, {"horizon": HORIZON + 1}, "horizon is 4, must be in .1, 3."),
        (lambda d: d, {"samples": 1}, "samples is 1, must be in"),
        (
            lambda d: replace(d, target=np.where(np.arange(8)[:, None] == 2, np.nan, d.target)),
            {},
            "series 'item 2', column 'target' has no value up to 2024-03-17",
        ),
        (
            lambda d: replace(d, known={"price": d.known["price"][:, : FIRST + 1]}),
            {},
            "series 'item 0', column 'price', 2024-03-19 is not given",
        ),
        (lambda d: replace(d, known={}), {}, "column 'price' .known. is missing in the history"),
    ],
    ids=["horizon", "samples", "nothing-observed", "future-too-short", "column-missing"],
)
def test_what_cannot_be_forecast_is_named(fitted, history, change, options, message):
    with pytest.raises(ValueError, match=message):
        fitted.predict(change(history), **options)


@pytest.mark.parametrize(
    ("periods", "validate", "message"),
    [
        (5, True, "data have 5 periods, must have at least 7 with"),
        (3, False, "data have 3 periods, must have at least 4 with"),
    ],
)
def test_data_that_are_too_short_are_named(history, periods, validate, message):
    config = replace(SHORT, validate=validate)
    with pytest.raises(ValueError, match=message):
        fit(history.until(periods), MODELS["LSTM"], columns=COLUMNS, config=config)


def test_a_file_holds_all_there_is(fitted, history, tmp_path):
    path = tmp_path / "forecaster.npz"
    save_forecaster(fitted, path)
    found = load_forecaster(path)
    assert found.model == fitted.model
    assert found.history == fitted.history
    np.testing.assert_array_equal(predict(found, history).samples, predict(fitted, history).samples)


def test_a_file_that_is_none_is_named(tmp_path):
    path = tmp_path / "forecaster.npz"
    with pytest.raises(ValueError, match=f"forecaster {path} cannot be read"):
        load_forecaster(path)
    np.savez(path, meta=np.array('{"version": 1}'))
    with pytest.raises(ValueError, match=f"forecaster {path}: meta.version is 1, must be one of 2"):
        load_forecaster(path)


class _StoppedError(Exception):
    pass


def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not_been(history, tmp_path):
    config = replace(CONFIG, epochs=4)
    whole = fit(history, MODELS["LSTM"], columns=COLUMNS, config=config, seed=3)

    def stop(progress):
        if progress.epoch == 2:
            raise _StoppedError

    options = {"columns": COLUMNS, "config": config, "seed": 3, "folder": tmp_path}
    with pytest.raises(_StoppedError):
        fit(history, MODELS["LSTM"], progress=stop, **options)
    epochs = []
    with Compiling() as compiling:
        found = fit(history, MODELS["LSTM"], progress=lambda p: epochs.append(p.epoch), **options)
    assert epochs == [3, 4]
    assert compiling.programs == 0, compiling.by_name
    jax.tree.map(np.testing.assert_array_equal, found.weights, whole.weights)
    np.testing.assert_array_equal(found.residuals["all"], whole.residuals["all"])
    with Compiling() as compiling:  # nor does another rate
        faster = options | {"config": replace(config, learning_rate=0.1), "folder": None}
        other = fit(history, MODELS["LSTM"], **faster)
    assert compiling.programs == 0, compiling.by_name
    assert other.history[0].validation_loss != found.history[0].validation_loss
    with pytest.raises(ValueError, match="fingerprint of data and model is"):
        fit(history.until(FIRST - 1), MODELS["LSTM"], **options)
    with pytest.raises(ValueError, match=r"training.learning_rate is 0.005, must be 0.1"):
        fit(
            history,
            MODELS["LSTM"],
            **options | {"config": replace(config, learning_rate=0.1)},
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("groups", "names"),
    [
        pytest.param(lstm_groups("GROUP"), {"G1", "G2", "G3"}, id="GROUP", marks=pytest.mark.slow),
        pytest.param(lstm_groups("FEATURE"), {"all"}, id="FEATURE", marks=pytest.mark.slow),
        pytest.param(verticals("kind"), {"all", "even", "odd"}, id="verticals"),
    ],
)
def test_groups_have_their_networks(history, groups, names, tmp_path):
    found = fit(history, MODELS["LSTM"], columns=COLUMNS, config=SHORT, groups=groups)
    assert set(found.weights) <= names
    if groups.use != "feature":
        assert len(found.weights) > 1
    if groups.use == "fine-tune":
        joint, tuned = (found.weights[name]["dense"]["kernel"] for name in ("all", "even"))
        assert np.abs(joint - tuned).max() > 0
        # One that belongs to no vertical is forecast by the joint network.
        stranger = replace(history, labels={"kind": np.array(["else"] * 8)})
        alone = replace(found, rule=None)
        same(predict(found, stranger), predict(alone, stranger))
    save_forecaster(found, tmp_path / "groups.npz")
    same(predict(load_forecaster(tmp_path / "groups.npz"), history), predict(found, history))


@pytest.mark.slow
def test_clusters_have_their_networks(history):
    found = fit(
        history, MODELS["LSTM"], columns=COLUMNS, config=SHORT, groups=lstm_groups("CLUSTER")
    )
    assert all(name.startswith("cluster ") for name in found.weights)
    assert np.isfinite(predict(found, history).samples).all()


def test_a_group_by_a_column_that_is_not_there_is_named(history):
    with pytest.raises(ValueError, match="column 'brand' is missing"):
        fit(history, MODELS["LSTM"], groups=verticals("brand"))
    with pytest.raises(ValueError, match=r"groups.column is 'kind'"):
        Groups(kind="sales", column="kind")


@pytest.mark.slow
def test_cross_validation_forecasts_every_origin_from_what_was_known(data, tmp_path):
    options = {"origins": 2, "columns": COLUMNS, "config": SHORT, "samples": SAMPLES}
    model = MODELS["LSTM"]
    folds = list(cross_validate(data, model, folder=tmp_path, **options))
    assert [fold.origin for fold in folds] == [74, 77] == origins_of(80, 3, 2)
    np.testing.assert_array_equal(folds[0].actual, data.target[:, 74:77])
    target = data.target.copy()
    target[:, 77:] = 1000.0
    changed = list(cross_validate(replace(data, target=target), model, refit=False, **options))
    np.testing.assert_array_equal(changed[0].forecast.samples, folds[0].forecast.samples)
    again = list(cross_validate(data, model, folder=tmp_path, **options))
    np.testing.assert_array_equal(again[1].forecast.samples, folds[1].forecast.samples)
    with pytest.raises(ValueError, match=r"fold .* is of other data"):
        list(cross_validate(replace(data, target=target), model, folder=tmp_path, **options))


@pytest.mark.slow
def test_a_loss_that_is_not_finite_names_the_update(history):
    config = TrainConfig(epochs=5, learning_rate=1e38, clip_norm=1e38)
    with pytest.raises(NonFiniteLossError, match=r"loss is .* at update \d+ of epoch \d+"):
        fit(history, LSTM(horizon=3, window=4, steps=4, cell=4), columns=COLUMNS, config=config)


@pytest.mark.slow
def test_cocob_learns_without_a_rate(data, history):
    config = TrainConfig(epochs=30, batch=64, optimizer="cocob", clip_norm=100.0)
    found = fit(history, MODELS["LSTM"], columns=COLUMNS, config=config).predict(history)
    actual, naive = data.actual(FIRST, HORIZON), history.target[:, -1:]
    assert np.abs(found.point - actual).mean() < 0.8 * np.abs(naive - actual).mean()
