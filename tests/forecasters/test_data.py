"""Cleaning, calendar, windows, groups and regions: what happens before a network sees anything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draingym.forecasters import SeriesData, shared_out, summed
from draingym.forecasters.data.calendar_features import calendar_features, calendar_names
from draingym.forecasters.data.cleaning import fake_zeros, forward_filled
from draingym.forecasters.data.encoding import UNKNOWN, Encoder
from draingym.forecasters.data.grid import Grid, Step
from draingym.forecasters.data.series_features import FEATURES, series_features
from draingym.forecasters.data.windows import samples_at, training_samples
from draingym.forecasters.grouping import GroupRule, Groups, clusters, silhouette
from draingym.forecasters.regions import recent_shares
from draingym.forecasters.results.forecast import Forecast
from tests.forecasters.drawn import CUT

WHOLE = Grid(0, Step("whole", 1))
CONTEXT, HORIZON = 4, 3
NAN = np.nan


def series(target, **columns):
    target = np.asarray(target, float)
    return SeriesData(
        ids=tuple(f"s{i}" for i in range(len(target))), grid=WHOLE, target=target, **columns
    )


@pytest.mark.parametrize(
    ("row", "threshold", "fake"),
    [
        pytest.param([12, 0, 15], 10.0, [False, True, False], id="never-sells-less"),
        pytest.param([12, 0, 15], 12.0, [False, False, False], id="at-the-threshold"),
        pytest.param([2, 0, 15], 10.0, [False, False, False], id="sells-less"),
        pytest.param([0, 0, 15], 10.0, [False, False, False], id="never-sold"),
        pytest.param([2, 12, 14, 0], 10.0, [False, False, False, True], id="long-ago"),
    ],
)
def test_fake_zeros_of_the_last_three_periods(row, threshold, fake):
    assert fake_zeros(np.array([row], float), threshold, 3)[0].tolist() == fake


VALUES = st.lists(st.sampled_from([NAN, 0.0, 1.0, 20.0, 35.0]), min_size=9, max_size=9)


@given(VALUES, VALUES, st.integers(1, 8))
def test_cleaning_knows_nothing_of_the_future(row, other, origin):
    changed = np.array([row[:origin] + other[origin:]])
    row = np.array([row])
    for clean in (lambda x: fake_zeros(x, 10.0, 4), forward_filled):
        np.testing.assert_array_equal(clean(row)[:, :origin], clean(changed)[:, :origin])


def test_calendar_of_days():
    grid = Grid.of(np.zeros(2, int), np.array([0, 86_400]), whole=False, step=None)
    found = dict(zip(calendar_names(grid), calendar_features(grid, 8).T, strict=True))
    # 1 January 1970 was a Thursday.
    np.testing.assert_array_equal(found["weekday_3"], [1, 0, 0, 0, 0, 0, 0, 1])
    np.testing.assert_allclose(found["cos_year_1"], np.cos(2 * np.pi * np.arange(8) / 365))
    assert calendar_names(WHOLE) == ()


def test_windows_to_train_on():
    observed = np.array([[True] * 6, [False, False, False, True, True, False]])
    found = training_samples(observed, 2, 6)
    assert list(zip(found.series.tolist(), found.origin.tolist(), strict=True)) == [
        (0, 1),
        (0, 2),
        (0, 3),
        (0, 4),
        (1, 4),
    ]
    assert training_samples(observed, 2, 6, stride=2).origin.tolist() == [2, 4, 4]
    assert samples_at(observed, 3, 2).series.tolist() == [0]  # nothing before it of the other


NUMBERS = st.lists(st.one_of(st.just(NAN), st.floats(0, 100, width=32)), min_size=10, max_size=10)


def _batch(target, origin):
    data = series([target])
    data = SeriesData(
        ids=data.ids, grid=data.grid, target=data.target, past={"stock": 2.0 * data.target}
    )
    encoder = Encoder.learned(data, raw=("stock",))
    arrays = encoder.arrays(data, CONTEXT, HORIZON)
    return CUT(arrays, np.array([0]), np.array([origin]), CONTEXT, HORIZON)


# What a window holds of the future is for losses alone, and called so.
LOSS_ONLY = ("future_target", "future_observed", "future_past", "future_past_there")


@settings(max_examples=25)
@given(NUMBERS, NUMBERS, st.integers(0, 10))
def test_a_window_holds_nothing_of_the_future(row, other, origin):
    one, two = (_batch(x, origin) for x in (row, row[:origin] + other[origin:]))
    for name in one.__dataclass_fields__:
        if name not in LOSS_ONLY:
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)


@settings(max_examples=25)
@given(NUMBERS, st.integers(0, 10))
def test_a_window_is_what_was_observed_around_its_origin(row, origin):
    found = _batch(row, origin)
    for t in range(-CONTEXT, HORIZON):
        place = origin + t
        there = 0 <= place < len(row) and not np.isnan(row[place])
        side = found if t < 0 else None
        value, mask = (
            (found.target[0, t + CONTEXT], found.observed[0, t + CONTEXT])
            if side is not None
            else (found.future_target[0, t], found.future_observed[0, t])
        )
        assert bool(mask) == there
        assert float(value) == (np.float32(row[place]) if there else 0.0)
    seen = [x for x in row[max(0, origin - CONTEXT) : origin] if not np.isnan(x)]
    mean = np.mean(seen) if seen else 0.0
    np.testing.assert_allclose(found.scale[0], mean if mean > 0 else 1.0, rtol=1e-5)


def test_numbers_are_brought_around_zero_and_labels_that_were_not_met_are_unknown():
    data = series(
        [[1.0, 2.0], [3.0, 4.0]],
        static={"price": np.array([1.0, 3.0])},
        labels={"kind": np.array(["x", "y"])},
        known={"event": np.array([[0.0, 0.0, 9.0], [2.0, 2.0, 9.0]])},
    )
    encoder = Encoder.learned(data)
    assert encoder.means["known event"] == 1.0  # what comes after the last target does not count
    new = series(
        [[1.0, 2.0], [3.0, 4.0]],
        static={"price": np.array([NAN, 5.0])},
        labels={"kind": np.array(["y", "z"])},
        known=data.known,
    )
    arrays = encoder.arrays(new, 1, 1)
    np.testing.assert_array_equal(arrays.static[:, 0], [0.0, 3.0])
    names = [name for name, _ in encoder.layout.labels]
    np.testing.assert_array_equal(arrays.labels[:, names.index("kind")], [2, UNKNOWN])


def test_a_column_of_training_that_is_missing_is_named():
    encoder = Encoder.learned(series([[1.0]], labels={"kind": np.array(["x"])}))
    with pytest.raises(ValueError, match=r"column 'kind' .static. is missing in the history"):
        encoder.arrays(series([[1.0]]), 1, 1)


def test_groups_by_sales_and_sparsity():
    target = np.zeros((9, 10))
    for i in range(9):
        target[i, : 10 - i] = 10.0 * (9 - i)
    rule = GroupRule.learned(Groups(kind="sales"), series(target), 0)
    assert rule.assign(series(target)) == ["G1"] * 3 + ["G3"] * 3 + ["G2"] * 3
    new = SeriesData(ids=("new",), grid=WHOLE, target=np.full((1, 10), 500.0))
    assert rule.assign(new) == ["G1"]


def test_clusters_are_found_and_the_silhouette_says_how_many():
    random = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = np.repeat(centres, 30, axis=0) + random.normal(0.0, 0.5, (90, 2))
    found = clusters(points, 6, 0)
    assert {(round(x), round(y)) for x, y in found} == {(0, 0), (10, 0), (0, 10)}
    slow = []
    label = np.repeat([0, 1, 2], 30)
    for i in range(90):
        distance = np.linalg.norm(points - points[i], axis=1)
        inner = distance[(label == label[i]) & (np.arange(90) != i)].mean()
        outer = min(distance[label == k].mean() for k in range(3) if k != label[i])
        slow.append((outer - inner) / max(outer, inner))
    np.testing.assert_allclose(silhouette(points, label), np.mean(slow))
    assert len(clusters(np.zeros((5, 2)), 6, 0)) == 1


def test_features_tell_a_trend_from_noise_and_from_a_series_that_does_not_move():
    random = np.random.default_rng(0)
    time = np.arange(100.0)
    found = series_features(
        series([time, random.normal(50.0, 1.0, 100), np.full(100, 7.0), np.zeros(100)])
    )
    by_name = dict(zip(FEATURES, found.T, strict=True))
    assert by_name["trend"][0] > 0.98 > 0.5 > by_name["trend"][1]
    assert by_name["linearity"][0] > 5.0
    assert abs(by_name["autocorrelation"][1]) < 0.3 < 0.9 < by_name["autocorrelation"][0]
    assert by_name["entropy"][0] < by_name["entropy"][1]
    np.testing.assert_array_equal(by_name["zeros"], [0.01, 0, 0, 1])
    assert np.isfinite(found).all()


def test_a_national_forecast_is_shared_out_by_eight_weeks():
    parts = series([[100.0] + [1.0] * 8, [0.0] + [3.0] * 8, [5.0] * 9])
    whole = {"s0": "n", "s1": "n", "s2": "m"}
    np.testing.assert_allclose(recent_shares(parts, whole), [0.25, 0.75, 1.0])
    assert summed(parts, whole).target[:, 0].tolist() == [5.0, 100.0]
    random = np.random.default_rng(0)
    forecast = Forecast(
        ids=("m", "n"),
        times=np.arange(9, 11),
        samples=random.random((4, 2, 2), np.float32),
        point=np.array([[1.0, 1.0], [8.0, 4.0]]),
    )
    found = shared_out(forecast, parts, whole)
    np.testing.assert_allclose(found.point, [[2.0, 1.0], [6.0, 3.0], [1.0, 1.0]])
    np.testing.assert_allclose(found.samples[:, :2].sum(axis=1), forecast.samples[:, 1], rtol=1e-6)


def test_one_week_of_a_clearance_does_not_move_the_shares():
    steady = [4.0, 5.0, 6.0, 5.0, 4.0, 6.0, 5.0]
    parts = series([[*steady, 500.0], [*steady, 5.0]])
    share = recent_shares(parts, {"s0": "n", "s1": "n"})
    assert share[0] < 0.55


def test_parts_of_a_whole_that_sold_nothing_share_alike_and_one_without_a_whole_is_named():
    parts = series(np.zeros((2, 3)))
    np.testing.assert_array_equal(recent_shares(parts, {"s0": "n", "s1": "n"}), [0.5, 0.5])
    with pytest.raises(ValueError, match="series 's1' has no whole"):
        recent_shares(parts, {"s0": "n"})
