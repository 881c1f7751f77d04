"""The event engine: it agrees with the compiled loop, and takes anybody's systems."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draingym.oracle.fulfilment.emulated import GreedyFulfilment, greedy_systems
from draingym.oracle.fulfilment.engine import Engine
from draingym.oracle.fulfilment.period import drain_period
from draingym.oracle.protocols import Item, Parcel
from draingym.oracle.shelves import Shelves
from tests.oracle.worlds import make_systems, make_views, random_case

BY_VIEW = ("promise", "option", "filled")
BY_NODE = ("stock", "outbound", "ship_cost", "lost")
BY_BOX = ("box_node", "box_zone", "box_weight_lb", "box_units", "box_cost", "box_session")
BY_SHIPMENT = tuple(f"shipment_{x}" for x in ("view", "node", "units", "box", "cost", "time"))


def engine_of(systems, views, production=None, *, seed=0, period_days=1.0):
    production = greedy_systems(systems, seed) if production is None else production
    return Engine(production, systems, views, period_days=period_days)


def events(outcome):
    """Shipments in one order, whatever order they were noted in."""
    order = np.lexsort((outcome.shipment_node, outcome.shipment_view))
    return [getattr(outcome, name)[order] for name in BY_SHIPMENT]


def assert_same(fast, slow):
    for name in BY_VIEW + BY_NODE + BY_BOX:
        np.testing.assert_array_equal(getattr(fast, name), getattr(slow, name), err_msg=name)
    for name, one, other in zip(BY_SHIPMENT, events(fast), events(slow), strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_compiled_loop_agrees_with_the_engine_event_for_event(seed):
    systems, views, stock = random_case(np.random.default_rng(seed))
    slow = engine_of(systems, views, seed=seed, period_days=2.0).run_period(0, stock, last=True)
    assert_same(drain_period(systems, views, 0, stock, seed=seed), slow)


def test_they_agree_over_the_periods_of_a_world(true_systems, small_world, history):
    views = small_world.views
    engine = engine_of(true_systems, views, seed=5)
    moves = history.trajectory.transitions
    assert len(history.outcomes) == small_world.num_periods
    for t, fast in enumerate(history.outcomes):
        available = np.asarray(moves.available)[:, t].astype(np.int64)
        assert_same(fast, engine.run_period(t, available))
    assert not engine.shelves.reserved.any()


def test_products_replayed_apart_cost_more_than_the_joint_timeline():
    # A box costs 2 + lb + zone. Product 0 (1 lb) lies at node 0 (zone 2) alone; product 1 (3 lb)
    # at both, node 1 being in zone 1. Jointly one box from node 0: 2 + 4 + 2 = 8. Apart, product 1
    # goes by itself from node 1: 2 + 3 + 1 = 6, and product 0 for 2 + 1 + 2 = 5: 11 in all.
    systems = make_systems([[1], [1]], zone=[[2], [1]], products=2, weight_lb=[1.0, 3.0])
    views = make_views([(0.1, 0, 0, 1, 7, 0.01), (0.1, 1, 0, 1, 7, 0.01)])
    stock = np.array([[5, 0], [5, 5]])

    def bill(part):
        return engine_of(systems, part).run_period(0, stock, last=True).box_cost.tolist()

    assert bill(views) == [8.0]
    assert [bill(views.select(views.product == i)) for i in range(2)] == [[5.0], [6.0]]


class NextDay(GreedyFulfilment):
    """Packs a basket's boxes a day after the order."""

    def pop_shipped(self, now):
        self.waiting = [*getattr(self, "waiting", []), *super().pop_shipped(now)]
        gone = [p for p in self.waiting if p.shipped_at + 1.0 < now]
        self.waiting = [p for p in self.waiting if p not in gone]
        return [Parcel(p.node, p.items, p.shipped_at + 1.0) for p in gone]

    def flush(self, now):
        return [*self.waiting, *super().flush(now)]


def test_reserved_units_wait_on_the_shelf_and_are_accounted_when_they_leave():
    systems = make_systems([[1]])
    views = make_views([(0.5, 0, 0, 2, 0, 0.01), (1.2, 0, 0, 9, 1, 0.01)], periods=2)
    production = replace(greedy_systems(systems), fulfilment=NextDay(systems))
    engine = engine_of(systems, views, production)
    first = engine.run_period(0, np.array([[5]]))
    assert first.outbound.tolist() == [[0]]
    assert first.stock.tolist() == [[5]]
    assert engine.shelves.free.tolist() == [[3]]
    second = engine.run_period(1, np.array([[5]]), last=True)
    # Two units of the first order; of the second, three are left to be had and six are not.
    assert second.outbound.tolist() == [[5]]
    assert second.shipment_time.tolist() == [1.5, 1.2]
    assert second.lost.tolist() == [[6]]
    assert first.filled.tolist() == [2]
    assert second.filled.tolist() == [3]


class Wrong(GreedyFulfilment):
    """Ships what it was told to."""

    def __init__(self, systems, units=1, drop=False, at=0.1):
        """Take what to answer."""
        super().__init__(systems)
        self.units, self.drop, self.at = units, drop, at

    def pop_shipped(self, now):
        parcels = super().pop_shipped(now)
        if self.drop:
            return []
        return [
            Parcel(p.node, tuple(Item(i.view, self.units) for i in p.items), self.at)
            for p in parcels
        ]


def test_what_a_system_reserves_and_never_ships_is_counted_as_lost():
    systems = make_systems([[1]])
    views = make_views([(0.1, 0, 0, 2, 0, 0.01)])
    production = replace(greedy_systems(systems), fulfilment=Wrong(systems, drop=True))
    outcome = engine_of(systems, views, production).run_period(0, np.array([[5]]), last=True)
    assert outcome.filled.tolist() == [0]
    assert outcome.lost.tolist() == [[2]]
    assert outcome.stock.tolist() == [[5]]


class Says:
    """Answers one thing to every question."""

    def __init__(self, answer):
        """Take the answer."""
        self.answer = answer

    def promise(self, view, shelves):
        return self.answer

    def convert(self, view, promise):
        return self.answer


@pytest.mark.parametrize(
    ("changes", "stock", "message"),
    [
        pytest.param({"promise": Says(4)}, 5, "promise of view 0 is 4, must be", id="promise"),
        pytest.param(
            {"conversion": Says(4)}, 5, "ship option of view 0 is 4, must be", id="option"
        ),
        pytest.param(
            {"promise": Says(1), "conversion": Says(0)}, 5, "no faster than its promise", id="fast"
        ),
        pytest.param({"units": 3}, 5, "ships 3 units for view 0, must be at most the 2", id="more"),
        pytest.param({"units": 2, "at": 0.05}, 5, "left at 0.05, must leave at 0.1", id="soon"),
        pytest.param({}, -1, r"stock\[0, 0\] of period 0 is -1, must be at least 0", id="stock"),
    ],
)
def test_answers_that_cannot_be_are_refused(changes, stock, message):
    systems = make_systems([[1]])
    views = make_views([(0.1, 0, 0, 2, 0, 0.01)])
    own = {k: v for k, v in changes.items() if k in ("promise", "conversion")}
    rest = {k: v for k, v in changes.items() if k not in own}
    fulfilment = Wrong(systems, **rest) if rest else GreedyFulfilment(systems)
    production = replace(greedy_systems(systems), fulfilment=fulfilment, **own)
    with pytest.raises(ValueError, match=message):
        engine_of(systems, views, production).run_period(0, np.array([[stock]]), last=True)


def test_systems_that_lack_a_method_are_refused():
    with pytest.raises(ValueError, match=r"systems.ship_cost is Says, must be a ShipCostModel"):
        replace(greedy_systems(make_systems([[1]])), ship_cost=Says(1))


def test_shelves_refuse_what_is_not_there():
    shelves = Shelves(1, 2)
    shelves.restock(0, np.array([[3, 1]]), np.array([0]))
    with pytest.raises(ValueError, match=r"reserve: units is 4, must be in \[1, 3\]"):
        shelves.reserve(0, 0, 4)
    with pytest.raises(ValueError, match="node is 1, must be open in period 0"):
        shelves.reserve(0, 1, 1)
    shelves.reserve(0, 0, 2)
    with pytest.raises(ValueError, match=r"release: units is 3, must be in \[1, 2\]"):
        shelves.release(0, 0, 3)
    with pytest.raises(
        ValueError, match="is -1, must be at least 0 after what is reserved for orders"
    ):
        shelves.restock(1, np.array([[1, 1]]), np.array([0]))
