"""A replay in parts on a pool finds what one loop finds, to the last bit."""

from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import fields, replace
from multiprocessing import get_context

import numpy as np
import pytest

from draingym.oracle import to_event_log
from draingym.oracle.fulfilment.period import drain_period
from draingym.oracle.replays.replay import replay
from draingym.oracle.replays.setting import setting_from_log
from draingym.oracle.replays.shards import Shards, groups_of
from draingym.oracle.replays.types import Decision
from tests.oracle.policies import Refill
from tests.oracle.test_replay import same
from tests.oracle.worlds import make_systems, make_views

REFILL = Decision(policy=Refill(), params=np.full(4, 8.0, np.float32))


@pytest.fixture(scope="module")
def setting(small_world, history):
    return setting_from_log(to_event_log(small_world, history))


@pytest.fixture(scope="module")
def free(setting):
    """The same, without a node's capacity, and views of one product each session."""
    systems = replace(setting.systems, daily_capacity=np.full(setting.systems.num_nodes, np.inf))
    return replace(setting, systems=systems)


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(2) as pool:
        yield pool


class Here(Executor):
    """Runs a job at once, and counts."""

    jobs = 0

    def submit(self, function, /, *args, **kwargs):
        self.jobs += 1
        future = Future()
        future.set_result(function(*args, **kwargs))
        return future


@pytest.mark.parametrize("start", [0, 5])
def test_periods_on_given_stock_run_at_once(setting, threads, start):
    stock = np.ascontiguousarray(setting.stock[:, start:])
    whole = replay(setting, stock, start=start, seed=3)
    same(whole, replay(setting, stock, start=start, seed=3, pool=threads))
    assert whole.outbound.sum() > 50


def test_under_a_policy_stock_is_handed_over(setting, free, threads):
    for source in (setting, free):
        same(replay(source, REFILL, seed=2), replay(source, REFILL, seed=2, pool=threads))


def test_groups_of_products_run_side_by_side(free, tmp_path):
    pool = Here()
    views = free.views(1, complete=True)
    parts = len(np.unique(groups_of(views, free.systems, 3)))
    found = replay(free, free.stock, seed=1, pool=pool, groups=3, folder=tmp_path)
    same(replay(free, free.stock, seed=1), found)
    assert pool.jobs == sum(
        len(np.unique(groups_of(views, free.systems, 3)[views.periods(t, t + 1).product]))
        for t in range(free.num_periods)
    )
    assert parts > 1 or pool.jobs == free.num_periods
    # What is in the folder is taken from there.
    jobs = pool.jobs
    same(found, replay(free, free.stock, seed=1, pool=pool, groups=3, folder=tmp_path))
    assert pool.jobs == jobs


def test_products_of_a_basket_stay_together():
    rows = [  # time, product, place, quantity, session, latent
        (0.1, 0, 0, 1, 0, 0.1),
        (0.1, 2, 0, 2, 0, 0.1),  # with 0 in a basket
        (0.2, 1, 0, 1, 1, 0.1),
        (0.2, 3, 0, 0, 1, 0.9),  # beside 1, but wants nothing
        (0.3, 3, 0, 1, 2, 0.1),
        (0.4, 2, 0, 1, 3, 0.1),
    ]
    views = make_views(rows)
    systems = make_systems([[1], [2]], products=5)
    group = groups_of(views, systems, 5)
    assert group[0] == group[2]
    assert len(set(group[[0, 1, 3, 4]])) == 4
    assert set(groups_of(views, systems, 2)) == {0, 1}
    np.testing.assert_array_equal(groups_of(views, systems, 1), 0)
    # A node that takes so many units a day ties all of them.
    np.testing.assert_array_equal(
        groups_of(views, replace(systems, daily_capacity=np.array([9.0, np.inf])), 5), 0
    )


def test_parts_of_a_period_are_joined_in_the_order_of_its_views(setting):
    random = np.random.default_rng(0)
    baskets = 60
    first = random.integers(0, 6, baskets)
    rows = [
        (t, p, 0, int(random.integers(1, 4)), s, float(random.uniform(0.0, 0.3)))
        for s, t in enumerate(np.sort(random.random(baskets)))
        for p in ([first[s]] if s % 3 else [first[s], first[s] // 2 * 2])
    ]
    views = make_views(rows)
    systems = make_systems([[1], [2]], products=6, weight_lb=1.5, cost_noise_sd=0.3)
    stock = random.integers(3, 12, (6, 2))
    whole = drain_period(systems, views, 0, stock, seed=7)
    source = replace(setting, systems=systems)
    assert len(set(groups_of(views, systems, 3))) == 3
    parts = Shards(source, views, Here(), 7, 3).serve(0, stock)
    assert whole.box_node.size > 20
    for field in fields(whole):
        found, due = getattr(parts, field.name), getattr(whole, field.name)
        np.testing.assert_array_equal(found, due, err_msg=field.name)
        assert np.asarray(found).dtype == np.asarray(due).dtype, field.name


def test_a_planner_that_carries_orders_is_refused(setting, threads):
    with pytest.raises(ValueError, match="planner is 'closest', must be 'greedy' with a pool"):
        replay(setting, setting.stock, planner="closest", pool=threads)


@pytest.mark.slow
def test_processes_do_as_well(free):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for decision in (free.stock, REFILL):
            same(replay(free, decision, seed=4), replay(free, decision, seed=4, pool=pool))
