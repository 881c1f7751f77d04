"""What all cores gain over one: rollouts, their gradients, and training, in one run.

Every setting of ``DRAINGYM_DEVICES`` is a process of its own, as JAX must be told before it starts.
The processes take turns, call by call, so that other work on the machine meets both.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

import draingym
from benchmarks._common import (
    Claim,
    Row,
    at_least,
    at_most,
    figure_only,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks._peers import Served
from benchmarks.drain_parts.rollouts import random_data
from benchmarks.throughput_parts.dense_policy import DensePolicy
from benchmarks.throughput_parts.speeds import trainer
from benchmarks.throughput_parts.store import CHUNK, LEAD, MEAN, PERIODS, store
from draingym.common.cores import cores
from draingym.drain_model import PRESETS, train
from draingym.policies import (
    BaseStock,
    PathwiseGradient,
    SampledTask,
    TrainConfig,
    checked_rollouts,
    train_policy,
)
from draingym.simulator import InventoryVectorEnv, Observation, batch_last, batch_returns, make

LEARNED = "draingym/PlacementLearned-v0"
PRODUCTS, HORIZON = 64, 26  # of the learned kernel
BAR, TOLERANCE = 1.6, 1e-3  # times faster; relative, of what both compute
REPEATS = 7
# Seconds of one call, and a number that must be the same on any number of cores.
Case = Callable[[], tuple[float, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Always:
    """Requests its parameters."""

    def init(self, key: jax.Array) -> None:
        """Return no parameters."""
        del key

    def apply(self, params: jax.Array, observation: Observation, key: jax.Array) -> jax.Array:
        """Return the parameters."""
        del observation, key
        return params


def timed(function: Callable[[], Any]) -> tuple[float, float]:
    """Return the seconds of a call, and what it returned."""
    start = time.perf_counter()
    value = float(function())
    return time.perf_counter() - start, value


def store_cases(batch: int) -> dict[str, Case]:
    """Return simulation and training of the lost-sales store."""
    simulator, params, sample = store()
    scenario = sample(jax.random.key(0), PERIODS, batch)
    policy = DensePolicy(num_nodes=1, lead_time=LEAD, scale=MEAN)
    weights = policy.init(jax.random.key(2))
    optimizer, update = trainer((simulator, params), policy, CHUNK)
    state = optimizer.init(weights)

    @draingym.jit
    def run(key: jax.Array) -> jax.Array:
        drawn = sample(key, PERIODS, batch)
        return batch_returns(simulator, params, BaseStock(), jnp.float32(28.0), drawn)

    task = SampledTask(
        params=params, simulator=simulator, sample=sample, periods=PERIODS, evaluation_batch=batch
    )
    config = TrainConfig(updates=20, batch_products=batch, evaluate_every=20)

    def through_the_trainer() -> tuple[float, float]:
        found = train_policy(PathwiseGradient(policy=policy), task, config)
        return float(found.seconds[-1]), found.value

    return {
        f"rollouts: store, {batch}": lambda: timed(lambda: run(jax.random.key(1)).mean()),
        f"gradients: store, {batch}": lambda: timed(lambda: update(weights, state, scenario)[2]),
        f"trainer: store, {batch}": through_the_trainer,
    }


def learned_cases() -> dict[str, Case]:
    """Return rollouts of the learned kernel: whole, with their gradient, and step by step."""
    env = make(LEARNED, horizon=HORIZON)
    first = jax.jit(jax.vmap(env.sample))(jax.random.split(jax.random.key(0), PRODUCTS))
    last = jax.jit(batch_last)(first)
    requests = jnp.asarray(0.2 * np.asarray(env.max_action), jnp.float32)

    def value(requests: jax.Array, remat: bool) -> jax.Array:
        returns = batch_returns(env.simulator, env.params, Always(), requests, last, remat=remat)
        return returns.mean()

    forward = draingym.jit(partial(value, remat=False))
    gradient = draingym.jit(jax.value_and_grad(partial(value, remat=True)))
    vector = InventoryVectorEnv(env, PRODUCTS)
    actions = np.full((PRODUCTS, env.num_actions), 0.2, np.float32)

    def steps() -> tuple[float, float]:
        vector.reset(seed=0)
        start, total = time.perf_counter(), 0.0
        for _ in range(HORIZON // 2):
            total += float(vector.step(actions)[1].mean())
        return time.perf_counter() - start, total

    def checked() -> float:
        return float(
            checked_rollouts(env.simulator, env.params, Always(), requests, first)[0].mean()
        )

    return {
        f"rollouts: learned kernel, {PRODUCTS}": lambda: timed(lambda: forward(requests)),
        f"gradients: learned kernel, {PRODUCTS}": lambda: timed(lambda: gradient(requests)[0]),
        f"vector environment: learned kernel, {PRODUCTS}": steps,
        f"checked rollouts: learned kernel, {PRODUCTS}": lambda: timed(checked),
    }


def drain_cases() -> dict[str, Case]:
    """Return training of the drain model: updates and validations after the first."""
    cases: dict[str, Case] = {}
    for batch in (4, 16):
        data = random_data(4 * batch, 52, seed=0)
        config = replace(PRESETS["small"], batch_products=batch, epochs=2, validate_every=1)

        def call(data: Any = data, config: Any = config) -> tuple[float, float]:
            history = train(data, config).history
            return history[-1].seconds - history[0].seconds, history[-1].train_loss

        cases[f"drain training: batch {batch}"] = call
    return cases


def all_cases() -> dict[str, Case]:
    """Return every case."""
    stores = [store_cases(batch) for batch in (1024, 8192)]
    return {**stores[0], **stores[1], **learned_cases(), **drain_cases()}


def serve() -> None:
    """Run the cases that the other process names, a line each."""
    cases = all_cases()
    print(json.dumps(list(cases)), flush=True)
    for line in sys.stdin:
        print(json.dumps(cases[json.loads(line)]()), flush=True)


def served(devices: int) -> tuple[Served, list[str]]:
    """Return a process with some number of devices, and the names of its cases."""
    process = Served(
        [sys.executable, "-m", "benchmarks.cores", "--serving"],
        {"DRAINGYM_DEVICES": str(devices)},
    )
    return process, process.answer()


def measure(case: str, one: Served, every: Served, repeats: int) -> Row:
    """Time a case in both settings, which take turns."""
    times: list[list[float]] = [[], []]
    gap = 0.0
    for repeat in range(repeats + 1):
        found = [process.call(case) for process in (one, every)]
        a, b = (value for _, value in found)
        gap = max(gap, abs(a - b) / max(abs(a), 1e-9))
        if repeat:  # the first compiles
            for column, (seconds, _) in zip(times, found, strict=True):
                column.append(seconds)
    one_core, all_cores = (statistics.median(column) for column in times)
    return {
        "case": case,
        "one core, ms": 1e3 * one_core,
        "all cores, ms": 1e3 * all_cores,
        "times faster": one_core / all_cores,
        "relative difference": gap,
    }


def claims_of(rows: list[Row]) -> list[Claim]:
    """Return a claim for every case: the bar is of rollouts, gradients and drain training."""
    claims = []
    for row in rows:
        kind = row["case"].partition(":")[0]
        what, value = f"{row['case']}, all cores over one", row["times faster"]
        barred = kind in ("rollouts", "gradients", "drain training")
        claims.append(
            at_least(1, what, value, "x", BAR) if barred else figure_only(1, what, value, "x")
        )
    most = max(row["relative difference"] for row in rows)
    return [*claims, at_most(1, "largest difference of results, relative", most, "", TOLERANCE)]


def draw(axes: Any, rows: list[Row]) -> None:
    """Draw what all cores gain."""
    at = np.arange(len(rows))
    axes.barh(at, [row["times faster"] for row in rows])
    axes.axvline(BAR, color="black", linewidth=0.8, linestyle=":")
    axes.set_yticks(at, [row["case"] for row in rows], size=7)
    axes.invert_yaxis()
    axes.set_xlabel(f"times faster on {cores()} cores")


def main(repeats: int = REPEATS, only: str = "", serving: bool = False) -> None:
    """Time all cores over one.

    Args:
        repeats: Calls of each case that are timed.
        only: Cases whose names hold this; nothing is written then.
        serving: Run the cases that are named on standard input.
    """
    if serving:
        serve()
        return
    began = time.perf_counter()
    (one, cases), (every, _) = served(1), served(cores())
    rows = [measure(case, one, every, repeats) for case in cases if only in case]
    for process in (one, every):
        process.close()
    print_table(f"All {cores()} cores over one", rows)
    claims = claims_of(rows)
    print_claims(claims)
    if only:
        return
    save_figure("cores", lambda axes: draw(axes, rows), size=(7.0, 4.0))
    preset = f"1 and {cores()} devices in turns, medians of {repeats} calls"
    write_result("cores", "scale", claims, rows, [0, 1, 2], preset, time.perf_counter() - began)


if __name__ == "__main__":
    tyro.cli(main)
