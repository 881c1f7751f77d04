"""Packages of others that are timed beside ours, each in a virtual environment of its own.

    python -m benchmarks._peers FOLDER [--only or-gym hdpo] [--sources hdpo=ADDRESS]

makes them in FOLDER, from PyPI; what is no package is cloned from its repository, at a fixed
commit. ``benchmarks.throughput`` and ``benchmarks.networks`` take the folder as ``--peers``
and time what is there in their own run. ``--sources`` gives another address of a
repository.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tyro

MISSING = "not there"  # in the place of a figure of a peer that is not installed

_LOOP = """
import json, sys, time
{setup}
step, again = {step}, {again}
again()
counts = []
for _ in range(1 + int(sys.argv[1])):
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < 0.5:
        if step():
            again()
        steps += 1
    counts.append(steps / (time.perf_counter() - start))
print(json.dumps(counts[1:]))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A repository that is no package."""

    address: str
    commit: str
    paths: tuple[str, ...]  # all that is needed: the rest may be gigabytes of data


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """How others' code is installed."""

    install: tuple[tuple[str, ...], ...]  # arguments of pip, in turn
    source: Source | None = None


PEERS = {
    "or-gym": Peer(
        install=(
            ("setuptools<66", "wheel<0.38"),  # what its dependency gym 0.19 builds with
            ("--no-build-isolation", "numpy<2", "or-gym==0.5.0"),
        )
    ),
    "gym-invmgmt": Peer(install=(("gym-invmgmt==0.2.1",),)),
    "stockpyl": Peer(install=(("stockpyl==1.0.2",),)),
    # PyTorch alone first: with other packages pip would look for one that brings CUDA.
    "hdpo": Peer(
        install=(("torch==2.13.0",), ("numpy<2.4", "pandas", "matplotlib", "gymnasium", "pyyaml")),
        source=Source(
            address="https://github.com/MatiasAlvo/Neural_inventory_control",
            commit="4d77c14f888676d4fde9dece43d719087e1e2613",
            paths=(
                *("environment.py", "trainer.py", "neural_networks.py", "data_handling.py"),
                *("loss_functions.py", "quantile_forecaster.py", "shared_imports.py", "LICENSE"),
            ),
        ),
    ),
    # Microsoft's ReplenishmentEnv, where its author keeps it; its data are not needed.
    "mabim": Peer(
        install=(("gym==0.26.2", "numpy<2", "pandas", "scipy", "pyyaml", "pyecharts"),),
        source=Source(
            address="https://github.com/VictorYXL/ReplenishmentEnv",
            commit="e667565615461ecd4102a60ad1ecd6b772e357d6",
            paths=(
                *("ReplenishmentEnv/__init__.py", "ReplenishmentEnv/env"),
                *("ReplenishmentEnv/utility", "ReplenishmentEnv/wrapper", "LICENSE"),
            ),
        ),
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Loop:
    """An environment of a peer that is stepped again and again."""

    peer: str
    what: str
    setup: str
    step: str  # an expression: a function that steps, and returns whether the episode is over
    again: str  # an expression: a function that starts an episode
    worth: int = 1  # steps of a call
    printed: float  # steps a second, as measured before on two cores, one thread

    def rate(self, folder: Path, *arguments: str, repeats: int = 5) -> float:
        """Return steps (or periods) a second, the median of some half seconds.

        Args:
            folder: What this module has filled.
            *arguments: Of the setup, ``sys.argv[2:]``.
            repeats: Half seconds.

        Raises:
            OSError: If the peer is not there.
            subprocess.CalledProcessError: If it does not run.
        """
        code = _LOOP.format(setup=self.setup, step=self.step, again=self.again)
        python = str(interpreter(folder, self.peer))
        ran = subprocess.run(
            [python, "-W", "ignore", "-c", code, str(repeats), *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        rates: list[float] = json.loads(ran.stdout.splitlines()[-1])
        return self.worth * statistics.median(rates)


LOOPS = {
    "or-gym": Loop(
        peer="or-gym",
        what="InvManagement-v0, three stages, a fixed action",
        setup="import or_gym\nenv = or_gym.make('InvManagement-v0')\na = [20, 20, 20]",
        step="lambda: env.step(a)[2]",
        again="env.reset",
        printed=10_000.0,
    ),
    "or-gym network": Loop(
        peer="or-gym",
        what="NetworkManagement-v1, 11 arcs, a fixed action",
        setup=(
            "import or_gym, numpy\n"
            "env = or_gym.make('NetworkManagement-v1')\n"
            "a = numpy.full(env.action_space.shape, 10.0)"
        ),
        step="lambda: env.step(a)[2]",
        again="env.reset",
        printed=65.0,
    ),
    "gym-invmgmt": Loop(
        peer="gym-invmgmt",
        what="GymInvMgmt/Serial-v0, three stages, a fixed action",
        setup=(
            "import gymnasium, gym_invmgmt, numpy\n"
            "env = gymnasium.make('GymInvMgmt/Serial-v0').unwrapped\n"
            "a = numpy.full(env.action_space.shape, 20.0, numpy.float32)"
        ),
        step="lambda: any(env.step(a)[2:4])",
        again="lambda: env.reset(seed=0)",
        printed=6_800.0,
    ),
    "stockpyl": Loop(
        peer="stockpyl",
        what="simulation() of example 6.1, 100 periods a call",
        setup=(
            "from stockpyl.instances import load_instance\n"
            "from stockpyl.sim import simulation\n"
            "network = load_instance('example_6_1')\n"
            "def run():\n"
            "    simulation(network, 100, rand_seed=0, progress_bar=False)\n"
            "    return False"
        ),
        step="run",
        again="lambda: None",
        worth=100,
        printed=694.0,
    ),
}


def interpreter(folder: Path, name: str) -> Path:
    """Return the interpreter of a peer's virtual environment, there or not."""
    return folder / f"venv-{name}" / "bin" / "python"


def source_of(folder: Path, name: str) -> Path:
    """Return where a peer's repository is, there or not."""
    return folder / f"source-{name}"


def is_there(folder: Path | None, name: str) -> bool:
    """Return whether a peer is installed in a folder, if there is one."""
    if folder is None or not interpreter(folder, name).exists():
        return False
    return PEERS[name].source is None or source_of(folder, name).is_dir()


class Served:
    """A process that answers every line of JSON with one: what is timed in turn with others."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Start it.

        Args:
            command: What to run.
            env: Variables beside those of this process.
        """
        self.process = subprocess.Popen(
            list(command),
            env=os.environ | dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def answer(self) -> Any:
        """Return what it says next.

        Raises:
            RuntimeError: If it has ended.
        """
        if self.process.stdout is None:
            raise RuntimeError("stdout is None, must be a pipe")
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process ended with {self.process.wait()}")
        return json.loads(line)

    def call(self, request: Any) -> Any:
        """Return the answer to a request."""
        if self.process.stdin is None:
            raise RuntimeError("stdin is None, must be a pipe")
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        """End it."""
        self.process.communicate()


def make(folder: Path, name: str, address: str | None = None) -> None:
    """Make a peer's virtual environment, and clone its repository.

    Args:
        folder: Where they go.
        name: A key of ``PEERS``.
        address: Of the repository, if not its own.

    Raises:
        subprocess.CalledProcessError: If something is not to be had.
    """
    peer = PEERS[name]
    if not interpreter(folder, name).exists():
        venv.create(folder / f"venv-{name}", with_pip=True)
    for arguments in peer.install:
        command = [str(interpreter(folder, name)), "-m", "pip", "install", "-q", *arguments]
        subprocess.run(command, check=True)
    if peer.source is not None:
        clone = str(source_of(folder, name))
        if not Path(clone).is_dir():
            found = address or peer.source.address
            filtered = ["--no-checkout", "--filter=blob:none"]
            subprocess.run(["git", "clone", "-q", *filtered, found, clone], check=True)
        wanted = [peer.source.commit, "--", *peer.source.paths]
        subprocess.run(["git", "-C", clone, "checkout", "-q", *wanted], check=True)


def main(
    folder: tyro.conf.Positional[Path],
    only: tuple[str, ...] = tuple(PEERS),
    sources: tuple[str, ...] = (),
) -> None:
    """Make every virtual environment; those that fail are reported and skipped.

    Args:
        folder: Where they go.
        only: Some of the peers.
        sources: ``PEER=ADDRESS`` for every repository that is had from elsewhere.
    """
    for name in only:
        if name not in PEERS:
            raise ValueError(f"only holds {name!r}, must be some of {', '.join(PEERS)}")
    addresses = dict(source.partition("=")[::2] for source in sources)
    folder.mkdir(parents=True, exist_ok=True)
    for name in only:
        try:
            make(folder, name, addresses.get(name))
        except subprocess.CalledProcessError as error:
            print(f"{name} does not install: {error}", file=sys.stderr)


if __name__ == "__main__":
    tyro.cli(main)
