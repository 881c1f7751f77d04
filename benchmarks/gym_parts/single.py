"""A single environment beside a vector of one: what the edge to NumPy costs."""

from __future__ import annotations

import statistics
import time
from typing import Any

import gymnasium
import numpy as np


def row(id: str, repeats: int) -> dict[str, Any]:
    """Return microseconds a step, of the processor, and the median of the ratio of rates."""
    single: Any = gymnasium.make(id).unwrapped
    vector: Any = gymnasium.make_vec(id, num_envs=1)
    periods = single.functional.horizon - 1
    shape = (periods, single.functional.num_actions)
    actions = np.random.default_rng(0).random(shape, dtype=np.float32)

    def seconds(env: Any, batch: bool) -> float:
        env.reset(seed=0)
        began = time.process_time()
        for action in actions:
            env.step(action[None] if batch else action)
        taken: float = (time.process_time() - began) / periods
        return taken

    pairs = [(seconds(single, False), seconds(vector, True)) for _ in range(repeats + 1)][1:]
    alone, one = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        "environment": id,
        "single, us": 1e6 * alone,
        "vector of one, us": 1e6 * one,
        "single over vector of one": statistics.median(b / a for a, b in pairs),
    }
