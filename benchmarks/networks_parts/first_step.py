"""How soon a first step comes: every environment in fresh processes, with a warm cache."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from draingym.registration import IDS

# Seconds by the wall and by the processor, from the first import on.
_FIRST = """
import time
began, before = time.perf_counter(), time.process_time()
import json, sys, gymnasium, draingym
env = gymnasium.make(sys.argv[1])
env.reset(seed=0)
env.step(env.action_space.sample())
print(json.dumps([time.perf_counter() - began, time.process_time() - before]))
"""
# Programs that compile quickly are kept, too, as the Makefile has it.
_KEEP = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def first_step(id: str, cache: str) -> tuple[float, float]:
    """Return seconds of the wall and of the processor from import to the first step."""
    ran = subprocess.run(
        [sys.executable, "-c", _FIRST, id],
        env={**os.environ, **_KEEP, "JAX_COMPILATION_CACHE_DIR": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    wall, processor = json.loads(ran.stdout.splitlines()[-1])
    return wall, processor


def rows(folder: Path | None, repeats: int) -> list[dict[str, Any]]:
    """Return a row for every id; the first of its processes fills the cache.

    Args:
        folder: There are no peers in this.
        repeats: Processes with a warm cache, whose median counts.
    """
    del folder
    found = []
    for id in IDS.values():
        with tempfile.TemporaryDirectory() as cache:
            cold, *warm = (first_step(id, cache) for _ in range(repeats + 1))
        walls, processors = zip(*warm, strict=True)
        found.append(
            {
                "environment": id,
                "first step cold, s": cold[0],
                "first step warm, s": statistics.median(walls),
                "of the processor, s": statistics.median(processors),
                "processes": repeats,
            }
        )
    return found
