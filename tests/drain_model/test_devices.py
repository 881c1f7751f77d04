"""Two devices that share out a batch find the gradients, and so the losses, of one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from draingym.drain_model import DrainData, train
from tests.drain_model.conftest import LEAST

ROOT = Path(__file__).parents[2]

# Trains on two devices, and says which shapes the products of a batch have on each.
PROGRAM = """
import json
from dataclasses import asdict
import jax, numpy as np
from draingym.drain_model import train
from tests.drain_model.conftest import LEAST, make_process
import importlib
training = importlib.import_module("draingym.drain_model.training.run")
feed, shapes = training._Run.feed, set()
def watched(self, rows):
    for batches in feed(self, rows):
        shapes.update(shard.data.shape for shard in batches.addressable_shards)
        yield batches
training._Run.feed = watched
found = train(make_process().data, LEAST, seed=1, devices=2)
leaves = jax.tree.leaves(found.checkpoint.weights)
print(json.dumps({
    "devices": jax.device_count(),
    "shapes": sorted(map(list, shapes)),
    "history": [asdict(p) for p in found.history],
    "weights": [np.asarray(leaf).tolist() for leaf in leaves],
}))
"""


@pytest.mark.slow
def test_two_devices_train_as_one_does(process) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=ROOT,
        env=os.environ
        | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    two = json.loads(run.stdout)
    assert two["devices"] == 2
    assert two["shapes"] == [[3, 1]]  # updates, or batches to validate on; one product of two
    one = train(process.data, LEAST, seed=1)
    for a, b in zip(one.history, two["history"], strict=True):
        for name in ("gradient_norm", "train_loss", "validation_loss"):
            np.testing.assert_allclose(getattr(a, name), b[name], rtol=1e-3, err_msg=name)
    first = two["history"][0]
    np.testing.assert_allclose(one.history[0].train_loss, first["train_loss"], rtol=1e-5)


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        (0, r"devices is 0, must be in \[1, \d+\]"),
        (999, r"devices is 999, must be in \[1, \d+\]"),
    ],
)
def test_devices_that_are_not_there_are_named(process, devices: int, message: str) -> None:
    data: DrainData = process.data
    with pytest.raises(ValueError, match=message):
        train(data, LEAST, devices=devices)
