"""What is stowed within a period is on the shelf from the moment that the log says."""

from dataclasses import replace

import numpy as np
import pytest

from draingym.oracle import OracleConfig, self_replay, setting_from_log, to_event_log
from draingym.oracle.fitting.shelf_history import shelf_history
from draingym.oracle.moves import Moves, log_moves
from draingym.world.eventlog import EventLog, validate_log
from tests.oracle.worlds import drain, make_systems, make_views

DAYS = 4  # of the long periods


def in_long_periods(log, days, *, timed):
    """A daily log in periods of ``days`` days: of every shipment, the day is its time, or lost."""

    def columns(table):
        return {name: log.array(table, name) for name in log[table].column_names}

    tables = dict(log.tables)
    periods = log["calendar"].num_rows // days
    first = log["calendar"].slice(0, periods * days).take(np.arange(periods) * days)
    tables["calendar"] = {
        "period": np.arange(periods),
        "date": first["date"].to_pylist(),
        "start": days * np.arange(periods, dtype=float),
        "days": np.full(periods, float(days)),
    }
    views = columns("glance_views")
    tables["glance_views"] = views | {"period": views["period"] // days}
    shape = (periods, days, log["products"].num_rows, log["nodes"].num_rows)
    daily = {
        name: log.array("inventory", name).reshape(shape)
        for name in ("on_hand", "stowed", "transferred", "available")
    }
    on_hand = daily["on_hand"][:, -1]
    sums = {name: daily[name].sum(axis=1) for name in ("stowed", "transferred")}
    shipped = (daily["available"] - daily["on_hand"]).sum(axis=1)
    period, product, node = (axis.ravel() for axis in np.indices(on_hand.shape))
    stock = {"on_hand": on_hand, "available": on_hand + shipped, **sums}
    tables["inventory"] = {"period": period, "product": product, "node": node} | {
        name: values.ravel() for name, values in stock.items()
    }
    sent = columns("shipments")
    times = {"left_at": sent["ordered_at"] * 1.0, "stowed_at": sent["arrives_at"] * 1.0}
    tables["shipments"] = {
        **sent,
        "ordered_at": sent["ordered_at"] // days,
        "arrives_at": sent["arrives_at"] // days,
        **(times if timed else {}),
    }
    made = EventLog.from_arrays(tables)
    validate_log(made)
    return made


@pytest.fixture(scope="module")
def logs(small_world, history):
    """The same log three times: by days, and in long periods with and without times."""
    log = to_event_log(small_world, history)
    return log, *(in_long_periods(log, DAYS, timed=timed) for timed in (True, False))


def test_shelves_are_those_of_the_days(logs):
    daily, timed, lost = (shelf_history(log) for log in logs)
    rank = np.arange(daily.num_views)
    np.testing.assert_array_equal(timed.view_row, daily.view_row)
    np.testing.assert_array_equal(timed.free_before(rank), daily.free_before(rank))
    assert (lost.free_before(rank) != daily.free_before(rank)).mean() > 0.1
    few = rank[::7]
    np.testing.assert_array_equal(timed.free_before(few), daily.free_before(few))


def test_the_truth_gives_a_log_of_long_periods_again(logs, true_systems):
    """By its times to the unit; from the periods' beginnings, promises are others."""
    config = OracleConfig()
    checks = []
    for log in logs[1:]:
        setting = setting_from_log(log, config)
        names = ("lane_effect", "scarcity_units", "daily_capacity", "rates")
        truth = {name: getattr(true_systems, name) for name in names}
        setting = replace(setting, systems=replace(setting.systems, **truth))
        checks.append(self_replay(setting, seeds=(0,)))
    timed, lost = checks
    np.testing.assert_array_equal(timed.replays[0].units, timed.log.units)
    np.testing.assert_array_equal(timed.replays[0].promises, timed.log.promises)
    off = {comparison.what: comparison.off for comparison in lost.comparisons}
    assert not lost.passes
    assert off["promises"] > 0.03


def test_units_come_and_go_at_their_time():
    systems = make_systems([[1]])
    views = make_views([(0.1 * k, 0, 0, 1, k, 0.05) for k in range(1, 6)])
    moves = Moves(
        time=np.array([0.25, 0.45, 0.9]),
        period=np.zeros(3, np.int64),
        product=np.zeros(3, np.int64),
        node=np.zeros(3, np.int64),
        units=np.array([2, -1, 5]),
    )
    outcome = drain(systems, views, [[6]], moves=moves)
    # Nothing is there before .25; of the two that come, one is sold and one leaves.
    assert outcome.filled.tolist() == [0, 0, 1, 1, 0]
    assert outcome.promise.tolist() == [3, 3, 0, 0, 3]
    assert outcome.stock.tolist() == [[4]]
    whole = drain(systems, views, [[6]])
    assert whole.filled.tolist() == [1] * 5


def test_moves_are_those_of_the_shipments(logs):
    daily, timed, lost = (log_moves(log) for log in logs)
    assert daily.time.size == lost.time.size == 0
    assert (np.diff(timed.time) >= 0).all()
    np.testing.assert_array_equal(timed.period, timed.time // DAYS)
    assert (timed.time % DAYS > 0).all()
    some = timed.of(1)
    assert 0 < some.time.size < timed.time.size
    assert set(some.period.tolist()) == {1}
    none = dict(logs[1].tables)
    del none["shipments"]
    assert log_moves(EventLog(tables=none)).units.size == 0


@pytest.mark.parametrize("name", ["left_at", "stowed_at"])
def test_times_beyond_their_period_are_refused(logs, name):
    columns = {c: logs[1].array("shipments", c) for c in logs[1]["shipments"].column_names}
    row = int(np.flatnonzero(columns["ordered_at"] >= 0)[0])
    columns[name] = columns[name].copy()
    columns[name][row] += DAYS
    log = EventLog.from_arrays(dict(logs[1].tables) | {"shipments": columns})
    with pytest.raises(ValueError, match=rf"shipments\.{name}, row {row} is .*within the period"):
        validate_log(log)
