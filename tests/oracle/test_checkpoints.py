"""Folders of interrupted replays: numbers alone are read, checked, and nothing in them is run."""

import json
import os
from dataclasses import fields, replace

import numpy as np
import pytest

from draingym.oracle import greedy_systems, to_event_log
from draingym.oracle.fulfilment.engine import Engine
from draingym.oracle.fulfilment.waves import WaveConfig, WaveFulfilment
from draingym.oracle.replays.replay import replay
from draingym.oracle.replays.setting import setting_from_log
from draingym.oracle.replays.types import Decision
from tests.oracle.policies import Refill
from tests.oracle.test_replay import same
from tests.oracle.worlds import random_case

REFILL = Decision(policy=Refill(), params=np.full(4, 8.0, np.float32))
PERIODS = 3


@pytest.fixture(scope="module")
def setting(small_world, history):
    return setting_from_log(to_event_log(small_world, history))


def again(setting, folder, **changes):
    arguments = {"planner": "batch_milp", "seed": 1, "record": False, "periods": PERIODS}
    return replay(setting, REFILL, folder=folder, **(arguments | changes))


@pytest.fixture(scope="module")
def kept(setting, tmp_path_factory):
    """What an interrupted replay leaves in its folder, and the result of a whole one."""
    folder = tmp_path_factory.mktemp("replay")

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again(setting, folder, progress=stop)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return files, again(setting, None)


@pytest.fixture
def folder(kept, tmp_path):
    for name, content in kept[0].items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_what_is_kept_gives_the_same_result(setting, kept, folder):
    assert sorted(kept[0]) == ["engine.npz", "period_00000.npz", "period_00001.npz", "replay.json"]
    same(kept[1], again(setting, folder))


def crafted(target):
    """The bytes of a pickle that makes a file when it is loaded."""
    return f"cposix\nsystem\n(S'touch {target}'\ntR.".encode()


def test_the_crafted_pickle_would_run(tmp_path):
    import pickle

    pickle.loads(crafted(tmp_path / "ran"))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["engine.npz", "period_00000.npz", "replay.json"])
def test_a_crafted_pickle_is_refused_and_not_run(setting, folder, name):
    (folder / name).write_bytes(crafted(folder / "ran"))
    with pytest.raises(ValueError, match=rf"{name} cannot be read .*: remove .* to start anew"):
        again(setting, folder)
    assert not (folder / "ran").exists()


def test_arrays_of_objects_are_refused_and_not_run(setting, folder):
    class Crafted:
        def __reduce__(self):
            return os.system, (f"touch {folder / 'ran'}",)

    for name in ("engine.npz", "period_00000.npz"):
        whole = (folder / name).read_bytes()
        with np.load(folder / name) as file:
            arrays = dict(file)
        column = "filled"
        arrays[column] = np.array([Crafted()], object)
        np.savez(folder / name, **arrays)
        with pytest.raises(ValueError, match=rf"{name} cannot be read"):
            again(setting, folder)
        (folder / name).write_bytes(whole)
    assert not (folder / "ran").exists()


def test_a_pickle_that_another_version_left_is_not_read(setting, kept, folder):
    (folder / "engine.pickle").write_bytes(crafted(folder / "ran"))
    same(kept[1], again(setting, folder))
    assert not (folder / "ran").exists()


def test_without_the_engines_state_a_folder_is_refused(setting, folder):
    (folder / "engine.npz").unlink()
    with pytest.raises(ValueError, match=r"engine.npz cannot be read .* to start anew"):
        again(setting, folder)


@pytest.mark.parametrize(
    ("file", "name", "change", "message"),
    [
        pytest.param("engine", "meta", 7, r"step is 7, must be in \[0, 2\)", id="ahead"),
        pytest.param("engine", "meta", "1", "step is '1', must be in", id="text"),
        pytest.param("engine", "meta", True, "step is True, must be in", id="truth value"),
        pytest.param("engine", "taken", None, "taken is missing", id="missing"),
        pytest.param("engine", "filled", np.zeros(3, np.int32), "filled has shape", id="shape"),
        pytest.param("engine", "taken", np.zeros(4), "taken is of type float64", id="type"),
        pytest.param("engine", "taken", np.full(4, -1), r"taken\[0\] is -1, must be", id="less"),
        pytest.param("period_00000", "meta", None, "first_view is None, must be", id="first"),
        pytest.param("period_00000", "stock", None, "stock is missing", id="no stock"),
        pytest.param("period_00000", "lost", np.zeros((6, 4)), "lost is of type", id="lost"),
        pytest.param("period_00000", "more", np.zeros(3), "more is unknown", id="unknown"),
        pytest.param(
            "period_00000", "promise", 4, r"promise\[0\] is 4, must be below", id="promise"
        ),
        pytest.param("period_00000", "box_node", 4, r"box_node\[0\] is 4, must be below", id="box"),
        pytest.param("period_00000", "shipment_cost", np.inf, "finite and at least 0", id="cost"),
    ],
)
def test_numbers_that_cannot_be_are_named(setting, folder, file, name, change, message):
    path = folder / f"{file}.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    if name == "meta":
        arrays["meta"] = np.array(json.dumps(change))
    elif change is None:
        del arrays[name]
    elif isinstance(change, np.ndarray):
        arrays[name] = change
    else:
        arrays[name][0] = change
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=rf"{file}.npz cannot be read .*{message}"):
        again(setting, folder)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "[" * 10_000, "\xff"])
def test_a_damaged_manifest_is_refused(setting, folder, text):
    (folder / "replay.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"replay.json cannot be read .* to start anew"):
        again(setting, folder)


def test_systems_of_ones_own_begin_anew(setting, kept, tmp_path):
    for _ in range(2):
        own = again(setting, tmp_path, planner=greedy_systems)
    same(own, again(setting, None, planner="greedy_reference"))
    assert not list(tmp_path.iterdir())


# What the engine carries from one period to the next


@pytest.fixture(scope="module")
def waves():
    """A way to an engine whose periods end at noon, while orders wait for their wave; its stock."""
    systems, views, stock = random_case(np.random.default_rng(50))
    views = replace(views, offsets=np.searchsorted(views.time, [0.0, 0.5, 1.0, 1.5, 2.0]))

    def engine():
        fulfilment = WaveFulfilment(systems, config=WaveConfig(wave_hours=24.0))
        production = replace(greedy_systems(systems), fulfilment=fulfilment)
        return Engine(production, systems, views, period_days=0.5)

    return engine, stock + 3


def run_on(engine, stock, start):
    outcomes = []
    for period in range(start, 4):
        outcomes.append(engine.run_period(period, stock, last=period == 3))
        stock = outcomes[-1].stock
    return outcomes


def test_an_engine_goes_on_with_the_orders_that_wait(waves):
    make, stock = waves
    whole, first, second = make(), make(), make()
    expected = run_on(whole, stock, 0)
    outcome = first.run_period(0, stock)
    state = first.state()
    assert state["waiting/units"].sum() == state["reserved"].sum() > 0
    second.restore(state)
    for one, other in zip(expected[1:], run_on(second, outcome.stock, 1), strict=True):
        for field in fields(one):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("view", 10**9, r"view\[0\] is 1000000000, must be in \[0, "),
        ("node", -1, r"node\[0\] is -1, must be in \[0, "),
        ("units", 9, r"reserved\[.*, must be the units that wait"),
        ("end", np.nan, r"end\[0\] is nan, must be at least 0"),
        ("due", -1.0, r"due\[0\] is -1.0, must be at least 0"),
    ],
)
def test_waiting_orders_that_cannot_be_are_named(waves, name, change, message):
    make, stock = waves
    engine = make()
    engine.run_period(0, stock)
    state = {key: values.copy() for key, values in engine.state().items()}
    state[f"waiting/{name}"][0] = change
    with pytest.raises(ValueError, match=message):
        make().restore(state)


class Hoards(WaveFulfilment):
    """Carries what it does not tell."""

    def waiting_units(self):
        return {name: values[:0] for name, values in super().waiting_units().items()}


def test_units_that_nobody_accounts_for_make_no_state(waves):
    make, stock = waves
    engine = make()
    fulfilment = Hoards(engine.systems, config=WaveConfig(wave_hours=24.0))
    fulfilment.start(engine.shelves)
    engine.production = replace(engine.production, fulfilment=fulfilment)
    engine.run_period(0, stock)
    assert engine.state() is None
