"""Bounds of what a user gives, checked where values are known: never inside ``jit``."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from draingym.common.arrays import FloatArray, require, require_shape

# The most that anything may be, units or currency a unit: an observation holds it, and products
# of a few of them are finite in float32.
LARGEST = 1e9


def require_numbers(
    field: str,
    values: Any,
    *,
    low: float = 0.0,
    high: float = LARGEST,
    shape: tuple[int, ...] | None = None,
) -> None:
    """Raise unless all entries are numbers in [low, high], as far as they are known.

    Args:
        field: What the values are called.
        values: Number or array. Where it is traced, its shape alone is looked at.
        low: The least.
        high: The most.
        shape: The shape that it must have; any when not given.

    Raises:
        ValueError: Naming the field, the first bad entry and the bound.
    """
    if isinstance(values, jax.core.Tracer):
        if shape is not None and values.shape != shape:
            raise ValueError(f"{field} has shape {values.shape}, must be {shape}")
        return
    given = numbers(field, values)
    if shape is not None:
        require_shape(field, given, shape)
    inside = (given >= low) & (given <= high)  # NaN is neither
    bound = f"finite and at least {low:g}" if high == np.inf else f"in [{low:g}, {high:g}]"
    if given.ndim == 0 and not inside:
        raise ValueError(f"{field} is {given.item()!r}, must be {bound}")
    require(inside, field, given, bound)


def numbers(field: str, values: Any) -> FloatArray:
    """Return what a user gives as an array of real numbers.

    Raises:
        ValueError: If it holds anything else.
    """
    try:
        given = np.asarray(values)
        if given.dtype.kind not in "biuf":
            raise TypeError
    except (TypeError, ValueError):
        raise ValueError(f"{field} is {values!r}, must hold real numbers") from None
    return np.asarray(given, np.float64)
