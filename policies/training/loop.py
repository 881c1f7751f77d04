"""The loop that all trainers share: updates, averages, evaluations, and going on after a stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray

from draingym.common.arrays import short
from draingym.common.config import read_value
from draingym.common.devices import device_mesh
from draingym.common.npz import filled_tree, named_arrays, read_npz, write_npz
from draingym.policies.task import SampledTask, Task, WindowTask
from draingym.policies.training.method import (
    Evaluated,
    Hyper,
    Method,
    NonFiniteGradientError,
    TrainConfig,
    TrainResult,
    hyper_of,
)
from draingym.simulator import Policy, PyTree

STATE = "policy_training.npz"  # a training run's file in its folder
_VERSION = 1
_CHUNK = 10  # most updates of a dispatch


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    """All that the next update depends on, and the best so far."""

    learned: PyTree
    optimiser: optax.OptState
    average: PyTree  # moving average of what is learned
    best: PyTree  # the policy's part of the average with the highest value
    best_value: Float[Array, "*R"]
    scale: Float[Array, "*R"]


def _optimiser(rate: Any, clip_norm: Any) -> optax.GradientTransformation:
    return optax.chain(optax.clip_by_global_norm(clip_norm), optax.adam(rate))


def _one_update(
    method: Method,
    batch: int,
    task: Task,
    total: Array,
    number: Array,
    run: _Run,
    hyper: Hyper,
    key: Array,
) -> tuple[_Run, Array]:
    """Make update ``number`` (from 1) of ``total``; rates fall as a cosine."""
    left = 0.5 * (1.0 + jnp.cos(jnp.pi * (number - 1) / total))
    optimiser = _optimiser(hyper.learning_rate * left, hyper.clip_norm)

    def descend(
        gradient: PyTree, state: optax.OptState, learned: PyTree
    ) -> tuple[PyTree, optax.OptState, Array]:
        step, state = optimiser.update(gradient, state, learned)
        return optax.apply_updates(learned, step), state, optax.tree.norm(gradient)

    learned, state, norm = method.update(
        run.learned, run.optimiser, descend, task, batch, run.scale, jax.random.fold_in(key, number)
    )
    # Young averages move faster: they would remember where training began.
    decay = jnp.minimum(hyper.ema_decay, number / (number + 9.0))
    average = jax.tree.map(lambda new, old: new + decay * (old - new), learned, run.average)
    return replace(run, learned=learned, optimiser=state, average=average), norm


@partial(jax.jit, static_argnames=("method", "batch", "several"), donate_argnames=("run",))
def _advance(
    method: Method,
    batch: int,
    several: bool,
    run: _Run,
    hyper: Hyper,
    task: Task,
    key: Array,
    done: Int[Array, ""],
    until: Int[Array, ""],
    total: Int[Array, ""],
) -> tuple[_Run, Float[Array, "*R chunk"]]:
    """Make the updates after ``done`` up to ``until``, in one dispatch.

    Returns:
        The run, and the norm of every update's gradient; 0 where none was made.
    """
    one = partial(_one_update, method, batch, task, total)
    if several:
        one = jax.vmap(one, in_axes=(None, 0, 0, 0))
    norms = jnp.zeros((*run.scale.shape, _CHUNK))

    def body(number: Array, carry: tuple[_Run, Array]) -> tuple[_Run, Array]:
        run, norms = carry
        run, norm = one(number, run, hyper, key)
        return run, norms.at[..., number - done - 1].set(norm)

    found: tuple[_Run, Array] = jax.lax.fori_loop(done + 1, until + 1, body, (run, norms))
    return found


@partial(jax.jit, static_argnames=("policy", "several"))
def _evaluate(policy: Policy, several: bool, params: PyTree, task: Task, key: Array) -> Array:
    """Return the value of a policy, [R] of several."""

    def one(params: PyTree, key: Array) -> Array:
        return task.evaluate(policy, params, key)

    value: Array = (jax.vmap(one) if several else one)(params, key)
    return value


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
    devices: int = 1,
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
        devices: The scenarios of a batch are shared out over this many devices.

    Returns:
        The best parameters and the learning curve.

    Raises:
        NonFiniteGradientError: If a gradient is not finite.
        ValueError: If the devices are not there or do not divide a batch, or the folder holds the
            state of another run.
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
        devices=1,
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
    devices: int,
) -> list[TrainResult]:
    judge = task if evaluation is None else evaluation
    most = task.products
    batch = config.batch_products if most is None else min(config.batch_products, most)
    if devices != 1:
        task = _shared(task, device_mesh(devices, batch))
    keys = jnp.stack([jax.random.split(jax.random.key(seed), 3) for seed in seeds])
    key_init, key_updates, key_evaluate = (keys[:, i] if several else keys[0, i] for i in range(3))

    def start(key: Array) -> PyTree:
        learned = method.init(key, task, initial)
        return learned, _optimiser(1.0, 1.0).init(learned)

    learned, optimiser = jax.jit(jax.vmap(start) if several else start)(key_init)
    best = method.policy_params(learned)
    first = _evaluate(method.policy, several, best, judge, key_evaluate)
    copy = partial(jax.tree.map, jnp.array)  # no two leaves may share memory that is given away
    run = _Run(
        learned=learned,
        optimiser=optimiser,
        average=copy(learned),
        best=copy(best),
        best_value=jnp.array(first),
        scale=jnp.maximum(jnp.abs(first), 1.0),
    )
    curves = [
        [_start(value, name)] for value, name in zip(_rows(first), _names(seeds), strict=True)
    ]
    stored = None if folder is None else folder / STATE
    facts = _facts(method, config, hyper, seeds, curves)
    if stored is not None and stored.exists():
        run, curves = _load(stored, facts, run)
    elif log is not None:
        for curve in curves:
            log(curve[0] if several else replace(curve[0], run=""))

    done = curves[0][-1].update
    advance = partial(_advance, method, batch, several)
    total = jnp.int32(config.updates)
    began = time.perf_counter()
    run, _ = advance(run, hyper, task, key_updates, jnp.int32(done), jnp.int32(done), total)
    jax.block_until_ready(run)
    compiled = time.perf_counter() - began

    spent, largest = curves[0][-1].seconds, np.zeros(len(seeds))
    per_update = method.rollouts(batch)
    while done < config.updates:
        goal = min(config.updates, (done // config.evaluate_every + 1) * config.evaluate_every)
        until = min(goal, done + _CHUNK)
        began = time.perf_counter()
        run, norms = advance(
            run, hyper, task, key_updates, jnp.int32(done), jnp.int32(until), total
        )
        found = np.asarray(norms).reshape(len(seeds), -1)[:, : until - done]
        spent += time.perf_counter() - began
        _require_finite(found, done, config.updates, seeds)
        largest = np.maximum(largest, found.max(axis=1))
        done = until
        if done == goal:
            current = method.policy_params(run.average)
            value = _evaluate(method.policy, several, current, judge, key_evaluate)
            run = _keep_best(run, value, current)
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
            if stored is not None:
                stored.parent.mkdir(parents=True, exist_ok=True)
                history = [[asdict(point) for point in curve] for curve in curves]
                write_npz(stored, named_arrays(run), {**facts, "history": history})
        if progress is not None:
            progress(done, config.updates)
    return [
        _result(curve, jax.tree.map(lambda x, i=i: x[i], run.best) if several else run.best,
                judge.evaluation_rollouts(), compiled)
        for i, curve in enumerate(curves)
    ]  # fmt: skip


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


def _shared(task: Task, mesh: Any) -> Task:
    if not isinstance(task, WindowTask | SampledTask):
        raise ValueError(f"task is a {type(task).__name__}, must be one of ours to be shared out")
    return replace(task, mesh=mesh)


def _require_finite(norms: NDArray[Any], done: int, updates: int, seeds: list[int]) -> None:
    bad = np.argwhere(~np.isfinite(norms.T))
    if bad.size:
        number, run = bad[0]
        which = f" of seed {seeds[run]}" if len(seeds) > 1 else ""
        raise NonFiniteGradientError(
            f"the gradient's norm is {norms[run, number]} at update {done + number + 1} of "
            f"{updates}{which}"
        )


@jax.jit
def _keep_best(run: _Run, value: Array, current: PyTree) -> _Run:
    better = value > run.best_value

    def choose(new: Array, old: Array) -> Array:
        wide = better.reshape(better.shape + (1,) * (new.ndim - better.ndim))
        return jnp.where(jnp.broadcast_to(wide, new.shape), new, old)

    return replace(
        run,
        best=jax.tree.map(choose, current, run.best),
        best_value=jnp.where(better, value, run.best_value),
    )


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


def _load(path: Path, facts: dict[str, Any], run: _Run) -> tuple[_Run, list[list[Evaluated]]]:
    """Read a state; see ``train_policy``."""
    what = f"training state {path}"
    meta, arrays = read_npz(path, "training state")
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
    for name in values.keys() - flat.keys():
        flat |= {f"{name}.{key}": value for key, value in values[name].items()}
    return flat
