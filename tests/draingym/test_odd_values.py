"""Odd values and places, on the command line and in files: refused before any work begins."""

import json
import math
import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draingym.cli import main
from draingym.commands.train_drain import load_train_config
from draingym.common.config import read_config
from draingym.common.files import write_json
from draingym.common.npz import read_npz, write_npz
from draingym.demo.config import LoopConfig, load_config
from draingym.drain_model import PanelStream, load_checkpoint
from draingym.oracle.replays.checkpoints import Checkpoints
from draingym.policies import BaseStock, load_parameters, load_policy
from draingym.report import check_stage
from draingym.world.eventlog import read_log
from draingym.world.panel import load_panel
from draingym.world.ta_feng import load_order_lines, read_wheel
from tests.draingym.damage import CONFIG, stages

# Where results cannot go: each after the folder of the test.
NOWHERE = {
    "under a file": "file/inside",
    "deep under a file": "file/a/b/c",
    "too long": "x" * 300,
    "too long below": "new/" + "y" * 300,
}


# Where each command begins its work.
WORK = (
    *("demo.loop.Stages", "commands.replay.read_setting", "commands.train_drain.open_source"),
    *("commands.evaluate_drain.load_checkpoint", "commands.validate.Run"),
)


@pytest.mark.parametrize("where", [*NOWHERE, "taken", "not writable"])
@pytest.mark.parametrize("command", ["demo", "replay", "train-drain", "evaluate-drain", "validate"])
def test_a_place_that_cannot_be_written_is_named_first(
    folder: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    where: str,
) -> None:
    for name in WORK:  # none of it must begin
        monkeypatch.setattr(f"draingym.{name}", None)
    (folder / "file").write_text("x")
    if where == "taken":
        out = folder / ("log" if command == "evaluate-drain" else "file")
    else:
        out = folder / NOWHERE.get(where, "new")
    if where == "not writable":  # root may write everywhere
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    training = {"panel": str(folder / "panel.zarr")}
    (folder / "train.json").write_text(json.dumps(training))
    words = {
        "demo": ("demo", "--config", folder / "config.json"),
        "replay": ("replay", folder / "log"),
        "train-drain": ("train-drain", folder / "train.json"),
        "evaluate-drain": (
            "evaluate-drain",
            folder / "drain_model.npz",
            "--panel",
            folder / "panel.zarr",
        ),
        "validate": ("validate", folder),
    }
    error = refused(*words[command], "--out", out)
    assert str(folder) in error
    assert "must be" in error or "must have" in error
    assert (folder / "file").read_text() == "x"


READERS = {
    "log": read_log,
    "panel": load_panel,
    "stream": PanelStream,
    "model": load_checkpoint,
    "policy": load_policy,
    "parameters": lambda path: load_parameters(path, BaseStock()),
    "config": load_config,
    "config of a training": load_train_config,
    "wheel": read_wheel,
    "order lines": load_order_lines,
    "state of a training": lambda path: read_npz(path, "state"),
    "folder of a replay": lambda path: Checkpoints(path, "mark"),
}


@pytest.mark.parametrize("name", ["x" * 300, "y/" * 3000 + "y"], ids=["name", "path"])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_path_that_is_too_long_is_named(
    tmp_path: Path, read: Callable[[Path], object], name: str
) -> None:
    path = tmp_path / name
    with pytest.raises(ValueError, match=f"{path}.*must (be|have)"):
        read(path)


@pytest.mark.parametrize("command", ["replay", "evaluate-drain", "validate", "train-drain"])
def test_a_path_that_is_too_long_is_named_by_commands(
    folder: Path, refused: Callable[..., str], command: str
) -> None:
    long = folder / ("x" * 300)
    (folder / "train.json").write_text(json.dumps({"panel": str(long)}))
    words = {
        "replay": (long, "--out", folder / "new"),
        "evaluate-drain": (folder / "drain_model.npz", "--panel", long),
        "validate": (long, "--out", folder / "new"),
        "train-drain": (folder / "train.json", "--out", folder / "new"),
    }
    error = refused(command, *words[command])
    assert f"{long}" in error
    assert "cannot be read (File name too long), must be a path" in error


@pytest.mark.parametrize("seed", [-1, 2**32, 2**63, 2**64, 10**40])
def test_seeds_out_of_bounds_are_named(
    folder: Path, refused: Callable[..., str], seed: int
) -> None:
    checkpoint, panel = folder / "drain_model.npz", folder / "panel.zarr"
    for words in (
        ("replay", folder / "log", "--out", folder / "new"),
        ("evaluate-drain", checkpoint, "--panel", panel),
        ("validate", folder),
    ):
        assert f"seed is {str(seed)[:9]}" in refused(*words, "--seed", seed)
    for name, values in (
        ("demo.json", {"seed": seed}),
        ("demo.json", {"world": {"seed": seed}}),
        ("demo.json", {"oracle": {"seed": seed}}),
        ("demo.json", {"tune": {"seed": seed}}),
        ("demo.json", {"train": {"seed": seed}}),
        ("train.json", {"panel": str(panel), "seed": seed}),
    ):
        (folder / name).write_text(json.dumps(values))
        words = (
            ("train-drain", folder / name)
            if name[0] == "t"
            else ("demo", "--config", folder / name)
        )
        error = refused(*words, "--out", folder / "new")
        assert f"{folder / name}: config" in error
        assert f"seed is {str(seed)[:9]}" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--samples", 1), "samples is 1, must be in [2, 10000]"),
        (("--samples", 10**12), "samples is 1000000000000, must be in [2, 10000]"),
        (("--replications", 10**9), "replications is 1000000000, must be in [1, 1000]"),
        (("--start", -7), "start is -7, must be at least -1"),
        (("--start", 10**30), "start is 1000000000"),
        (("--periods", 10**30), "periods is 1000000000"),
        (("--periods", 10**9), "periods ["),
        (("--periods", 0), "periods ["),
    ],
)
def test_numbers_of_validate_are_bounded(
    folder: Path, refused: Callable[..., str], words: tuple, message: str
) -> None:
    assert message in refused("validate", folder, *words)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"drain": {"dilations": [1_000_000]}}, "look back 2000000 periods, must be at most 512"),
        ({"drain": {"kernel_size": 200}}, "kernel_size is 200, must be in [1, 64]"),
        ({"drain": {"frequencies": 60}}, "frequencies is 60, must be in [1, 16]"),
        ({"drain": {"lane_steps": 50}}, "lane_steps is 50, must be in [1, 16]"),
        ({"training_horizon": 100_000}, "training_horizon is 100000, must be in [1, 10000]"),
        ({"training_horizon": 200}, "training_horizon is 200, must be in [1, "),
        ({"train_products": 0.2, "world": {"num_products": 2}}, "train_products is 0.2, must be"),
        ({"train_share": 0.9, "world": {"period_days": 60}}, "train_share is 0.9, must leave"),
        ({"world": {"num_products": 10**9}}, "world.num_products is 1000000000, must be in"),
        ({"world": {"max_lead_time": 10**9}}, "max_lead_time is 1000000000, must be in"),
        ({"world": {"mean_unit_price": 1e30}}, "mean_unit_price is 1e+30, must be finite and in"),
        ({"oracle": {"box_cost": 1e30}}, "box_cost is 1e+30, must be finite and in [0, 1e+09]"),
        ({"oracle": {"transit_bands_km": [1.0, math.nan]}}, "transit_bands_km is (1.0, nan)"),
        ({"economics": {"holding_cost": "1"}}, "holding_cost is '1', must be of type float"),
        ({"economics": {"salvage_rate": True}}, "salvage_rate is True, must be of type float"),
        ({"tune": {"population": 10**9}}, "population is 1000000000, must be in"),
        ({"train": {"updates": 1.5}}, "updates is 1.5, must be of type int"),
        ({"thresholds": {"min_policies": True}}, "min_policies is True, must be of type int"),
    ],
)
def test_sizes_that_could_only_hang_are_refused_before_the_work(
    folder: Path, refused: Callable[..., str], values: dict, message: str
) -> None:
    (folder / "demo.json").write_text(json.dumps({"data": "synthetic"} | values))
    assert message in refused("demo", "--config", folder / "demo.json", "--out", folder / "new")
    assert not (folder / "new" / "log").exists()


def test_debug_shows_where_an_error_came_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("sys.argv", ["draingym", "validate", str(folder / "no"), "--debug"])
    with pytest.raises(SystemExit, match="2"):
        main()
    error = capsys.readouterr().err
    assert error.startswith("Traceback")
    assert "run_config" in error
    assert error.splitlines()[-1].startswith("draingym: ")


def test_no_network_is_one_line(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from draingym.world.ta_feng import DataUnavailableError

    def unreachable() -> None:
        raise DataUnavailableError("cannot download it:\n  no registry")

    monkeypatch.setattr("draingym.world.ta_feng.download", unreachable)
    assert refused("data", "ta-feng") == "draingym: cannot download it: no registry\n"


def test_a_world_without_a_limit_of_capacity_is_written_and_read(tmp_path: Path) -> None:
    unbounded = replace(CONFIG, world=replace(CONFIG.world, capacity_slack=math.inf))
    write_json(tmp_path / "config.json", unbounded.to_dict(), finite=False)
    assert load_config(tmp_path / "config.json") == unbounded


# Any value of a file may be any other: it is refused by a ValueError, or it is none the worse.
ODD = st.sampled_from(
    [
        *(
            None,
            True,
            -1,
            0,
            1,
            2.0,
            -0.5,
            math.nan,
            math.inf,
            1e300,
            10**30,
            "",
            "x",
            [],
            [[]],
            {},
        ),
        *({"class": "Tree", "settings": {}}, {"class": [], "settings": 3}, [1, "x"], [[1], [2, 3]]),
    ]
)


def mutated(data: st.DataObject, values: Any) -> Any:
    """The values with one of them, at any depth, replaced or left out."""
    values, at, key = deepcopy(values), None, None
    inner = values
    while isinstance(inner, dict | list) and inner and (at is None or data.draw(st.booleans())):
        at, key = (
            inner,
            data.draw(
                st.sampled_from(sorted(inner))
                if isinstance(inner, dict)
                else st.integers(0, len(inner) - 1)
            ),
        )
        inner = at[key]
    if at is None or key is None or data.draw(st.integers(0, 9)) == 0:
        return data.draw(ODD)
    if data.draw(st.integers(0, 4)) == 0:
        del at[key]
    else:
        at[key] = data.draw(ODD)
    return values


def refusal(call: Callable[[], Any]) -> str | None:
    """The message of the ``ValueError`` that a call ends with, if it does; no other is caught."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.slow
@given(st.data())
@settings(max_examples=200)
def test_any_config_is_made_or_refused(data: st.DataObject) -> None:
    values = mutated(data, CONFIG.to_dict())
    error = refusal(lambda: json.dumps(asdict(read_config(LoopConfig, values))))
    assert error is None or "must" in error


@given(st.data())
@settings(max_examples=200)
def test_any_figures_of_a_stage_are_taken_or_refused(data: st.DataObject) -> None:
    figures = stages()
    name = data.draw(st.sampled_from(sorted(figures)))
    error = refusal(lambda: check_stage(name, mutated(data, figures[name]), "stage.figures"))
    assert error is None or error.startswith("stage.figures")


@pytest.mark.parametrize("name", ["neural.npz", "order_up_to.npz", "drain_model.npz"])
def test_any_model_is_loaded_or_refused(whole_folder: Path, tmp_path: Path, name: str) -> None:
    values, arrays = read_npz(whole_folder / name, "file")
    raw = (whole_folder / name).read_bytes()
    load = load_checkpoint if name == "drain_model.npz" else load_policy

    @given(st.data())
    @settings(max_examples=25)
    def try_one(data: st.DataObject) -> None:
        path = tmp_path / name
        kind = data.draw(st.sampled_from(["meta", "array", "byte"]))
        if kind == "meta":
            write_npz(path, arrays, mutated(data, values))
        elif kind == "array":
            other = np.zeros(data.draw(st.sampled_from([(), (1,), (2, 3), (1, 1, 1), (0,)])))
            dtype = data.draw(st.sampled_from(["f4", "f8", "i8", "U3", "?", "c8"]))
            which = data.draw(st.sampled_from(sorted(arrays)))
            write_npz(path, arrays | {which: other.astype(dtype)}, values)
        else:
            at = data.draw(st.integers(0, len(raw) - 1))
            byte = bytes([raw[at] ^ data.draw(st.integers(1, 255))])
            path.write_bytes(raw[:at] + byte + raw[at + 1 :])
        error = refusal(lambda: load(path))
        assert error is None or name in error

    try_one()
