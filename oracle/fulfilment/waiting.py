"""Columns of what an engine carries from period to period, checked as they come from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import require
from draingym.common.npz import require_array

Shape = tuple[int | None, ...]
Arrays = Mapping[str, NDArray[Any]]


def whole_numbers(
    arrays: Arrays, name: str, shape: Shape, *, end: int = 2**53
) -> NDArray[np.int64]:
    """Return a column of integers from 0 to ``end - 1``.

    Raises:
        ValueError: Naming it, if it is missing, of another type or shape, or out of bounds.
    """
    values = _of_kind(arrays, name, shape, "i")
    require((values >= 0) & (values < end), name, values, f"in [0, {end})")
    return values.astype(np.int64)


def days(arrays: Arrays, name: str, shape: Shape) -> NDArray[np.float64]:
    """Return a column of moments, at least 0; infinite for never.

    Raises:
        ValueError: As ``whole_numbers`` does.
    """
    values = _of_kind(arrays, name, shape, "f")
    require(values >= 0.0, name, values, "at least 0")
    return values.astype(np.float64)


def flags(arrays: Arrays, name: str, shape: Shape) -> NDArray[np.bool_]:
    """Return a column of truth values.

    Raises:
        ValueError: As ``whole_numbers`` does.
    """
    return _of_kind(arrays, name, shape, "b")


def _of_kind(arrays: Arrays, name: str, shape: Shape, kind: str) -> NDArray[Any]:
    values = require_array(arrays, name, "state", shape=shape)
    if values.dtype.kind != kind:
        raise ValueError(f"{name} is of type {values.dtype}, must be of kind {kind!r}")
    return values
