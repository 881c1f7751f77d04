"""Devices that share out a batch find the gradients, and so the losses, of one."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from draingym.drain_model import DrainData, train
from tests.drain_model.conftest import LEAST

ROOT = Path(__file__).parents[2]

# Trains on devices, and says which shapes the products of a batch have on each.
PROGRAM = """
import json
import sys
from dataclasses import asdict, replace
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
batch, devices = map(int, sys.argv[1:])
config = replace(LEAST, batch_products=batch)
found = train(make_process().data, config, seed=1, devices=devices)
print(json.dumps({
    "devices": jax.device_count(),
    "shapes": sorted(map(list, shapes)),
    "history": [asdict(p) for p in found.history],
    "balance": [len(leaf.devices()) for leaf in jax.tree.leaves(found.loss_weights)],
}))
"""


@pytest.mark.long
@pytest.mark.parametrize(("batch", "devices", "part"), [(2, 2, [3, 1]), (5, 3, [1, 5])])
def test_devices_train_as_one_does(process, batch: int, devices: int, part: list[int]) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(batch), str(devices)],
        cwd=ROOT,
        env=os.environ | {"DRAINGYM_DEVICES": "3", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["devices"] == 3
    assert part in found["shapes"]  # updates, and the products of each device; all, if none divides
    assert set(found["balance"]) == {1}
    one = train(process.data, replace(LEAST, batch_products=batch), seed=1, devices=1)
    for a, b in zip(one.history, found["history"], strict=True):
        for name in ("gradient_norm", "train_loss", "validation_loss"):
            np.testing.assert_allclose(getattr(a, name), b[name], rtol=1e-3, err_msg=name)
    first = found["history"][0]
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
