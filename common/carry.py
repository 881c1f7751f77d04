"""What a jitted program is given first is of the type that it gives back."""

from __future__ import annotations

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Sharding

from draingym.common.processes import put

T = TypeVar("T")


def strong(tree: T, where: Sharding | None = None) -> T:
    """Return a tree of arrays as a jitted program returns it: strongly typed, and placed.

    A loop hands its state to one program again and again. Where the first state differs from the
    later ones in anything, in a weak type (``jnp.log(0.2)``) or in its place on the devices, the
    program is compiled twice. So every state that a loop begins with goes through here.

    Args:
        tree: Leaves are arrays or numbers; may be traced.
        where: The devices that hold it; wherever it is when not given. Not inside ``jit``.

    Returns:
        The same values.

    >>> strong(jnp.asarray(0.5)).weak_type
    False
    """
    typed: T = jax.tree.map(_typed, tree)
    return typed if where is None else put(typed, where)


def _typed(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray | np.generic):  # NumPy knows no weak types
        return leaf
    if isinstance(leaf, jax.Array):
        return jnp.asarray(leaf, leaf.dtype) if getattr(leaf, "weak_type", False) else leaf
    return np.asarray(leaf, jnp.result_type(leaf))
