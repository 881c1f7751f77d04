"""How fast a machine is, beside what was recorded: ``python -m draingym.selftest.speed``.

Seconds are the processor's, all cores together, so that what else runs there does not count.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from draingym.common.files import read_json
from draingym.common.machine import machine, versions
from draingym.envs.make import make_vector_env
from draingym.selftest.checks import Check

RECORDED = Path(__file__).with_name("recorded.json")
_ENVS, _STEPS, _REPEATS = 64, 100, 3
_SLOW = 3.0  # times slower than the slowest that was recorded


def measure() -> dict[str, float]:
    """Return seconds to trace and compile 64 environments, and steps of single ones a second."""
    env = make_vector_env("SingleStore", _ENVS)
    action = np.full((_ENVS, 1), 0.3, np.float32)
    began = time.process_time()
    env.reset(seed=0)
    env.step(action)
    ready = time.process_time()
    for _ in range(_STEPS):
        env.step(action)
    stepped = time.process_time()
    env.close()
    return {
        "compile_seconds": ready - began,
        "steps_a_second": _ENVS * _STEPS / (stepped - ready),
    }


def speed() -> Check:
    """Say how fast this machine is, and whether that is slow; what is slow is not wrong."""
    found, known = measure(), read_json(RECORDED, "record")
    compiles, steps = known["compile_seconds"], known["steps_a_second"]
    slow = found["compile_seconds"] > _SLOW * compiles[1] or (
        found["steps_a_second"] < steps[0] / _SLOW
    )
    return Check(
        name="speed",
        passes=None,
        says=(
            f"{'SLOW: ' if slow else ''}{found['compile_seconds']:.1f} processor seconds to "
            f"compile {_ENVS} environments (recorded {compiles[0]:.1f} to {compiles[1]:.1f}), "
            f"{found['steps_a_second']:,.0f} steps in one (recorded {steps[0]:,.0f} to "
            f"{steps[1]:,.0f}, on {known['machine']['cores']} cores of {known['machine']['cpu']})"
        ),
        figures={**found, "slow": slow},
    )


def record(path: Path = RECORDED) -> None:
    """Measure some times, compiling anew, and write the range."""
    jax.config.update("jax_enable_compilation_cache", False)
    runs: list[dict[str, float]] = []
    for _ in range(_REPEATS):
        jax.clear_caches()
        runs.append(measure())
    ranges: dict[str, Any] = {
        name: [min(run[name] for run in runs), max(run[name] for run in runs)] for name in runs[0]
    }
    found = {**ranges, "repeats": _REPEATS, "machine": machine(), "versions": versions()}
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
