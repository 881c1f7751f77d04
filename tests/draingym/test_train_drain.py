"""``draingym train-drain`` and ``draingym evaluate-drain``, from the file to the tables."""

import json
import struct
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from draingym.cli import main
from draingym.commands.evaluate_drain import held_out
from draingym.commands.train_drain import TrainDrainConfig, load_train_config
from draingym.drain_model import Checkpoint, load_checkpoint
from tests.drain_model import panels
from tests.drain_model.conftest import LEAST, make_process


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return panels.write(make_process().data, tmp_path_factory.mktemp("panel"))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object, columns: int = 160) -> int:
    monkeypatch.setattr("sys.argv", ["draingym", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", str(columns))
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The points of every event file: records of length, its checksum, data, its checksum."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.iterdir()):
        raw, at = path.read_bytes(), 0
        while at < len(raw):
            (length,) = struct.unpack_from("<Q", raw, at)
            event = Event.FromString(raw[at + 12 : at + 12 + length])
            at += length + 16
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


@pytest.mark.slow
def test_a_model_is_trained_resumed_and_evaluated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, panel: Path, tmp_path: Path
) -> None:
    out, config = tmp_path / "run", tmp_path / "config.json"
    values = {"panel": str(panel), "out": str(out), "seed": 1, "train_periods": 20}
    config.write_text(json.dumps(values | {"drain": asdict(LEAST)}))
    assert run(monkeypatch, "train-drain", config) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Stopped after 3 epochs (epochs), best validation loss" in shown
    # Three epochs of the least network there is are not enough, and it is said.
    assert "The model predicts units by node worse than the closest node does" in shown
    curve = json.loads((out / "curve.json").read_text())
    history = curve["history"]
    assert [p["epoch"] for p in history] == [1, 2, 3]
    logged = scalars(out / "tensorboard")
    for tag, name in (("loss/train", "train_loss"), ("loss/validation", "validation_loss")):
        points = np.array([(p["update"], p[name]) for p in history])
        np.testing.assert_allclose(logged[tag], points, rtol=1e-6)
    assert "validation/cost_nll" in logged
    before = (out / "drain_model.npz").read_bytes()
    assert load_checkpoint(out / "drain_model.npz", config=LEAST).train_periods == 20
    # The same command again trains nothing; another configuration does not fit the folder.
    assert run(monkeypatch, "train-drain", config) == 0
    assert (out / "drain_model.npz").read_bytes() == before
    assert json.loads((out / "curve.json").read_text())["history"] == history
    config.write_text(json.dumps(values | {"drain": asdict(LEAST) | {"patience": 3}}))
    assert run(monkeypatch, "train-drain", config) == 2
    assert "config.patience is 100, must be 3" in capsys.readouterr().err

    arguments = ("evaluate-drain", out / "drain_model.npz", "--panel", panel, "--samples", "4")
    assert run(monkeypatch, *arguments, "--start", "16", "--out", tmp_path / "rows.json") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("The drain model is ")
    assert "the tuned closest node in units by node [" in " ".join(shown.split())
    assert "% of the products." in " ".join(shown.split())
    assert "Losses, calibration and CRPS, periods 16 to 19, 4 samples" in " ".join(shown.split())
    assert "paper" not in shown
    assert run(monkeypatch, *arguments, "--start", "16", columns=80) == 0
    shown = capsys.readouterr().out.splitlines()
    narrow = [line for line in shown if not line.startswith("Next: ")]  # to be copied as it is
    assert max(map(len, narrow)) <= 80
    assert not any("\u2026" in line for line in narrow)  # nothing is cut
    assert run(monkeypatch, *arguments, "--start", "16", "--paper") == 0
    wide = capsys.readouterr().out
    assert "Losses, periods 16 to 19, 4 samples" in wide
    assert "paper" in wide
    found = json.loads((tmp_path / "rows.json").read_text())
    assert [model["name"] for model in found["models"]] == ["learned", "closest node"]
    for model in found["models"]:
        crps = model["scores"]["crps_node"]
        assert crps["low"] <= crps["mean"] <= crps["high"]
    assert found["outside"] == []
    # A region where the model has seen none is named.
    places = make_process().data.geography
    regions = np.array(places.region_coordinates)
    regions[1, 0] += 30.0
    moved = replace(make_process().data, geography=replace(places, region_coordinates=regions))
    there = (*arguments[:3], panels.write(moved, tmp_path), *arguments[4:], "--start", "16")
    assert run(monkeypatch, *there, "--out", tmp_path / "rows.json") == 0
    assert "1 of 5 regions lie outside of the geography" in capsys.readouterr().out
    (beyond,) = json.loads((tmp_path / "rows.json").read_text())["outside"]
    assert (beyond["kind"], beyond["attribute"]) == ("region", "latitude")
    # All periods were trained on, so that none is held out.
    assert run(monkeypatch, *arguments) == 2
    assert "periods [20, 20), must be a non-empty part of [0, 20)" in capsys.readouterr().err


def test_a_panel_s_folder_stands_for_the_defaults(tmp_path: Path) -> None:
    assert load_train_config(tmp_path) == TrainDrainConfig(panel=str(tmp_path))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "panel is missing"),
        ({"panel": "x", "presett": 1}, "config.presett is no field, must be one of panel"),
        ({"panel": "x", "preset": "big"}, "config.preset is 'big', must be one of small, paper"),
        ({"panel": "x", "drain": {"depth": 3}}, "drain.depth is no field"),
        ({"panel": "x", "drain": {"width": "8"}}, "drain.width is '8', must be of type int"),
        ({"panel": "x", "drain": {"heads": 0}}, "config.heads is 0, must be in [1, 64]"),
        ({"panel": "x", "drain": 3}, "config.drain is 3, must be of type dict"),
        ({"panel": "x", "train_share": 1.5}, "train_share is 1.5, must be finite and in (0"),
        ({"panel": "x", "seed": -1}, "seed is -1, must be in [0, 4294967295]"),
        ({"panel": "nowhere"}, "nowhere is no folder, must be a folder with a panel"),
        ({"panel": "nowhere", "stream": True}, "nowhere is no folder, must be a folder with a"),
        ({"panel": None, "train_periods": 21}, "train_periods is 21, must be in [2, 20]"),
        ({"panel": None, "train_periods": 21, "stream": True}, "must be in [2, 20]"),
        ({"panel": None, "devices": 999}, "devices is 999, must be in [1, "),
    ],
)
def test_a_bad_configuration_is_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    panel: Path,
    tmp_path: Path,
    values: dict,
    message: str,
) -> None:
    config = tmp_path / "config.json"
    given = {name: str(panel) if value is None else value for name, value in values.items()}
    config.write_text(json.dumps(given))
    assert run(monkeypatch, "train-drain", config, "--out", tmp_path / "run") == 2
    assert message in capsys.readouterr().err


def test_held_out_are_the_periods_after_training(process_checkpoint: Checkpoint) -> None:
    data = make_process().data
    assert held_out(replace(process_checkpoint, train_periods=13), data, -1, -1) == (13, 20)
    assert held_out(process_checkpoint, data, 2, 5) == (2, 5)
    with pytest.raises(ValueError, match=r"periods \[13, 21\), must be .* part of \[0, 20\)"):
        held_out(replace(process_checkpoint, train_periods=13), data, -1, 21)


@pytest.fixture(scope="module")
def process_checkpoint() -> Checkpoint:
    from draingym.drain_model import Statistics
    from draingym.drain_model.checkpoint import initial_weights

    data = make_process().data
    return Checkpoint(
        config=LEAST,
        weights=initial_weights(LEAST, 2, 3, seed=0),
        statistics=Statistics.from_data(data),
        node_coordinates=np.asarray(data.geography.node_coordinates),
    )


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        (
            "missing.npz",
            "missing.npz cannot be read (No such file or directory), must be a whole .npz",
        ),
        ("bad", "must be a whole"),
    ],
)
def test_a_bad_checkpoint_is_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    panel: Path,
    tmp_path: Path,
    checkpoint: str,
    message: str,
) -> None:
    (tmp_path / "bad").write_bytes(b"PK\x03\x04 and nothing more")
    assert run(monkeypatch, "evaluate-drain", tmp_path / checkpoint, "--panel", panel) == 2
    assert message in capsys.readouterr().err


def test_trained_on_are_the_periods_that_the_panel_knows() -> None:
    config = TrainDrainConfig(panel="x")
    assert config.periods(30, 24) == 24  # draingym panel --known-periods 24
    assert config.periods(30, 30) == config.periods(30) == 20  # all are known: two thirds
    assert replace(config, train_periods=5).periods(30, 24) == 5
