"""Bias of the mean's derivative with whole units, against differences with common random numbers.

A path is a step function, and its mean has a kink at every whole level, so that what one point says
depends on where in a unit it lies. Parameters are therefore drawn anew for every path, from a box
of about a unit, and the derivative is taken anywhere between the two ends of the difference: its
mean over both is the difference's, exactly, for a derivative without bias.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from benchmarks.derivatives_parts.cases import Case

STEP = 0.03  # of every parameter, to either side


def compared(case: Case, way: Any, paths: int, seed: int, chunk: int = 2000) -> Any:
    """Return derivatives of paths, [paths] by the name of the method, and differences, [paths].

    Args:
        case: What is differentiated.
        way: Of every parameter, 1 where it moves in proportion, or 0.
        paths: Rounded up to whole chunks.
        seed: Of scenarios and parameters.
        chunk: Paths at once.
    """
    truth = next(iter(case.methods.values()))
    leaves, structure = jax.tree.flatten(case.theta)
    if isinstance(case.spread, float):
        spread = jax.tree.unflatten(structure, [case.spread] * len(leaves))
    else:
        spread = case.spread

    def one(key: Array) -> tuple[dict[str, Array], Array]:
        key_scenario, key_box, key_between, key_method = jax.random.split(key, 4)
        scenario = case.sample(key_scenario)
        keys = jax.tree.unflatten(structure, list(jax.random.split(key_box, len(leaves))))

        def drawn(value: Array, share: Any, key: Array) -> Array:
            times: Array = value * (1 + share * jax.random.uniform(key, value.shape, minval=-1.0))
            return times

        theta = jax.tree.map(drawn, case.theta, spread, keys)

        def along(method: Any, size: Any) -> Array:
            moved = jax.tree.map(lambda value, w: value * (1 + size * w), theta, way)
            total: Array = method(case.params, moved, scenario, key_method)
            return total

        between = STEP * jax.random.uniform(key_between, minval=-1.0)
        slopes = {
            name: jax.jvp(lambda h, m=method: along(m, h), (between,), (jnp.ones(()),))[1]
            for name, method in case.methods.items()
        }
        return slopes, (along(truth, STEP) - along(truth, -STEP)) / (2 * STEP)

    chunk = min(chunk, paths)
    compare = jax.jit(jax.vmap(one))
    found = []
    for key in jax.random.split(jax.random.key(seed), math.ceil(paths / chunk)):
        found.append(jax.device_get(compare(jax.random.split(key, chunk))))
    return jax.tree.map(lambda *parts: np.concatenate(parts), *found)


def biases(case: Case, paths: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return a row for each way of moving the parameters and each method.

    Bias and its interval (95%) are in percent of the difference; noise is the standard deviation of
    a path's derivative over the difference.
    """
    ways = case.ways or {"all": jax.tree.map(jnp.ones_like, case.theta)}
    rows = []
    for moved, way in ways.items():
        slopes, central = compared(case, way, paths, seed)
        target = abs(float(central.mean(dtype=np.float64)))
        for name in case.methods:
            slope = slopes[name]
            apart = (slope - central).astype(np.float64)
            rows.append(
                {
                    "problem": case.name,
                    "parameters": moved,
                    "derivative": name,
                    "default": name == case.default,
                    "difference": float(central.mean(dtype=np.float64)),
                    "bias, %": 100 * float(apart.mean()) / target,
                    "+-": 196 * float(apart.std(ddof=1)) / math.sqrt(apart.size) / target,
                    "noise of a path": float(slope.std(ddof=1)) / target,
                    "paths": apart.size,
                }
            )
    return rows
