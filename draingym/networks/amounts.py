"""Numbers as a description takes them: amounts, series, lead times and shares, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from draingym.common.arrays import require_range, require_whole, short
from draingym.simulator import LARGEST
from draingym.simulator.problems.classic import MOST_LEAD

Amount = float | Sequence[float]  # the same in all periods, or one a period


def entries(value: Any) -> list[Any] | None:
    """Return the entries of a list, or of an array of any library; None for anything else.

    >>> entries(np.arange(2)), entries((3, 4)), entries(5), entries("67")
    ([0, 1], [3, 4], None, None)
    """
    if isinstance(value, str | bytes | Mapping):
        return None
    if hasattr(value, "__array__"):
        given = np.asarray(value)
        return given.tolist() if given.ndim else None
    return list(value) if isinstance(value, Sequence) else None


def amount(
    field: str, value: Any, *, low: float = 0.0, high: float = LARGEST
) -> float | tuple[float, ...] | None:
    """Return a number, or one a period as a tuple; None as it is.

    Raises:
        ValueError: Naming the field, the value and the bound.
    """
    if value is None:
        return None
    if entries(value) is not None:
        values = series(field, value, low=low, high=high)
        if not values:
            raise ValueError(f"{field} is {short(value)}, must hold at least one number")
        return values
    if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
        raise ValueError(
            f"{field} is {short(value)}, must be a number, or a list of one number a period"
        )
    require_range(field, value, low=low, high=high)
    return float(value)


def series(
    field: str, values: Any, *, low: float = 0.0, high: float = LARGEST
) -> tuple[float, ...]:
    """Return a list of numbers as a tuple; see ``amount``."""
    given = entries(values)
    if given is None:
        raise ValueError(f"{field} is {short(values)}, must be a list of numbers")
    for i, value in enumerate(given):
        require_range(f"{field}[{i}]", value, low=low, high=high)
    return tuple(float(value) for value in given)


def lead_time(field: str, value: Any) -> Any:
    """Return a lead time in its plain form; probabilities as a mapping of whole periods.

    Raises:
        ValueError: Naming the field, the value and the bound.
    """
    if isinstance(value, Mapping):
        pmf: dict[int, float] = {}
        for key, share in value.items():
            decimal = isinstance(key, str) and key.isascii() and key.isdecimal()
            periods = int(key) if decimal and len(key) < 10 else key
            require_whole(f"{field} key", periods, high=MOST_LEAD)
            require_range(f"{field}[{periods}]", share, low=0.0, high=1.0)
            pmf[int(periods)] = float(share)
        if abs(sum(pmf.values()) - 1.0) > 1e-6:
            raise ValueError(
                f"{field} has probabilities that sum to {sum(pmf.values())}, must be 1"
            )
        return pmf
    given = entries(value)
    if given is not None:
        for i, periods in enumerate(given):
            require_whole(f"{field}[{i}]", periods, high=MOST_LEAD)
        if not given:
            raise ValueError(f"{field} is {short(value)}, must hold at least one number")
        return tuple(int(periods) for periods in given)
    if hasattr(value, "__array__"):
        value = np.asarray(value).item()
    require_whole(field, value, high=MOST_LEAD)
    return int(value)


def shares(field: str, value: Any) -> tuple[tuple[float, ...], ...]:
    """Return shares by age, one tuple a period; a single list holds in all periods.

    Raises:
        ValueError: Naming the field, the value and the bound.
    """
    given = entries(value)
    if not given:
        raise ValueError(f"{field} is {short(value)}, must be a list of shares, not empty")
    rows = given if entries(given[0]) is not None else [given]
    found = []
    for i, row in enumerate(rows):
        parts = series(f"{field}[{i}]", row, high=1.0)
        if abs(sum(parts) - 1.0) > 1e-6:
            raise ValueError(f"{field}[{i}] sums to {sum(parts)}, must be 1")
        found.append(parts)
    return tuple(found)


def require_name(field: str, value: Any) -> None:
    """Raise ``ValueError`` unless a value is text."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{field} is {short(value)}, must be text, not empty")


def require_enough(
    where: str,
    limit: Amount | None,
    batch: Amount | None,
    minimum: Amount | None,
    most: float | None,
) -> None:
    """Raise ``ValueError`` where no request could ever be made.

    Args:
        where: What the fields are called in errors, before their names.
        limit: Units that a request is cut to, 0 in a disruption.
        batch: Units that it is a multiple of.
        minimum: Units, below which it is refused.
        most: Units that an action of 1 requests.
    """
    for bound, cap in (("request_limit", limit), ("most", most)):
        if cap is None:
            continue
        largest = float(np.max(cap))
        for name, least in (("batch", batch), ("minimum", minimum)):
            if least is not None and np.min(least) > largest:
                raise ValueError(
                    f"{where}{name} is {np.min(least):g}, must be at most {bound}, {largest:g}"
                )
    if limit is not None and batch is not None and minimum is not None:
        cut, step, least = _aligned(limit, batch, minimum)
        whole = np.floor(cut / step) * step
        if (whole < least).all():
            raise ValueError(
                f"{where}minimum is {np.min(minimum):g}, must be at most "
                f"{np.max(whole):g}, the most that whole batches make of request_limit"
            )


def _aligned(*amounts: Amount) -> list[Any]:
    """Return amounts over as many periods as it takes until all lists start again."""
    rows = [np.atleast_1d(np.asarray(value, np.float64)) for value in amounts]
    periods = int(np.lcm.reduce([len(row) for row in rows]))
    return [np.resize(row, min(periods, 100_000)) for row in rows]
