"""Cuts that are the best there are, and the shelves that a log's views met."""

import itertools
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from draingym.oracle import to_event_log
from draingym.oracle.fitting.best_cuts import cuts, threshold
from draingym.oracle.fitting.box_bills import box_bills
from draingym.oracle.fitting.promise_fit import (
    PromiseViews,
    fit_promise,
    promise_views,
)
from draingym.oracle.fitting.shelf_history import shelf_history
from draingym.world.eventlog import EventLog
from draingym.world.views import PROMISES


@pytest.fixture(scope="module")
def log(small_world, history):
    return to_event_log(small_world, history)


@given(seed=st.integers(0, 2**32), size=st.integers(1, 12))
def test_cuts_are_as_good_as_the_best_of_all(seed, size):
    rng = np.random.default_rng(seed)
    values = np.sort(rng.integers(0, 6, size).astype(float))
    wrong = rng.random((size, 4)) < 0.5
    found = cuts(values, wrong)
    assert list(found) == sorted(found)

    def lost(ends):
        label = np.searchsorted(np.asarray(ends), values, side="left")
        return int(wrong[np.arange(size), label].sum())

    ends = [-1.0, *np.unique(values).tolist()]
    best = min(lost(e) for e in itertools.combinations_with_replacement(ends, 3))
    assert lost(found) == best


@given(seed=st.integers(0, 2**32), size=st.integers(1, 15))
def test_a_threshold_is_as_good_as_the_best_of_all(seed, size):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 6, size).astype(float)
    below, above = rng.random((2, size)) < 0.5
    cut, gain = threshold(values, below, above)

    def lost(at):
        return int(np.where(values < at, below, above).sum())

    best = min(lost(at) for at in [*values, np.inf])
    assert lost(cut) == best
    assert gain == lost(np.inf) - best


def made_views(rng, size, nodes=3):
    """Views at random places under a rule of their own, free of noise."""
    distance = rng.uniform(0.0, 3000.0, (size, nodes))
    stocked = rng.random((size, nodes)) < 0.6
    hour = rng.uniform(0.0, 24.0, size)
    taken = rng.integers(0, 60, (size, nodes))
    capacity = np.array([25.0, 1e9, 40.0])
    days = np.searchsorted([-1.0, 500.0, 1200.0], distance) + (taken / capacity).astype(int)
    soonest = np.where(stocked, days, 99).min(axis=1) + (hour >= 15.25)
    promise = np.where(stocked.any(axis=1), np.clip(soonest - 1, 0, 2), 3)
    return PromiseViews(
        promise=promise,
        hour=hour,
        region=rng.integers(0, 4, size),
        distance_km=distance,
        stocked=stocked,
        taken=taken,
    )


def test_a_rule_without_noise_is_found():
    views = made_views(np.random.default_rng(0), 20_000)
    fit = fit_promise(views, 4, np.full(3, np.inf))
    np.testing.assert_allclose(fit.bands_km[1:], [500.0, 1200.0], atol=5.0)
    assert fit.bands_km[0] < 0
    assert fit.cutoff_hour == pytest.approx(15.25, abs=0.05)
    np.testing.assert_allclose(fit.daily_capacity[[0, 2]], [25.0, 40.0], atol=1.0)
    assert fit.daily_capacity[1] == np.inf
    assert (fit.lane_days == -1).all()
    assert fit.agreement > 0.998
    assert fit.stock_agreement == 1.0
    capacity = next(f for f in fit.findings if f.what == "capacity a day")
    assert not capacity.identified
    assert capacity.value == "seen to bind at 2 of 3 nodes"


def test_a_shop_of_express_and_standard_has_a_cut_off_hour():
    views = made_views(np.random.default_rng(0), 20_000)
    promise = np.where(views.promise == 1, 2, views.promise)  # two days are standard, too
    fit = fit_promise(replace(views, promise=promise), 4, np.full(3, np.inf))
    assert not fit.two_days
    assert fit.bands_km[1] == pytest.approx(500.0, abs=5.0)
    assert fit.cutoff_hour == pytest.approx(15.25, abs=0.05)
    np.testing.assert_allclose(fit.daily_capacity[[0, 2]], [25.0, 40.0], atol=1.0)
    assert fit.agreement > 0.998
    assert "nobody is promised 2d" in fit.findings[0].value


def test_a_lane_that_keeps_to_no_distance_gets_days_of_its_own():
    views = made_views(np.random.default_rng(1), 20_000)
    # A node that reaches region 2 in a day from anywhere.
    quick = views.stocked[:, 1] & (views.region == 2)
    late = views.hour >= 15.25
    promise = np.where(quick, np.minimum(views.promise, late.astype(int)), views.promise)
    fit = fit_promise(replace(views, promise=promise), 4, np.full(3, np.inf))
    assert fit.lane_days[1, 2] == 1
    assert (np.delete(fit.lane_days.ravel(), 1 * 4 + 2) == -1).all()
    assert fit.agreement > 0.99
    days = fit.transit_days(np.full((3, 4), 2000.0), np.arange(4))
    assert days[1].tolist() == [3, 3, 1, 3]


def test_a_log_of_views_out_of_stock_tells_nothing_of_days():
    views = made_views(np.random.default_rng(3), 50)
    nothing = replace(views, promise=np.full(50, 3), stocked=np.zeros((50, 3), bool))
    said = {f.what: f for f in fit_promise(nothing, 4, np.full(3, np.inf)).findings}
    assert not said["days on the road"].identified
    assert said["days on the road"].why == "no view of a product in stock has a promise"


def test_a_log_whose_promise_never_changes_has_one_class_and_no_hour():
    views = made_views(np.random.default_rng(2), 2_000)
    fit = fit_promise(replace(views, promise=np.where(views.promise < 3, 2, 3)), 4, np.ones(3))
    assert fit.bands_km == (-1.0, -1.0, -1.0)
    assert fit.cutoff_hour == 24.0
    assert fit.agreement == 1.0
    said = {f.what: f for f in fit.findings}
    assert not said["cut-off hour"].identified


def test_the_shelves_of_a_log_are_those_that_its_views_met(small_world, true_systems, history, log):
    """The truth's promise on the shelves found is the promise that was shown."""
    found = shelf_history(log)
    rank = np.arange(found.num_views)
    free, taken = found.free_before(rank), found.taken_before(rank)
    promise = log.array("glance_views", "promise")[found.view_row]
    opened = found.is_open[found.view_period]
    place = small_world.customer_place[log.array("glance_views", "customer")[found.view_row]]
    days = true_systems.transit_days[:, place].T + (taken / true_systems.daily_capacity).astype(int)
    late = (found.view_time % 1.0) * 24.0 >= true_systems.cutoff_hour
    soonest = np.where((free > 0) & opened, days, 99).min(axis=1) + late
    stocked = ((free > 0) & opened).any(axis=1)
    expected = np.where(stocked, np.clip(soonest - 1, 0, 2), PROMISES.index("oos"))
    np.testing.assert_array_equal(expected, promise)
    assert free.min() >= 0
    # The stock left when a period ends is what the log says.
    left = log.array("inventory", "on_hand")
    outcome = history.outcomes[3]
    assert left.reshape(12, 6, -1)[3].tolist() == outcome.stock.tolist()


def test_a_customer_who_is_not_known_is_at_the_centre_of_the_region(log):
    views, customer = log["glance_views"], log.array("glance_views", "customer")
    unknown = log.array("glance_views", "order") % 2 == 0
    column = views.schema.get_field_index("customer")
    masked = views.set_column(column, views.schema.field(column), pa.array(customer, mask=unknown))
    half = EventLog(tables={**log.tables, "glance_views": masked})
    found = shelf_history(half)
    hidden, region = unknown[found.view_row], found.view_region
    centre, home = (
        np.stack([log.array(table, name) for name in ("latitude", "longitude")])
        for table in ("regions", "customers")
    )
    assert 0 < hidden.sum() < hidden.size
    right = np.where(hidden, centre[:, region], home[:, customer[found.view_row]])
    np.testing.assert_array_equal(found.view_place, right)
    bills = box_bills(half, found)
    _, first = np.unique(found.part_box, return_index=True)
    node, view = found.part_node[first], found.part_view[first]
    km = found.distance_km(view)[np.arange(view.size), node]
    np.testing.assert_allclose(bills.distance_km, km, rtol=1e-9)
    # Lines of an order stay one basket.
    order = half.array("glance_views", "order")[found.view_row]
    baskets = {int(o): set(found.basket[order == o].tolist()) for o in np.unique(order[hidden])}
    assert all(len(basket) == 1 for basket in baskets.values())


def test_views_drawn_at_random_are_some_of_all(log):
    found = shelf_history(log)
    views = promise_views(log, found, most=50)
    assert views.promise.shape == (50,)
    assert views.stocked.shape == views.taken.shape == views.distance_km.shape == (50, 4)
    early = shelf_history(log, stop=3)
    assert early.view_period.max() == 2
    whole = shelf_history(log)
    rank = np.arange(early.num_views)
    np.testing.assert_array_equal(early.free_before(rank), whole.free_before(rank))
