"""Sharing a batch out over devices: the cores of a processor, or several GPUs.

XLA runs a loop of small operations on one core of a processor. JAX can be told, before it starts,
that each core is a device of its own; ``common.cores`` does so where nobody else said anything.
Each device then runs a part of a batch, and every entry of it comes out as on one device.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from draingym.common.cores import asked, cores, named_devices
from draingym.common.processes import put
from draingym.common.work import operations

AXIS = "batch"
WORTH = 2**14  # entries of a batch that pay for a device more: a fraction of a millisecond's work

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Sharing:
    """What shares out the batches of the program that is being traced."""

    mesh: Mesh | None = None
    least: float = 0.0  # operations from which on a batch is shared out
    shared: bool = False  # whether one was


_sharing: ContextVar[Sharing | None] = ContextVar("sharing", default=None)


def cores_mesh(batch: int, entries: int) -> Mesh | None:
    """Return what shares a batch out, or None where one device does as well.

    Args:
        batch: Entries of the batch's axis.
        entries: Numbers in the batch, which stand for its work: each device gets ``WORTH`` or more.
    """
    return _mesh_of(min(batch, entries // WORTH))


def every_device() -> Mesh | None:
    """Return a mesh of all devices that may be shared; None where there is but one."""
    return _mesh_of(None)


def _mesh_of(most: int | None) -> Mesh | None:
    """Return a mesh of so many devices at most, of all where not given; None for one alone."""
    config: Any = jax.config
    few = most is not None and most < 2
    if few or config.jax_default_device is not None or jax.process_count() > 1:
        return None
    there = jax.devices()
    named = named_devices()
    limit = cores() if named is None and there[0].platform == "cpu" else named or len(there)
    if len(there) == 1 and limit > 1 and asked["late"] and there[0].platform == "cpu":
        asked["late"] = False
        _log.warning(
            "batches run on one core of %d: JAX had started before draingym was imported", limit
        )
    number = min(limit, len(there), *([] if most is None else [most]))
    return None if number < 2 else _mesh(number)


@lru_cache(maxsize=16)
def _mesh(number: int) -> Mesh:
    return Mesh(np.array(jax.devices()[:number]), (AXIS,), axis_types=(AxisType.Auto,))


def device_mesh(devices: int, batch: int) -> Mesh:
    """Return a mesh whose one axis, ``batch``, shares out a batch over so many devices.

    Args:
        devices: How many to use: of this machine's, or all of several processes.
        batch: Entries of the batch; no device of one process is left without any.

    Raises:
        ValueError: If the devices are not there, or some process would have none.
    """
    there = jax.device_count()
    if jax.process_count() > 1:
        if devices != there:
            raise ValueError(f"devices is {devices}, must be {there}, those of all processes")
        return _mesh(there)
    if not 1 <= devices <= there:
        raise ValueError(f"devices is {devices}, must be in [1, {there}], those of this machine")
    return _mesh(min(devices, batch))


def training_mesh(devices: int | None, batch: int, entries: int) -> Mesh | None:
    """Return what shares a batch of training out, or None where one device does as well.

    Args:
        devices: How many, see ``device_mesh``; when not given, all of several processes, and as
            ``cores_mesh`` in one.
        batch: Entries of the batch's axis.
        entries: Numbers in the batch, which stand for its work.

    Raises:
        ValueError: See ``device_mesh``.
    """
    if devices is None and jax.process_count() == 1:
        return cores_mesh(batch, entries)
    mesh = device_mesh(jax.device_count() if devices is None else devices, batch)
    return None if mesh.size == 1 else mesh


def placed(tree: T, mesh: Mesh | None) -> T:
    """Return arrays as all devices of a mesh hold them whole; as they are without a mesh."""
    return tree if mesh is None else put(tree, whole(mesh))


def part_size(mesh: Mesh | None, batch: int) -> int:
    """Return how many entries of a batch each device is given, what fills it up included."""
    if mesh is None:
        return batch
    return -(-batch // _multiple(mesh, batch)) * _multiple(mesh, batch) // mesh.size


def whole(mesh: Mesh | None) -> NamedSharding | None:
    """Return where what all devices of a mesh hold whole is; None without a mesh."""
    return None if mesh is None else NamedSharding(mesh, PartitionSpec())


@contextmanager
def sharing(mesh: Mesh | None, least: float = 0.0) -> Iterator[Sharing]:
    """Let ``over_devices`` share batches of so many operations or more out, while this is traced.

    Yields:
        What says afterwards whether one was.
    """
    now = Sharing(mesh=mesh, least=least)
    token = _sharing.set(now)
    try:
        yield now
    finally:
        _sharing.reset(token)


def is_shared() -> bool:
    """Return whether what is traced here shares its batches out."""
    return _now().mesh is not None


def over_devices(function: F, in_axes: Any, out_axes: Any = 0) -> F:
    """Return a function whose batch is shared out over the devices of ``sharing``.

    Each device is given a part of the batch, which the function must treat entry by entry; a batch
    that does not divide is filled up with its last entry. Without ``sharing``, in a part of a batch
    that is shared out already, and where a user's own mesh is in effect, it is the function itself.

    Args:
        function: Of arrays whose batch may have any size, such as what ``jax.vmap`` returns. All
            that is traced is an argument: in a loop that keeps its state on the devices, JAX does
            not let a part see more.
        in_axes: For each argument the batch's axis in its leaves, a number or a tree of them; None
            where there is none.
        out_axes: The batch's axis in what is returned, likewise, none of them negative.

    Gradients:
        Those of the function; of what all devices hold, summed over them.
    """
    now = _now()
    mesh = now.mesh
    if mesh is None:
        return function

    def shared(*args: Any) -> Any:
        if now.least and operations(function, *args) < now.least:
            return function(*args)
        now.shared = True
        size, full = _filled(mesh, in_axes, args)
        specs = jax.tree.map(lambda axis: PartitionSpec(*[None] * axis, AXIS), out_axes)
        found = _mapped(mesh, function, in_axes, specs)(*full)
        if not -size % _multiple(mesh, size):
            return found
        return _over(
            lambda axis, leaf: jax.lax.slice_in_dim(leaf, 0, size, axis=axis), out_axes, found
        )

    return cast(F, shared)


def total_over_devices(function: Callable[..., T], in_axes: Any) -> Callable[..., T]:
    """Return the sum of a function over the parts of a batch; see ``over_devices``.

    Args:
        function: Of ``real`` [B], false for what only fills the batch up and must count for
            nothing, and of the batch; what it returns is summed over the batch.
        in_axes: As of ``over_devices``, without ``real``.

    Returns:
        A function of the batch alone.
    """
    now = _now()
    mesh = now.mesh

    def shared(*args: Any) -> T:
        every = jnp.ones(_size(in_axes, args), bool)
        if mesh is None or (now.least and operations(function, every, *args) < now.least):
            return function(every, *args)
        now.shared = True

        def part(real: Array, *args: Any) -> T:
            total: T = jax.lax.psum(function(real, *args), AXIS)
            return total

        size, full = _filled(mesh, in_axes, args)
        real = jnp.arange(size + -size % _multiple(mesh, size)) < size
        total: T = _mapped(mesh, part, (0, *in_axes), PartitionSpec())(real, *full)
        return total

    return shared


def on_all_devices(tree: T) -> T:
    """Return what was shared out as every device holds it whole: sums add up in the same order."""
    mesh = _now().mesh
    return tree if mesh is None else jax.lax.with_sharding_constraint(tree, whole(mesh))


def spread(tree: T, axes: Any = 0) -> T:
    """Return a batch as a loop keeps it: each device its part, or all of it where none divides."""
    mesh = _now().mesh
    if mesh is None:
        return tree

    def hold(axis: int, leaf: Array) -> Array:
        divides = leaf.shape[axis] % mesh.size == 0
        where = NamedSharding(mesh, _spec(axis, leaf)) if divides else whole(mesh)
        kept: Array = jax.lax.with_sharding_constraint(leaf, where)
        return kept

    held: T = _over(hold, axes, tree)
    return held


def _now() -> Sharing:
    """Return what shares batches out here."""
    now = _sharing.get()
    return now if now is not None and jax.sharding.get_abstract_mesh().empty else Sharing()


def _mapped(mesh: Mesh, function: Callable[..., Any], in_axes: Any, out_specs: Any) -> Any:
    def call(*args: Any) -> Any:
        specs = _over(_spec, in_axes, args)
        return jax.shard_map(
            function, mesh=mesh, in_specs=specs, out_specs=out_specs, check_vma=False
        )(*args)

    return call


def _size(in_axes: Any, args: Any) -> int:
    """Return how many entries the batch has."""
    return next(int(leaf.shape[axis]) for axis, leaf in _leaves(in_axes, args) if axis is not None)


def _multiple(mesh: Mesh, size: int) -> int:
    """Return what a batch is filled up to a multiple of.

    Parts of a large batch are multiples of a processor's vectors, with what is left over computed
    likewise on any number of devices, and can be cut to its cache.
    """
    each = max(1, min(64, size // (16 * mesh.size)))
    return int(mesh.size) << (each.bit_length() - 1)


def _filled(mesh: Mesh, in_axes: Any, args: Any) -> tuple[int, Any]:
    """Return the batch's size, and the batch filled up to a multiple of the devices."""
    size = _size(in_axes, args)
    more = -size % _multiple(mesh, size)

    def fill(axis: int | None, leaf: Array) -> Array:
        if axis is None:
            return leaf
        last = jax.lax.slice_in_dim(leaf, size - 1, size, axis=axis % leaf.ndim)
        longer: Array = jnp.concatenate([leaf, *[last] * more], axis=axis)
        return longer

    return size, _over(fill, in_axes, args) if more else args


def _over(function: Callable[[Any, Any], Any], axes: Any, tree: Any) -> Any:
    """Map a function over axes, each of which may stand for a whole part of a tree."""
    return jax.tree.map(
        lambda axis, part: jax.tree.map(lambda leaf: function(axis, leaf), part),
        axes,
        tree,
        is_leaf=lambda axis: axis is None,
    )


def _leaves(axes: Any, tree: Any) -> list[tuple[int | None, Any]]:
    pairs = _over(lambda axis, leaf: _Pair((axis, leaf)), axes, tree)
    found: list[tuple[int | None, Any]] = jax.tree.leaves(
        pairs, is_leaf=lambda pair: isinstance(pair, _Pair)
    )
    return found


class _Pair(tuple[Any, Any]):
    """A leaf's axis, and the leaf."""


def _spec(axis: int | None, leaf: Array) -> PartitionSpec:
    return PartitionSpec() if axis is None else PartitionSpec(*[None] * (axis % leaf.ndim), AXIS)
