"""Array types and checks that name the field, the first bad entry, its value and the bound."""

from __future__ import annotations

import math
import reprlib
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
    """Raise ``ValueError`` when a value is no finite number, or leaves its interval."""
    number = _float(value)
    if number is None:
        raise ValueError(f"{field} is {short(value)}, must be a number")
    above = number > low if open_low else number >= low
    below = number < high if open_high else number <= high
    if not (math.isfinite(number) and above and below):
        left = "(" if open_low or math.isinf(low) else "["
        right = ")" if open_high or math.isinf(high) else "]"
        raise ValueError(
            f"{field} is {short(value)}, must be finite and in {left}{low}, {high}{right}"
        )


def require_whole(field: str, value: Any, *, low: int = 0, high: int | None = None) -> None:
    """Raise ``ValueError`` when a value is no whole number, or out of its bounds.

    True and 2.0 are none.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"{field} is {short(value)}, must be a whole number of at least {low}")
    if value < low or (high is not None and value > high):
        bound = f"at least {low}" if high is None else f"in [{low}, {high}]"
        raise ValueError(f"{field} is {short(value)}, must be {bound}")


def require_flag(field: str, value: Any) -> None:
    """Raise ``ValueError`` when a value is neither True nor False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{field} is {short(value)}, must be True or False")


def require_seed(value: int, field: str = "seed") -> None:
    """Raise ``ValueError`` when a value is no seed: JAX keeps 32 bits of one."""
    require_whole(field, value, low=0, high=2**32 - 1)


def short(value: Any) -> str:
    """Return a value as an error shows it: on one line, of bounded length, however deep it is."""
    text = " ".join(_Short().repr(value).split())
    return text if len(text) <= 120 else f"{text[:117]}..."


class _Short(reprlib.Repr):
    """``repr`` of the outermost levels, and of the first entries of each."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxlist, self.maxtuple, self.maxdict = 3, 6, 6, 4
        self.maxstring = self.maxother = 100


def _float(value: Any) -> float | None:
    """Return a number as a float, infinite where it is too large for one; None for anything else.

    Truth values and text are no numbers.
    """
    if isinstance(value, bool | np.bool_ | str) or not hasattr(value, "__float__"):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except TypeError:
        return None
