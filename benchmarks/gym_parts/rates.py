"""Steps of a vector environment a second, in a fresh process: of this code, or of an older one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# Seconds by the wall and by the processor: from the first import to the first step, compiled anew,
# of a reset, and of a step. Requests of a tenth leave shelves short; it runs on older code as well.
_RATES = """
import time
clocks = (time.perf_counter, time.process_time)
def now():
    return [clock() for clock in clocks]
began = now()
import json, statistics, sys, gymnasium, numpy as np, draingym
id, number, steps, largest = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
env = gymnasium.make_vec(id, num_envs=number)
shape = (steps + 1, *env.action_space.shape)
actions = largest * np.random.default_rng(0).random(shape, dtype=np.float32)
def seconds(run):
    before = now()
    run()
    return [after - start for after, start in zip(now(), before)]
env.reset(seed=0)
env.step(actions[0])
first = [after - start for after, start in zip(now(), began)]
reset = seconds(lambda: env.reset(seed=1))
each = [seconds(lambda: env.step(action)) for action in actions[1:]]
step = [statistics.median(column) for column in zip(*each)]
print(json.dumps({"first": first, "reset": reset, "step": step}))
"""


def rates(
    id: str, number: int, steps: int, largest: float, code: Path | None = None
) -> dict[str, list[float]]:
    """Return ``first``, ``reset`` and ``step``: seconds of the wall, and of the processor.

    Args:
        id: Of the environment.
        number: Of sub-environments.
        steps: Of which the median counts.
        largest: Actions are uniform in [0, largest].
        code: A checkout of the project, where it is not this one.
    """
    root = Path(__file__).resolve().parents[2] if code is None else code.resolve()
    kept = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    ran = subprocess.run(
        [sys.executable, "-c", _RATES, id, str(number), str(steps), str(largest)],
        env={**kept, "PYTHONPATH": str(root)},
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[float]] = json.loads(ran.stdout.splitlines()[-1])
    return found


def row(id: str, number: int, largest: float, code: Path | None, repeats: int) -> dict[str, Any]:
    """Return rates of this code, beside those of another checkout in turn with it.

    Times are the processor's, which other work on the machine leaves alone; steps a second by the
    wall are beside them.
    """
    steps, sides = 20, {"now": None} | ({} if code is None else {"before": code})
    best: dict[str, dict[str, list[float]]] = {}
    for _ in range(repeats):
        for name, root in sides.items():
            found = rates(id, number, steps, largest, root)
            known = best.setdefault(name, found)
            for what, seconds in found.items():
                known[what] = [min(pair) for pair in zip(known[what], seconds, strict=True)]
    made: dict[str, Any] = {"environment": id, "environments": number, "largest action": largest}
    for name, found in best.items():
        made |= {
            f"steps/s, {name}": number / found["step"][0],
            f"step of the processor, ms, {name}": 1e3 * found["step"][1],
            f"reset of the processor, s, {name}": found["reset"][1],
            f"first step cold, s, {name}": found["first"][0],
            f"first step of the processor, s, {name}": found["first"][1],
        }
    return made
