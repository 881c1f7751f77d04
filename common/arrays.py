"""Array types and checks that name the field, the first bad entry, its value and the bound."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Int32Array = NDArray[np.int32]
BoolArray = NDArray[np.bool_]


def require(ok: NDArray[np.bool_], field: str, values: NDArray[Any], bound: str) -> None:
    """Raise for the first entry that is not ``ok``.

    Args:
        ok: [...] whether each entry of ``values`` keeps to the bound.
        field: What the array is called, ``"products.price"``.
        values: [...] the array, of the shape of ``ok``.
        bound: What every entry must be, ``"> 0"``.

    Raises:
        ValueError: Naming field, index, value and bound of the first bad entry in C order.
    """
    if bool(ok.all()):
        return
    flat = int(np.argmin(ok.reshape(-1)))
    index = ", ".join(str(int(i)) for i in np.unravel_index(flat, ok.shape))
    value = values.reshape(-1)[flat]
    value = value.item() if isinstance(value, np.generic) else value
    raise ValueError(f"{field}[{index}] is {value!r}, must be {bound}")


def require_shape(field: str, values: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Raise ``ValueError`` when the shape of an array is not the expected one."""
    if values.shape != shape:
        raise ValueError(f"{field} has shape {values.shape}, must be {shape}")


def require_range(
    field: str,
    value: float,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    open_low: bool = False,
    open_high: bool = False,
) -> None:
    """Raise ``ValueError`` when a number is not finite or leaves its interval."""
    above = value > low if open_low else value >= low
    below = value < high if open_high else value <= high
    if not (math.isfinite(value) and above and below):
        left = "(" if open_low or math.isinf(low) else "["
        right = ")" if open_high or math.isinf(high) else "]"
        raise ValueError(f"{field} is {value!r}, must be finite and in {left}{low}, {high}{right}")
