"""Bar 4: two processes train as one does; and what devices more cost, simulated on a processor.

The same training, of a drain model and of a policy, runs alone and in two processes of one device
each. Devices are then simulated: one process whose processor is 1, 2, 4, 8 devices, the batch as
large as ever. They share the same cores, so that the time of an update cannot fall with all of
them; what it rises by is what sharing out, and adding up, costs.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import Claim, at_most, figure_only
from draingym.common.files import write_json

DEVICES = (1, 2, 4, 8)
PRODUCTS, PERIODS, NODES, REGIONS = 64, 60, 8, 20
EPOCHS, UPDATES = 3, 20
SEED = 0


def run(folder: Path, devices: Sequence[int] = DEVICES) -> tuple[list[dict[str, Any]], list[Claim]]:
    """Train alone and together, and on simulated devices.

    Args:
        folder: Of results; what is there is not run again.
        devices: Numbers to simulate.

    Returns:
        Rows and claims.
    """
    found = {number: _trained(folder, number) for number in (1, 2)}
    rows: list[dict[str, Any]] = [
        {
            "what": f"training in {number} process{'es' if number > 1 else ''}",
            "devices": number,
            "drain model, s": one["drain seconds"],
            "policy, s": one["policy seconds"],
        }
        for number, one in found.items()
    ]
    names = {
        "drain losses": "losses of the drain model's training",
        "drain parameters": "parameters of the drain model",
        "policy values": "values along the policy's training",
        "policy parameters": "parameters of the policy",
    }
    claims = [
        at_most(
            4,
            f"norm of the difference of {what}, two processes and one, relative",
            _apart(found[1][name], found[2][name]),
            "",
            1e-5,
        )
        for name, what in names.items()
    ]
    for number in devices:
        path = folder / f"devices-{number}.json"
        if not path.exists():
            write_json(path, _processes(1, "simulate", {"DRAINGYM_DEVICES": str(number)}))
        row = json.loads(path.read_text(encoding="utf-8"))
        rows.append({"what": "update on simulated devices", "devices": number, **row})
    simulated = rows[2:]
    cost = simulated[-1]["update, ms"] / simulated[0]["update, ms"]
    claims.append(
        figure_only(4, f"time of an update on {devices[-1]} simulated devices, one is 1", cost, "x")
    )
    return rows, claims


def draw(axis: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Draw the time of an update by devices."""
    simulated = [row for row in rows if "update, ms" in row]
    axis.plot([r["devices"] for r in simulated], [r["update, ms"] for r in simulated], "o-")
    axis.set_xlabel("devices, simulated on the same cores")
    axis.set_ylabel("time of an update, ms")
    axis.set_ylim(bottom=0)


def _apart(one: Sequence[float], two: Sequence[float]) -> float:
    """Return the norm of the difference over the norm.

    Not entry by entry: what is added to all keys of an attention changes nothing, so that its
    derivative is nothing but rounding, of which Adam makes steps.
    """
    a, b = np.asarray(one), np.asarray(two)
    return float(np.linalg.norm(a - b) / np.linalg.norm(a))


def _trained(folder: Path, number: int) -> dict[str, Any]:
    path = folder / f"trained-{number}.json"
    if not path.exists():
        write_json(path, _processes(number, "train", {"DRAINGYM_DEVICES": "1"}))
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _processes(number: int, what: str, names: dict[str, str]) -> dict[str, Any]:
    """Run this module in so many processes; return what the first one prints."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    started = []
    for which in range(number):
        names |= {"DRAINGYM_PROCESSES": str(number), "DRAINGYM_PROCESS": str(which)}
        names |= {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}"}
        command = [sys.executable, "-m", "benchmarks.own_parts.processes", what]
        started.append(
            subprocess.Popen(
                command, env=os.environ | names, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        )
    texts = [process.communicate() for process in started]
    for process, (_, errors) in zip(started, texts, strict=True):
        if process.returncode:
            raise RuntimeError(f"{what} in {number} processes failed:\n{errors.decode()}")
    found: dict[str, Any] = json.loads(texts[0][0].decode().splitlines()[-1])
    return found


def random_data(seed: int = SEED) -> Any:
    """Return training data drawn at random: what matters here is its size."""
    import jax

    from draingym.drain_model import DrainData, Geography

    random = np.random.default_rng(seed)
    shape = (PRODUCTS, PERIODS)
    available = random.integers(0, 30, (*shape, NODES)).astype(np.float32)
    outbound = np.minimum(random.poisson(4.0, available.shape), available).astype(np.float32)
    places = [random.uniform((30, -120), (48, -75), (n, 2)) for n in (NODES, REGIONS)]
    apart = np.linalg.norm(places[0][:, None] - places[1][None], axis=-1) * 100.0
    geography = Geography(
        node_coordinates=jax.device_put(places[0].astype(np.float32)),
        region_coordinates=jax.device_put(places[1].astype(np.float32)),
        distance_km=jax.device_put(apart.astype(np.float32)),
    )
    return DrainData(
        outbound=outbound,
        ship_cost=outbound * random.lognormal(1.5, 0.3, outbound.shape).astype(np.float32),
        available=available,
        active=np.ones((PERIODS, NODES), bool),
        glance_views=random.poisson(40.0, (*shape, REGIONS)).astype(np.float32),
        calendar=random.normal(size=(PERIODS, 3)).astype(np.float32),
        attributes=random.normal(size=(PRODUCTS, 3)).astype(np.float32),
        geography=geography,
    )


def _config() -> Any:
    from draingym.drain_model import PRESETS

    return replace(PRESETS["small"], epochs=EPOCHS, validate_every=1, batch_products=16)


def _windows() -> tuple[Any, Any, Any]:
    """Return stores with demand drawn at random, as windows that policies are trained in."""
    import jax
    import jax.numpy as jnp

    from draingym.simulator import Windows, single_store

    simulator, params, sample = single_store(lead_time=2, unmet_cost=9.0)
    scenarios = jax.vmap(lambda key: sample(key, PERIODS))(
        jax.random.split(jax.random.key(SEED), PRODUCTS)
    )
    exogenous = jax.vmap(lambda s: simulator.kernel.prepare(params.kernel, s))(scenarios.series)
    windows = Windows(
        market=replace(scenarios.series, exogenous=exogenous),
        initial=jax.tree.map(lambda leaf: leaf[None], scenarios.initial),
        start=jnp.zeros(1, jnp.int32),
        lead_time=jax.nn.one_hot(jnp.array([2]), 3),
        num_uniforms=0,
    )
    return simulator, params, windows


def train_both() -> dict[str, Any]:
    """Train both in this process, together with others where there are any."""
    from draingym.common.processes import is_first, join

    if int(os.environ["DRAINGYM_PROCESSES"]) > 1:
        join()
    import jax

    from draingym.drain_model import train
    from draingym.policies import BaseStock, TrainConfig, train_by_gradient

    began = time.perf_counter()
    trained = train(random_data(), _config(), seed=SEED)
    drain = time.perf_counter() - began
    settings = TrainConfig(updates=UPDATES, batch_products=32, evaluate_every=5, seed=SEED)
    began = time.perf_counter()
    policy = train_by_gradient(
        *_windows()[:2], BaseStock(initial_level=9.0), _windows()[2], PERIODS, settings
    )
    found = {
        "drain seconds": drain,
        "policy seconds": time.perf_counter() - began,
        "drain losses": [x for p in trained.history for x in (p.train_loss, p.validation_loss)],
        "drain parameters": _flat(jax.tree.leaves(trained.checkpoint.weights)),
        "policy values": policy.curve.tolist(),
        "policy parameters": _flat(jax.tree.leaves(policy.params)),
    }
    return found if is_first() else {}


def _flat(leaves: Sequence[Any]) -> list[float]:
    flat: list[float] = np.concatenate([np.ravel(np.asarray(x, float)) for x in leaves]).tolist()
    return flat


def simulate() -> dict[str, Any]:
    """Time an update of the drain model on all devices of this process."""
    import importlib

    import jax

    from draingym.drain_model import train

    # ``programs.update`` of the package's own run, timed as it is called.
    programs: Any = importlib.import_module("draingym.drain_model.training.programs")
    update = programs.update
    spent: list[float] = []
    texts: list[str] = []

    def timed(*args: Any, **kwargs: Any) -> Any:
        if not texts:
            texts.append(update.lower(*args, **kwargs).compile().as_text())
        began = time.perf_counter()
        made = jax.block_until_ready(update(*args, **kwargs))
        updates = made[1].shape[0]
        spent.append((time.perf_counter() - began) / updates)
        return made

    programs.update = timed
    config = replace(_config(), epochs=8)
    train(random_data(), config, seed=SEED, devices=jax.device_count())
    return {
        "update, ms": 1e3 * float(np.median(spent[1:])),  # the first one compiles
        "all-reduced in an update, MB": _reduced_bytes(texts[0]) / 1e6,
    }


def _reduced_bytes(text: str) -> int:
    """Return the bytes that all-reduces of a compiled program hand over."""
    size = {"f32": 4, "s32": 4, "u32": 4, "pred": 1, "bf16": 2}
    total = 0
    for line in text.splitlines():
        if re.search(r"= .*\ball-reduce(-start)?\(", line):
            kind = line.split("= ", 1)[1].split(" all-reduce")[0]
            for name, dims in re.findall(r"(\w+)\[([\d,]*)\]", kind):
                total += size.get(name, 4) * int(np.prod([int(d) for d in dims.split(",") if d]))
    return total


if __name__ == "__main__":
    print(json.dumps({"train": train_both, "simulate": simulate}[sys.argv[1]]()))
