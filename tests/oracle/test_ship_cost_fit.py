"""The regression of a log's bills, and bills shared by weight and volume."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from draingym.oracle import build_systems, drain_period, to_event_log
from draingym.oracle.estimates.ship_cost_fit import FEATURES, BoxTable, box_table, fit_ship_cost
from draingym.oracle.fulfilment.attribution import attribute_outcome
from draingym.oracle.rules.attribution import attribute, draw_volumes
from draingym.world.geography import great_circle_km
from draingym.world.orders import WorldConfig, build_world
from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines
from draingym.world.weights import product_pounds
from tests.oracle.worlds import make_views, random_case


@pytest.fixture(scope="module")
def log(small_world, history):
    return to_event_log(small_world, history)


def random_boxes(rng, count=400):
    zone = rng.integers(1, 9, count)
    return BoxTable(
        zone=zone,
        billable_lb=rng.uniform(0.5, 12.0, count),
        distance_km=200.0 * zone + rng.uniform(0.0, 200.0, count),
        items=rng.integers(1, 5, count),
        cost=np.zeros(count),
    )


def test_it_finds_the_coefficients_of_noiseless_bills():
    boxes = random_boxes(np.random.default_rng(0))
    pounds, km = boxes.billable_lb, boxes.distance_km / 1000.0
    cost = 3.0 + 0.5 * boxes.zone + 0.2 * pounds + 0.1 * boxes.zone * pounds
    cost = cost + 0.7 * km + 0.05 * boxes.items
    fit = fit_ship_cost(replace(boxes, cost=cost))
    np.testing.assert_allclose(fit.coefficient, [3.0, 0.5, 0.2, 0.1, 0.7, 0.05], atol=1e-9)
    assert fit.r_squared == pytest.approx(1.0)
    found = fit.predict(boxes.zone, pounds, boxes.distance_km, boxes.items)
    np.testing.assert_allclose(found, cost)


def test_statistics_are_those_of_the_textbook():
    rng = np.random.default_rng(1)
    boxes = replace(random_boxes(rng), cost=rng.lognormal(1.0, 0.5, 400))
    fit = fit_ship_cost(boxes)
    pounds = boxes.billable_lb
    x = np.stack(
        [
            np.ones(400),
            boxes.zone,
            pounds,
            boxes.zone * pounds,
            boxes.distance_km / 1000.0,
            boxes.items,
        ],
        axis=1,
    )
    beta = np.linalg.solve(x.T @ x, x.T @ boxes.cost)
    residual = boxes.cost - x @ beta
    variance = residual @ residual / (400 - 6)
    np.testing.assert_allclose(fit.coefficient, beta, rtol=1e-7)
    np.testing.assert_allclose(
        fit.std_error, np.sqrt(variance * np.diag(np.linalg.inv(x.T @ x))), rtol=1e-6
    )
    assert fit.residual_sd == pytest.approx(np.sqrt(variance))
    r_squared = 1 - residual.var() / boxes.cost.var()
    assert fit.r_squared == pytest.approx(r_squared)
    assert fit.r_squared_adjusted == pytest.approx(1 - (1 - r_squared) * 399 / 394)
    assert ((fit.p_value >= 0) & (fit.p_value <= 1)).all()


def test_the_summary_has_the_lines_of_table_11(log):
    fit = fit_ship_cost(box_table(log))
    for label in (
        *("Dep. Variable:", "Model:", "Method:", "No. Observations:", "Df Residuals:", "Df Model:"),
        *("Covariance Type:", "R-squared:", "Adj. R-squared:", "F-statistic:"),
        *("Prob (F-statistic):", "Log-Likelihood:", "AIC:", "BIC:", *FEATURES),
    ):
        assert label in fit.table
    assert f"{fit.r_squared:.3f}" in fit.table
    assert repr(fit) == f"ShipCostFit(r_squared={fit.r_squared:.3f}, num_boxes={fit.num_boxes})"


def test_the_boxes_of_a_log_are_those_that_were_shipped(small_world, history, log):
    boxes = box_table(log)
    outcomes = history.outcomes
    for name, field in (
        ("zone", "box_zone"),
        ("billable_lb", "box_weight_lb"),
        ("items", "box_units"),
        ("cost", "box_cost"),
    ):
        true = np.concatenate([getattr(o, field) for o in outcomes])
        np.testing.assert_allclose(getattr(boxes, name), true, err_msg=name)
    # Distances: from the node to where the customer lives.
    w, node = small_world, np.concatenate([o.box_node for o in outcomes])
    first = np.concatenate(
        [o.shipment_view[np.unique(o.shipment_box, return_index=True)[1]] for o in outcomes]
    )
    place = w.views.place[first]
    expected = great_circle_km(
        w.network.node_latitude[node],
        w.network.node_longitude[node],
        w.places.latitude[place],
        w.places.longitude[place],
    )
    np.testing.assert_allclose(boxes.distance_km, expected)


def test_the_emulated_bills_are_explained_as_well_as_the_papers():
    # The default network and products, stock in proportion to each node's market, a few days.
    # benchmarks/ship_cost.py has the figure of the demo's own log.
    lines = synthetic_order_lines(SyntheticConfig(num_days=6, num_customers=3000), seed=0)
    w = build_world(lines, WorldConfig())
    systems = build_systems(w.network, w.places, w.products, w.rates, w.mean_daily_demand)
    views = w.views.candidates(w.rates)
    stock = np.random.default_rng(0).poisson(2.0 * systems.scarcity_units * systems.serves)
    outcomes = [drain_period(systems, views, t, stock) for t in range(w.num_periods)]
    node, zone, pounds, items, cost = (
        np.concatenate([getattr(o, f"box_{name}") for o in outcomes])
        for name in ("node", "zone", "weight_lb", "units", "cost")
    )
    session = np.concatenate([o.box_session for o in outcomes])
    place = views.place[np.searchsorted(views.session, session)]
    boxes = BoxTable(
        zone=zone,
        billable_lb=pounds,
        distance_km=w.place_distance_km[node, place],
        items=items,
        cost=cost,
    )
    fit = fit_ship_cost(boxes)
    # The paper's Table 11 has .509; the weights of the products move it.
    assert fit.r_squared == pytest.approx(0.509, abs=0.12)
    assert fit.p_value[FEATURES.index("zone_x_billable_lb")] < 1e-6


def test_volume_counts_where_a_parcel_is_light(log):
    weight = product_pounds(log.tables)
    plain = box_table(log)
    dense = box_table(log, volume=weight / 1000.0)
    np.testing.assert_array_equal(dense.billable_lb, plain.billable_lb)
    bulky = box_table(log, volume=weight / 6.2, dimensional_lb=12.4)
    np.testing.assert_allclose(bulky.billable_lb, 2.0 * plain.billable_lb)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"items": np.ones(400, int)}, r"constant in \['items'\], must differ in all of"),
        ({"cost": np.full(400, np.nan)}, r"boxes\.cost\[0\] is nan, must be finite"),
    ],
)
def test_boxes_that_tell_nothing_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        fit_ship_cost(replace(random_boxes(np.random.default_rng(0)), **change))


def test_too_few_boxes_are_refused():
    with pytest.raises(ValueError, match="boxes has 6 rows, must have more than 6"):
        fit_ship_cost(random_boxes(np.random.default_rng(0), count=6))


def test_a_volume_for_every_product(log):
    with pytest.raises(ValueError, match=r"volume has shape \(2,\), must be \(6,\)"):
        box_table(log, volume=[1.0, 1.0])
    with pytest.raises(ValueError, match=r"volume\[2\] is 0\.0, must be finite and above 0"):
        box_table(log, volume=[1.0, 1.0, 0.0, 1.0, 1.0, 1.0])


# Attribution


@pytest.mark.parametrize(
    ("volume_share", "expected"),
    [(0.0, [2.0, 6.0]), (1.0, [6.0, 2.0]), (0.5, [4.0, 4.0])],
)
def test_shares_by_hand(volume_share, expected):
    # One of four pounds and three of four cubic feet, of 8 USD.
    found = attribute([8.0], [0, 0], [1.0, 3.0], [3.0, 1.0], volume_share=volume_share)
    assert found.tolist() == expected


@given(seed=st.integers(0, 2**32), volume_share=st.floats(0.0, 1.0))
def test_shares_sum_to_the_bill_exactly_in_any_order(seed, volume_share):
    rng = np.random.default_rng(seed)
    box = np.concatenate([np.arange(5), rng.integers(5, size=12)])
    rng.shuffle(box)
    bill = np.round(rng.lognormal(2.0, 1.0, 5), 2)  # cents, which no power of two divides
    weight, volume = rng.lognormal(0.0, 1.0, (2, 17))
    cost = attribute(bill, box, weight, volume, volume_share=volume_share)
    for _ in range(3):
        order = rng.permutation(17)
        assert np.bincount(box[order], weights=cost[order]).tolist() == bill.tolist()
    due = np.zeros(17)
    for share, values in ((1 - volume_share, weight), (volume_share, volume)):
        due += share * values / np.bincount(box, weights=values)[box]
    # Rounded by a quantum a line at most, and all of it on the last.
    assert (np.abs(cost - bill[box] * due) <= 17 / 1024).all()
    assert (cost >= 0).all()


@given(seed=st.integers(0, 2**32))
def test_an_outcome_keeps_its_bills(seed):
    rng = np.random.default_rng(seed)
    systems, views, stock = random_case(rng)
    outcome = drain_period(systems, views, 0, stock, seed=3)
    volume = draw_volumes(systems.weight_lb, seed=seed)
    again = attribute_outcome(outcome, views, systems.weight_lb, volume)
    boxes = len(outcome.box_cost)
    paid = np.bincount(again.shipment_box, weights=again.shipment_cost, minlength=boxes)
    assert paid.tolist() == outcome.box_cost.tolist()
    assert again.ship_cost.sum() == outcome.ship_cost.sum()
    by_node = again.ship_cost.sum(axis=0)
    assert by_node.tolist() == outcome.ship_cost.sum(axis=0).tolist()
    # By weight alone it is what the loop does, but for the quantum that rounding may move.
    same = attribute_outcome(outcome, views, systems.weight_lb, volume, volume_share=0.0)
    np.testing.assert_allclose(same.shipment_cost, outcome.shipment_cost, atol=2.01 / 1024)


def test_a_bulky_product_pays_for_its_volume():
    views = make_views([(0.1, 0, 0, 1, 0, 0.01), (0.1, 1, 0, 1, 0, 0.01)])
    systems, _, _ = random_case(np.random.default_rng(0))
    systems = replace(
        systems,
        transit_days=np.array([[1]]),
        zone=np.array([[1]]),
        nearest_node=np.array([0]),
        serves=np.array([True]),
        active_from=np.array([0]),
        lane_effect=np.ones((1, 1)),
        weight_lb=np.array([2.0, 2.0]),
        cumulative=np.repeat(systems.cumulative[:1], 2, axis=0),
        scarcity_units=np.ones((2, 1)),
        daily_capacity=np.array([np.inf]),
        lane_preference=None,
        choice_noise=0.0,
    )
    outcome = drain_period(systems, views, 0, np.array([[5], [5]]))
    found = attribute_outcome(
        outcome, views, systems.weight_lb, np.array([1.0, 3.0]), volume_share=1.0
    ).ship_cost
    assert outcome.ship_cost[0, 0] == pytest.approx(outcome.ship_cost[1, 0], abs=1 / 1024)
    assert found[1, 0] == pytest.approx(3 * found[0, 0], abs=4 / 1024)


def test_volumes_follow_the_weights_and_the_seed():
    weight = np.full(5000, 5.0)
    volume = draw_volumes(weight, seed=1)
    assert np.median(weight / volume) == pytest.approx(10.0, rel=0.04)
    np.testing.assert_allclose(draw_volumes(2 * weight, seed=1), 2 * volume)
    assert not np.array_equal(draw_volumes(weight, seed=2), volume)


@pytest.mark.parametrize(
    ("bill", "box", "weight", "volume", "share", "message"),
    [
        ([1.0], [0], [1.0], [1.0], 1.5, r"volume_share is 1.5, must be in \[0, 1\]"),
        ([-1.0], [0], [1.0], [1.0], 0.5, r"bill\[0\] is -1\.0, must be finite and at least 0"),
        ([1.0], [1], [1.0], [1.0], 0.5, r"box\[0\] is 1, must be in \[0, 1\)"),
        ([1.0], [0], [0.0], [1.0], 0.5, r"weight\[0\] is 0\.0, must be finite and above 0"),
        ([1.0], [0], [1.0], [-1.0], 0.5, r"volume\[0\] is -1\.0, must be finite and above 0"),
        ([1.0, 2.0], [0], [1.0], [1.0], 0.5, r"bill\[1\] is 2\.0, must be 0 where a box has no"),
    ],
)
def test_bad_bills_are_named(bill, box, weight, volume, share, message):
    with pytest.raises(ValueError, match=message):
        attribute(bill, box, weight, volume, volume_share=share)
