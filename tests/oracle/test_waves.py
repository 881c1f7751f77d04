"""Orders that wait for a wave: reserved at once, planned together, merged, shipped in time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draingym.oracle.fulfilment.emulated import greedy_systems
from draingym.oracle.fulfilment.engine import Engine
from draingym.oracle.fulfilment.planner import Plan, cost_of
from draingym.oracle.fulfilment.planner_milp import BatchMilp
from draingym.oracle.fulfilment.waves import WaveConfig, WaveFulfilment
from tests.oracle.worlds import make_systems, make_views, random_case

NO_PRICE = WaveConfig(opportunity="none")


def waves(systems, views, stock, *, planner=None, config=NO_PRICE, period_days=1.0, seed=0):
    fulfilment = WaveFulfilment(systems, planner or BatchMilp(gap=0.0), config)
    production = replace(greedy_systems(systems, seed), fulfilment=fulfilment)
    engine = Engine(production, systems, views, period_days=period_days)
    return engine.run_period(0, np.asarray(stock), last=True), fulfilment, engine


@pytest.mark.parametrize(
    ("hour", "end"),
    [
        pytest.param(0.0, 4.0, id="midnight"),
        pytest.param(3.9, 4.0, id="before the end"),
        pytest.param(4.0, 8.0, id="at the end: the next"),
        pytest.param(15.9, 16.0, id="before the cut-off"),
        pytest.param(16.0, 20.0, id="at the cut-off"),
        pytest.param(23.5, 24.0, id="last of the day"),
    ],
)
def test_an_order_joins_the_next_wave(hour, end):
    fulfilment = WaveFulfilment(make_systems([[1]]))
    assert fulfilment.wave_end(3.0 + hour / 24.0) == pytest.approx(3.0 + end / 24.0, abs=1e-12)


def test_two_orders_of_a_customer_share_a_box_and_leave_with_their_wave():
    # Two baskets of one customer within a wave, from one node: 2 + 2 lb + 1 zone, not twice 4.
    systems = make_systems([[1]], products=2)
    views = make_views([(0.01, 0, 0, 1, 7, 0.01), (0.05, 1, 0, 1, 8, 0.01)])
    views = replace(views, customer=np.zeros(2, np.int32))
    outcome, _, _ = waves(systems, views, [[5], [5]])
    assert outcome.box_cost.tolist() == [5.0]
    assert outcome.shipment_cost.tolist() == [2.5, 2.5]
    assert outcome.shipment_time.tolist() == [np.nextafter(4 / 24, 0)] * 2
    # Of two customers they do not.
    apart, _, _ = waves(systems, replace(views, customer=np.arange(2, dtype=np.int32)), [[5], [5]])
    assert apart.box_cost.tolist() == [4.0, 4.0]
    patient = replace(views, latent=np.array([0.01, 0.29]))
    early, _, _ = waves(systems, patient, [[5], [5]])
    assert early.option.tolist() == [0, 2]
    assert early.box_cost.tolist() == [5.0]
    config = replace(NO_PRICE, merge_due_days=False)
    due, _, _ = waves(systems, patient, [[5], [5]], config=config)
    assert due.box_cost.tolist() == [4.0, 4.0]


def test_a_plan_undoes_what_was_reserved_too_early():
    # Product 0 lies at both nodes, product 1 at node 1 alone. The basket's first line is reserved
    # at node 0 (zone 1), its second at node 1 (zone 2): 4 + 5. The plan ships both from node 1: 6.
    systems = make_systems([[1], [1]], zone=[[1], [2]], products=2)
    views = make_views([(0.1, 0, 0, 1, 7, 0.01), (0.1, 1, 0, 1, 7, 0.01)])
    stock = np.array([[5, 5], [0, 5]])
    greedy = Engine(greedy_systems(systems), systems, views, period_days=1.0)
    assert greedy.run_period(0, stock, last=True).box_cost.sum() == 9.0
    outcome, fulfilment, engine = waves(systems, views, stock)
    assert outcome.box_cost.tolist() == [6.0]
    assert outcome.outbound.tolist() == [[0, 1], [0, 1]]
    assert engine.shelves.free.tolist() == [[5, 4], [0, 4]]
    assert [plan.how for plan in fulfilment.plans] == ["milp"]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), orders=st.integers(1, 8))
def test_nothing_is_late_and_nothing_is_lost(seed, orders):
    systems, views, stock = random_case(np.random.default_rng(seed))
    systems = replace(systems, cost_noise_sd=0.0)
    reserved = []

    class Spy:
        def plan(self, batch):
            plan = BatchMilp(gap=0.0).plan(batch)
            reserved.append((batch, plan))
            return plan

    config = replace(NO_PRICE, batch_orders=orders)
    outcome, fulfilment, engine = waves(
        systems, views, stock, planner=Spy(), config=config, period_days=2.0, seed=seed
    )
    greedy = Engine(greedy_systems(systems), systems, views, period_days=2.0)
    assert (outcome.stock + outcome.outbound == stock).all()
    assert (outcome.stock >= 0).all()
    assert not engine.shelves.reserved.any()
    wanted = views.quantity[(outcome.option < 3) | (outcome.promise == 3)].sum()
    assert outcome.outbound.sum() + outcome.lost.sum() == wanted
    assert outcome.filled.sum() == outcome.outbound.sum()
    assert outcome.ship_cost.sum() == outcome.box_cost.sum()
    # Delivery of what is shipped: dispatch of the order's day, or the next past the cut-off.
    time, place = views.time[outcome.shipment_view], views.place[outcome.shipment_view]
    ready = systems.processing_days + ((time % 1.0) * 24.0 >= systems.cutoff_hour)
    arrival = ready + systems.transit_days[outcome.shipment_node, place]
    option = outcome.option[outcome.shipment_view]
    assert (arrival <= np.where(option < 2, option + 1, 99)).all()
    assert (outcome.shipment_time >= time).all()
    for _, plan in reserved:
        assert (plan.node >= 0).all()
    assert len(fulfilment.plans) == len(reserved)
    assert greedy.run_period(0, stock, last=True).promise[0] == outcome.promise[0]


class GivesUp:
    """Finds no plan."""

    def plan(self, batch):
        node = np.full(batch.num_lines, -1)
        return Plan(node=node, cost=cost_of(batch, node), how="none")


def test_where_the_planner_finds_nothing_the_reservation_stands():
    systems = make_systems([[1]])
    outcome, fulfilment, _ = waves(
        systems, make_views([(0.1, 0, 0, 2, 0, 0.01)]), [[5]], planner=GivesUp()
    )
    assert outcome.filled.tolist() == [2]
    assert [plan.how for plan in fulfilment.plans] == ["reserved"]


def test_an_order_that_cannot_be_served_is_unfilled_and_counted():
    systems = make_systems([[1]])
    views = make_views([(0.1, 0, 0, 7, 0, 0.01)])
    outcome, _, _ = waves(systems, views, [[5]])
    assert outcome.filled.tolist() == [5]
    assert outcome.lost.tolist() == [[2]]


@pytest.mark.parametrize(
    ("opportunity", "node"),
    [pytest.param("none", 0, id="none"), pytest.param("duals", 1, id="duals")],
)
def test_duals_spare_stock_that_its_own_market_will_need(opportunity, node):
    # A customer at place 1 is a zone cheaper from node 0, which has one unit. The 3 units that its
    # own market (place 0) will want come from node 0 for 4 USD and from node 1 for 7: that unit is
    # worth 3 USD, more than the zone.
    systems = make_systems(
        [[1, 1], [1, 1]],
        zone=[[1, 1], [4, 2]],
        scarcity_units=np.full((1, 2), 3.0),
        nearest_node=np.array([0, 1]),
    )
    views = make_views([(0.1, 0, 1, 1, 0, 0.01)])
    config = WaveConfig(opportunity=opportunity)
    outcome, _, _ = waves(systems, views, [[1, 50]], config=config)
    assert outcome.outbound[0].tolist() == [int(node == 0), int(node == 1)]


@pytest.mark.parametrize(
    ("field", "value"),
    [("wave_hours", 0.0), ("batch_orders", 0), ("opportunity", "all"), ("unmet_cost", 0.0)],
)
def test_bad_settings_are_refused(field, value):
    with pytest.raises(ValueError, match=field):
        WaveConfig(**{field: value})
