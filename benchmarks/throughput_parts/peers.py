"""Other inventory environments, each in a virtual environment of its own.

    python -m benchmarks.throughput_parts.peers FOLDER

makes one for each in FOLDER; ``benchmarks.throughput --peers FOLDER`` then times them in its run.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

_LOOP = """
import time
{setup}
step, again = {step}, {again}
again()
counts = []
for _ in range(6):
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < 0.5:
        if step():
            again()
        steps += 1
    counts.append(steps / (time.perf_counter() - start))
print(sorted(counts[1:])[2])
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """A package, how it is installed, and what is timed."""

    install: tuple[tuple[str, ...], ...]  # arguments of pip, in turn
    what: str
    setup: str
    step: str  # an expression: a function that steps, and returns whether the episode is over
    again: str  # an expression: a function that starts an episode
    worth: int = 1  # steps of a call
    printed: float  # steps a second, as measured before on two cores, one thread

    def rate(self, python: Path) -> float:
        """Return steps (or periods) a second, the median of five half seconds.

        Raises:
            subprocess.CalledProcessError: If the package does not run.
        """
        code = _LOOP.format(setup=self.setup, step=self.step, again=self.again)
        ran = subprocess.run(
            [str(python), "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
        )
        return self.worth * float(ran.stdout.split()[-1])


PEERS = {
    "or-gym": Peer(
        install=(
            ("setuptools<66", "wheel<0.38"),  # what its dependency gym 0.19 builds with
            ("--no-build-isolation", "numpy<2", "or-gym==0.5.0"),
        ),
        what="InvManagement-v0, three stages, a fixed action",
        setup="import or_gym\nenv = or_gym.make('InvManagement-v0')\na = [20, 20, 20]",
        step="lambda: env.step(a)[2]",
        again="env.reset",
        printed=10_000.0,
    ),
    "gym-invmgmt": Peer(
        install=(("gym-invmgmt==0.2.1",),),
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
    "stockpyl": Peer(
        install=(("stockpyl==1.0.2",),),
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


def main(folder: Path) -> None:
    """Make every virtual environment; those that fail are reported and skipped."""
    for name, peer in PEERS.items():
        venv.create(folder / f"venv-{name}", with_pip=True)
        for arguments in peer.install:
            command = [str(interpreter(folder, name)), "-m", "pip", "install", "-q", *arguments]
            if subprocess.run(command, check=False).returncode:
                print(f"{name} does not install", file=sys.stderr)
                break


if __name__ == "__main__":
    main(Path(sys.argv[1]))
