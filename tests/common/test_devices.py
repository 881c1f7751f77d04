"""Devices that share a batch out find what one finds, and leave a user's own settings alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from draingym.common import cores

ROOT = Path(__file__).parents[2]
DEVICES = 3
NONE = {"DRAINGYM_DEVICES": "", "XLA_FLAGS": os.environ.get("XLA_FLAGS", "")}

# Uses, on 13 scenarios: what each finds.
USES = """
import json
import jax, jax.numpy as jnp, numpy as np
import draingym
from draingym.common import devices, shared_jit
from draingym.policies import (
    BaseStock, PathwiseGradient, SampledTask, ScoreFunction, TrainConfig, TruncatedGradient,
    TuneConfig, checked_rollouts, train_policy,
)
from draingym.simulator import InventoryVectorEnv, make
from tests.policies.problems import store_task, store_windows
devices.WORTH = shared_jit.WORTHWHILE = 1  # share out the least
simulator, params, sample = draingym.single_store(demand=draingym.Poisson(rate=5.0))
BATCH = 13
scenario = sample(jax.random.key(0), 6, BATCH)
policy, level, first = BaseStock(initial_level=9.0), jnp.float32(11.0), jax.devices()[0]
meshes, make_mesh = set(), devices._mesh
def watched(number):
    meshes.add(number)
    return make_mesh(number)
devices._mesh = watched
found = {}

def keep(name, tree):
    for leaf in jax.tree.leaves(tree):
        if isinstance(leaf, jax.Array):  # any operation may follow
            assert leaf.devices() == {first}, name
            leaf + jax.device_put(jnp.ones((), leaf.dtype), first)
    found[name] = [np.asarray(leaf, np.float64).ravel().tolist() for leaf in jax.tree.leaves(tree)]

def returns(level, scenario, key=None):
    return draingym.batch_returns(simulator, params, policy, level, scenario, key)

def loss(level, scenario):
    return -returns(level, scenario).mean()

keep("returns", returns(level, scenario))
keep("returns bound to a device", returns(jax.device_put(level, first), scenario))
keep("returns in jax.jit", jax.jit(returns)(level, scenario))
keep("returns in jit", draingym.jit(returns)(level, scenario))
keep("returns with a key", returns(level, scenario, jax.random.key(3)))
keep("summed gradient", draingym.jit(jax.value_and_grad(loss))(level, scenario))
several = jax.vmap(jax.value_and_grad(loss), in_axes=(0, None))
keep("summed gradients by vmap", draingym.jit(several)(jnp.array([10.0, 11.0]), scenario))
chunked = draingym.chunked_value_and_grad(loss, 1)
keep("summed gradient in chunks", draingym.jit(chunked)(jax.device_put(level, first), scenario))
env = make("draingym/SingleStore-v0", horizon=3)

def play(to_numpy):
    vector = InventoryVectorEnv(env, BATCH, to_numpy=to_numpy, info=True)
    seen = [vector.reset(seed=0)[0]]
    for _ in range(5):
        seen.append(vector.step(np.full((BATCH, 1), 0.3, np.float32)))
    seen.append(vector.reset(options={"reset_mask": np.arange(BATCH) < 2})[0])
    keep(f"vector environment, numpy {to_numpy}", seen)

play(to_numpy=True)
play(to_numpy=False)
task = SampledTask(params=params, simulator=simulator, sample=sample, periods=6, warm_up=2,
                   evaluation_batch=7, evaluation_periods=6, evaluation_warm_up=2)
config = TrainConfig(updates=3, batch_products=BATCH, evaluate_every=3)
methods = {
    "gradient": PathwiseGradient(policy=policy),
    "segments": TruncatedGradient(policy=policy, segment=3),
    "score": ScoreFunction(policy=policy),
}
for name, method in methods.items():
    trained = train_policy(method, task, config)
    keep(f"summed training, {name}", (trained.params, trained.curve))
problem = store_windows(products=5, periods=4)
searched = draingym.tune(
    store_task(products=5, periods=4), policy, {"": (5.0, 40.0)},
    TuneConfig(population=7, generations=2),
)
keep("search", (searched.params, searched.value, searched.curve))
trained = draingym.train_by_gradient(*problem[:2], policy, problem[2], 4, config)
keep("summed training, windows", (trained.params, trained.curve))
batch = jax.vmap(env.sample)(jax.random.split(jax.random.key(1), BATCH))
keep("checked rollouts", checked_rollouts(env.simulator, env.params, policy, level, batch))
# ... and on how many devices they were shared out.
print(json.dumps({"meshes": sorted(meshes), "found": found}))
"""


def output(program: str, **env: str) -> str:
    """Run a program in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)} | NONE | env,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.slow
def test_any_number_of_devices_finds_the_same():
    one, several = (
        json.loads(output(USES, DRAINGYM_DEVICES=str(number))) for number in (1, DEVICES)
    )
    assert one["meshes"] == []
    assert several["meshes"][-1] == DEVICES
    assert several["found"].keys() == one["found"].keys()
    for name, leaves in one["found"].items():
        for a, b in zip(leaves, several["found"][name], strict=True):
            if "summed" in name:
                np.testing.assert_allclose(b, a, rtol=1e-4, err_msg=name)
            else:
                np.testing.assert_array_equal(b, a, err_msg=name)


LATE = """
import jax.numpy as jnp, jax
jnp.ones(3).block_until_ready()
import draingym
from draingym.common import devices, shared_jit
devices.WORTH = shared_jit.WORTHWHILE = 1
simulator, params, sample = draingym.single_store(demand=draingym.Poisson(rate=5.0))
scenario = sample(jax.random.key(0), 3, 4)
for _ in range(2):
    draingym.batch_returns(
        simulator, params, draingym.BaseStock(), jnp.float32(9.0), scenario
    ).block_until_ready()
"""


def test_where_jax_is_up_one_line_says_so():
    program = "import logging, sys; logging.basicConfig(stream=sys.stdout)\n" + LATE
    said = output(program, DRAINGYM_DEVICES="2")
    assert said.splitlines() == [
        "WARNING:draingym.common.devices:batches run on one core of 2: JAX had started before "
        "draingym was imported"
    ]


LITTLE = """
import gc
import jax, jax.numpy as jnp, numpy as np
import draingym
from draingym.common import shared_jit
simulator, params, sample = draingym.single_store(demand=draingym.Poisson(rate=5.0))
policy, level = draingym.BaseStock(), jnp.float32(9.0)
meshes, every = set(), shared_jit.gathered
def watched(tree):
    meshes.update(len(leaf.devices()) for leaf in jax.tree.leaves(tree))
    return every(tree)
shared_jit.gathered = watched

def play(level, scenario, what):
    assert what == "returns"
    return draingym.batch_returns(simulator, params, policy, level, scenario)

played = draingym.jit(play, static_argnames="what")
small, large = (sample(jax.random.key(0), 50, batch) for batch in (64, 65_536))
first = played(level, small, what="returns")  # the first call finds out
meshes.clear()
again = played(level, small, what="returns")
assert not meshes  # it ran on one device
np.testing.assert_array_equal(first, again)
for _ in range(3):
    found = played(level, large, what="returns")
assert meshes == {2}, meshes
held = [copy for _, copy in shared_jit._copies.values() if copy is not None]
assert len(held) >= 5  # its leaves are not copied anew
best = draingym.jit(lambda level, s: (played(level, s, what="returns").mean(), 1.01 * level))
moved = level
for _ in range(3):
    value, moved = best(moved, large)  # what it returned is taken again; both are one program
assert len(moved.devices()) == 1 and not moved.committed
assert len(shared_jit._copies[id(moved), shared_jit.every_device()][1].devices()) == 2
np.testing.assert_allclose(moved, 9.0 * 1.01**3, rtol=1e-6)
del large, held, value, moved
gc.collect()
assert not [1 for leaf, _ in shared_jit._copies.values() if leaf() is None]
alone = jax.jit(lambda level, s: draingym.batch_returns(simulator, params, policy, level, s))
np.testing.assert_array_equal(alone(level, small), first)
"""


@pytest.mark.slow
def test_little_work_stays_on_one_device_and_large_batches_are_copied_once():
    assert output(LITTLE, DRAINGYM_DEVICES="2") == ""


COUNT = "import draingym; draingym.BaseStock; import jax; print(jax.device_count())"


def slow(*values: object) -> object:
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("program", "env", "devices"),
    [
        (COUNT, {"DRAINGYM_DEVICES": "3"}, 3),
        slow(COUNT, {"DRAINGYM_DEVICES": "1"}, 1),
        slow(f"import jax; {COUNT}", {"DRAINGYM_DEVICES": "3"}, 3),
        (COUNT, {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}, 4),
        slow(COUNT, {"JAX_NUM_CPU_DEVICES": "4", "DRAINGYM_DEVICES": "3"}, 4),
        slow(f"import jax; jax.config.update('jax_num_cpu_devices', 1); {COUNT}", {}, 1),
        (
            "import draingym, jax; draingym.BaseStock; "
            f"jax.config.update('jax_num_cpu_devices', 5); {COUNT}",
            {"DRAINGYM_DEVICES": "3"},
            5,
        ),
    ],
)
def test_what_a_user_chose_stays(program, env, devices):
    assert output(program, **env) == f"{devices}\n"


def test_a_default_device_is_left_alone():
    program = (
        "import draingym, jax; from draingym.common.devices import cores_mesh\n"
        "assert cores_mesh(8, 2**30).size == 3\n"
        "with jax.default_device(jax.devices()[1]):\n"
        "    assert cores_mesh(8, 2**30) is None\n"
        "assert cores_mesh(2, 2**30).size == 2\n"
        "assert cores_mesh(8, 2**10) is None\n"
    )
    assert output(program, DRAINGYM_DEVICES="3") == ""


@pytest.mark.parametrize("number", [pytest.param("0", marks=pytest.mark.slow), "two"])
def test_a_number_of_devices_that_is_none_is_named(number):
    program = f"""
try:
    import jax, draingym
except ValueError as error:
    assert str(error) == "DRAINGYM_DEVICES is '{number}', must be a whole number of at least 1"
    print("refused")
"""
    assert output(program, DRAINGYM_DEVICES=number) == "refused\n"


@pytest.mark.parametrize(
    ("version", "said", "chosen"),
    [
        ("0.10.2", False, None),
        ("0.11.2", False, False),
        ("0.12.0.1", False, False),
        ("0.12.0.1", True, None),
    ],
)
def test_jax_that_crashes_partitions_as_it_did_before(monkeypatch, version, said, chosen):
    asked = {}
    monkeypatch.setattr(cores.jax, "__version__", version)

    def update(config, name, value):
        asked[name] = value

    monkeypatch.setattr(type(cores.jax.config), "update", update)
    monkeypatch.delenv("JAX_USE_SHARDY_PARTITIONER", raising=False)
    if said:
        monkeypatch.setenv("JAX_USE_SHARDY_PARTITIONER", "true")
    cores.avoid_shardy()
    assert asked == ({} if chosen is None else {"jax_use_shardy_partitioner": chosen})
