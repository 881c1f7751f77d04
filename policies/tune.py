"""Tuning of policies with a few numbers: global search over rollouts in the simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from numpy.typing import NDArray
from scipy.optimize import Bounds, differential_evolution

from policies.evaluate import mean_value
from simulator import Params, Policy, PyTree, Simulator, Windows


@dataclass(frozen=True, kw_only=True, slots=True)
class TuneConfig:
    """How long a search is."""

    population: int = 5  # candidates of a generation, per parameter
    generations: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse an empty search."""
        for name in ("population", "generations"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class TuneResult:
    """The best parameters found, and how the search went."""

    params: PyTree
    value: float  # currency a product and window, in the simulator
    curve: NDArray[np.float64]  # [generations] best value so far
    rollouts: int  # of one product through one window


def tune(
    simulator: Simulator,
    params: Params,
    policy: Policy,
    bounds: Mapping[str, tuple[float, float]],
    windows: Windows,
    horizon: int,
    config: TuneConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TuneResult:
    """Search a box of parameters for the highest mean return, with common random numbers.

    Differential evolution (scipy) over the logarithms of the parameters; every candidate is
    rolled out through all windows and products, a generation in one jitted call.

    Args:
        simulator: Dynamics and drain kernel.
        params: Their parameters.
        policy: Its parameters are a flat dataclass of scalars.
        bounds: Lower and upper bound of each of its fields, above 0.
        windows: Where to roll out; all of its windows are used.
        horizon: Periods of a rollout.
        config: Length of the search.
        progress: Called with (generations done, generations).

    Returns:
        The best parameters found.

    Raises:
        ValueError: If the bounds do not name the policy's fields, or are not in order.

    Source:
        Storn and Price (1997), through ``scipy.optimize.differential_evolution``.
    """
    config = TuneConfig() if config is None else config
    example = policy.init(jax.random.key(0))
    names = [jax.tree_util.keystr(path).lstrip(".") for path, _ in _leaves(example)]
    if set(bounds) != set(names):
        raise ValueError(f"bounds name {sorted(bounds)}, must name {sorted(names)}")
    for name, (low, high) in bounds.items():
        if not 0 < low < high:
            raise ValueError(f"bounds of {name} are ({low}, {high}), must be 0 < low < high")
    _, unravel = ravel_pytree(example)
    key = jax.random.key(config.seed)

    @jax.jit
    def costs(candidates: jax.Array, windows: Windows, params: Params) -> jax.Array:
        def one(candidate: jax.Array) -> jax.Array:
            policy_params = unravel(jnp.exp(candidate))
            return -mean_value(simulator, params, policy, policy_params, windows, horizon, key)

        result: jax.Array = jax.lax.map(one, candidates)
        return result

    rollouts = 0
    curve: list[float] = []

    def objective(columns: NDArray[np.float64], /) -> Any:
        nonlocal rollouts
        candidates = columns.T if columns.ndim == 2 else columns[None]
        rollouts += len(candidates) * windows.num_starts * windows.num_products
        batch = jnp.asarray(candidates, jnp.float32)
        return np.asarray(costs(batch, windows, params), dtype=np.float64)

    def after_generation(intermediate_result: object) -> None:
        curve.append(-float(intermediate_result.fun))  # type: ignore[attr-defined]
        if progress is not None:
            progress(len(curve), config.generations)

    box = Bounds(*(np.log([bounds[name][side] for name in names]) for side in (0, 1)))
    found = differential_evolution(
        objective,
        box,
        popsize=config.population,
        maxiter=config.generations,
        init="sobol",
        polish=False,
        tol=0.0,
        vectorized=True,
        updating="deferred",
        rng=np.random.default_rng(config.seed),
        callback=after_generation,
    )
    return TuneResult(
        params=unravel(jnp.exp(jnp.asarray(found.x, jnp.float32))),
        value=-float(found.fun),
        curve=np.asarray(curve),
        rollouts=rollouts,
    )


def _leaves(tree: PyTree) -> list[tuple[tuple[object, ...], jax.Array]]:
    return jax.tree_util.tree_leaves_with_path(tree)
