"""``jax.vmap`` that keeps the batch in the last axis of everything it computes.

``jax.vmap`` moves the batch to the front as soon as an operation mixes an array that has one with
an array that has none. Small state (a few nodes, a few periods in transit) then lies strided in
memory, and processors handle few numbers at once. Here the batch stays last and contiguous. An
operation works on the same axes as before, with one more behind them, which is why the rules below
are short; operations without a rule go through ``jax.vmap``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, jaxpr_as_fun
from jaxtyping import Array

from draingym.simulator.types import PyTree

# Work entry by entry, on inputs of one shape, or scalars.
_ELEMENTWISE = """
abs add and atan2 ceil clamp convert_element_type cos div eq erf erf_inv erfc exp exp2 expm1 floor
ge gt integer_pow is_finite le lgamma log log1p logistic lt max min mul name ne neg nextafter not
or pow rem round rsqrt select_n sign sin sqrt square sub tanh xor
"""
# Work along named axes; the one behind them makes no difference.
_ALONG_AXES = """
argmax argmin cumlogsumexp cummax cummin cumprod cumsum reduce_and reduce_max reduce_min
reduce_or reduce_prod reduce_sum rev squeeze
"""
_SAME_AXES = frozenset(_ALONG_AXES.split())
_ALIGNED = frozenset(_ELEMENTWISE.split())


def vmap_last(
    function: Callable[..., PyTree], mapped: Sequence[PyTree], batch: int
) -> Callable[..., PyTree]:
    """Return ``jax.vmap(function, in_axes=-1 or None, out_axes=-1)``, computed batch last.

    Args:
        function: Of arrays for one entry of the batch; pure.
        mapped: For each argument a pytree of bools of its structure: whether the leaf's last axis
            is the batch.
        batch: Size of the batch.

    Returns:
        A function of the batch, whose outputs all have the batch last.

    Gradients:
        Those of ``jax.vmap(function)``; it consists of the same operations.

    >>> import jax.numpy as jnp
    >>> doubled = vmap_last(lambda a, b: a * b, (True, False), 3)
    >>> doubled(jnp.ones((2, 3)), jnp.full(2, 2.0)).tolist()
    [[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]
    """
    flags = jax.tree.leaves(mapped)

    def over_batch(*args: PyTree) -> PyTree:
        leaves, structure = jax.tree.flatten(args)
        one = [
            jax.ShapeDtypeStruct(leaf.shape[:-1] if last else leaf.shape, leaf.dtype)
            for leaf, last in zip(leaves, flags, strict=True)
        ]
        closed, shape = jax.make_jaxpr(function, return_shape=True)(
            *jax.tree.unflatten(structure, one)
        )
        outputs = _evaluate(closed.jaxpr, closed.consts, leaves, flags, batch)
        whole = [value if last else _spread(value, batch) for value, last in outputs]
        return jax.tree.unflatten(jax.tree.structure(shape), whole)

    return over_batch


def _spread(value: Array, batch: int) -> Array:
    return jnp.broadcast_to(jnp.asarray(value)[..., None], (*jnp.shape(value), batch))


def _evaluate(
    jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Any], mapped: Sequence[bool], batch: int
) -> list[tuple[Any, bool]]:
    """Return every output, and whether its last axis is the batch."""
    known: dict[Var, tuple[Any, bool]] = {}
    known |= {var: (value, False) for var, value in zip(jaxpr.constvars, consts, strict=True)}
    known |= {
        var: (value, last) for var, value, last in zip(jaxpr.invars, args, mapped, strict=True)
    }

    def read(atom: Any) -> tuple[Any, bool]:
        return (atom.val, False) if isinstance(atom, Literal) else known[atom]

    for eqn in jaxpr.eqns:
        inputs = [read(atom) for atom in eqn.invars]
        values, flags = [value for value, _ in inputs], [last for _, last in inputs]
        inner = eqn.params.get("jaxpr") if eqn.primitive.name in ("jit", "pjit") else None
        if isinstance(inner, ClosedJaxpr):
            outputs = _evaluate(inner.jaxpr, inner.consts, values, flags, batch)
        elif not any(flags):
            outputs = [(value, False) for value in _alone(jaxpr, eqn)(*values)]
        else:
            outputs = [(value, True) for value in _apply(jaxpr, eqn, values, flags, batch)]
        known |= dict(zip(eqn.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _alone(within: Jaxpr, eqn: JaxprEqn) -> Callable[..., list[Array]]:
    """Return an operation as a function of its inputs, functions that it calls included."""
    inputs = list(dict.fromkeys(atom for atom in eqn.invars if isinstance(atom, Var)))
    alone = within.replace(
        constvars=[], invars=inputs, outvars=eqn.outvars, eqns=[eqn], effects=eqn.effects
    )
    run = jaxpr_as_fun(ClosedJaxpr(alone, ()))

    def call(*values: Any) -> list[Array]:
        given = {var: v for var, v in zip(eqn.invars, values, strict=True) if isinstance(var, Var)}
        return list(run(*(given[var] for var in inputs)))

    return call


def _bind(eqn: JaxprEqn, values: Sequence[Any], **changed: Any) -> list[Array]:
    out = eqn.primitive.bind(*values, **eqn.params | changed)
    return list(out) if eqn.primitive.multiple_results else [out]


def _apply(
    within: Jaxpr, eqn: JaxprEqn, values: list[Any], flags: list[bool], batch: int
) -> list[Array]:
    name = eqn.primitive.name
    if name in _ALIGNED:
        return _bind(eqn, _aligned(eqn, values, flags))
    if name in _SAME_AXES:
        return _bind(eqn, values)
    if name in _RULES:
        found = _RULES[name](eqn, values, flags, batch)
        if found is not None:
            return list(found)
    axes = [-1 if last else None for last in flags]
    mapped: list[Array] = jax.vmap(_alone(within, eqn), in_axes=axes, out_axes=-1, axis_size=batch)(
        *values
    )
    return mapped


def _aligned(eqn: JaxprEqn, values: list[Any], flags: list[bool]) -> list[Any]:
    """Give every operand the rank of the result; axes of length one are broadcast."""
    result: Any = eqn.outvars[0].aval
    rank = len(result.shape)
    aligned = []
    for value, last in zip(values, flags, strict=True):
        shape = jnp.shape(value)
        own = shape[:-1] if last else shape
        if last or own:  # a scalar without the batch stays one
            value = jnp.reshape(value, (*(own or (1,) * rank), shape[-1] if last else 1))
        aligned.append(value)
    if eqn.primitive.name in ("select_n", "clamp"):  # these broadcast nothing
        whole = jnp.broadcast_shapes(*(jnp.shape(value) for value in aligned))
        aligned = [jnp.broadcast_to(value, whole) for value in aligned]
    return aligned


def _broadcast_in_dim(eqn: JaxprEqn, values: list[Any], flags: list[bool], batch: int) -> Any:
    shape, axes = eqn.params["shape"], eqn.params["broadcast_dimensions"]
    return [lax.broadcast_in_dim(values[0], (*shape, batch), (*axes, len(shape)))]


def _reshape(eqn: JaxprEqn, values: list[Any], flags: list[bool], batch: int) -> Any:
    return [jnp.reshape(values[0], (*eqn.params["new_sizes"], batch))]


def _transpose(eqn: JaxprEqn, values: list[Any], flags: list[bool], batch: int) -> Any:
    axes = eqn.params["permutation"]
    return [lax.transpose(values[0], (*axes, len(axes)))]


def _slice(eqn: JaxprEqn, values: list[Any], flags: list[bool], batch: int) -> Any:
    p = eqn.params
    strides = p["strides"] or (1,) * len(p["start_indices"])
    return [
        lax.slice(values[0], (*p["start_indices"], 0), (*p["limit_indices"], batch), (*strides, 1))
    ]


def _concatenate(eqn: JaxprEqn, values: list[Any], flags: list[bool], batch: int) -> Any:
    whole = [v if last else _spread(v, batch) for v, last in zip(values, flags, strict=True)]
    return [lax.concatenate(whole, eqn.params["dimension"])]


def _dot_general(eqn: JaxprEqn, values: list[Any], flags: list[bool], batch: int) -> Any:
    _, (left_batch, _) = eqn.params["dimension_numbers"]
    if all(flags) or left_batch:
        return None
    if flags[1]:  # the batch is the last free axis of the second factor
        return _bind(eqn, values)
    (left, right), _ = eqn.params["dimension_numbers"]
    swapped = _bind(eqn, values[::-1], dimension_numbers=((right, left), ((), ())))[0]
    free = jnp.ndim(values[1]) - len(right)  # axes of the second factor, now in front
    axes = [*range(free, swapped.ndim - 1), *range(free), swapped.ndim - 1]
    return [lax.transpose(swapped, axes)]


_RULES: dict[str, Callable[[JaxprEqn, list[Any], list[bool], int], Any]] = {
    "broadcast_in_dim": _broadcast_in_dim,
    "concatenate": _concatenate,
    "dot_general": _dot_general,
    "reshape": _reshape,
    "slice": _slice,
    "transpose": _transpose,
}
