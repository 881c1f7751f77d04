"""Off-policy validation: what policies do in the simulator, the oracle and the hidden truth.

``validate`` runs them; ``draingym.policies.validation.agreement`` compares the columns,
``draingym.policies.validation.verdict`` says in words what follows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import jax
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from draingym.common.bootstrap import Interval, draw_means, interval
from draingym.drain_model.outside import Outside, outside_notes
from draingym.oracle.replays.environment import run
from draingym.oracle.systems import Systems
from draingym.policies.validation.checked import checked_rollouts
from draingym.policies.validation.kept import KeptRun, KeptRuns
from draingym.policies.validation.one_step import OneStep
from draingym.simulator import (
    Params,
    Policy,
    PyTree,
    Scenario,
    Simulator,
    Transition,
    Windows,
    window,
)
from draingym.world.views import Views

COLUMNS = ("simulator", "oracle", "truth")

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayedWorld:
    """Systems, and the views they serve: what makes the difference of oracle and truth."""

    systems: Systems
    views: Sequence[Views]  # one a replication


@dataclass(frozen=True, kw_only=True, slots=True)
class Validation:
    """What policies did in each column, on the same periods with common random numbers.

    ``K`` policies, ``C`` columns, ``R`` replications, ``P`` products that judge, ``T`` periods.
    """

    names: tuple[str, ...]  # K policies
    columns: tuple[str, ...]  # C of ``COLUMNS``: without a truth, the first two
    rewards: FloatArray  # [K, C, R, P, T] currency, discounted
    stock: NDArray[np.float32]  # [K, C, P, T, N] units at a period's end, mean over replications
    start: int  # first period
    notes: tuple[str, ...] = ()  # what a report must say, such as overlap with training
    one_step: FloatArray | None = None  # [K, P] CRPS of the drain on states visited in the oracle
    one_step_units: FloatArray | None = None  # [K, P] units shipped in the same entries
    one_step_log: float | None = None  # CRPS over units on the log's own states, same periods
    outside: tuple[Outside, ...] = ()  # what lies beyond what the drain model was trained on

    @property
    def horizon(self) -> int:
        """Periods, ``T``."""
        return int(self.rewards.shape[-1])

    @property
    def values(self) -> FloatArray:
        """[K, C, R, P] discounted returns, currency."""
        total: FloatArray = self.rewards.sum(axis=-1)
        return total

    def of(self, name: str, column: str) -> FloatArray:
        """Return [R, P] returns of a policy in a column.

        Raises:
            ValueError: If there is no such policy or column.
        """
        for what, known, found in (("policy", self.names, name), ("column", self.columns, column)):
            if found not in known:
                raise ValueError(f"{what} is {found!r}, must be one of {', '.join(known)}")
        found_values: FloatArray = self.rewards[
            self.names.index(name), self.columns.index(column)
        ].sum(axis=-1)
        return found_values

    def estimate(self, name: str, column: str) -> Interval:
        """Return a policy's mean value a product in a column."""
        return _mean(self.of(name, column))

    def difference(self, name: str, baseline: str, column: str) -> Interval:
        """Return the mean paired difference of two policies' values in one column."""
        return _mean(self.of(name, column) - self.of(baseline, column))

    def select(self, names: Sequence[str]) -> Validation:
        """Return the same validation of some of the policies."""
        which = [self.names.index(name) for name in names]
        return replace(
            self,
            names=tuple(names),
            rewards=self.rewards[which],
            stock=self.stock[which],
            one_step=None if self.one_step is None else self.one_step[which],
            one_step_units=None if self.one_step_units is None else self.one_step_units[which],
        )


@jax.jit
def _of(scenario: Scenario, which: Array) -> Scenario:
    """Return the scenarios of some products."""
    some: Scenario = jax.tree.map(lambda leaf: leaf[which], scenario)
    return some


def _mean(values: FloatArray) -> Interval:
    return interval(float(values.mean()), draw_means(values[None])[:, 0])


def validate(
    policies: Mapping[str, tuple[Policy, PyTree]],
    simulator: Simulator,
    params: Params,
    windows: Windows,
    horizon: int,
    oracle: ReplayedWorld,
    truth: ReplayedWorld | None = None,
    *,
    judges: Sequence[int] | NDArray[np.int64] | None = None,
    one_step: OneStep | None = None,
    notes: Sequence[str] = (),
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    folder: Path | None = None,
) -> Validation:
    """Run every policy in simulator, oracle and, where it is known, the hidden truth.

    Lead times and roundings of a replication are the same for all policies and in all columns;
    the customers of a replication are the same for all policies in a column.

    Args:
        policies: Policies and their parameters, by name.
        simulator: Dynamics and drain kernel.
        params: Their parameters.
        windows: Its first window is the test window.
        horizon: Periods.
        oracle: Knows the log: rates estimated from it, latents drawn given it.
        truth: Knows the latents; none for real data.
        judges: Indices of the products that count, such as those held out of every fit; all when
            not given. In oracle and truth all products run, which share boxes and capacity; in the
            simulator, where none knows of another, those alone.
        one_step: Scores the drain model on the states that policies visit in the oracle, and says
            which products that judge, and which places, are beyond what it was trained on.
        notes: What a report must say (``draingym.policies.validation.overlap``).
        seed: Of all random numbers.
        workers: Oracle runs at a time, in threads; the number of cores when not given. The result
            is the same for any number.
        progress: Called with (runs done, runs).
        folder: Keeps the runs of oracle and truth: the same call goes on after those that are done.

    Returns:
        Rewards and stock by policy, column, product and period.

    Raises:
        ValueError: If there is no policy, oracle and truth do not have the same number of
            replications, or a policy requests units that are negative or not finite, naming it.
    """
    worlds = {"oracle": oracle} if truth is None else {"oracle": oracle, "truth": truth}
    replications = len(oracle.views)
    for world in worlds.values():
        if len(world.views) != replications or replications == 0:
            raise ValueError(
                f"oracle has {replications} replications, truth {len(world.views)}, must be the "
                "same, at least 1"
            )
    if not policies:
        raise ValueError("policies is empty, must hold at least 1")
    which = np.arange(windows.num_products) if judges is None else np.asarray(judges, np.int64)
    columns = ("simulator", *worlds)
    total = len(policies) * replications * len(columns)
    shape = (len(policies), len(columns), replications, len(which), horizon)
    rewards = np.zeros(shape)
    nodes = windows.lead_time.shape[0]
    stock = np.zeros((*shape[:2], *shape[3:], nodes), np.float32)
    drawn = []
    for r in range(replications):
        key_noise, key_policy = jax.random.split(jax.random.fold_in(jax.random.key(seed), r))
        drawn.append((window(windows, 0, horizon, key_noise), key_policy))
    weight = float(params.discount) ** np.arange(horizon)
    done = 0
    scoring = Lock()  # one at a time: it is the network's turn, which has all cores

    def ran(moves: Transition, rows: NDArray[np.int64]) -> KeptRun:
        return KeptRun(
            rewards=np.asarray(moves.reward, np.float64)[rows] * weight,
            stock=np.asarray(moves.on_hand, np.float32)[rows],
            score=np.zeros((2, len(rows))),
        )

    def keep(p: int, c: int, r: int, found: KeptRun) -> None:
        nonlocal done
        rewards[p, c, r] = found.rewards
        stock[p, c] += found.stock / replications
        done += 1
        if progress is not None:
            progress(done, total)

    # The simulator first: it is fast, and finds policies that cannot be run.
    own = drawn if judges is None else [(_of(scenario, which), key) for scenario, key in drawn]
    for p, (name, (policy, policy_params)) in enumerate(policies.items()):
        for r, (scenario, key) in enumerate(own):
            try:
                _, moves = checked_rollouts(simulator, params, policy, policy_params, scenario, key)
            except ValueError as error:
                raise ValueError(f"policy {name!r} in the simulator: {error}") from error
            keep(p, 0, r, ran(moves, np.arange(len(which))))

    kept = None if folder is None else KeptRuns(folder, worlds)

    def in_world(p: int, name: str, c: int, r: int) -> tuple[int, int, int, KeptRun]:
        policy, policy_params = policies[name]
        scored = one_step is not None and c == 1 and r == 0
        size = (len(which), horizon, nodes)
        path = None
        if kept is not None:
            told = (seed, which.tolist(), scored, getattr(one_step, "samples", 0))
            path = kept.path(columns[c], r, rewards[p, 0, r], told)
            before = kept.read(path, size)
            if before is not None:
                return p, c, r, before
        world, (scenario, key) = worlds[columns[c]], drawn[r]
        try:
            moves = run(
                world.systems,
                world.views[r],
                params,
                policy,
                policy_params,
                scenario,
                dynamics=simulator.dynamics,
                key=key,
                seed=seed + r,
            ).trajectory.transitions
        except ValueError as error:
            raise ValueError(f"policy {name!r} in the {columns[c]}: {error}") from error
        found = ran(moves, which)
        if one_step is not None and scored:
            with scoring:
                found = replace(found, score=np.stack(one_step.score(moves, which)))
        if kept is not None and path is not None:
            kept.write(path, found)
        return p, c, r, found

    scores = np.zeros((2, len(policies), len(which)))
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        jobs = [
            pool.submit(in_world, p, name, c, r)
            for p, name in enumerate(policies)
            for c in range(1, len(columns))
            for r in range(replications)
        ]
        try:
            for job in as_completed(jobs):
                p, c, r, found = job.result()
                keep(p, c, r, found)
                if one_step is not None and c == 1 and r == 0:
                    scores[:, p] = found.score
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    outside = () if one_step is None else one_step.outside(which)
    return Validation(
        names=tuple(policies),
        columns=columns,
        rewards=rewards,
        stock=stock,
        start=int(windows.start[0]),
        notes=(*notes, *(outside_notes(outside, one_step.log.products(which)) if one_step else ())),
        outside=outside,
        one_step=None if one_step is None else scores[0],
        one_step_units=None if one_step is None else scores[1],
        one_step_log=None if one_step is None else one_step.of_log(which),
    )
