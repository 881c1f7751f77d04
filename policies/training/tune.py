"""Tuning of policies with a few numbers: global search over rollouts in the simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float
from numpy.typing import NDArray
from scipy.optimize import Bounds, differential_evolution
from scipy.stats import qmc

from draingym.common.arrays import require_seed, require_whole
from draingym.common.config import require_fields
from draingym.common.devices import cores_mesh, over_devices, placed, sharing
from draingym.policies.task import Task
from draingym.simulator import Policy, PyTree

# Differential evolution makes a candidate of four others at least.
_SMALLEST_POPULATION = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class TuneConfig:
    """How long a search is."""

    population: int = 5  # candidates of a generation, per parameter
    generations: int = 8
    seed: int = 0
    # In place of the generations: rollouts of one scenario, such as those that training took
    # (``TrainResult.rollouts``). The population shrinks where it has to.
    rollouts: int | None = None

    def __post_init__(self) -> None:
        """Refuse an empty search."""
        require_fields(self)
        require_whole("population", self.population, low=1, high=10_000)
        require_whole("generations", self.generations, low=1, high=100_000)
        if self.rollouts is not None:
            require_whole("rollouts", self.rollouts, low=1, high=10**12)
        require_seed(self.seed)

    def size(self, parameters: int, rollouts_each: int) -> tuple[int, int]:
        """Return how many candidates a generation has, and how many generations follow the first.

        Args:
            parameters: That are searched.
            rollouts_each: Rollouts that a candidate takes.

        Raises:
            ValueError: If the rollouts do not suffice for two smallest generations.
        """
        members = max(self.population * parameters, _SMALLEST_POPULATION)
        if self.rollouts is None:
            return members, self.generations
        candidates = self.rollouts // rollouts_each
        if candidates < 2 * _SMALLEST_POPULATION:
            least = 2 * _SMALLEST_POPULATION * rollouts_each
            raise ValueError(f"rollouts is {self.rollouts}, must be at least {least}")
        members = min(members, max(candidates // 6, _SMALLEST_POPULATION))
        return members, candidates // members - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class TuneResult:
    """The best parameters found, and how the search went.

    >>> found = TuneResult(params=12.0, value=-3.1, curve=np.array([-9.0, -3.1]), rollouts=2000)
    >>> bool(found.value == found.curve.max())
    True
    """

    params: PyTree
    value: float  # currency, in the simulator: what ``Task.evaluate`` returns
    curve: NDArray[np.float64]  # [generations] best value so far
    rollouts: int  # of one scenario, such as a product in a window


def tune(
    task: Task,
    policy: Policy,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]],
    config: TuneConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TuneResult:
    """Search a box of parameters for the highest mean return, with common random numbers.

    Differential evolution (scipy), over the logarithm of every parameter whose lower bound is
    above 0; every candidate is evaluated on the same draws of the task (all windows and products of
    a ``WindowTask``), a generation in one jitted call whose candidates all cores share. The last
    third of the generations looks around the best candidate along every axis, with steps that halve
    where nothing better is found: evolution alone may settle where one parameter hides another.

    Args:
        task: What policies are valued on: ``WindowTask``, ``SampledTask``, or an environment's by
            ``task_of``.
        policy: Its parameters are a flat dataclass of numbers or vectors, or one of either.
        bounds: Lower and upper bound of each of its fields, by name; ``""`` where the parameters
            are no dataclass. A pair of numbers holds for all entries of a vector.
        config: Length of the search.
        progress: Called with (generations done, generations).

    Returns:
        The best parameters found.

    Raises:
        ValueError: If the bounds do not name the policy's fields, or are not in order, or no
            candidate has a finite value.

    Source:
        Storn and Price (1997), through ``scipy.optimize.differential_evolution``; Hooke and Jeeves
        (1961) for the end of the search.
    """
    config = TuneConfig() if config is None else config
    example = policy.init(jax.random.key(0))
    box = _box(example, bounds)
    _, unravel = ravel_pytree(example)
    key = jax.random.key(config.seed)
    each = task.evaluation_rollouts()
    members, generations = config.size(len(box.low), each)
    shapes = jax.eval_shape(lambda: task.draw(key, 1))
    entries = each * sum(leaf.size for leaf in jax.tree.leaves(shapes))
    mesh = cores_mesh(members, members * entries)
    task, key = placed((task, key), mesh)

    rollouts = 0
    curve: list[float] = []

    def objective(columns: NDArray[np.float64], /) -> Any:
        nonlocal rollouts
        candidates = columns.T if columns.ndim == 2 else columns[None]
        rollouts += len(candidates) * each
        batch = box.values(candidates).astype(np.float32)
        costs = _costs(policy, mesh, batch, task, key)
        found = np.asarray(costs, dtype=np.float64)
        return np.where(np.isfinite(found), found, np.inf)

    def after_generation(intermediate_result: object) -> None:
        curve.append(-float(intermediate_result.fun))  # type: ignore[attr-defined]
        if progress is not None:
            progress(len(curve), generations)

    around = generations // 3
    first = qmc.LatinHypercube(len(box.low), rng=np.random.default_rng(config.seed))
    low, high = box.ends()
    found = differential_evolution(
        objective,
        Bounds(low, high),
        maxiter=generations - around,
        init=qmc.scale(first.random(members), low, high),
        polish=False,
        tol=0.0,
        vectorized=True,
        updating="deferred",
        rng=np.random.default_rng(config.seed),
        callback=after_generation,
    )
    best, least = np.asarray(found.x), float(found.fun)
    if not np.isfinite(least):
        raise ValueError("policy: no candidate within the bounds has a value that is finite")
    step = 0.25 * (high - low)
    for turn in range(around):
        candidates = np.clip(best + _axes(step, members, turn), low, high)
        values = objective(candidates.T)
        if values.min() < least:
            best, least = candidates[int(np.argmin(values))], float(values.min())
        else:
            step = step / 2.0
        curve.append(-least)
        if progress is not None:
            progress(len(curve), generations)
    return TuneResult(
        params=unravel(jax.device_put(box.values(best).astype(np.float32))),
        value=-least,
        curve=np.asarray(curve),
        rollouts=rollouts,
    )


@partial(jax.jit, static_argnames=("policy", "mesh"))
def _costs(
    policy: Policy,
    mesh: Mesh | None,
    candidates: Float[Array, "K n"],
    task: Task,
    key: Array,
) -> Float[Array, " K"]:
    """Return less the value of candidates, raveled parameters."""
    _, unravel = ravel_pytree(policy.init(key))  # of whatever key: it says where each entry goes

    def part(candidates: Array, task: Task, key: Array) -> Array:
        def one(candidate: Array) -> Array:
            return -task.evaluate(policy, unravel(candidate), key)

        costs: Array = jax.lax.map(one, candidates)
        return costs

    with sharing(mesh):
        return over_devices(part, (0, None, None))(candidates, task, key)


def _axes(step: NDArray[np.float64], count: int, turn: int) -> NDArray[np.float64]:
    """Return [count, n] moves along axes, both ways, by a step and by a quarter of it."""
    both = np.concatenate([np.diag(step), -np.diag(step)])
    moves = np.concatenate([both, both / 4.0])
    chosen = (turn * count + np.arange(count)) if count < len(both) else np.arange(count)
    found: NDArray[np.float64] = moves[chosen % len(moves)]
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Box:
    """Bounds of every entry of the raveled parameters."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    logarithmic: NDArray[np.bool_]

    def ends(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the bounds as the search sees them."""
        safe = np.where(self.logarithmic, self.low, 1.0)
        return (
            np.where(self.logarithmic, np.log(safe), self.low),
            np.where(
                self.logarithmic, np.log(np.where(self.logarithmic, self.high, 1.0)), self.high
            ),
        )

    def values(self, searched: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return parameters from what the search sees, [..., n]."""
        exponent = np.where(self.logarithmic, searched, 0.0)
        found: NDArray[np.float64] = np.where(self.logarithmic, np.exp(exponent), searched)
        return np.clip(found, self.low, self.high)


def _box(example: PyTree, bounds: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> _Box:
    """Return the bounds of every entry, checked."""
    leaves = [
        (jax.tree_util.keystr(path, simple=True, separator="."), leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(example)
    ]
    names = sorted(name for name, _ in leaves)
    if sorted(bounds) != names:
        raise ValueError(f"bounds name {sorted(bounds)}, must name {names}")
    ends = []
    for name, leaf in leaves:
        low, high = (np.asarray(end, np.float64) for end in bounds[name])
        shape = np.shape(leaf)
        if any(end.shape not in ((), shape) for end in (low, high)):
            raise ValueError(
                f"bounds of {name} have shapes {low.shape} and {high.shape}, must be () or {shape}"
            )
        if not (np.isfinite(low) & np.isfinite(high) & (low < high)).all():
            raise ValueError(
                f"bounds of {name} are ({low}, {high}), must be finite, with low < high"
            )
        ends.append([np.broadcast_to(end, shape).ravel() for end in (low, high)])
    low, high = (np.concatenate([pair[side] for pair in ends]) for side in (0, 1))
    return _Box(low=low, high=high, logarithmic=low > 0)
