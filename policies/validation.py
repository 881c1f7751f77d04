"""Off-policy validation: the value of a policy in the simulator, the oracle and the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jax
import numpy as np
from numpy.typing import NDArray

from drain_model.resampling import bootstrap
from oracle.environment import run
from oracle.systems import Systems
from policies.evaluate import simulated_values
from simulator import Params, Policy, PyTree, Simulator, Windows, discounted_return, window
from world.views import Views

COLUMNS = ("simulator", "oracle", "truth")

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A mean over products, with a bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Validation:
    """Values of policies in three worlds, on the same periods with common random numbers."""

    names: tuple[str, ...]  # policies
    values: FloatArray  # [policy, column, replication, product] currency over the horizon
    horizon: int  # periods

    def estimate(self, name: str, column: str) -> Estimate:
        """Return a policy's mean value over products in one column."""
        return _estimate(self._products(name, column))

    def difference(self, name: str, baseline: str, column: str) -> Estimate:
        """Return the mean paired difference of two policies' values in one column."""
        return _estimate(self._products(name, column) - self._products(baseline, column))

    def _products(self, name: str, column: str) -> FloatArray:
        which = self.values[self.names.index(name), COLUMNS.index(column)]
        averaged: FloatArray = which.mean(axis=0)
        return averaged


def _estimate(values: FloatArray) -> Estimate:
    found = bootstrap(values, np.ones_like(values), resamples=2000)
    return Estimate(mean=found.value, low=found.low, high=found.high)


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """Systems, and the views they serve: what makes the difference of oracle and truth."""

    systems: Systems
    views: Sequence[Views]  # one a replication


def validate(
    policies: Mapping[str, tuple[Policy, PyTree]],
    simulator: Simulator,
    params: Params,
    windows: Windows,
    horizon: int,
    oracle: World,
    truth: World,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Validation:
    """Run every policy in simulator, oracle and hidden truth on the same periods.

    Lead times and roundings of a replication are the same for all policies and in all columns;
    the customers of a replication are the same for all policies in a column.

    Args:
        policies: Policies and their parameters, by name.
        simulator: Dynamics and drain kernel.
        params: Their parameters.
        windows: Its first window is the test window.
        horizon: Periods.
        oracle: Knows the log: rates estimated from it, latents drawn given it.
        truth: Knows the latents.
        seed: Of all random numbers.
        progress: Called with (runs done, runs).

    Returns:
        Values by policy, column, replication and product.

    Raises:
        ValueError: If oracle and truth do not have the same number of replications.
    """
    replications = len(oracle.views)
    if len(truth.views) != replications or replications == 0:
        raise ValueError(
            f"oracle has {replications} replications, truth {len(truth.views)}: must be the "
            "same, at least 1"
        )
    total = len(policies) * replications * len(COLUMNS)
    values = np.zeros((len(policies), len(COLUMNS), replications, windows.num_products))
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    for p, (policy, policy_params) in enumerate(policies.values()):
        simulate = jax.jit(
            lambda scenario, params, policy_params, key, policy=policy: simulated_values(
                simulator, params, policy, policy_params, scenario, key
            )
        )
        for r in range(replications):
            key_noise, key_policy = jax.random.split(jax.random.fold_in(jax.random.key(seed), r))
            scenario = window(windows, 0, horizon, key_noise)
            values[p, 0, r] = simulate(scenario, params, policy_params, key_policy)
            advance()
            for column, world in ((1, oracle), (2, truth)):
                moves = run(
                    world.systems,
                    world.views[r],
                    params,
                    policy,
                    policy_params,
                    scenario,
                    key=key_policy,
                    seed=seed + r,
                ).trajectory.transitions
                values[p, column, r] = discounted_return(params, moves)
                advance()
    return Validation(names=tuple(policies), values=values, horizon=horizon)
