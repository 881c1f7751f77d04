"""How much a function computes, without running it: operations of its program, loops unrolled."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax


def operations(function: Callable[..., Any], *args: Any) -> float:
    """Return about how many operations a call takes, on numbers of the arguments' shapes.

    A product and a sum count as two, everything else as one for each number that it makes. A loop
    counts as often as it runs, once where that is not known; of branches the longest counts.

    >>> import jax.numpy as jnp
    >>> squared = lambda x: jax.lax.scan(lambda y, _: (y @ y, None), x, None, 10)[0]
    >>> operations(squared, jnp.ones((4, 4)))
    1280.0
    """
    return _of(jax.make_jaxpr(function)(*args).jaxpr)


def _of(jaxpr: Any) -> float:
    return sum(_equation(equation) for equation in jaxpr.eqns)


def _equation(equation: Any) -> float:
    inner = [_of(part) for value in equation.params.values() for part in _programs(value)]
    if inner:
        times = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
        branches = equation.primitive.name == "cond"
        return float(times * (max(inner) if branches else sum(inner)))
    made = max((math.prod(getattr(out.aval, "shape", ())) for out in equation.outvars), default=0)
    if equation.primitive.name != "dot_general":
        return float(made)
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return 2.0 * made * math.prod(int(left[axis]) for axis in contracted)


def _programs(value: Any) -> list[Any]:
    """Return the programs that a parameter of an equation holds."""
    values = value if isinstance(value, tuple | list) else (value,)
    found = [getattr(part, "jaxpr", part) for part in values]
    return [part for part in found if hasattr(part, "eqns")]
