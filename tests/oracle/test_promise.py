"""Promises of all places and regions at once, and the loop over views, which must agree."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from draingym.oracle import promise_places, promise_regions
from draingym.world.views import Places
from tests.oracle.worlds import drain, make_systems, random_case

# One node next door, one three days away; three places.
TRANSIT = [[1, 2, 4], [3, 2, 1]]


@pytest.mark.parametrize(
    ("stock", "time", "used", "expected"),
    [
        pytest.param([1, 1], 0.5, [0, 0], [0, 1, 0], id="nearest of both"),
        pytest.param([1, 0], 0.5, [0, 0], [0, 1, 2], id="one node"),
        pytest.param([0, 0], 0.5, [0, 0], [3, 3, 3], id="out of stock"),
        pytest.param([1, 1], 5.7, [0, 0], [1, 2, 1], id="past the cut-off"),
        pytest.param([1, 1], 5.0 + 16 / 24, [0, 0], [1, 2, 1], id="at the cut-off"),
        pytest.param([1, 1], 0.5, [9, 0], [0, 1, 0], id="below capacity"),
        pytest.param([1, 1], 0.5, [10, 0], [1, 1, 0], id="a capacity taken in"),
        pytest.param([1, 0], 0.5, [29, 0], [2, 2, 2], id="two capacities taken in"),
    ],
)
def test_promises_by_hand(stock, time, used, expected):
    systems = make_systems(TRANSIT, capacity=10.0)
    assert promise_places(systems, stock, time, used=used).tolist() == expected


def test_two_days_are_slow_where_nobody_is_promised_them():
    systems = make_systems(TRANSIT, two_days=False)
    assert promise_places(systems, [1, 1], 0.5).tolist() == [0, 2, 0]
    assert promise_places(systems, [1, 1], 0.7).tolist() == [2, 2, 2]  # past the cut-off


def test_products_are_rows():
    systems = make_systems(TRANSIT, products=3)
    rows = [[1, 0], [0, 2], [0, 0]]
    found = promise_places(systems, rows, 0.5)
    for row, promises in zip(rows, found, strict=True):
        assert promise_places(systems, row, 0.5).tolist() == promises.tolist()


def test_a_node_that_is_not_open_yet_promises_nothing():
    systems = make_systems(TRANSIT, active_from=np.array([0, 5]))
    assert promise_places(systems, [0, 1], 0.5, period=4).tolist() == [3, 3, 3]
    assert promise_places(systems, [0, 1], 0.5, period=5).tolist() == [2, 1, 0]


@given(seed=st.integers(0, 2**32))
def test_the_loop_over_views_promises_the_same(seed):
    # Stock and the day's intake are rebuilt before every view from the loop's own shipments.
    systems, views, stock = random_case(np.random.default_rng(seed))
    outcome = drain(systems, views, stock, seed=1)
    stock, used, today, shipment = stock.copy(), np.zeros(systems.num_nodes, int), None, 0
    for view in range(views.num_views):
        if math.floor(views.time[view]) != today:
            today = math.floor(views.time[view])
            used[:] = 0
        offer = promise_places(systems, stock, float(views.time[view]), used=used)
        assert offer[views.product[view], views.place[view]] == outcome.promise[view]
        while shipment < len(outcome.shipment_view) and outcome.shipment_view[shipment] == view:
            node, units = outcome.shipment_node[shipment], outcome.shipment_units[shipment]
            stock[views.product[view], node] -= units
            used[node] += units
            shipment += 1
    assert shipment == len(outcome.shipment_view)
    np.testing.assert_array_equal(stock, outcome.stock)


@given(seed=st.integers(0, 2**32))
def test_more_stock_never_promises_later(seed):
    rng = np.random.default_rng(seed)
    systems, _, stock = random_case(rng)
    more = stock + rng.integers(0, 3, stock.shape)
    time = rng.uniform(0, 2)
    assert (promise_places(systems, more, time) <= promise_places(systems, stock, time)).all()


def test_regions_by_the_share_of_their_people():
    # The first two places are one region, two thirds of whose people live in the second.
    systems = make_systems(TRANSIT, regions=3)
    places = Places(
        name=("a", "b", "c"),
        latitude=np.zeros(3),
        longitude=np.zeros(3),
        region=np.array([0, 0, 2]),
        population=np.array([100.0, 200.0, 50.0]),
    )
    found = promise_regions(systems, places, [[1, 1], [0, 0]], 0.5)
    expected = [
        [[1 / 3, 2 / 3, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]],
        [[0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 1]],
    ]
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(promise_regions(systems, places, [1, 1], 0.5), expected[0])


def test_regions_of_a_world(small_world, true_systems):
    w = small_world
    stock = np.random.default_rng(0).integers(0, 2, (6, 4))
    shares = promise_regions(true_systems, w.places, stock, 0.3)
    np.testing.assert_allclose(shares.sum(axis=-1), 1.0)
    # People promised a class, over the country, are those of the places promised it.
    people = np.bincount(w.places.region, weights=w.places.population)
    offer = promise_places(true_systems, stock, 0.3)
    for promise in range(4):
        expected = (offer == promise) @ w.places.population
        np.testing.assert_allclose(shares[:, :, promise] @ people, expected)


@pytest.mark.parametrize(
    ("stock", "time", "used", "message"),
    [
        ([1], 0.5, None, r"stock has shape \(1,\), must be \(2,\) or \(P, 2\)"),
        ([1, -1], 0.5, None, r"stock\[1\] is -1, must be at least 0"),
        ([1, 1], math.nan, None, "time is nan, must be finite"),
        ([1, 1], 0.5, [1], r"used has shape \(1,\), must be \(2,\)"),
        ([1, 1], 0.5, [0, -2], r"used\[1\] is -2, must be at least 0"),
    ],
)
def test_bad_input_is_named(stock, time, used, message):
    with pytest.raises(ValueError, match=message):
        promise_places(make_systems(TRANSIT), stock, time, used=used)
