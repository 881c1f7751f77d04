"""Resampling on the same stock and the same view counts."""

import numpy as np
import pytest

from draingym.oracle import ViewProfile, drain_period, resample_drain, resample_views
from draingym.world.views import Places
from tests.oracle.worlds import make_systems, make_views


@pytest.fixture(scope="module")
def profile(small_world, true_systems):
    return ViewProfile.from_views(true_systems, small_world.views, small_world.places)


@pytest.fixture(scope="module")
def stock(history):
    return np.asarray(history.trajectory.transitions.available).astype(np.int64)


def test_samples_are_feasible_and_cost_where_they_ship(true_systems, small_world, profile, stock):
    views = small_world.glance_views()
    samples = resample_drain(true_systems, profile, stock, views, num_samples=6)
    assert samples.outbound.shape == (6, *stock.shape)
    assert (samples.outbound >= 0).all()
    assert (samples.outbound <= stock).all()
    assert np.array_equal(samples.ship_cost > 0, samples.outbound > 0)
    assert samples.outbound[0].sum() != samples.outbound[1].sum()


def test_samples_follow_seed_and_number_whatever_the_threads(
    true_systems, small_world, profile, stock
):
    views = small_world.glance_views()

    def draw(**kwargs):
        return resample_drain(true_systems, profile, stock, views, **kwargs)

    alone, pooled = draw(num_samples=2, threads=1), draw(num_samples=5, threads=3)
    assert np.array_equal(alone.outbound, pooled.outbound[:2])
    assert np.array_equal(alone.ship_cost, pooled.ship_cost[:2])
    other = draw(num_samples=2, seed=1)
    assert not np.array_equal(alone.outbound, other.outbound)


def test_history_looks_like_one_of_its_samples(true_systems, small_world, profile, stock, history):
    # The synthetic demand follows its views only in the mean, so only totals are compared.
    samples = resample_drain(
        true_systems, profile, stock, small_world.glance_views(), num_samples=40
    )
    totals = samples.outbound.sum(axis=(1, 2, 3))
    truth = float(history.trajectory.transitions.outbound.sum())
    assert totals.mean() == pytest.approx(truth, rel=0.1)
    cost = samples.ship_cost.sum(axis=(1, 2, 3)) / totals
    paid = float(history.trajectory.transitions.ship_cost.sum()) / truth
    assert cost.mean() == pytest.approx(paid, rel=0.1)


def test_resampled_views_drain_as_the_samples_do(true_systems, small_world, profile, stock):
    counts, days = small_world.glance_views(), small_world.period_days
    samples = resample_drain(true_systems, profile, stock, counts, period_days=days, num_samples=40)
    totals = samples.outbound.sum(axis=(1, 2, 3))
    found = []
    for seed in range(12):
        views = resample_views(true_systems, profile, counts, period_days=days, seed=seed)
        views.validate(small_world.rates, small_world.places, days)
        assert (views.count(*counts.shape[::2]) <= counts).all()
        drained = [
            drain_period(true_systems, views, t, np.ascontiguousarray(stock[:, t]), seed=seed)
            for t in range(stock.shape[1])
        ]
        found.append(sum(int(outcome.outbound.sum()) for outcome in drained))
    assert len(set(found)) > 6
    assert not set(found) <= set(totals.tolist())
    assert abs(np.mean(found) - totals.mean()) < 4.0 * totals.std() / np.sqrt(12)
    with pytest.raises(ValueError, match=r"glance_views.*-1.*at least 0"):
        resample_views(true_systems, profile, np.full((2, 3, 4), -1))


@pytest.fixture
def one_of_each():
    """One node with plenty, one place, one region, two sizes of order, two of basket."""
    systems = make_systems([[1]])
    places = Places(
        name=("here",),
        latitude=np.zeros(1),
        longitude=np.zeros(1),
        region=np.zeros(1, np.int64),
        population=np.ones(1),
    )
    rows = [(0.2, 0, 0, 1, 0, 0.1), (0.2, 0, 0, 3, 0, 0.1), (0.3, 0, 0, 1, 1, 0.1)]
    rows.append((0.4, 0, 0, 9, 2, 0.99))  # never converts: its size and hour do not count
    return systems, ViewProfile.from_views(systems, make_views(rows), places)


def test_a_profile_measures_what_can_convert(one_of_each):
    _, profile = one_of_each
    np.testing.assert_allclose(profile.hour, [0.2, 0.3])
    assert profile.basket_size.tolist() == [2, 1]
    assert profile.quantity.tolist() == [1, 3, 1]


def test_mean_units_and_boxes_are_those_of_the_laws(one_of_each):
    # 200 views at .3 under 1d, sizes 1, 3, 1: 100 units, Binomial and size variance.
    systems, profile = one_of_each
    shape = (1, 4, 1)
    samples = resample_drain(
        systems, profile, np.full(shape, 10_000), np.full(shape, 200), num_samples=100
    )
    units = samples.outbound.ravel()
    mean, variance = 60.0 * 5 / 3, 200 * (0.3 * 11 / 3 - (0.3 * 5 / 3) ** 2)
    assert units.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / 400))
    assert units.var() == pytest.approx(variance, rel=0.3)
    # A unit weighs 1 lb: bills are 3 per box and 1 per unit, so boxes can be counted from costs.
    boxes = (samples.ship_cost.ravel() - units) / 3.0
    assert boxes.mean() == pytest.approx(60.0 / 1.5, rel=0.03)


def test_no_view_no_drain(one_of_each):
    systems, profile = one_of_each
    shape = (1, 2, 1)
    samples = resample_drain(
        systems, profile, np.full(shape, 5), np.zeros(shape, np.int64), num_samples=2
    )
    assert samples.outbound.sum() == 0


@pytest.mark.parametrize(
    ("available", "views", "samples", "message"),
    [
        pytest.param(
            (2, 3, 1),
            (1, 3, 1),
            1,
            r"available has shape \(2, 3, 1\), must be \(1, T, 1\)",
            id="stock",
        ),
        pytest.param(
            (1, 3, 1), (1, 2, 1), 1, r"glance_views has shape \(1, 2, 1\), must be", id="views"
        ),
        pytest.param((1, 3, 1), (1, 3, 1), 0, "num_samples is 0, must be at least 1", id="none"),
    ],
)
def test_bad_shapes_are_refused(one_of_each, available, views, samples, message):
    systems, profile = one_of_each
    with pytest.raises(ValueError, match=message):
        resample_drain(
            systems,
            profile,
            np.ones(available, np.int64),
            np.ones(views, np.int64),
            num_samples=samples,
        )


def test_negative_stock_is_refused(one_of_each):
    systems, profile = one_of_each
    with pytest.raises(ValueError, match=r"available\[0, 0, 0\] is -1"):
        resample_drain(systems, profile, np.full((1, 1, 1), -1), np.ones((1, 1, 1), np.int64))
