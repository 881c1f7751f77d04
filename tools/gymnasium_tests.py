"""Run Gymnasium's own tests on our environments: ``make test-gymnasium``.

The tests of the installed Gymnasium are taken from its source (they are in no wheel) into
build/gymnasium_tests, where our ids take the place of theirs. With ``--ours``, ``SyncVectorEnv``
and ``vectorization_mode="sync"`` make our own vector environments wherever no wrapper is asked
for; without it they are Gymnasium's, of our single ones. What cannot pass stands in ``ASSUMED``,
with why; one of these that passes fails.
"""

import argparse
import inspect
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import pytest

import draingym  # noqa: F401  (registers the environments)
from draingym.registration import IDS

ROOT = Path(__file__).parents[1]
SOURCE = "https://github.com/Farama-Foundation/Gymnasium"
ROOMS = ("tests/vector", "tests/wrappers/vector", "tests/envs")
# By their whole names, so that worker processes import draingym.
_STORE, _LINE = (f"draingym:{IDS[name]}" for name in ("SingleStore", "Serial"))
# Their environments by ours: the two of each test have spaces that differ.
OURS = {
    "CartPole-v1": _STORE,
    "FrozenLake-v1": _LINE,
    "BipedalWalker-v3": _LINE,
    "MountainCarContinuous-v0": _STORE,
    '"gymnasium.envs." in': '"draingym.envs." in',  # what tests of all environments take
}
# The registry's tests, and those of one environment or another of theirs.
NOT_OURS = ("registration", "functional", "mujoco", "toy_text", "test_env_implementation.py")
# What stands in a test that takes our environments, and not ones that it makes for itself.
_TAKE_OURS = ("draingym", "spec", "example_env_list", "all_testing", "env_id")
_DISCRETE, _CART = "takes actions to be discrete", "reads the cart pole's gravity"
ASSUMED = {
    "test_step_sync_vector_env": _DISCRETE,
    "test_step_async_vector_env": _DISCRETE,
    "test_reset_async_vector_env": "takes the info of a reset to be empty",
    "test_call_sync_vector_env": _CART,
    "test_call_async_vector_env": _CART,
    "test_vector_env_wrapper_attributes": _CART,
    "RescaleObservation": "takes an observation of 4 entries, without bounds",
    "test_vectorize_dict_to_box_obs": "takes an observation of 4 entries",
    "test_box_actions_out_of_bound": "takes actions out of bounds to be clipped; ours refuse them",
}
# Of our vectors alone: what ``SyncVectorEnv`` promises, and vector environments do not.
ASSUMED_OF_VECTORS = {
    "test_metadata_sync_vector_env": "reads its `envs`",
    "test_random_seeds_set_at_retrieval[make]": "takes the seeds of environments made before",
    "test_partial_reset_failure[Sync]": "reads its words about a mask; ours say shape and bound",
    "test_action_count_compatibility[Sync]": "wants TypeError of a number; ours is a ValueError",
}


def fetch(checkout: Path | None, folder: Path) -> None:
    """Write Gymnasium's tests to a folder, with our ids in them."""
    shutil.rmtree(folder, ignore_errors=True)
    if checkout is None:
        checkout = folder.with_name("checkout")
        shutil.rmtree(checkout, ignore_errors=True)
        clone = ["git", "clone", "--quiet", "--depth", "1", "--branch", f"v{gymnasium.__version__}"]
        subprocess.run([*clone, SOURCE, str(checkout)], check=True)
    shutil.copytree(checkout / "tests", folder / "tests")
    for path in (folder / "tests").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for theirs, ours in OURS.items():
            text = text.replace(theirs, ours)
        path.write_text(text, encoding="utf-8")


def main() -> None:
    """Exit as pytest does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkout", type=Path, help="of Gymnasium's source; else it is cloned")
    parser.add_argument("--ours", action="store_true", help="our vector environments")
    arguments, more = parser.parse_known_args()
    folder = ROOT / "build" / "gymnasium_tests"
    fetch(arguments.checkout, folder)
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(folder)]
    command += ["-p", "no:cacheprovider", "-p", "tools.gymnasium_tests"]
    for name in NOT_OURS:
        command += ["--ignore-glob", f"*/envs/{name}"]
    paths = os.pathsep.join([str(ROOT), str(folder)])
    environment = os.environ | {"PYTHONPATH": paths, "OUR_VECTORS": str(int(arguments.ours))}
    rooms = [] if any(each.startswith("tests/") for each in more) else [*ROOMS]
    ran = subprocess.run([*command, *rooms, *more], cwd=folder, env=environment)
    sys.exit(ran.returncode)


def pytest_configure() -> None:
    """Take our vectors where they are asked for; JAX does not survive a fork."""
    multiprocessing.set_start_method("forkserver", force=True)
    multiprocessing.set_forkserver_preload(["jax", "gymnasium", "pytest"])
    if os.environ.get("OUR_VECTORS") == "1":
        theirs = gymnasium.vector.SyncVectorEnv
        gymnasium.vector.SyncVectorEnv = vector_of(theirs)  # type: ignore[misc, assignment]


def vector_of(theirs: Callable[..., Any]) -> Callable[..., Any]:
    """Return what makes our vector of single environments of ours that are equal, else theirs."""

    def make(env_fns: Sequence[Callable[[], Any]], *args: Any, **options: Any) -> Any:
        envs = [env_fn() for env_fn in env_fns]
        spec = envs[0].spec
        of_ours = spec is not None and spec.id in IDS.values()
        alike = all(env.spec == spec and _is_bare(env) for env in envs)
        if args or not of_ours or not alike:
            return theirs(env_fns, *args, **options)
        given = {name: value for name, value in spec.kwargs.items() if name != "problem"}
        made = gymnasium.make_vec(
            spec.id,
            num_envs=len(envs),
            vectorization_mode="vector_entry_point",
            info=True,
            **given,
            **options,
        )
        actions = envs[0].action_space  # with its seed, as theirs take it
        made.single_action_space = actions
        made.action_space = gymnasium.vector.utils.batch_space(actions, len(envs))
        return made

    return make


def _is_bare(env: gymnasium.Env[Any, Any]) -> bool:
    """Say whether an environment is in no wrapper but those of ``gymnasium.make``."""
    usual = (gymnasium.wrappers.OrderEnforcing, gymnasium.wrappers.PassiveEnvChecker)
    while isinstance(env, usual):
        env = env.env
    return env is env.unwrapped


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that take our environments; expect the failures of ``ASSUMED``, no other."""
    kept = [item for item in items if any(word in _source(item) for word in _TAKE_OURS)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
    assumed = ASSUMED | (ASSUMED_OF_VECTORS if os.environ.get("OUR_VECTORS") == "1" else {})
    for item in items:
        for part, why in assumed.items():
            if part in item.nodeid:
                item.add_marker(pytest.mark.xfail(reason=why, strict=True))


def _source(item: pytest.Item) -> str:
    """Return a test as it is written; nothing where it is told to take an environment of theirs."""
    if not isinstance(item, pytest.Function):
        return ""
    told = str(item.callspec.params.get("env_id", "")) if hasattr(item, "callspec") else ""
    return inspect.getsource(item.function) if not told or "draingym" in told else ""


if __name__ == "__main__":
    main()
