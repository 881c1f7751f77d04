"""A pytree, named arrays and plain values as one ``.npz`` file, and back; nothing is pickled.

An array of a pytree is called by its path: ``weights/layers/0/kernel``.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from draingym.common.atomic import atomic_file
from draingym.common.files import json_text, reading

Arrays = dict[str, NDArray[Any]]

META = "meta"  # the array that holds the plain values, as JSON
_RESERVED = {META, "file", "allow_pickle"}  # the last two are arguments of ``np.savez``
_KINDS = "biufcSU"  # bool, whole, real, complex, text: what a file holds without pickle
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def write_npz(path: str | Path, arrays: Mapping[str, NDArray[Any]], meta: Any = None) -> None:
    """Write named arrays and plain values to one file, whole or not at all.

    Args:
        path: The file; replaced if it is there.
        arrays: By name; of numbers, truth values or text.
        meta: Plain values, as JSON has them.

    Raises:
        ValueError: If an array has a reserved name or a type that needs pickle, or the file
            cannot be written.

    Example:
        >>> path = getfixture("tmp_path") / "run.npz"
        >>> write_npz(path, named_arrays({"level": np.float32(3.0)}), {"seed": 7})
        >>> meta, arrays = read_npz(path, "state")
        >>> meta["seed"], float(filled_tree({"level": np.float32(0.0)}, arrays, "state")["level"])
        (7, 3.0)
    """
    for name, values in arrays.items():
        if name in _RESERVED:
            raise ValueError(f"{path}: an array is called {name!r}, must be none of {_RESERVED}")
        if np.asarray(values).dtype.kind not in _KINDS:
            raise ValueError(
                f"{path}: {name} is of type {np.asarray(values).dtype}, must be of numbers or text"
            )
    text = json_text(meta)
    with atomic_file(Path(path)) as fresh, fresh.open("wb") as file:
        np.savez(file, allow_pickle=False, **{META: np.array(text)}, **arrays)


def read_npz(path: str | Path, what: str, remedy: str = "") -> tuple[Any, Arrays]:
    """Read what ``write_npz`` wrote.

    Args:
        path: The file.
        what: What the file is called in errors, ``"checkpoint"``.
        remedy: What to do where it cannot be read, ``"remove it to start anew"``.

    Returns:
        The plain values, none where the file has none, and the arrays by name.

    Raises:
        ValueError: If there is no such file, or it is damaged, naming it.
    """
    with reading(what, path, f"a whole .npz file{f'; {remedy}' if remedy else ''}"):
        _check_lengths(path)  # before memory is asked for
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = dict(file.items())
        return json.loads(str(arrays.pop(META, "null"))), arrays


def named_arrays(tree: Any, prefix: str = "") -> Arrays:
    """Return the leaves of a pytree on the host, by their paths.

    Raises:
        ValueError: If two leaves have one path, as ``{"a/b": x, "a": {"b": y}}`` has.
    """
    arrays: Arrays = {}
    for name, leaf in _leaves(tree, prefix):
        if name in arrays:
            raise ValueError(f"{name} is the path of two leaves, must be of one")
        arrays[name] = np.asarray(leaf)
    return arrays


def filled_tree(
    tree: Any,
    arrays: Mapping[str, NDArray[Any]],
    what: str,
    *,
    prefix: str = "",
    cast: bool = False,
) -> Any:
    """Return a pytree with its leaves replaced by arrays of ``named_arrays``.

    Args:
        tree: Its leaves say which shapes and types there must be; their values do not count.
        arrays: By name. Those whose names do not start with the prefix are left alone.
        what: What the arrays are called in errors, such as a file.
        prefix: Before all names.
        cast: Whether another precision of the same kind will do, such as float64 for float32.

    Raises:
        ValueError: If an array is missing, unknown, or of another shape or type, naming it.
    """
    filled = {}
    for name, leaf in _leaves(tree, prefix):
        found = require_array(arrays, name, what, shape=leaf.shape)
        fits = cast and np.can_cast(found.dtype, leaf.dtype, "same_kind")
        if not (fits or found.dtype == leaf.dtype):
            raise ValueError(f"{what}: {name} is of type {found.dtype}, must be {leaf.dtype}")
        filled[name] = found.astype(leaf.dtype)
    for name in arrays:
        if name.startswith(prefix) and name not in filled:
            raise ValueError(f"{what}: {name} is unknown, must be the path of a leaf")
    leaves = jax.device_put(list(filled.values()))  # at once, and nothing to compile
    return jax.tree.unflatten(jax.tree.structure(tree), leaves)


def require_array(
    arrays: Mapping[str, NDArray[Any]],
    name: str,
    what: str,
    *,
    shape: tuple[int | None, ...] | None = None,
) -> NDArray[Any]:
    """Return an array by name.

    Args:
        arrays: By name.
        name: Which.
        what: What the arrays are called in errors.
        shape: What it must have; None for a length that may be any.

    Raises:
        ValueError: If it is missing or of another shape, naming it.
    """
    if name not in arrays:
        raise ValueError(f"{what}: {name} is missing")
    found = arrays[name]
    if shape is not None and not (
        found.ndim == len(shape)
        and all(bound in (None, size) for size, bound in zip(found.shape, shape, strict=True))
    ):
        bound = str(shape).replace("None", "any")
        raise ValueError(f"{what}: {name} has shape {found.shape}, must be {bound}")
    return found


def _leaves(tree: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        yield prefix + jax.tree_util.keystr(path, simple=True, separator="/"), leaf


def _check_lengths(path: str | Path) -> None:
    """Raise ``ValueError`` if an array of an ``.npz`` file is not as long as its header says."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as member:
                version = np.lib.format.read_magic(member)
                read_header = _HEADERS.get(version)
                if read_header is None:
                    raise ValueError(f"{entry.filename} is of version {version}")
                shape, _, dtype = read_header(member)
                found = entry.file_size - member.tell()
                claimed = math.prod(shape) * dtype.itemsize
                if not dtype.hasobject and found != claimed:
                    raise ValueError(
                        f"{entry.filename} has {found} bytes, must have the {claimed} of its header"
                    )
