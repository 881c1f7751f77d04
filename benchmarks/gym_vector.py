"""The vector environment against the simulator's own jitted step, and how soon a first step comes.

The raw step is ``jit(vmap(Simulator.step))`` on arrays that are on the device already, with the
periods' slices cut beforehand, and waited for. The vector environment's step takes NumPy actions,
cuts the slices itself, and returns NumPy arrays.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._common import (
    Claim,
    at_least,
    at_most,
    figure_only,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks.networks_parts.first_step import first_step
from draingym.registration import IDS, register_envs
from draingym.simulator.adapters.functional import at

NUM_ENVS, STEPS, REPEATS = 1024, 50, 5
# A step of the drain model's network takes so long that fewer tell as much.
NUM_LEARNED, STEPS_LEARNED = 128, 10
COLD, WARM = "first step cold, s", "first step warm, s"


def sizes(id: str) -> tuple[int, int]:
    """Return how many environments are stepped, and how often."""
    return (NUM_LEARNED, STEPS_LEARNED) if "Learned" in id else (NUM_ENVS, STEPS)


def measure(id: str) -> dict[str, float]:
    """Return seconds of a vector step, of a raw step, of a reset, and the median of their ratio.

    The two are timed in turn, so that other work on the machine meets both.
    """
    num_envs, steps = sizes(id)
    env: Any = gymnasium.make_vec(id, num_envs=num_envs)
    functional, rng = env.functional, np.random.default_rng(0)
    shape = (steps, num_envs, functional.num_actions)
    actions = rng.random(shape, dtype=np.float32)
    env.reset(seed=0)
    step = jax.jit(jax.vmap(functional.simulator.step, in_axes=(None, 0, 0, 0)))
    core, series, _ = jax.tree.map(jnp.copy, env._held)
    nows = [jax.block_until_ready(jax.jit(at)(series, t)) for t in range(steps)]
    requests = [jnp.asarray(action * functional.max_action) for action in actions]

    def vector() -> None:
        for action in actions:
            env.step(action)

    def raw() -> None:
        state = core
        for now, request in zip(nows, requests, strict=True):
            state, transition = step(functional.params, state, request, now)
            jax.block_until_ready((state, transition))

    times: dict[str, list[float]] = {"vector": [], "raw": [], "reset": [], "ratio": []}
    for repeat in range(REPEATS + 1):
        for name, run in (("reset", lambda: env.reset(seed=0)), ("vector", vector), ("raw", raw)):
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
        times["ratio"].append(times["vector"][-1] / times["raw"][-1])
        if repeat == 0:  # compiled by now
            times = {name: [] for name in times}
    return {name: statistics.median(values) for name, values in times.items()}


def cold_and_warm(id: str) -> tuple[float, float]:
    """Return seconds from import to the first step, with a cold and with a warm cache."""
    with tempfile.TemporaryDirectory() as cache:
        cold, warm = (first_step(id, cache)[0] for _ in range(2))
    return cold, warm


def main() -> None:
    """Measure every environment, print the claims and write the result."""
    began = time.perf_counter()
    register_envs()
    rows: list[dict[str, Any]] = []
    for id in IDS.values():
        seconds = measure(id)
        cold, warm = cold_and_warm(id)
        num_envs, steps = sizes(id)
        rows.append(
            {
                "environment": id,
                "environments": num_envs,
                "vector step, us": 1e6 * seconds["vector"] / steps,
                "raw step, us": 1e6 * seconds["raw"] / steps,
                "ratio": seconds["ratio"],
                "M steps/s": num_envs * steps / seconds["vector"] / 1e6,
                "reset, ms": 1e3 * seconds["reset"],
                COLD: cold,
                WARM: warm,
            }
        )
    print_table("Vector environments", rows)
    store = next(row for row in rows if row["environment"] == IDS["SingleStore"])
    worst = {name: max(row[name] for row in rows) for name in ("ratio", COLD, WARM)}
    claims: list[Claim] = [
        at_most(4, "vector step over the raw jitted step, worst", worst["ratio"], "x", 2),
        at_least(4, "vector steps of the lost-sales store", store["M steps/s"], "M steps/s", 2),
        figure_only(4, "vector step over the raw jitted step, store", store["ratio"], "x"),
        at_most(6, "import to first step, slowest environment", worst[COLD], "s", 10),
        at_most(6, "import to first step with a warm cache, slowest", worst[WARM], "s", 3),
    ]
    print_claims(claims)

    def draw(axes: Any) -> None:
        names = [r["environment"].removeprefix("draingym/").removesuffix("-v0") for r in rows]
        axes.barh(names, [r["ratio"] for r in rows])
        axes.axvline(2.0, linestyle="--")
        axes.set_xlabel("vector step over raw jitted step")

    save_figure("gym_vector", draw)
    preset = f"{NUM_ENVS} environments, {NUM_LEARNED} of the learned ones"
    write_result("gym_vector", "gym", claims, rows, [0], preset, time.perf_counter() - began)


if __name__ == "__main__":
    main()
