"""Several processes that train together, on one host or on many: joining them, and who writes.

Every process runs the same program on the same configuration. Batches are shared out over the
devices of all of them (``draingym.common.devices``), and each process reads its own part of a
batch. What is learned is a few megabytes that every process holds whole, so the first one alone
writes files: what Orbax is made for, arrays of which no process holds all, there is none of.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, Sharding

from draingym.common.atomic import require_writable
from draingym.common.cores import asked, chosen_devices, named_devices, whole_from

COORDINATOR = "JAX_COORDINATOR_ADDRESS"  # host:port of the first process; JAX reads it
PROCESSES, PROCESS = "DRAINGYM_PROCESSES", "DRAINGYM_PROCESS"  # how many, and which one this is
LATE = 3600  # seconds that a process which is done waits for the others

T = TypeVar("T")


def join() -> None:
    """Join the processes that train together; before JAX computes anything.

    ``JAX_COORDINATOR_ADDRESS`` is where the first one listens, ``DRAINGYM_PROCESSES`` how many
    there are, ``DRAINGYM_PROCESS`` which one this is, from 0. What is not set is asked of SLURM,
    Open MPI or Kubernetes, as ``jax.distributed.initialize`` does. On processors each process is
    one device, unless ``DRAINGYM_DEVICES`` or JAX's own settings say otherwise.

    Raises:
        ValueError: If a number is none or out of its bounds, or nobody says where the first
            process is.
    """
    number, mine = whole_from(PROCESSES, 1), whole_from(PROCESS, 0)
    if number is not None and mine is not None and mine >= number:
        raise ValueError(f"{PROCESS} is {mine}, must be in [0, {number}): {PROCESSES}")
    config: Any = jax.config
    if asked["here"] or not chosen_devices():
        config.update("jax_num_cpu_devices", named_devices() or 1)
    # Sums over processes must be begun in one order everywhere.
    config.update("jax_cpu_enable_async_dispatch", False)
    try:
        jax.distributed.initialize(
            num_processes=number, process_id=mine, shutdown_timeout_seconds=LATE
        )
    except ValueError as error:
        raise ValueError(
            f"{error} Set {COORDINATOR}, {PROCESSES} and {PROCESS}, or start the command by srun"
        ) from error


def several() -> bool:
    """Return whether several processes train together."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_first() -> bool:
    """Return whether this process is the one that writes files."""
    return process_index() == 0


def process_count() -> int:
    """Return how many processes train together."""
    return jax.process_count() if several() else 1


def process_index() -> int:
    """Return which of them this one is, from 0."""
    return jax.process_index() if several() else 0


def from_all(make: Callable[[], bytes]) -> list[bytes]:
    """Return what a function makes in each process, in all of them.

    Args:
        make: Called in every process.

    Raises:
        ValueError: If it raises one, or an ``OSError``, in any process: in all of them, with the
            message of the first of these.
    """
    if not several():
        return [make()]
    from jax.experimental.multihost_utils import process_allgather

    try:
        message = b"+" + make()
    except (ValueError, OSError) as error:
        message = b"-" + str(error).encode()
    sizes = np.asarray(process_allgather(np.int32(len(message)))).ravel()
    padded = np.frombuffer(message.ljust(int(sizes.max()), b" "), np.uint8)
    rows = np.asarray(process_allgather(padded), np.uint8)
    found = [row[:size].tobytes() for row, size in zip(rows, sizes, strict=True)]
    for part in found:
        if part[:1] == b"-":
            raise ValueError(part[1:].decode())
    return [part[1:] for part in found]


def from_first(make: Callable[[], bytes]) -> bytes:
    """Return what a function makes in the first process, in all of them; see ``from_all``."""
    return from_all(lambda: make() if is_first() else b"")[0]


def first_may_write(folder: Path) -> None:
    """Raise in all processes unless the first one can write a folder; makes nothing.

    Raises:
        ValueError: As ``draingym.common.atomic.require_writable`` does.
    """

    def look() -> bytes:
        require_writable(folder, "folder")
        return b""

    from_first(look)


@contextmanager
def as_first_sees(path: Path | None) -> Iterator[Path | None]:
    """Yield a file as the first process sees it, or a copy of it; None where it is not there.

    Processes whose file systems differ, or lag, must not go on from different states.
    """
    if path is None or not several():
        yield path if path is not None and path.exists() else None
        return
    data = from_first(lambda: b"+" + path.read_bytes() if path.exists() else b"")
    if not data or is_first():
        yield path if data else None
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(data[1:])
        yield copy


def put(tree: T, where: Sharding | None) -> T:
    """Return arrays on the devices of a sharding, to which each process gives its own parts.

    Args:
        tree: Leaves are arrays, the same in all processes.
        where: The devices; JAX's first one when not given.
    """
    placed: T
    if where is None or where.is_fully_addressable:
        placed = jax.device_put(tree, where)
        return placed
    placed = jax.tree.map(lambda leaf: _put(leaf, where), tree)
    return placed


def _put(leaf: Any, where: Sharding) -> Any:
    if isinstance(leaf, jax.Array):
        if not leaf.is_fully_addressable:  # it is on all devices already
            return jax.device_put(leaf, where)
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            data = _put(jax.random.key_data(leaf), where)
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    host = np.asarray(leaf)
    host = host.astype(jax.dtypes.canonicalize_dtype(host.dtype), copy=False)
    return jax.make_array_from_callback(host.shape, where, lambda index: host[index])


def own_part(mesh: Mesh, size: int) -> slice:
    """Return the part of a batch that this process's devices hold; they divide the batch."""
    each, mine = size // mesh.size, process_index()
    at = [i for i, device in enumerate(mesh.devices.flat) if device.process_index == mine]
    return slice(at[0] * each, (at[-1] + 1) * each)


def join_parts(tree: T, where: NamedSharding, axis: int, size: int) -> T:
    """Return a batch of which each process has read its own part.

    Args:
        tree: Leaves are arrays of the host, whose ``axis`` is this process's part.
        where: The sharding of the batch.
        axis: Of the batch.
        size: Entries of the batch in all processes.
    """

    def join(leaf: Any) -> Any:
        shape = (*leaf.shape[:axis], size, *leaf.shape[axis + 1 :])
        return jax.make_array_from_process_local_data(where, np.asarray(leaf), shape)

    joined: T = jax.tree.map(join, tree)
    return joined
