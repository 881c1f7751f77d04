"""Damaged files of a run: one line that names the file, exit code 2, and never a traceback."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import pytest
from rich.console import Console

from draingym.common.files import write_json
from draingym.demo.loop import STAGES, run_loop
from draingym.demo.run import Run
from draingym.drain_model import load_checkpoint, save_checkpoint
from draingym.oracle.replays.setting import ReplaySetting, read_setting
from draingym.policies import MLPPolicy, save_policy
from draingym.report import check_stage
from tests.draingym.damage import CONFIG, DAMAGE, RAW, damage_json, half, nothing, stages


@pytest.mark.parametrize("how", [*RAW, "folder", "missing"])
@pytest.mark.parametrize("command", ["demo", "train-drain", "validate"])
def test_a_damaged_config_is_named(
    folder: Path, refused: Callable[..., str], command: str, how: str
) -> None:
    path = folder / "some.json"
    path.write_text("{}")
    damage_json(path, how)
    words = {
        "demo": ("demo", "--config", path, "--out", folder / "new"),
        "train-drain": ("train-drain", path, "--out", folder / "new"),
        "validate": ("validate", folder, "--thresholds", path, "--out", folder / "new"),
    }
    assert "some.json" in refused(*words[command])
    assert not (folder / "new").exists()


@pytest.mark.parametrize("how", [*RAW, "folder"])
@pytest.mark.parametrize("name", ["config.json", "orders.json"])
def test_a_damaged_file_of_a_run_is_named(
    folder: Path, refused: Callable[..., str], name: str, how: str
) -> None:
    damage_json(folder / name, how)
    assert name in refused("validate", folder)


WRONG = [{"figures": []}, {"figures": None}, {"figures": {}}, {"seconds": None}, {"seconds": -1.0}]


@pytest.mark.parametrize("stage", [name for name, _, _ in STAGES])
def test_a_damaged_stage_is_named(folder: Path, refused: Callable[..., str], stage: str) -> None:
    config, path = folder / "config.json", folder / "stages" / f"{stage}.json"
    kept = json.loads(path.read_text())
    for how in RAW:
        damage_json(path, how)
        error = refused("demo", "--config", config, "--out", folder)
        assert f"{stage}.json" in error
        assert "remove it to make it again" in error
    for change in WRONG:
        write_json(path, kept | change)
        error = refused("demo", "--config", config, "--out", folder)
        assert f"{stage}.json: stage" in error
        assert f"{next(iter(change))}" in error
    for key in kept:
        write_json(path, {k: v for k, v in kept.items() if k != key})
        error = refused("demo", "--config", config, "--out", folder)
        assert f"{stage}.json: stage.{key} is missing" in error
    for key in check_keys(kept["figures"], stage):
        write_json(path, kept | {"figures": {k: v for k, v in kept["figures"].items() if k != key}})
        error = refused("demo", "--config", config, "--out", folder)
        assert f"{stage}.json: stage.figures.{key} is missing" in error


def check_keys(figures: dict[str, Any], stage: str) -> Iterator[str]:
    """The keys that a report needs, two of them: they are all refused in one place."""
    needed = 0
    for key in figures:
        try:
            check_stage(stage, {k: v for k, v in figures.items() if k != key}, "x")
        except ValueError:
            yield key
            needed += 1
        if needed == 2:
            return
    raise AssertionError(f"{stage} needs fewer than two keys")


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("name", ["drain_model.npz", "order_up_to.npz", "neural.npz"])
def test_a_damaged_model_of_a_run_is_named(
    folder: Path, refused: Callable[..., str], name: str, how: str
) -> None:
    DAMAGE[how](folder / name)
    assert name in refused("validate", folder, "--allow-overlap", "products")


@cache
def setting_of(log: Path) -> ReplaySetting:
    return read_setting(log)


@pytest.mark.parametrize("how", [*DAMAGE, "missing"])
def test_a_damaged_policy_is_named(
    whole_folder: Path,
    folder: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    setting = setting_of(whole_folder / "log")
    monkeypatch.setattr("draingym.commands.replay.read_setting", lambda log: setting)
    path = folder / "own.npz"
    shutil.copy(folder / "neural.npz", path)
    (nothing if how == "missing" else DAMAGE[how])(path)
    out = folder / "replay"
    assert "own.npz" in refused("replay", folder / "log", "--policy", path, "--out", out)
    words = ("--policies", path, "--allow-overlap", "products", "--no-spread")
    assert "own.npz" in refused("validate", folder, *words)


@pytest.mark.filterwarnings("ignore::draingym.world.identity.UnknownWorldWarning")
def test_a_policy_for_something_else_is_named(folder: Path, refused: Callable[..., str]) -> None:
    good, bad = folder / "good.npz", folder / "bad.npz"
    shutil.copy(folder / "neural.npz", good)
    policy = MLPPolicy(nodes=7, inputs=9, hidden=())
    save_policy(bad, policy, policy.init(jax.random.key(0)))
    words = ("--policies", good, bad, "--allow-overlap", "products", "--no-spread")
    error = refused("validate", folder, *words)
    assert f"policy {bad} does not act on the network's 3 nodes: policy is for 7 nodes" in error


@pytest.mark.parametrize("how", [*DAMAGE, "missing"])
def test_a_damaged_checkpoint_is_named(folder: Path, refused: Callable[..., str], how: str) -> None:
    path = folder / "drain_model.npz"
    (nothing if how == "missing" else DAMAGE[how])(path)
    words = ("evaluate-drain", path, "--panel", folder / "panel.zarr")
    assert "drain_model.npz" in refused(*words)


# What there is to be done about a file of a run that cannot be read.
WAYS_OUT = {
    "neural.npz": "draingym train-policy makes another",
    "drain_model.npz": "draingym train-drain makes another",
    "panel.zarr": "draingym panel makes it again of its log",
    "log/boxes.parquet": "restore it, or make the log anew by draingym ingest",
}


@pytest.mark.parametrize("name", WAYS_OUT)
def test_a_file_that_cannot_be_read_says_the_way_out(
    folder: Path, refused: Callable[..., str], name: str
) -> None:
    path = folder / name
    chunks = (
        [path] if path.is_file() else [c for c in (path / "outbound").iterdir() if c.name[0] != "."]
    )
    half(chunks[0])
    error = refused(
        "validate", folder / "log", "--drain", folder / "drain_model.npz", "--panel",
        folder / "panel.zarr", "--policies", folder / "neural.npz", "--out", folder / "new",
    )  # fmt: skip
    assert f"{path} cannot be read" in error
    assert WAYS_OUT[name] in error
    assert not (folder / "new").exists()


def test_files_of_another_run_are_named(folder: Path, refused: Callable[..., str]) -> None:
    values = CONFIG.to_dict()
    values["world"]["num_regions"] = 5
    write_json(folder / "config.json", values)
    error = refused("validate", folder, "--allow-overlap", "products")
    assert "panel.zarr: region has 4 entries, must have 5" in error
    write_json(folder / "config.json", CONFIG.to_dict())
    found = load_checkpoint(folder / "drain_model.npz")
    moved = replace(found, node_coordinates=found.node_coordinates + 1)
    save_checkpoint(moved, folder / "drain_model.npz")
    error = refused("validate", folder, "--allow-overlap", "products")
    assert "drain_model.npz is a model for another run" in error


def test_the_folder_is_whole_before_it_is_damaged(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that what the other tests see refused is refused for its damage."""
    ran = []
    monkeypatch.setattr(
        "draingym.demo.loop.write_report", lambda figures, out, episodes: ran.append(figures)
    )
    run_loop(CONFIG, folder, Console(quiet=True))
    assert ran[0]["validation"].keys() == stages()["validation"].keys() - {"trace"}
    run = Run(CONFIG, folder)
    assert set(run.parameters) == {"historical", "order up to", "neural"}
    assert run.checkpoint.train_periods == run.split
