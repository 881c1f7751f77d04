"""Programs whose batches all cores share, called from where there is but one device."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array

from draingym.common.devices import every_device, sharing, whole

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

# Operations from which on cores share a batch of a compiled function: some milliseconds' work, of
# which taking it to the cores and back is the smaller part.
WORTHWHILE = 2.0**26


def outermost(*args: Any) -> bool:
    """Return whether values are what they seem: no program is traced, and nothing transformed."""
    leaves = (*jax.tree.leaves(args), jnp.zeros(()))
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)


def gathered(tree: T) -> T:
    """Return arrays as JAX makes them on one device, where any operation may use them."""
    found: T = jax.tree.map(lambda leaf: _alone(leaf) if _is_spread(leaf) else leaf, tree)
    return found


def unbound(tree: T) -> T:
    """Return arrays so that a program may take them to other devices, bound to one or not.

    JAX copies NumPy's to the cores faster than its own.
    """
    found: T = jax.tree.map(_unbound, tree)
    return found


def _unbound(leaf: Any) -> Any:
    if not isinstance(leaf, jax.Array):
        return leaf
    plain = not (jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) or jax.typeof(leaf).weak_type)
    if plain and next(iter(leaf.devices())).platform == "cpu":
        return np.asarray(leaf)
    return _alone(leaf) if leaf.committed else leaf


def is_spread(tree: Any) -> bool:
    """Return whether an array lies on several devices, or parts of it do."""
    return any(map(_is_spread, jax.tree.leaves(tree)))


def _is_spread(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and len(leaf.devices()) > 1


def _alone(leaf: Array) -> Any:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        data = _alone(jax.random.key_data(leaf))
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    return jax.device_put(np.asarray(leaf))


# Arrays that all devices of a mesh hold, by those they were copied from, as long as these live: a
# scenario that many calls share is copied once, which else takes longer than playing it.
_copies: dict[tuple[int, Mesh], tuple[weakref.ref[Any], Any]] = {}


def _everywhere(mesh: Mesh, leaf: Any) -> Any:
    """Return a leaf as a program on all devices takes it; from the second call on, a kept copy."""
    if not isinstance(leaf, jax.Array) or leaf.is_deleted():
        return _unbound(leaf)
    key = (id(leaf), mesh)
    known, copy = _copies.get(key, (None, None))
    if known is None or known() is not leaf:
        _copies[key] = (weakref.ref(leaf, lambda _: _copies.pop(key, None)), None)
        return _unbound(leaf)
    if copy is None or copy.is_deleted():
        copy = jax.device_put(_unbound(leaf), whole(mesh))
        _copies[key] = (known, copy)
    return copy


def _kind(leaf: Any) -> Hashable:
    """Return what of an argument decides how it is traced: shape and type, or itself if static."""
    if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
        return leaf.shape, leaf.dtype
    static = isinstance(leaf, Hashable) and not isinstance(leaf, int | float | complex)
    return leaf if static else (type(leaf),)


def jit(function: F, **options: Any) -> F:
    """Compile a function as ``jax.jit`` does, with the batches inside shared out over all cores.

    What it returns is on one device again. A batch of little work stays on one device. Inside
    another ``jit``, under ``jax.grad`` or ``jax.vmap``, it is ``jax.jit``: transform first, and
    compile last.

    Args:
        function: Pure; may call ``batch_returns`` or ``chunked_value_and_grad``, or its gradient.
        options: As of ``jax.jit``, such as ``static_argnums``.

    >>> import jax
    >>> jit(lambda x: 2.0 * x)(3.0).item()
    6.0
    """
    pays: dict[Hashable, bool] = {}  # whether a batch is shared out, by kind of the arguments
    traced_now: list[bool] = []

    @lru_cache(maxsize=8)
    def program(mesh: Mesh | None) -> Any:
        @wraps(function)
        def traced(*args: Any, **kwargs: Any) -> Any:
            with sharing(mesh, WORTHWHILE) as now:
                found = function(*args, **kwargs)
            traced_now.append(now.shared)
            return found

        return jax.jit(traced, **options)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        mesh = every_device() if outermost(args, kwargs) else None
        if mesh is None or is_spread((args, kwargs)):
            return program(None)(*args, **kwargs)
        leaves, structure = jax.tree.flatten((args, kwargs))
        kind = (mesh, structure, tuple(map(_kind, leaves)))
        if not pays.get(kind, True):
            return program(None)(*args, **kwargs)
        placed = [_everywhere(mesh, leaf) for leaf in leaves]
        args, kwargs = jax.tree.unflatten(structure, placed)
        traced_now.clear()
        found = gathered(program(mesh)(*args, **kwargs))
        if traced_now:
            pays[kind] = traced_now[-1]
        return found

    return cast(F, call)
