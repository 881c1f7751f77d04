"""The forecasters' benchmark on data it makes, without the packages that it compares with."""

import json
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import forecasters
from benchmarks._common import Clock
from benchmarks.forecasters_parts import (
    ablations,
    accuracy,
    methods,
    ours,
    prices,
    scaling,
    speed,
    tasks,
)
from benchmarks.forecasters_parts.datasets import Dataset
from benchmarks.forecasters_parts.frames import in_order, long_frame
from benchmarks.forecasters_parts.methods import LEVELS, Method
from benchmarks.forecasters_parts.neural import column_of
from benchmarks.forecasters_parts.runs import kept_run, scored
from benchmarks.forecasters_parts.sizes import SIZES
from benchmarks.forecasters_parts.truth import GRID, _followed, make_truth
from draingym.forecasters import Forecast, SeriesData
from draingym.forecasters.data.grid import Grid, Step

TINY = SIZES["tiny"]


def made(series=4, periods=40, horizon=3, seed=0, **columns):
    target = np.random.default_rng(seed).poisson(5.0, (series, periods)).astype(float)
    ids = tuple(f"s{i}" for i in range(series))
    data = SeriesData(ids=ids, grid=Grid(0, Step("whole", 1)), target=target, **columns)
    return Dataset(name="made", data=data, horizon=horizon, season=7)


@pytest.fixture
def dataset():
    return made()


def method_of(calls, **other):
    """A forecast of the settings' level, whatever happened."""

    def fit(dataset, origin, settings, seed):
        calls.append((origin, settings["level"], seed))

        def predict(dataset, origin):
            shape = (dataset.data.num_series, dataset.horizon)
            spread = np.linspace(-3.0, 3.0, len(LEVELS))[:, None, None]
            return settings["level"] + spread + np.zeros((1, *shape)), np.full(shape, 5.0)

        return predict

    return Method(name="peer", fit=fit, random=True, **other)


@pytest.mark.slow
def test_settings_are_chosen_before_the_first_origin_that_is_scored(dataset, tmp_path):
    calls = []
    method = method_of(calls, tried=({"level": 50.0}, {"level": 5.0}))
    options = {"origins": 2, "seeds": (0, 1)}
    found = scored(tmp_path, method, dataset, **options)
    assert found.settings == {"level": 5.0}
    assert calls[:2] == [(31, 50.0, 0), (31, 5.0, 0)]
    assert calls[2:] == [(34, 5.0, 0), (34, 5.0, 1)]  # fitted once, forecast from both origins
    again = scored(tmp_path, method, dataset, **options)
    assert len(calls) == 4  # nothing is run twice
    np.testing.assert_array_equal(again.runs[1].losses, found.runs[1].losses)
    row = accuracy.row_of(dataset, found)
    actual = dataset.data.target[:, 34:40]
    np.testing.assert_allclose(row["wMAPE"], np.abs(5.0 - actual).sum() / actual.sum())
    changed = replace(dataset, data=replace(dataset.data, target=dataset.data.target + 1.0))
    scored(tmp_path, method, changed, **options)
    assert len(calls) == 8  # other data are other runs


def test_the_loss_is_the_crps_of_the_quantiles(dataset, tmp_path):
    run = kept_run(tmp_path, method_of([]), dataset, [34, 37], {"level": 5.0}, 0)
    slow = np.mean(
        [
            2 * np.maximum(level * (run.actual - q), (level - 1) * (run.actual - q))
            for level, q in zip(LEVELS, run.quantiles.swapaxes(0, 1), strict=True)
        ],
        axis=0,
    )
    np.testing.assert_allclose(run.losses, slow)
    np.testing.assert_array_equal(run.actual[1], dataset.data.target[:, 37:40])


def test_claims_count_data_sets_whose_whole_interval_is_better():
    rows = [
        {"table": "accuracy", "data": data, "model": "LSTM"} for data in ("one", "two", "three")
    ]
    rows += [
        {"table": "ratio", "data": data, "model": "LSTM", "rival": rival}
        | {"value": value, "low": value - 0.1, "high": value + 0.1}
        for data, rival, value in (
            ("one", "LightGBM", 0.5),
            ("two", "LightGBM", 0.95),
            ("one", "NF-LSTM", 1.02),
            ("two", "NF-LSTM", 1.05),
        )
    ]
    claims = {c.what: c for c in accuracy.accuracy_claims(rows, 12) if c.needs}
    beaten = claims["sets on which LSTM beats LightGBM on CRPS, interval below 1"]
    assert (beaten.value, beaten.passes) == (1.0, False)
    (worst,) = [claim for what, claim in claims.items() if "worst" in what]
    assert (worst.value, worst.passes) == (1.05, False)
    assert len(claims) == 3


def test_a_method_without_its_package_is_left_out(capsys):
    one, other = method_of([]), replace(method_of([]), name="far", needs=("no_such_package",))
    assert methods.there([one, other]) == [one]
    assert "far is left out: no_such_package" in capsys.readouterr().out


def test_frames_begin_with_a_series_first_observation():
    pytest.importorskip("pandas")
    target = np.array([[np.nan, 2.0, np.nan, 4.0], [1.0, 1.0, 1.0, 1.0]])
    data = SeriesData(
        ids=("b", "a"),
        grid=Grid(0, Step("whole", 1)),
        target=target,
        known={"price": np.arange(8.0).reshape(2, 4)},
    )
    frame = long_frame(Dataset(name="made", data=data, horizon=1, season=1), 4)
    assert frame["y"].tolist() == [2.0, 2.0, 4.0, 1.0, 1.0, 1.0, 1.0]
    assert frame["ds"].tolist() == [1, 2, 3, 0, 1, 2, 3]
    assert frame["price"].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    ahead = long_frame(Dataset(name="made", data=data, horizon=1, season=1), 4, first=3)
    shuffled = ahead.iloc[::-1]
    values = in_order(shuffled, Dataset(name="made", data=data, horizon=1, season=1), ["price"])
    assert values.tolist() == [[[3.0], [7.0]]]


@pytest.mark.parametrize(
    ("level", "column"), [(0.1, "TFT-lo-80.0"), (0.5, "TFT-median"), (0.7, "TFT-hi-40.0")]
)
def test_a_level_is_an_end_of_an_interval(level, column):
    assert column_of("TFT", level) == column


def test_elasticity_within_series_is_the_slope():
    price = np.log(np.array([[1.0, 2.0, 4.0, 1.0], [3.0, 2.0, 2.5, 1.0]]))
    units = np.exp(np.array([[5.0], [1.0]]) - 3.0 * price)
    units[:, 3] = 1e6  # after the origin
    found = prices.within_series(units, price, 3)
    np.testing.assert_allclose(found.value, -3.0)


def test_discounts_in_the_truth_followed_demand():
    truth = make_truth(20, seed=1)
    data = truth.dataset.data
    np.testing.assert_allclose(truth.demand(0.0, 100), truth.base[:, 100:108])
    given = data.known["discount"]
    assert 0.3 < (given == 0).mean() < 0.8
    before = np.log1p(np.stack([truth.base[:, t - 4 : t].mean(axis=1) for t in range(4, 120)], 1))
    low = before - before.mean(axis=1, keepdims=True)
    some = given[:, 4:] > 0
    assert np.corrcoef(low[some], given[:, 4:][some])[0, 1] < -0.3
    # A week's own demand comes too late for its discount.
    later = truth.base.copy()
    later[:, 100] *= 5.0
    given, other = (_followed(x, np.random.default_rng(0)) for x in (truth.base, later))
    np.testing.assert_array_equal(given[:, :101], other[:, :101])
    assert (given[:, 101:105] != other[:, 101:105]).any()
    # A discount of a half multiplies demand by two to the elasticity.
    ratio = truth.demand(0.5, 100).sum(axis=1) / truth.demand(0.0, 100).sum(axis=1)
    np.testing.assert_allclose(ratio, 2.0**truth.elasticity)


def test_who_knows_the_truth_makes_no_error():
    truth = make_truth(5)
    origin = 100
    said = np.stack([truth.demand(x, origin) for x in GRID], axis=1)
    given = truth.dataset.data.known["discount"][:, origin : origin + 8]
    factual = truth.base[:, origin : origin + 8] * (1 - given) ** -truth.elasticity[:, None]
    errors = prices.errors_against(truth, origin, said, factual)
    assert errors["demand at other discounts"].max() == 0
    assert errors["demand at the discounts given"].max() < 1e-12
    wrong = prices.errors_against(truth, origin, np.repeat(said[:, :1], len(GRID), 1), factual)
    assert (wrong["demand at other discounts"] > 0).all()


@dataclass
class Repeater:
    """What ``fit`` returns in these tests: the mean of a series so far, whatever the model."""

    model: Any

    def predict(self, known, samples, seed):
        mean = np.nanmean(known.target, axis=1)[:, None]
        point = np.repeat(mean, self.model.horizon, axis=1)
        if self.discount(known) is not None:  # demand answers to the price, elasticity -2
            point = point * self.discount(known)
        random = np.random.default_rng(seed)
        drawn = (point * random.gamma(20.0, 1 / 20.0, (samples, *point.shape))).astype(np.float32)
        times = known.grid.times(known.num_periods, known.num_periods + self.model.horizon)
        return Forecast(ids=known.ids, times=times, samples=drawn, point=point)

    def discount(self, known):
        ahead = slice(known.num_periods, known.num_periods + self.model.horizon)
        if "discount" in known.known:
            return (1.0 - known.known["discount"][:, ahead]) ** -2.0
        if "log_price" in known.known:
            return np.exp(-2.0 * known.known["log_price"][:, ahead])
        return None


def fake_fit(data, model, **options):
    assert data.num_known >= data.num_periods
    return Repeater(model)


def priced(series=6):
    random = np.random.default_rng(3)
    price = np.log(random.choice([1.0, 0.8, 0.6], (series, 60)))
    return replace(made(series, 60, 4, known={"log_price": price}), season=4, log_price="log_price")


@pytest.fixture
def alone(monkeypatch):
    """Nothing of others, and no network: what is left is the benchmark itself."""
    monkeypatch.setattr(methods, "find_spec", lambda name: None)
    monkeypatch.setattr(ours, "fit", fake_fit)
    monkeypatch.setattr(
        tasks,
        "explain",
        lambda found, known: SimpleNamespace(
            inventory=np.repeat(known.past["inventory"][:, -1:], found.model.horizon, axis=1)
        ),
    )
    stocked = replace(made(6, 90, 14), season=7)
    stock = np.random.default_rng(1).poisson(20.0, (6, 90)).astype(float)
    stocked = replace(stocked, data=replace(stocked.data, past={"inventory": stock}))
    monkeypatch.setattr(tasks, "own_panel", lambda series, real: stocked)
    names = ("ta-feng", "online-retail", "favorita", "orange-juice")
    sets = {name: lambda data, series, name=name: replace(priced(), name=name) for name in names}
    for module in (accuracy, ablations):
        monkeypatch.setattr(module, "DATASETS", sets)
    monkeypatch.setattr(prices, "orange_juice", sets["orange-juice"])
    monkeypatch.setattr(scaling, "favorita", lambda data, series: made(series, 60, 4))


def test_every_part_runs_alone_and_goes_on(alone, tmp_path, monkeypatch, capsys):
    """Those in the gym have tests of their own."""
    for part in ("worth", "stockouts"):
        monkeypatch.delitem(forecasters.PARTS, part)
    monkeypatch.delitem(forecasters.SHOWN, "worth")
    parts = tuple(forecasters.PARTS)
    forecasters.main(preset="tiny", parts=parts, data=tmp_path, folder=tmp_path, write=False)
    printed = capsys.readouterr().out
    assert "DeepAR is left out" in printed
    kept = tmp_path / "tiny"
    found = {part: json.loads((kept / f"{part}.json").read_text()) for part in forecasters.PARTS}
    rows = forecasters.rows_of(found)
    assert {row["table"] for row in rows} >= set(forecasters.SHOWN)
    claims = forecasters.claims_of(rows, TINY)
    assert {claim.bar for claim in claims} >= {1, 3, 4, 5}
    within = {row["model"]: row["value"] for row in rows if row["table"] == "elasticity"}
    np.testing.assert_allclose(within["TFTMTL"], -2.0, atol=1e-3)
    monkeypatch.setattr(ours, "fit", None)  # nothing is fitted again
    forecasters.main(preset="tiny", parts=parts, data=tmp_path, folder=tmp_path, write=False)


def test_bad_parts_and_methods_are_named(tmp_path):
    with pytest.raises(ValueError, match="parts holds 'far', must be of accuracy-ta-feng"):
        forecasters.main(preset="tiny", parts=("far",), folder=tmp_path, write=False)
    with pytest.raises(ValueError, match="methods holds 'far', must be of naive"):
        accuracy._some(accuracy.methods_of(TINY), ["far"])


def test_speed_is_of_the_turns_after_the_first(dataset, capsys):
    method = replace(method_of([]), tried=({"level": 5.0},))
    sizes = replace(TINY, tried=({"size": 8, "level": 5.0},), turns=3)
    result = speed.timed_fits(dataset, [method], sizes, Clock())
    (row,) = result["rows"]
    assert len(row["all seconds"]) == 4
    assert row["seconds"] == np.median(row["all seconds"][1:])
    rows = [row | {"model": "LSTM", "seconds": 2.0}, row | {"model": "NF-LSTM", "seconds": 4.0}]
    claim = speed.speed_claims(rows)[0]
    assert (claim.value, claim.passes) == (0.5, True)


@pytest.mark.long
@pytest.mark.parametrize("name", ours.OURS)
def test_each_of_our_models_is_scored(name, tmp_path):
    dataset = priced()
    (method,) = [method for method in ours.our_methods(TINY) if method.name == name]
    found = scored(tmp_path, method, dataset, origins=2, seeds=(0,))
    row = accuracy.row_of(dataset, found)
    assert 0 < row["CRPS / units"] < 2
    assert len(row["CRPS / units by step"]) == 4
