"""The loop that all trainers share: updates, averages, evaluations, and going on after a stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array

from draingym.common.arrays import short
from draingym.common.carry import strong
from draingym.common.config import read_value
from draingym.common.devices import placed, training_mesh, whole
from draingym.common.npz import filled_tree, named_arrays, read_npz, write_npz
from draingym.common.processes import as_first_sees, first_may_write, is_first
from draingym.common.runs import BEGIN_ANEW
from draingym.common.shared_jit import gathered
from draingym.policies.task import Task, placed_task
from draingym.policies.training import programs
from draingym.policies.training.diagnosis import blame
from draingym.policies.training.method import (
    Evaluated,
    Hyper,
    Method,
    NonFiniteGradientError,
    TrainConfig,
    TrainResult,
    hyper_of,
)
from draingym.simulator import PyTree

STATE = "policy_training.npz"  # a training run's file in its folder
_VERSION = 1


def train_policy(
    method: Method,
    task: Task,
    config: TrainConfig | None = None,
    *,
    initial: PyTree | None = None,
    evaluation: Task | None = None,
    progress: Callable[[int, int], None] | None = None,
    log: Callable[[Evaluated], None] | None = None,
    folder: Path | None = None,
    devices: int | None = None,
) -> TrainResult:
    """Train a policy by any method.

    All evaluations are on draws that stay the same, and the best parameters are kept.

    With a folder, the state is written to it after every evaluation, and the same call goes on
    from there: what it finds is bit for bit what an uninterrupted run finds.

    Args:
        method: Such as ``PathwiseGradient``, ``PPO``, ``EvolutionStrategy``, ``ScoreFunction``.
        task: What is trained on.
        config: Sizes and rates.
        initial: Parameters of the policy to start from; ``policy.init`` when not given.
        evaluation: What is evaluated on; the task itself when not given.
        progress: Called with (updates done, updates).
        log: Called after every evaluation, such as ``draingym.common.logs.ScalarLog(folder)``.
        folder: Of ``policy_training.npz``; nothing is written when not given.
        devices: The scenarios of a batch are shared out over this many devices: over all cores of a
            processor, or all GPUs, where the batch pays for it, when not given. What is found is
            the same, up to the rounding of sums.

    Returns:
        The best parameters and the learning curve.

    Raises:
        NonFiniteGradientError: If a gradient is not finite.
        ValueError: If the devices are not there, or the folder holds the state of another run.
    """
    config = TrainConfig() if config is None else config
    return _train(
        method,
        task,
        config,
        hyper_of(config),
        [config.seed],
        several=False,
        initial=initial,
        evaluation=evaluation,
        progress=progress,
        log=log,
        folder=folder,
        devices=devices,
    )[0]


def train_policies(
    method: Method,
    task: Task,
    config: TrainConfig | None = None,
    *,
    seeds: Sequence[int],
    hyper: Hyper | None = None,
    initial: PyTree | None = None,
    evaluation: Task | None = None,
    progress: Callable[[int, int], None] | None = None,
    log: Callable[[Evaluated], None] | None = None,
    folder: Path | None = None,
) -> list[TrainResult]:
    """Train several policies at once, by ``vmap``: of several seeds, rates, or both.

    Run r is what ``train_policy`` finds with ``seeds[r]`` and the r-th rates, up to rounding.

    Args:
        method: As of ``train_policy``.
        task: What is trained on.
        config: Sizes, and rates where ``hyper`` is not given; its seed is not used.
        seeds: One a run.
        hyper: Leaves [R], or scalars that all runs share.
        initial: As of ``train_policy``; the same for all.
        evaluation: As of ``train_policy``.
        progress: As of ``train_policy``.
        log: As of ``train_policy``; called for every run, whose name is its number and seed.
        folder: As of ``train_policy``.

    Returns:
        A result for every run. Their seconds are those of all runs together.

    Raises:
        NonFiniteGradientError: If a gradient of one of them is not finite.
        ValueError: If there is no seed, or rates of another number than seeds, or the folder holds
            the state of other runs.
    """
    config = TrainConfig() if config is None else config
    if len(seeds) == 0:
        raise ValueError("seeds is empty, must hold at least 1")
    shared = hyper_of(config) if hyper is None else hyper
    for name in ("learning_rate", "clip_norm", "ema_decay"):
        shape = jnp.shape(getattr(shared, name))
        if shape not in ((), (len(seeds),)):
            raise ValueError(f"hyper.{name} has shape {shape}, must be () or ({len(seeds)},)")
    each = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(seeds),)), shared)
    return _train(
        method,
        task,
        config,
        each,
        list(seeds),
        several=True,
        initial=initial,
        evaluation=evaluation,
        progress=progress,
        log=log,
        folder=folder,
        devices=None,
    )


def _train(
    method: Method,
    task: Task,
    config: TrainConfig,
    hyper: Hyper,
    seeds: list[int],
    *,
    several: bool,
    initial: PyTree | None,
    evaluation: Task | None,
    progress: Callable[[int, int], None] | None,
    log: Callable[[Evaluated], None] | None,
    folder: Path | None,
    devices: int | None,
) -> list[TrainResult]:
    if folder is not None:
        first_may_write(folder)
    judge = task if evaluation is None else evaluation
    most = task.products
    batch = config.batch_products if most is None else min(config.batch_products, most)
    mesh = _mesh_of(task, batch, len(seeds), devices)
    where = whole(mesh)
    roots = [jax.random.key(seed) for seed in seeds]
    key_init, key_updates, key_evaluate = programs.keys_of(several, roots)
    value_of = partial(programs.evaluate, method.policy, several, mesh)

    learned, optimiser = strong(
        programs.initial_of(method, several, key_init, task, initial), where
    )
    given = task
    hyper = placed(hyper, mesh)  # once, and not in every call
    task, judge = placed_task(task, mesh), placed_task(judge, mesh)
    first = value_of(method.policy_params(learned), judge, key_evaluate)
    run = programs.begin(method, learned, optimiser, first)
    curves = [
        [_start(value, name)] for value, name in zip(_rows(first), _names(seeds), strict=True)
    ]
    stored = None if folder is None else folder / STATE
    facts = _facts(method, config, hyper, seeds, curves)
    with as_first_sees(stored) as found_state:
        if found_state is not None:
            run, curves = _load(found_state, facts, run)
    if found_state is None and log is not None:
        for curve in curves:
            log(curve[0] if several else replace(curve[0], run=""))

    run = strong(run, where)
    done = curves[0][-1].update
    advance = partial(programs.advance, method, batch, several, mesh)
    total = jnp.int32(config.updates)
    began = time.perf_counter()
    run, _ = advance(run, hyper, task, key_updates, jnp.int32(done), jnp.int32(done), total)
    jax.block_until_ready(run)
    compiled = time.perf_counter() - began

    spent, largest = curves[0][-1].seconds, np.zeros(len(seeds))
    per_update = method.rollouts(batch)
    while done < config.updates:
        goal = min(config.updates, (done // config.evaluate_every + 1) * config.evaluate_every)
        until = min(goal, done + programs.CHUNK)
        began = time.perf_counter()
        before = run
        run, norms = advance(
            before, hyper, task, key_updates, jnp.int32(done), jnp.int32(until), total
        )
        found = np.asarray(norms).reshape(len(seeds), -1)[:, : until - done]
        spent += time.perf_counter() - began
        bad = np.argwhere(~np.isfinite(found.T))
        if bad.size:
            number, which = (int(i) for i in bad[0])
            last, _ = advance(
                before, hyper, task, key_updates, jnp.int32(done), jnp.int32(done + number), total
            )
            learned, key = last.learned, key_updates
            if several:
                learned, key = jax.tree.map(lambda leaf, i=which: leaf[i], (learned, key))
            norm, update = float(found[which, number]), done + number + 1
            name = f" of seed {seeds[which]}" if several else ""
            raise NonFiniteGradientError(
                f"the gradient's norm is {norm} at update {update} of {config.updates}{name}: "
                + blame(method, given, gathered(learned), batch, jax.random.fold_in(key, update))
            )
        largest = np.maximum(largest, found.max(axis=1))
        done = until
        if done == goal:
            current = method.policy_params(run.average)
            value = value_of(current, judge, key_evaluate)
            run = programs.keep_best(run, value, current)
            for curve, one, best_value, norm in zip(
                curves, _rows(value), _rows(run.best_value), largest, strict=True
            ):
                point = Evaluated(
                    update=done,
                    value=one,
                    best=best_value,
                    gradient_norm=float(norm),
                    rollouts=done * per_update,
                    periods=done * per_update * task.periods,
                    seconds=spent,
                    run=curve[0].run,
                )
                curve.append(point)
                if log is not None:
                    log(point if several else replace(point, run=""))
            largest = np.zeros(len(seeds))
            if stored is not None and is_first():
                stored.parent.mkdir(parents=True, exist_ok=True)
                history = [[asdict(point) for point in curve] for curve in curves]
                write_npz(stored, named_arrays(run), {**facts, "history": history})
        if progress is not None:
            progress(done, config.updates)
    best = [gathered(run.best)]
    if several:
        rows = jax.tree.map(np.asarray, run.best)
        best = [jax.tree.map(lambda x, i=i: jax.device_put(x[i]), rows) for i in range(len(seeds))]
    return [
        _result(curve, params, judge.evaluation_rollouts(), compiled)
        for curve, params in zip(curves, best, strict=True)
    ]


def _names(seeds: list[int]) -> list[str]:
    return [f"run {i} seed {seed}" for i, seed in enumerate(seeds)]


def _rows(values: Array) -> list[float]:
    return [float(value) for value in np.ravel(np.asarray(values))]


def _start(value: float, name: str) -> Evaluated:
    return Evaluated(
        update=0,
        value=value,
        best=value,
        gradient_norm=0.0,
        rollouts=0,
        periods=0,
        seconds=0.0,
        run=name,
    )


def _result(
    curve: list[Evaluated], best: PyTree, evaluation_rollouts: int, compiled: float
) -> TrainResult:
    return TrainResult(
        params=best,
        value=curve[-1].best,
        updates=np.array([point.update for point in curve]),
        curve=np.array([point.value for point in curve]),
        rollouts=curve[-1].rollouts + len(curve) * evaluation_rollouts,
        periods=np.array([point.periods for point in curve]),
        seconds=np.array([point.seconds for point in curve]),
        compile_seconds=compiled,
    )


def _mesh_of(task: Task, batch: int, runs: int, devices: int | None) -> Mesh | None:
    """Return what shares out the batches of so many runs at once."""
    shapes = jax.eval_shape(lambda key: task.draw(key, batch), jax.random.key(0))
    return training_mesh(devices, batch, runs * sum(leaf.size for leaf in jax.tree.leaves(shapes)))


def _facts(
    method: Method,
    config: TrainConfig,
    hyper: Hyper,
    seeds: list[int],
    curves: list[list[Evaluated]],
) -> dict[str, Any]:
    """Return what says that a state is one of this run.

    The first evaluation stands for the data and for everything about the policy: it takes part in
    all of them, and is compared bit for bit.
    """
    return {
        "version": _VERSION,
        "method": type(method).__name__,
        "config": asdict(config),
        "seeds": seeds,
        "rates": {f: np.ravel(getattr(hyper, f)).tolist() for f in Hyper.__dataclass_fields__},
        "value of the first policy": [curve[0].value for curve in curves],
    }


def _load(
    path: Path, facts: dict[str, Any], run: programs.Run
) -> tuple[programs.Run, list[list[Evaluated]]]:
    """Read a state; see ``train_policy``."""
    what = f"training state {path}"
    meta, arrays = read_npz(path, "training state", BEGIN_ANEW)
    found = _flat(meta if isinstance(meta, dict) else {})
    for name, bound in _flat(facts).items():
        if found.get(name) != bound:
            raise ValueError(f"{what}: {name} is {short(found.get(name))}, must be {short(bound)}")
    curves = read_value(tuple[tuple[Evaluated, ...], ...], found.get("history"), f"{what}: history")
    if [bool(curve) for curve in curves] != [True] * len(facts["seeds"]):
        raise ValueError(f"{what}: history has {len(curves)} curves, must have one for each seed")
    return filled_tree(run, arrays, what), [list(curve) for curve in curves]


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Return values by name, and the entries of mappings by the names of both."""
    flat = {name: value for name, value in values.items() if not isinstance(value, dict)}
    for name, entries in values.items():
        if isinstance(entries, dict):
            flat |= {f"{name}.{key}": value for key, value in entries.items()}
    return flat
