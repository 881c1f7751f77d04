"""Two processes, a device each, train as one does; the first alone writes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]

# Trains a drain model, from memory and from disk, and a policy; goes on from a folder.
TRAINING = """
import json, sys
from dataclasses import asdict, replace
from pathlib import Path
from draingym.common.processes import is_first, join, several
folder, panel, alone = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "alone"
if not alone:
    join()
import jax, numpy as np
from draingym.drain_model import PanelStream, train
from draingym.policies import BaseStock, TrainConfig, train_by_gradient
from tests.drain_model.conftest import LEAST, make_process
from tests.policies.problems import store_windows
assert several() != alone
assert jax.device_count() == (1 if alone else 2)
found = {}

def keep(name, *trees):
    kept = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(trees):
        assert not isinstance(leaf, jax.Array) or len(leaf.devices()) == 1
        values = np.asarray(leaf, np.float64).ravel()
        names = [str(getattr(key, "key", key)) for key in path]
        if names[-2:] == ["key_value", "bias"]:
            # What is added to all keys changes no attention: the derivative is nothing but
            # rounding, of which Adam makes steps.
            values = values[values.size // 2:]
        kept.append(values.tolist())
    found[name] = kept

def curve(trained):
    return [(p.train_loss, p.validation_loss, p.gradient_norm) for p in trained.history]

class PowerCut(Exception):
    pass

def cut(progress):
    if progress.epoch == 1:
        raise PowerCut

config = replace(LEAST, batch_products=4, epochs=2)
data = make_process().data
trained = train(data, config, seed=1, folder=folder / "memory")
keep("memory", curve(trained), trained.checkpoint.weights)
assert trained.stopped == "epochs"
streamed = train(PanelStream(panel), config, seed=1)
keep("stream", curve(streamed), streamed.checkpoint.weights)
odd = train(data, replace(config, batch_products=3), seed=1)  # no two devices share 3 out
keep("odd", curve(odd), odd.checkpoint.weights)
try:
    train(data, config, seed=1, folder=folder / "cut", progress=cut)
except PowerCut:
    pass
again = train(data, config, seed=1, folder=folder / "cut")
keep("resumed", curve(again), again.checkpoint.weights)
assert curve(again) == curve(trained)
simulator, params, windows = store_windows(products=6, periods=8)
settings = TrainConfig(updates=4, batch_products=4, evaluate_every=2)
policy = BaseStock(initial_level=9.0)
for part in ("policy", "policy"):  # the second time from its folder
    result = train_by_gradient(
        simulator, params, policy, windows, 6, settings, folder=folder / part
    )
    keep(part, result.params, result.curve)
try:
    train(data, config, seed=2, folder=folder / "memory")
except ValueError as error:
    assert "seed is 1, must be 2" in str(error), error
else:
    raise AssertionError("a folder of another seed was taken")
if is_first():
    print("FOUND" + json.dumps(found))
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def start(number: int, which: int, port: int, *command: str) -> subprocess.Popen:
    environment = {k: v for k, v in os.environ.items() if "_proxy" not in k.lower()} | {
        "PYTHONPATH": str(ROOT),
        "DRAINGYM_DEVICES": "1",
        "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
        "DRAINGYM_PROCESSES": str(number),
        "DRAINGYM_PROCESS": str(which),
    }
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def together(number: int, *command: str) -> list[tuple[int, str, str]]:
    """Run a command in so many processes; return exit code, output and errors of each."""
    port = free_port()
    started = [start(number, which, port, *command) for which in range(number)]
    try:
        ended = [process.communicate(timeout=300) for process in started]
    finally:
        for process in started:
            process.kill()
    return [(p.returncode, *texts) for p, texts in zip(started, ended, strict=True)]


@pytest.mark.long
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    from tests.drain_model import panels
    from tests.drain_model.conftest import make_process

    panel = str(panels.write(make_process().data, tmp_path))
    found = []
    for number, how in ((1, "alone"), (2, "together")):
        folder = tmp_path / how
        ended = together(number, "-W", "error", "-c", TRAINING, str(folder), panel, how)
        for code, _, errors in ended:
            assert code == 0, errors
        lines = [line for _, out, _ in ended for line in out.splitlines() if "FOUND" in line]
        assert len(lines) == 1
        found.append(json.loads(lines[0].removeprefix("FOUND")))
        written = {str(path.relative_to(folder)) for path in folder.rglob("*.npz")}
        kept = {
            f"{run}/{name}.npz" for run in ("cut", "memory") for name in ("drain_model", "state")
        }
        assert written == kept | {"policy/policy_training.npz"}
    one, two = found
    assert one.keys() == two.keys()
    for name, leaves in one.items():
        for a, b in zip(leaves, two[name], strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.long
def test_a_command_in_two_processes_writes_once_and_fails_as_one(tmp_path: Path) -> None:
    from dataclasses import asdict

    from tests.drain_model import panels
    from tests.drain_model.conftest import LEAST, make_process

    panel = panels.write(make_process().data, tmp_path)
    config = tmp_path / "config.json"
    values = {"panel": str(panel), "seed": 1, "train_periods": 20, "out": str(tmp_path / "run")}
    config.write_text(json.dumps(values | {"drain": asdict(LEAST) | {"batch_products": 4}}))
    command = ("-m", "draingym.cli", "train-drain", str(config), "--distributed")
    first, second = together(2, *command)
    assert (first[0], second[0]) == (0, 0), first[2] + second[2]
    assert "Stopped after 3 epochs" in first[1]
    assert [line for line in second[1].splitlines() if "[Gloo]" not in line] == []
    made = {path.name for path in (tmp_path / "run").iterdir()}
    assert made == {".lock", "curve.json", "drain_model.npz", "state.npz", "tensorboard"}
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 1
    # A run that cannot go on says why, once for each process, and all of them end.
    config.write_text(json.dumps(values | {"drain": asdict(LEAST)}))
    for code, _, errors in together(2, *command):
        assert code == 2
        assert "config.batch_products is 4, must be 2" in errors
    # So do those whose devices are not there.
    config.write_text(json.dumps(values | {"drain": asdict(LEAST), "devices": 5}))
    for code, _, errors in together(2, *command):
        assert code == 2
        assert "devices is 5, must be 2, those of all processes" in errors


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"DRAINGYM_PROCESSES": "two"}, "DRAINGYM_PROCESSES is 'two', must be a whole number"),
        ({"DRAINGYM_PROCESS": "2", "DRAINGYM_PROCESSES": "2"}, "DRAINGYM_PROCESS is 2, must"),
    ],
)
def test_processes_that_cannot_be_are_named(
    monkeypatch: pytest.MonkeyPatch, names: dict[str, str], message: str
) -> None:
    from draingym.common.processes import join

    for name, value in names.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message):
        join()
