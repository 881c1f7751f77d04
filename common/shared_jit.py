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

from draingym.common.devices import every_device, is_shared, sharing, whole

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

# Operations from which on cores share a batch of a compiled function: some milliseconds' work, of
# which taking it to the cores and back is the smaller part.
WORTHWHILE = 2.0**26
# The largest array that a program returned of which the devices' copies are kept beside it.
_KEPT_BYTES = 2**24


def outermost(*args: Any) -> bool:
    """Return whether values are what they seem: no program is traced, and nothing transformed."""
    leaves = (*jax.tree.leaves(args), jnp.zeros(()))
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)


def gathered(tree: T) -> T:
    """Return arrays as JAX makes them on one device, where any operation may use them."""
    leaves, structure = jax.tree.flatten(tree)
    spread = [i for i, leaf in enumerate(leaves) if _is_spread(leaf)]
    for i, alone in zip(spread, _alone([leaves[i] for i in spread]), strict=True):
        leaves[i] = alone
    found: T = jax.tree.unflatten(structure, leaves)
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
    return _alone([leaf])[0] if leaf.committed else leaf


def is_spread(tree: Any) -> bool:
    """Return whether an array lies on several devices, or parts of it do."""
    return any(map(_is_spread, jax.tree.leaves(tree)))


def _is_spread(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and len(leaf.devices()) > 1


def _alone(leaves: list[Array]) -> list[Array]:
    """Return arrays that are on the first device and not bound to it, all of them at once."""
    is_key = [jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves]
    data = [
        _host(jax.random.key_data(leaf) if key else leaf)
        for key, leaf in zip(is_key, leaves, strict=True)
    ]
    return [
        jax.random.wrap_key_data(new, impl=jax.random.key_impl(old)) if key else new
        for key, old, new in zip(is_key, leaves, jax.device_put(data), strict=True)
    ]


def _host(leaf: Array) -> Any:
    return np.asarray(leaf.addressable_data(0) if leaf.is_fully_replicated else leaf)


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
        _keep(mesh, leaf, None)
        return _unbound(leaf)
    if copy is None or copy.is_deleted():
        copy = jax.device_put(_unbound(leaf), whole(mesh))
        _copies[key] = (known, copy)
    return copy


def _kept(mesh: Mesh, tree: T) -> T:
    """Return arrays as ``gathered`` does; what all devices have is there if it is taken again."""
    found = gathered(tree)
    for old, new in zip(jax.tree.leaves(tree), jax.tree.leaves(found), strict=True):
        if new is not old and old.is_fully_replicated and old.nbytes <= _KEPT_BYTES:
            _keep(mesh, new, old)
    return found


def _keep(mesh: Mesh, leaf: Array, copy: Array | None) -> None:
    key = (id(leaf), mesh)
    _copies[key] = (weakref.ref(leaf, lambda _: _copies.pop(key, None)), copy)


def _kind(leaf: Any) -> Hashable:
    """Return what of an argument decides how it is traced: shape and type, or itself if static."""
    if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
        return leaf.shape, leaf.dtype
    static = isinstance(leaf, Hashable) and not isinstance(leaf, int | float | complex)
    return leaf if static else (type(leaf),)


def jit(function: F, **options: Any) -> F:
    """Compile a function as ``jax.jit`` does, with the batches inside shared out over all cores.

    What it returns is on one device again. A batch of little work stays on one device. Inside
    another it is a part of that; inside ``jax.jit``, under ``jax.grad`` or ``jax.vmap`` it is
    ``jax.jit``: transform first, and compile last.

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
        inside = not outermost(args, kwargs)
        if inside and is_shared():
            return function(*args, **kwargs)  # a part of the program around it
        mesh = None if inside else every_device()
        if mesh is None or is_spread((args, kwargs)):
            return program(None)(*args, **kwargs)
        leaves, structure = jax.tree.flatten((args, kwargs))
        kind = (mesh, structure, tuple(map(_kind, leaves)))
        if not pays.get(kind, True):
            return program(None)(*args, **kwargs)
        placed = [_everywhere(mesh, leaf) for leaf in leaves]
        args, kwargs = jax.tree.unflatten(structure, placed)
        traced_now.clear()
        found = _kept(mesh, program(mesh)(*args, **kwargs))
        if traced_now:
            pays[kind] = traced_now[-1]
        return found

    return cast(F, call)
