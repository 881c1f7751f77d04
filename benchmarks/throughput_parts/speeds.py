"""How speeds are measured and put beside those of other simulators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import optax

from benchmarks._common import timed
from draingym.common.shared_jit import jit
from draingym.simulator import (
    Params,
    Policy,
    Scenario,
    Simulator,
    batch_returns,
    chunked_value_and_grad,
)
from draingym.simulator.problems.classic import Problem

REPEATS = 9
# The differentiable simulator of hindsight policy optimisation is no package to install: its speed
# was measured on two cores and one thread.
PEER = "PyTorch (HDPO)"
Row = dict[str, Any]


def row(what: str, batch: int, ours: float, peer: str, theirs: float, measured: str) -> Row:
    """Return one comparison; speeds in steps a second."""
    return {
        "problem": what,
        "batch": batch,
        "M steps/s": ours / 1e6,
        "peer": peer,
        "peer's M steps/s": theirs / 1e6,
        "times faster": ours / theirs,
        "peer measured": measured,
    }


def trainer(
    problem: tuple[Simulator, Params], policy: Policy, chunk: int
) -> tuple[Any, Callable[..., Any]]:
    """Return Adam's first state and a jitted update of a policy."""
    optimizer = optax.adam(1e-3)

    def loss(weights: Any, scenario: Scenario) -> jax.Array:
        returns = batch_returns(*problem, policy, weights, scenario, remat=True)
        return -returns.mean() / scenario.series.period.shape[0]

    value_and_grad = chunked_value_and_grad(loss, chunk)

    @jit
    def update(weights: Any, state: Any, scenario: Scenario) -> Any:
        value, gradient = value_and_grad(weights, scenario)
        changes, state = optimizer.update(gradient, state)
        return optax.apply_updates(weights, changes), state, value

    return optimizer, update


def fresh(problem: Problem, policy: Policy, weights: Any, batch: int, periods: int) -> float:
    """Return steps a second of trajectories whose randomness is drawn anew in every call."""
    simulator, params, sample = problem
    keys = iter(jax.random.split(jax.random.key(1), 100))

    @jit
    def run(key: jax.Array, weights: Any) -> jax.Array:
        scenario = sample(key, periods, batch)
        return batch_returns(simulator, params, policy, weights, scenario).mean()

    (wall, _) = timed({"": lambda: run(next(keys), weights)}, REPEATS)[""]
    return batch * periods / wall
