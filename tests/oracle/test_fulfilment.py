"""The loop over views: hand-computed tables, a slow reference, and what must always hold."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from draingym.oracle.rules.ship_cost import COST_QUANTUM
from tests.oracle.worlds import Reference, drain, make_systems, make_views, random_case

NEW_YORK, LOS_ANGELES = 0, 1
TWO_COASTS = [[1, 5], [5, 1]]  # transit days, and zones, of each node to each place


@pytest.mark.parametrize(
    ("placed", "left", "zone"),
    [
        pytest.param([10, 0], [6, 0], 5, id="all in New York: cross the country"),
        pytest.param([5, 5], [5, 1], 1, id="both coasts: served locally"),
    ],
)
def test_the_papers_opening_example(placed, left, zone):
    # Four units of demand in Los Angeles that would wait for any delivery.
    views = make_views([(0.1 * k, 0, LOS_ANGELES, 1, k, 0.05) for k in range(1, 5)])
    outcome = drain(make_systems(TWO_COASTS), views, [placed])
    assert outcome.stock.tolist() == [left]
    assert outcome.ship_cost.sum() == 4 * (2.0 + 1.0 + zone)


@pytest.mark.parametrize(
    ("transit", "hour", "stock", "promise"),
    [
        pytest.param([1, 3], 9.0, [1, 1], 0, id="a day away in the morning"),
        pytest.param([1, 3], 16.0, [1, 1], 1, id="at the cut-off it leaves a day later"),
        pytest.param([1, 3], 9.0, [0, 1], 2, id="the near node is empty"),
        pytest.param([2, 3], 9.0, [1, 1], 1, id="two days away"),
        pytest.param([4, 3], 9.0, [1, 1], 2, id="three days or more are one class"),
        pytest.param([1, 3], 9.0, [0, 0], 3, id="out of stock"),
    ],
)
def test_the_promise_is_the_earliest_class_with_stock(transit, hour, stock, promise):
    systems = make_systems([[transit[0]], [transit[1]]])
    outcome = drain(systems, make_views([(hour / 24, 0, 0, 1, 0, 0.999)]), [stock])
    assert outcome.promise.tolist() == [promise]
    assert outcome.option.tolist() == [3]
    assert outcome.outbound.sum() == 0


def test_conversion_takes_the_interval_that_holds_the_latent():
    # Under 1d with level .4: C = .24, .30, .40. The upper ends belong to their intervals.
    cumulative = np.array([[[0.24, 0.30, 0.40, 1.0]] * 4])
    latents = [0.1, 0.24, 0.2401, 0.30, 0.35, 0.40, 0.41]
    views = make_views([(0.1, 0, 0, 1, k, u) for k, u in enumerate(latents)])
    outcome = drain(make_systems([[1]], cumulative=cumulative), views, [[9]])
    assert outcome.option.tolist() == [0, 0, 1, 1, 2, 2, 3]
    assert outcome.filled.tolist() == [1, 1, 1, 1, 1, 1, 0]


def test_an_order_is_never_late():
    # The near node is dearer here, but only it delivers the next day.
    systems = make_systems([[1], [2]], zone=[[8], [1]])
    in_a_hurry, patient = 0.01, 0.29  # of .18, .225, .3
    views = make_views([(0.1, 0, 0, 1, 0, in_a_hurry), (0.2, 0, 0, 1, 1, patient)])
    outcome = drain(systems, views, [[5, 5]])
    assert outcome.option.tolist() == [0, 2]
    assert outcome.outbound.tolist() == [[1, 1]]


def test_lines_of_a_basket_share_a_box_and_its_bill_by_weight():
    # Alone, product 1 would come from node 1 (zone 1: 2+3+1 against 2+3+2). Beside product 0, of
    # which node 1 has none, it costs node 0 only its weight: 3.
    systems = make_systems([[1], [1]], zone=[[2], [1]], products=2, weight_lb=[1.0, 3.0])
    together = make_views([(0.1, 0, 0, 1, 7, 0.01), (0.1, 1, 0, 1, 7, 0.01)])
    apart = make_views([(0.1, 0, 0, 1, 7, 0.01), (0.1, 1, 0, 1, 8, 0.01)])
    stock = [[5, 0], [5, 5]]
    one, two = drain(systems, together, stock), drain(systems, apart, stock)
    assert one.outbound.tolist() == [[1, 0], [1, 0]]
    assert one.box_cost.tolist() == [2.0 + 4.0 + 2.0]
    assert one.shipment_cost.tolist() == [2.0, 6.0]
    assert one.box_units.tolist() == [2]
    assert two.outbound.tolist() == [[1, 0], [0, 1]]
    assert two.box_cost.tolist() == [2.0 + 1.0 + 2.0, 2.0 + 3.0 + 1.0]


def test_products_drained_apart_cost_more_than_together():
    systems = make_systems([[1], [1]], zone=[[2], [1]], products=2, weight_lb=[1.0, 3.0])
    views = make_views([(0.1, 0, 0, 1, 7, 0.01), (0.1, 1, 0, 1, 7, 0.01)])
    stock = [[5, 0], [5, 5]]
    joint = drain(systems, views, stock).box_cost.sum()
    alone = sum(
        drain(systems, views.select(views.product == i), stock).box_cost.sum() for i in range(2)
    )
    assert (joint, alone) == (8.0, 11.0)


@pytest.mark.parametrize(
    ("opportunity_cost", "node"),
    [pytest.param(0.0, 0, id="free: the cheaper box"), pytest.param(3.0, 1, id="scarce: spared")],
)
def test_scarce_stock_is_spared_for_its_neighbours(opportunity_cost, node):
    # Node 1 costs 1 more; the last unit of node 0 is worth opportunity_cost * exp(-1).
    systems = make_systems([[1], [1]], zone=[[1], [2]], opportunity_cost=opportunity_cost)
    outcome = drain(systems, make_views([(0.1, 0, 0, 1, 0, 0.01)]), [[1, 50]])
    assert outcome.outbound[0].tolist() == [int(node == 0), int(node == 1)]


def test_a_full_node_delivers_a_day_later_until_midnight():
    systems = make_systems([[1]], capacity=2.0)
    rows = [(0.1, 0, 0, 1, k, 0.01) for k in range(4)] + [(1.1, 0, 0, 1, 9, 0.01)]
    outcome = drain(systems, make_views(rows, period_days=2), [[9]])
    assert outcome.promise.tolist() == [0, 0, 1, 1, 0]


def test_a_line_is_split_over_nodes_and_the_rest_is_unfilled_and_counted():
    systems = make_systems([[1], [1]])
    outcome = drain(systems, make_views([(0.1, 0, 0, 7, 0, 0.01)]), [[2, 3]])
    assert outcome.filled.tolist() == [5]
    assert outcome.lost.tolist() == [[2, 0]]
    assert sorted(outcome.shipment_units.tolist()) == [2, 3]
    assert len(outcome.box_node) == 2


def test_demand_that_meets_empty_shelves_is_lost_at_the_nearest_node():
    views = make_views([(0.1, 0, LOS_ANGELES, 3, 0, 0.01)])
    outcome = drain(make_systems(TWO_COASTS), views, [[0, 0]])
    assert outcome.lost.tolist() == [[0, 3]]


@pytest.mark.parametrize(
    ("changes", "outbound"),
    [
        pytest.param({}, [1, 0], id="open"),
        pytest.param({"serves": np.array([False, True])}, [0, 1], id="serves no customers"),
        pytest.param({"active_from": np.array([1, 0])}, [0, 1], id="opens tomorrow"),
    ],
)
def test_only_open_nodes_ship(changes, outbound):
    systems = replace(make_systems([[1], [1]]), **changes)
    outcome = drain(systems, make_views([(0.1, 0, 0, 1, 0, 0.01)]), [[5, 5]])
    assert outcome.outbound.tolist() == [outbound]


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32))
def test_units_and_bills_are_conserved(seed):
    systems, views, stock = random_case(np.random.default_rng(seed))
    before = stock.copy()
    outcome = drain(systems, views, stock, seed=seed)
    assert np.array_equal(stock, before)
    assert np.array_equal(outcome.stock + outcome.outbound, stock)
    assert (outcome.stock >= 0).all()
    assert (outcome.outbound[:, ~systems.serves] == 0).all()
    # Filled, and nothing but what was ordered.
    ordered = np.where(outcome.option < 3, views.quantity, 0)
    assert (outcome.filled <= ordered).all()
    filled = np.bincount(
        outcome.shipment_view, weights=outcome.shipment_units, minlength=len(ordered)
    )
    assert np.array_equal(filled, outcome.filled)
    # Somebody who orders was promised a unit, and gets at least one.
    assert (outcome.filled[outcome.option < 3] >= 1).all()
    assert (outcome.option >= outcome.promise).all()
    # Bills: shares add up exactly, in any order.
    shares = np.bincount(
        outcome.shipment_box, weights=outcome.shipment_cost, minlength=len(outcome.box_cost)
    )
    assert np.array_equal(shares, outcome.box_cost)
    assert outcome.ship_cost.sum() == outcome.box_cost.sum()
    assert (outcome.ship_cost[outcome.outbound == 0] == 0).all()
    assert outcome.box_units.sum() == outcome.outbound.sum()
    assert len({*zip(outcome.box_session, outcome.box_node, strict=True)}) == len(outcome.box_node)


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32))
def test_the_compiled_loop_agrees_with_the_slow_reference_event_for_event(seed):
    systems, views, stock = random_case(np.random.default_rng(seed))
    outcome = drain(systems, views, stock, seed=seed)
    slow = Reference(systems, stock, seed)
    bills = slow.run(views)
    shipped = zip(outcome.shipment_view, outcome.shipment_node, outcome.shipment_units, strict=True)
    assert [tuple(map(int, event)) for event in shipped] == slow.events
    assert outcome.promise.tolist() == slow.promises
    assert outcome.option.tolist() == slow.options
    boxes = {*zip(outcome.box_session.tolist(), outcome.box_node.tolist(), strict=True)}
    assert boxes == set(bills)
    expected = [
        bills[key]
        for key in zip(outcome.box_session.tolist(), outcome.box_node.tolist(), strict=True)
    ]
    # Bills are rounded to the quantum, to at least one.
    np.testing.assert_allclose(outcome.box_cost, expected, rtol=0, atol=COST_QUANTUM)


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32))
def test_views_that_cannot_convert_change_nothing(seed):
    systems, views, stock = random_case(np.random.default_rng(seed))
    keep = views.latent <= systems.cumulative[views.product, 0, 2]
    assume(keep.any())
    whole, part = drain(systems, views, stock), drain(systems, views.select(keep), stock)
    assert np.array_equal(whole.outbound, part.outbound)
    assert np.array_equal(whole.ship_cost, part.ship_cost)
    assert np.array_equal(whole.promise[keep], part.promise)


def test_cost_noise_depends_on_seed_basket_and_node_alone():
    systems = make_systems([[1], [1]], cost_noise_sd=0.5)
    rows = [(0.1, 0, 0, 1, k, 0.01) for k in range(3)]
    alone = drain(systems, make_views(rows[1:2]), [[5, 0]], seed=3).box_cost
    among = drain(systems, make_views(rows), [[5, 0]], seed=3).box_cost
    assert among[1] == alone[0]
    assert len({*among}) == 3
    assert drain(systems, make_views(rows), [[0, 5]], seed=3).box_cost[1] != alone[0]
    assert drain(systems, make_views(rows), [[5, 0]], seed=4).box_cost[1] != alone[0]


@pytest.mark.parametrize(
    ("stock", "period", "message"),
    [
        pytest.param([[1, 2]], 0, r"stock has shape \(1, 2\), must be \(1, 1\)", id="shape"),
        pytest.param([[-2]], 0, r"stock\[0, 0\] is -2, must be at least 0", id="negative"),
        pytest.param(
            [[1.0]], 0, "stock is float64, must be whole units of an integer type", id="real"
        ),
        pytest.param([[1]], 1, r"period is 1, must be in \[0, 1\)", id="period"),
    ],
)
def test_bad_input_names_the_field_and_the_bound(stock, period, message):
    from draingym.oracle import drain_period

    views = make_views([(0.1, 0, 0, 1, 0, 0.01)])
    with pytest.raises(ValueError, match=message):
        drain_period(make_systems([[1]]), views, period, np.array(stock))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"weight_lb": np.zeros(1)}, "weight_lb", id="no weight"),
        pytest.param({"daily_capacity": np.zeros(1)}, "daily_capacity", id="no capacity"),
        pytest.param({"serves": np.zeros(1, bool)}, "must hold at least one True", id="no node"),
        pytest.param({"rates": np.zeros(3)}, r"rates has shape \(3,\), must be \(4,\)", id="rates"),
    ],
)
def test_systems_refuse_bad_tables(changes, message):
    with pytest.raises(ValueError, match=message):
        make_systems([[1]], **changes)
