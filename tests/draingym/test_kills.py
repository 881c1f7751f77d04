"""kill -9 at 20 random moments of every verb, then the same command: the undisturbed result."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from draingym.common.npz import read_npz
from draingym.ingest.propose.init import propose
from tests.draingym.damage import CONFIG
from tests.ingest.company import run_company, write_export, write_mapping

pytestmark = pytest.mark.long

SETTINGS = {
    "training_horizon": 3,
    "training_starts": 2,
    "train": {"updates": 6, "batch_products": 3, "evaluate_every": 2},
    "tune": {"population": 1, "generations": 1},
    "drain": {
        name: list(value) if isinstance(value, tuple) else value
        for name in ("width", "heads", "pair_width", "frequencies", "dilations")
        for value in [getattr(CONFIG.drain, name)]
    }
    | {"epochs": 6},
}
ALL = "--panel panel.zarr --settings settings.json"
FEW = "--replications 1 --samples 2 --allow-overlap products --allow-failed-check"
# In order: each needs what those before it made. Words, and what is looked at in the end.
VERBS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ingest": ("mapping.yaml --out log", ("log",)),
    "check": ("log --seeds 2", ("log_check.json",)),
    "panel": ("log --known-periods 14 --out panel.zarr", ("panel.zarr",)),
    "train-drain": ("drain.json", ("drain/drain_model.npz", "drain/curve.json")),
    "train-policy": (
        f"log --drain drain/drain_model.npz {ALL} --out drain/neural.npz",
        ("drain/neural.npz",),
    ),
    "validate": (
        f"log --drain drain/drain_model.npz --policies drain/neural.npz {ALL} {FEW} --out verdict",
        ("verdict/validation.json", "verdict/validation.html"),
    ),
    "fine-tune": (
        f"log --drain drain/drain_model.npz --policies drain/neural.npz {ALL} --epochs 2 "
        "--out tuned",
        ("tuned/drain_model.npz", "tuned/neural.npz"),
    ),
    "recommend": (
        f"log --policy drain/neural.npz {ALL} --stock stock.csv --horizon 3 --futures 2 "
        "--out orders.csv",
        ("orders.csv",),
    ),
    "replay": ("log --policy drain/neural.npz --out replay", ("replay/values.json", "replay/log")),
    "run": (
        "mapping.yaml --settings settings.json --stock stock.csv --replications 1 "
        "--allow-failed-check --out own",
        ("own/orders.csv", "own/neural.npz", "own/validation/validation.json"),
    ),
}
ENDS = {"check": (0, 1)}  # 1: the oracle does not give this small log again
KILLS = {
    "ingest": 2, "check": 1, "panel": 1, "train-drain": 4, "train-policy": 3, "validate": 3,
    "fine-tune": 2, "recommend": 1, "replay": 1, "run": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a user has: an export, a mapping, settings, and today's stock."""
    folder = tmp_path_factory.mktemp("kills")
    text = propose(write_export(run_company(), folder / "export"))
    path = folder / "mapping.yaml"
    write_mapping(text, path, ("currency: XXX", "currency: EUR"), ("  days: 7", "  days: 2"))
    (folder / "settings.json").write_text(json.dumps(SETTINGS))
    training = {"panel": "panel.zarr", "out": "drain", "drain": SETTINGS["drain"]}
    (folder / "drain.json").write_text(json.dumps(training | {"tensorboard": False}))
    (folder / "stock.csv").write_text("product,node,on_hand\nA-100,Central,40\nA-200,Nord,3\n")
    return folder


def begin(folder: Path, verb: str) -> subprocess.Popen[bytes]:
    words = (sys.executable, "-m", "draingym.cli", verb, *VERBS[verb][0].split())
    root = str(Path(__file__).parents[2])
    with (folder / f"{verb}.said").open("ab") as said:
        return subprocess.Popen(
            words, cwd=folder, env={**os.environ, "PYTHONPATH": root}, stdout=said, stderr=said
        )


@pytest.fixture(scope="module")
def undisturbed(start: Path) -> Callable[[str], tuple[float, dict[str, Any]]]:
    """Runs a verb, and those before it, once: seconds, and its results by path."""
    found: dict[str, tuple[float, dict[str, Any]]] = {}

    def run(verb: str) -> tuple[float, dict[str, Any]]:
        for name in VERBS:
            if name not in found:
                seconds = time.monotonic()
                assert begin(start, name).wait() in ENDS.get(name, (0,)), (
                    start / f"{name}.said"
                ).read_text()
                found[name] = (time.monotonic() - seconds, results(start, name))
            if name == verb:
                break
        return found[verb]

    return run


def results(folder: Path, verb: str) -> dict[str, Any]:
    """What a verb made, by path."""
    made: dict[str, Any] = {}
    for name in VERBS[verb][1]:
        path = folder / name
        files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        for file in sorted(files):
            if file.name != ".lock":
                made[file.relative_to(folder).as_posix()] = content(file)
    return made


def content(file: Path) -> Any:
    """What a file holds, without how long it took to make."""
    if file.suffix == ".npz":
        values, arrays = read_npz(file, "file")
        return values, {name: array.tolist() for name, array in arrays.items()}
    if file.name == "curve.json":
        curve = json.loads(file.read_text())
        return [{**row, "seconds": 0.0} for row in curve["history"]]
    return file.read_bytes()


@pytest.mark.parametrize(
    ("verb", "number"), [(verb, k) for verb, many in KILLS.items() for k in range(many)]
)
def test_the_same_command_after_a_kill_ends_as_if_nothing_had_been(
    undisturbed: Callable[[str], tuple[float, dict[str, Any]]],
    start: Path,
    tmp_path: Path,
    verb: str,
    number: int,
) -> None:
    seconds, right = undisturbed(verb)
    own = {name.split("/")[0] for name in VERBS[verb][1]}
    if verb == "train-policy":
        (tmp_path / "drain").mkdir()
        shutil.copy(start / "drain" / "drain_model.npz", tmp_path / "drain")
    for path in start.iterdir():  # what those before it made, and nothing of its own
        if path.name in own or path.suffix == ".said":
            continue
        if path.is_dir():
            shutil.copytree(path, tmp_path / path.name)
        else:
            shutil.copy(path, tmp_path / path.name)
    random = np.random.default_rng([list(VERBS).index(verb), number])
    when = float(random.uniform(0.1, 0.95)) * seconds
    process = begin(tmp_path, verb)
    try:
        process.wait(timeout=when)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = [path.name for path in tmp_path.iterdir()]
    assert begin(tmp_path, verb).wait() in ENDS.get(verb, (0,)), (
        tmp_path / f"{verb}.said"
    ).read_text()
    found = results(tmp_path, verb)
    assert found.keys() == right.keys(), (when, left)
    for name in right:
        assert found[name] == right[name], (name, when, left)
