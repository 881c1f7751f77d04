"""The compiled programs of a policy's training: its start, updates, an evaluation, the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from draingym.common.carry import strong
from draingym.common.devices import on_all_devices, sharing
from draingym.policies.task import Task
from draingym.policies.training.method import Hyper, Method
from draingym.simulator import Policy, PyTree

CHUNK = 10  # most updates of a dispatch


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """All that the next update depends on, and the best so far."""

    learned: PyTree
    optimiser: optax.OptState
    average: PyTree  # moving average of what is learned
    best: PyTree  # the policy's part of the average with the highest value
    best_value: Float[Array, "*R"]
    scale: Float[Array, "*R"]


def _optimiser(rate: Any, clip_norm: Any) -> optax.GradientTransformation:
    return optax.chain(optax.clip_by_global_norm(clip_norm), optax.adam(rate))


@partial(jax.jit, static_argnames="several")
def keys_of(several: bool, roots: Sequence[Array]) -> tuple[Array, Array, Array]:
    """Return the keys of initialisation, updates and evaluations, [R] each of several runs."""
    keys = jnp.stack([jax.random.split(root, 3) for root in roots])
    init, updates, evaluations = (keys[:, i] if several else keys[0, i] for i in range(3))
    return init, updates, evaluations


@partial(jax.jit, static_argnames=("method", "several"))
def initial_of(
    method: Method, several: bool, key: Array, task: Task, initial: PyTree | None
) -> tuple[PyTree, optax.OptState]:
    """Return what is learned before the first update, and the optimiser's state."""

    def one(key: Array) -> tuple[PyTree, optax.OptState]:
        learned = strong(method.init(key, task, initial))
        return learned, strong(_optimiser(1.0, 1.0).init(learned))

    made: tuple[PyTree, optax.OptState] = (jax.vmap(one) if several else one)(key)
    return made


@partial(jax.jit, static_argnames="method")
def begin(method: Method, learned: PyTree, optimiser: optax.OptState, first: Array) -> Run:
    """Return the run before the first update, whose policies are worth ``first``."""
    return Run(
        learned=learned,
        optimiser=optimiser,
        average=learned,
        best=method.policy_params(learned),
        best_value=strong(first),
        scale=strong(jnp.maximum(jnp.abs(first), 1.0)),
    )


def _one_update(
    method: Method,
    batch: int,
    task: Task,
    total: Array,
    number: Array,
    run: Run,
    hyper: Hyper,
    key: Array,
) -> tuple[Run, Array]:
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


@partial(jax.jit, static_argnames=("method", "batch", "several", "mesh"))
def advance(
    method: Method,
    batch: int,
    several: bool,
    mesh: Mesh | None,
    run: Run,
    hyper: Hyper,
    task: Task,
    key: Array,
    done: Int[Array, ""],
    until: Int[Array, ""],
    total: Int[Array, ""],
) -> tuple[Run, Float[Array, "*R chunk"]]:
    """Make the updates after ``done`` up to ``until``, in one dispatch, batches over a mesh.

    Returns:
        The run, and the norm of every update's gradient; 0 where none was made.
    """
    one = partial(_one_update, method, batch, task, total)
    if several:
        one = jax.vmap(one, in_axes=(None, 0, 0, 0))
    norms = jnp.zeros((*run.scale.shape, CHUNK))

    def body(number: Array, carry: tuple[Run, Array]) -> tuple[Run, Array]:
        run, norms = carry
        run, norm = one(number, run, hyper, key)
        return run, norms.at[..., number - done - 1].set(norm)

    with sharing(mesh):
        found: tuple[Run, Array] = jax.lax.fori_loop(done + 1, until + 1, body, (run, norms))
        return on_all_devices(found)


@partial(jax.jit, static_argnames=("policy", "several", "mesh"))
def evaluate(
    policy: Policy, several: bool, mesh: Mesh | None, params: PyTree, task: Task, key: Array
) -> Array:
    """Return the value of a policy, [R] of several."""

    def one(params: PyTree, key: Array) -> Array:
        return task.evaluate(policy, params, key)

    with sharing(mesh):
        value: Array = (jax.vmap(one) if several else one)(params, key)
        return on_all_devices(value)


@jax.jit
def keep_best(run: Run, value: Array, current: PyTree) -> Run:
    """Keep a policy that is worth more than the best so far."""
    better = value > run.best_value

    def choose(new: Array, old: Array) -> Array:
        wide = better.reshape(better.shape + (1,) * (new.ndim - better.ndim))
        return jnp.where(jnp.broadcast_to(wide, new.shape), new, old)

    return replace(
        run,
        best=jax.tree.map(choose, current, run.best),
        best_value=jnp.where(better, value, run.best_value),
    )
