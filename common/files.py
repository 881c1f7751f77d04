"""Reading what others wrote, and plain values as JSON files."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np

from draingym.common.atomic import atomic_file


@contextmanager
def reading(what: str, path: str | Path, bound: str) -> Iterator[None]:
    """Turn whatever a block that reads a path raises into a ``ValueError`` that names the path.

    A damaged file may fail in a dozen ways.

    Args:
        what: What is at the path, ``"panel"``.
        path: What is read.
        bound: What it must be, ``"a panel in Zarr"``.

    Raises:
        ValueError: Naming the path, the reason and the bound.
        MemoryError: As it was: the file may be fine.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ValueError(
            f"{what} {path} cannot be read ({reason or type(error).__name__}), must be {bound}"
        ) from error


def kind_at(path: str | Path, what: str = "path") -> Literal["file", "folder"] | None:
    """Return what is at a path, None where nothing is.

    Args:
        path: Where to look.
        what: What the path is called in errors.

    Raises:
        ValueError: If the system cannot look there, such as where a name is too long.
    """
    with reading(what, path, "a path that the system can look up"):
        try:
            mode = os.stat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        return "folder" if stat.S_ISDIR(mode) else "file"


def json_text(value: Any, **options: Any) -> str:
    """Return plain values as JSON; NumPy's numbers and arrays, paths and dates count as plain."""
    return json.dumps(value, default=_plain, **options)


def write_json(path: Path, value: Any, *, finite: bool = True) -> None:
    """Write plain values as JSON; a file that is there is replaced as a whole.

    Args:
        path: The file.
        value: Plain values.
        finite: Whether all numbers must be. Infinity and NaN are no JSON, but Python reads them.

    Raises:
        ValueError: If the file cannot be written, or a number is not finite.
    """
    try:
        text = json_text(value, indent=1, allow_nan=not finite)
    except ValueError as error:
        raise ValueError(f"{path}: {error}, must hold finite numbers alone") from error
    with atomic_file(path) as fresh:
        fresh.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path, what: str = "file", remedy: str = "") -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        what: What it is called in errors.
        remedy: What to do about it, said where it cannot be read.

    Raises:
        ValueError: If it cannot be read, is no JSON, or has a key twice, naming it.
    """
    with reading(what, path, f"a whole JSON file{f'; {remedy}' if remedy else ''}"):
        text = Path(path).read_text(encoding="utf-8")
        return json.loads(text, object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return what an object of JSON holds; the last of two values of a name must not win."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice} is there twice, must be once")
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Path | date):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON serializable")
