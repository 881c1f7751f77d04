"""Serial lines and a warehouse with stores, beside printed figures and beside other packages."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks._common import timed
from benchmarks._peers import LOOPS
from benchmarks.throughput_parts.dense_policy import DensePolicy
from benchmarks.throughput_parts.speeds import PEER, Row, fresh, row, trainer
from benchmarks.throughput_parts.store import MEAN, PERIODS
from draingym.simulator import (
    Observation,
    Params,
    Poisson,
    Policy,
    Scenario,
    Simulator,
    batch_returns,
    serial_in_transit,
    serial_line,
    transshipment,
)
from draingym.simulator.scenarios.demand import Normal

# Of ``PEER``: batch, and steps a second of simulation and of training.
PRINTED = {"serial": (8192, 5.5e6, 1.38e6), "stores": (1024, 1.95e6, 26e3)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fixed:
    """Requests the same in every period."""

    units: float

    def init(self, key: jax.Array) -> None:
        """Return no parameters."""
        del key

    def apply(self, params: None, observation: Observation, key: jax.Array) -> jax.Array:
        """Return ``units`` for every arc."""
        del params, key
        return jnp.full_like(observation.pipeline, self.units, shape=observation.pipeline.shape[1:])


def simulated(simulator: Simulator, params: Params, scenario: Scenario) -> jax.Array:
    """Return the mean return of requests that stay the same."""
    return batch_returns(simulator, params, Fixed(units=MEAN), None, scenario).mean()


def tree_functions(key: str, batch: int, chunk: int | None = None) -> dict[str, Callable[[], Any]]:
    """Return simulation and training of a problem.

    Args:
        key: ``serial``, or ``stores`` for one warehouse with five.
        batch: Trajectories.
        chunk: Of the gradient; the problem's own when not given.
    """
    means = (3.4, 4.2, 5.0, 5.8, 6.6)
    demand = Normal(means=means, sds=tuple(0.3 * m for m in means), correlation=0.5)
    if key == "serial":
        problem, cached = serial_line(), 256
        policy = DensePolicy(num_nodes=4, lead_time=4, scale=MEAN)
    else:
        problem, cached = transshipment(demand=demand), 512
        policy = DensePolicy(num_nodes=6, lead_time=3, scale=MEAN, width=512)
    simulator, params, sample = problem
    scenario = sample(jax.random.key(0), PERIODS, batch)
    run = jax.jit(partial(simulated, simulator, params))
    optimizer, update = trainer((simulator, params), policy, chunk or cached)
    weights = policy.init(jax.random.key(0))
    held = (weights, optimizer.init(weights))
    return {
        "simulation": partial(run, scenario),
        "training": partial(update, *held, scenario),
    }


def tree_rows() -> list[Row]:
    """Return the serial line and the warehouse with stores, beside printed figures."""
    names = {"serial": "four-stage serial line", "stores": "warehouse with 5 stores, 3 x 512"}
    rows = []
    for key, said in names.items():
        batch, *printed = PRINTED[key]
        found = timed(tree_functions(key, batch), 5)
        for (name, (wall, _)), speed in zip(found.items(), printed, strict=True):
            steps = batch * PERIODS
            rows.append(row(f"{said}, {name}", batch, steps / wall, PEER, speed, "printed"))
    return rows


def peer_rows(folder: Path | None) -> list[Row]:
    """Return the nearest equal problems of other environments, demand drawn anew every run."""
    customers = Poisson(rate=20.0)
    three = serial_line(
        lead_times=(10, 5, 3), holding_cost=(0.05, 0.1, 0.15), unmet_cost=0.1, demand=customers
    )
    four = serial_line(
        lead_times=(1, 4, 4), holding_cost=(0.01, 0.02, 0.03), unmet_cost=0.1, demand=customers
    )

    def holding(simulator: Simulator) -> Simulator:
        """They also owe each other what they could not ship."""
        return replace(simulator, dynamics=replace(simulator.dynamics, hold_requests=True))

    owing = {
        "or-gym": (holding(three[0]), *three[1:]),
        "gym-invmgmt": (holding(four[0]), *four[1:]),
        "stockpyl": serial_in_transit(),
    }
    rows = []
    for name, problem in owing.items():
        policy: Policy = Fixed(units=5.0 if name == "stockpyl" else 20.0)
        ours = fresh(problem, policy, None, 8192, 30)
        theirs, measured = LOOPS[name].printed, "printed"
        if folder is not None:
            try:
                theirs = LOOPS[name].rate(folder)
                measured = "in this run"
            except (OSError, subprocess.CalledProcessError) as error:
                measured = f"printed ({type(error).__name__})"
        rows.append(row(f"three-stage line ({name}'s)", 8192, ours, name, theirs, measured))
    return rows
