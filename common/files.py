"""Plain values as JSON files."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from draingym.common.atomic import atomic_file


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
        ValueError: If it cannot be read, or is no JSON, naming it.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        after = f"; {remedy}" if remedy else ""
        raise ValueError(
            f"{what} {path} cannot be read ({reason}), must be a whole JSON file{after}"
        ) from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Path | date):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON serializable")
