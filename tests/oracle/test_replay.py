"""Replays of a log: what follows is a log again; interrupted, repeated and many at a time."""

import importlib
from dataclasses import fields, replace

import jax
import numpy as np
import pyarrow as pa
import pytest

from draingym.oracle import PeriodRates, to_event_log
from draingym.oracle.replays.many import replay_many
from draingym.oracle.replays.planners import PLANNERS
from draingym.oracle.replays.replay import replay
from draingym.oracle.replays.setting import setting_from_log
from draingym.oracle.replays.types import Decision
from draingym.world.eventlog import EventLog, validate_log
from draingym.world.panel_checks import check_conservation
from draingym.world.views import ConversionRates
from tests.oracle.policies import Refill
from tests.simulator.worlds import observations

REFILL = Decision(policy=Refill(), params=np.full(4, 8.0, np.float32))


@pytest.fixture(scope="module")
def log(small_world, history):
    return to_event_log(small_world, history)


@pytest.fixture(scope="module")
def setting(log):
    return setting_from_log(log)


@pytest.fixture(scope="module")
def available(setting):
    return setting.panel["available"].to_numpy()


def same(one, other):
    for field in fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if field.name == "log" and left is not None:
            for name in left.tables:
                assert left[name].equals(right[name]), name
        else:
            np.testing.assert_array_equal(left, right, err_msg=field.name)


@pytest.mark.parametrize("known", [None, 2])
@pytest.mark.parametrize(("start", "period"), [(0, 3), (2, 7)])
def test_a_replay_shows_no_period_to_come(setting, known, start, period):
    """Two logs that agree before a period, and in what their products are."""
    panel = setting.panel.copy(deep=True)
    panel["glance_views"][:, period:] += 5
    panel["outbound"][:, period:] += 3
    one, other = (
        replace(setting, panel=p, known_periods=known).scenario(start, 9 - start, seed=1).series
        for p in (setting.panel, panel)
    )
    assert not np.array_equal(one.glance_views, other.glance_views)
    for product in range(2):
        first, second = (
            observations(setting.params, of_product(series, product), period - start + 1)
            for series in (one, other)
        )
        jax.tree.map(np.testing.assert_array_equal, first, second)


def of_product(series, product):
    return jax.tree.map(lambda leaf: leaf[product], jax.device_get(series))


def test_the_truth_on_the_stock_of_history_is_history(
    small_world, true_systems, history, setting, available
):
    truth = replace(setting, systems=true_systems)
    again = replay(truth, available, views=small_world.views, seed=5)
    np.testing.assert_array_equal(
        again.outbound, np.stack([o.outbound for o in history.outcomes], axis=1)
    )
    np.testing.assert_array_equal(
        again.ship_cost, np.stack([o.ship_cost for o in history.outcomes], axis=1)
    )
    for name in ("glance_views", "order_lines", "boxes"):
        assert again.log[name].equals(setting.log[name]), name


@pytest.mark.parametrize(
    ("planner", "start"), [*((name, 0) for name in PLANNERS), ("greedy", 5), ("batch_milp", 5)]
)
def test_a_replay_under_a_policy_is_a_log_again(setting, planner, start):
    result = replay(setting, REFILL, planner=planner, start=start, seed=2)
    validate_log(result.log)
    panel = result.panel()
    check_conservation(panel)
    order = ("product", "period", "node")
    np.testing.assert_array_equal(panel["outbound"].transpose(*order), result.outbound)
    np.testing.assert_allclose(panel["ship_cost"].transpose(*order), result.ship_cost, rtol=1e-12)
    assert result.outbound.sum() > 50
    assert result.values.shape == (6, 12 - start)
    np.testing.assert_allclose(result.period_values, result.values.sum(axis=0))
    seen = setting.panel["glance_views"].to_numpy()[:, start:]
    np.testing.assert_array_equal(panel["glance_views"], seen)


@pytest.mark.parametrize("planner", ["greedy", "batch_milp"])
def test_a_replay_on_given_stock_is_a_log_again(setting, available, planner):
    more = np.ascontiguousarray(available[:, 3:9] + 2)
    more[:, :, 0] = available[:, 3:9, 0]
    result = replay(setting, more, planner=planner, start=3, periods=6)
    validate_log(result.log)
    panel = result.panel()
    np.testing.assert_array_equal(panel["available"], more)
    price = setting.panel["price"].to_numpy()[:, None]
    held = setting.panel["unit_cost"].to_numpy()[:, None, None] * (more - result.outbound)
    holding = np.asarray(setting.params.holding_rate) * held
    holding = holding + np.asarray(setting.params.holding_cost) * (more - result.outbound)
    expected = price * result.outbound.sum(axis=2) - (result.ship_cost + holding).sum(axis=2)
    np.testing.assert_allclose(result.values, expected, rtol=1e-9)


@pytest.mark.parametrize("of", ["a policy", "given stock"])
def test_who_is_not_known_in_a_log_is_not_known_in_its_replay(log, setting, available, of):
    views, customer = log["glance_views"], log.array("glance_views", "customer")
    unknown = log.array("glance_views", "order") % 2 == 0
    column = views.schema.get_field_index("customer")
    masked = views.set_column(column, views.schema.field(column), pa.array(customer, mask=unknown))
    half = setting_from_log(EventLog(tables={**log.tables, "glance_views": masked}))
    result = replay(half, REFILL if of == "a policy" else available, seed=2)
    validate_log(result.log)
    again = result.log.array("glance_views", "customer")
    count = log["customers"].num_rows
    assert again.max() < count
    assert 0.5 < (again < 0).mean() / unknown.mean() < 2.0


def test_the_engine_and_the_compiled_loop_give_the_same_replay(setting):
    fast = replay(setting, REFILL, seed=3, record=False)
    same(fast, replay(setting, REFILL, planner="greedy_reference", seed=3, record=False))


def test_rates_that_change_over_time_serve_both(log, setting):
    low = ConversionRates(pmf=0.5 * setting.rates.pmf + 0.5 * np.eye(4)[3])
    blocks = PeriodRates(blocks=(setting.rates, low), block=np.repeat([0, 1], 6))
    changing = setting_from_log(log, rates=blocks)
    stock = setting.stock + 50
    stock[:, :, 0] = setting.stock[:, :, 0]
    fast, slow, constant = (
        replay(of, stock, planner=planner, seed=3, record=False, conditional=False)
        for of, planner in (
            (changing, "greedy"),
            (changing, "greedy_reference"),
            (setting, "greedy"),
        )
    )
    same(fast, slow)
    units = [x.outbound.sum(axis=(0, 2)) for x in (fast, constant)]
    np.testing.assert_array_equal(units[0][:6], units[1][:6])
    assert units[0][6:].sum() < 0.7 * units[1][6:].sum()


def test_views_that_never_convert_change_the_log_alone(setting):
    bare, whole = (replay(setting, REFILL, record=record) for record in (False, True))
    assert bare.log is None
    same(bare, replace(whole, log=None))
    with pytest.raises(ValueError, match="record=True"):
        bare.panel()


def test_the_batch_plan_saves_boxes(setting, available):
    greedy, planned = (
        replay(setting, available, planner=p, record=True).log for p in ("greedy", "batch_milp")
    )
    boxes = [np.unique(log.array("boxes", "box")).size for log in (greedy, planned)]
    units = [log.array("boxes", "units").sum() for log in (greedy, planned)]
    assert boxes[1] / units[1] < boxes[0] / units[0]


def test_it_follows_from_the_seed(setting):
    one, again, other = (replay(setting, REFILL, seed=s, periods=5) for s in (1, 1, 2))
    same(one, again)
    assert not np.array_equal(one.ship_cost, other.ship_cost)


class Stop(Exception):  # noqa: N818
    """Pulls the plug."""


@pytest.mark.parametrize("planner", ["greedy", "batch_milp"])
def test_an_interrupted_replay_goes_on_after_its_last_period(
    setting, planner, tmp_path, monkeypatch
):
    def pull(done, total):
        if done == 4:
            raise Stop

    whole = replay(setting, REFILL, planner=planner, seed=1)
    with pytest.raises(Stop):
        replay(setting, REFILL, planner=planner, seed=1, folder=tmp_path, progress=pull)
    assert len(list(tmp_path.glob("period_*.npz"))) == 4
    ran = []
    if planner == "greedy":
        module = importlib.import_module(
            "draingym.oracle.replays.replay"
        )  # the package has a function of the name
        served = module.drain_period
        count = lambda *args, **more: ran.append(args[2]) or served(*args, **more)  # noqa: E731
        monkeypatch.setattr(module, "drain_period", count)
    else:
        from draingym.oracle.fulfilment.engine import Engine

        served = Engine.run_period
        count = lambda self, t, *args, **more: (  # noqa: E731
            ran.append(t) or served(self, t, *args, **more)
        )
        monkeypatch.setattr(Engine, "run_period", count)
    same(whole, replay(setting, REFILL, planner=planner, seed=1, folder=tmp_path))
    assert ran == list(range(4, 12))


def test_a_folder_of_another_replay_or_a_damaged_one_is_refused(setting, tmp_path):
    replay(setting, REFILL, seed=1, folder=tmp_path, record=False, periods=3)
    with pytest.raises(ValueError, match="holds another replay"):
        replay(setting, REFILL, seed=2, folder=tmp_path, record=False, periods=3)
    (tmp_path / "period_00001.npz").write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"period_00001.npz cannot be read .* to start anew"):
        replay(setting, REFILL, seed=1, folder=tmp_path, record=False, periods=3)


def test_many_at_a_time_are_the_same_as_one_by_one(setting, available, tmp_path):
    decisions = {"refill": REFILL, "history": available[:, :4]}
    seen = []
    many = replay_many(
        setting,
        decisions,
        [7, 8],
        periods=4,
        workers=2,
        folder=tmp_path,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(k, 4) for k in range(1, 5)]
    assert (tmp_path / "history" / "8" / "period_00003.npz").exists()
    for name, decision in decisions.items():
        for seed, one in zip([7, 8], many[name], strict=True):
            same(one, replay(setting, decision, seed=seed, periods=4, record=False))


@pytest.mark.slow
def test_processes_give_what_threads_give(setting, available):
    one, other = (
        replay_many(setting, {"h": available}, [1], executor=executor, workers=1)["h"]
        for executor in ("threads", "processes")
    )
    for left, right in zip(one, other, strict=True):
        same(left, right)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"planner": "best"}, "planner is 'best', must be one of", id="planner"),
        pytest.param({"start": 12}, r"periods \[12, 12\)", id="start"),
        pytest.param({"periods": 13}, r"part of \[0, 12\)", id="periods"),
    ],
)
def test_bad_arguments_are_refused(setting, changes, message):
    with pytest.raises(ValueError, match=message):
        replay(setting, REFILL, **changes)


def test_stock_that_cannot_be_is_refused(setting, available):
    with pytest.raises(ValueError, match=r"stock has shape \(6, 11, 4\), must be \(6, 12, 4\)"):
        replay(setting, available[:, 1:])
    bad = available.copy()
    bad[2, 3, 1] = -1
    with pytest.raises(ValueError, match=r"stock\[2, 3, 1\] is -1, must be whole and at least 0"):
        replay(setting, bad)
    with pytest.raises(ValueError, match="is 1 and 0, must hold at least 1"):
        replay_many(setting, {"h": available}, [])
