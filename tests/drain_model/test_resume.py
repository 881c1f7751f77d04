"""A training that is interrupted, resumed, or meets what it cannot go on with."""

from dataclasses import asdict, replace
from pathlib import Path

import jax
import numpy as np
import pytest

from draingym.common.npz import read_npz, write_npz
from draingym.drain_model import DrainData, Progress, Trained, load_checkpoint, train
from draingym.drain_model.training import programs
from draingym.drain_model.training.run import BEST, STATE
from tests.drain_model.conftest import LEAST


@pytest.fixture(scope="module")
def data(process) -> DrainData:
    names = tuple(f"item {i}" for i in range(process.data.num_products))
    return replace(process.data, product_id=names)


@pytest.fixture(scope="module")
def whole(data: DrainData) -> Trained:
    return train(data, LEAST, seed=1)


class PowerCutError(Exception):
    """Ends a training from outside."""


@pytest.fixture
def interrupted(data: DrainData, tmp_path: Path) -> Path:
    def cut(progress: Progress) -> None:
        if progress.epoch == 2:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        train(data, LEAST, seed=1, folder=tmp_path, progress=cut)
    return tmp_path


def curve(history: tuple[Progress, ...]) -> list[dict]:
    return [asdict(progress) | {"seconds": 0.0} for progress in history]


@pytest.mark.slow
def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(
    data: DrainData, whole: Trained, interrupted: Path
) -> None:
    seen: list[Progress] = []
    found = train(data, LEAST, seed=1, folder=interrupted, progress=seen.append)
    assert curve(found.history) == curve(whole.history)
    assert [p.update for p in found.history] == [3, 6, 9]
    assert len(seen) == 1  # only what was missing was trained
    assert found.stopped == whole.stopped == "epochs"
    assert found.history[1].seconds < found.history[2].seconds
    jax.tree.map(np.testing.assert_array_equal, found.checkpoint.weights, whole.checkpoint.weights)
    stored = load_checkpoint(interrupted / BEST, config=LEAST)
    jax.tree.map(np.testing.assert_array_equal, stored.weights, whole.checkpoint.weights)
    assert stored.train_periods == data.num_periods
    # Once it is done, the same call only says what came of it.
    again = train(data, LEAST, seed=1, folder=interrupted, progress=seen.append)
    assert again.history == found.history
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": replace(LEAST, clip_norm=2.0)}, r"config\.clip_norm is 1\.0, must be 2\.0"),
        ({"seed": 2}, r"seed is 1, must be 2"),
        ({"data": lambda d: d.products(np.array([0, 1, 2, 3, 5, 4]))}, "fingerprint of the data"),
        ({"data": lambda d: d.periods(0, 19)}, "fingerprint of the data"),
    ],
    ids=["config", "seed", "order", "periods"],
)
def test_the_state_of_another_run_is_named(
    data: DrainData, interrupted: Path, change: dict, message: str
) -> None:
    given = change.get("data", lambda d: d)(data)
    with pytest.raises(ValueError, match=message):
        train(given, change.get("config", LEAST), seed=change.get("seed", 1), folder=interrupted)


def test_half_a_state_is_named(data: DrainData, interrupted: Path) -> None:
    path = interrupted / STATE
    path.write_bytes(path.read_bytes()[:1000])
    message = (
        r"training state .*state\.npz cannot be read .*must be a whole \.npz file; remove it to "
        "train from the beginning$"
    )
    with pytest.raises(ValueError, match=message):
        train(data, LEAST, seed=1, folder=interrupted)
    path.write_bytes((interrupted / BEST).read_bytes())
    with pytest.raises(ValueError, match=r"training state .*: meta\.train_periods is no field"):
        train(data, LEAST, seed=1, folder=interrupted)


HOSTILE = {
    "a list": ([], "meta is"),
    "no history": ({"history": None}, "meta.history is None, must be a tuple, in JSON a list"),
    "a history of numbers": ({"history": [3]}, r"meta.history\[0\] is 3, must hold fields of"),
    "a history without losses": ({"history": [{"epoch": 1}]}, r"history\[0\].epochs is missing"),
    "text since": ({"since": "0"}, "meta.since is '0', must be of type int"),
    "no generator": ({"random": {}}, r"random is \{\}, must be the state of a generator"),
    "another generator": ({"random": {"bit_generator": "MT19937"}}, "must be the state of a"),
    "a state that is text": (
        {"random": {"bit_generator": "PCG64", "state": "x", "has_uint32": 0, "uinteger": 0}},
        "must be the state of a generator",
    ),
    "a config that is null": ({"config": None}, "meta.config is None, must hold fields of"),
}


def test_a_state_of_something_else_is_named(data: DrainData, interrupted: Path) -> None:
    path = interrupted / STATE
    meta, arrays = read_npz(path, "state")
    for change, message in HOSTILE.values():
        write_npz(path, arrays, meta | change if isinstance(change, dict) else change)
        with pytest.raises(ValueError, match=rf"^training state .*state\.npz.*{message}"):
            train(data, LEAST, seed=1, folder=interrupted)
    name = next(iter(arrays))
    write_npz(path, arrays | {name: arrays[name].astype(np.float64)}, meta)
    with pytest.raises(ValueError, match=rf"{name} is of type float64, must be float32"):
        train(data, LEAST, seed=1, folder=interrupted)


def test_a_product_whose_loss_is_not_finite_is_named(data: DrainData, tmp_path: Path) -> None:
    cost = data.ship_cost.copy()
    cost[3][data.outbound[3] > 0] = 3e38
    found = train(replace(data, ship_cost=cost), LEAST, seed=1, folder=tmp_path)
    rows = np.random.default_rng(1).permutation(6).reshape(3, 2)
    bad = int(np.flatnonzero((rows == 3).any(axis=1))[0])
    names = ", ".join(f"'item {i}'" for i in rows[bad])
    assert found.failed
    assert found.stopped.startswith(f"update {bad + 1}: loss = ")
    assert found.stopped.endswith(f"must be finite; the batch holds products {names}")
    assert not list(tmp_path.iterdir())  # nothing was learned that could be kept


def test_a_failing_training_leaves_the_last_good_files(
    data: DrainData, whole: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, calls = programs.update, []

    def fail_in_the_second_round(*arguments: object, **options: object) -> object:
        calls.append(0)
        learned, losses, norms = update(*arguments, **options)
        return learned, losses, norms.at[1].set(np.nan) if len(calls) == 2 else norms

    monkeypatch.setattr(programs, "update", fail_in_the_second_round)
    found = train(data, LEAST, seed=1, folder=tmp_path)
    assert found.stopped.startswith("update 5: loss = ")
    assert curve(found.history) == curve(whole.history[:1])
    stored = load_checkpoint(tmp_path / BEST)
    jax.tree.map(np.testing.assert_array_equal, stored.weights, found.checkpoint.weights)
    # What is on disk is whole: training goes on from it as if nothing had happened.
    monkeypatch.setattr(programs, "update", update)
    assert curve(train(data, LEAST, seed=1, folder=tmp_path).history) == curve(whole.history)
