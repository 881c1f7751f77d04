"""How much of a case is reproduced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

GIVEN = ("t", "inputs", "actions")  # of a period: what a peer was given


@dataclass
class Compared:
    """Numbers of a case that were compared."""

    numbers: int = 0
    same: int = 0
    largest: float = 0.0  # difference, relative to numbers above 1
    first: str = ""  # the first that differs, or is not there

    @property
    def share(self) -> float:
        """Share of the numbers that are the same."""
        return self.same / max(self.numbers, 1)


def compare(theirs: Any, ours: Any, tolerance: float, where: str, found: Compared) -> None:
    """Compare all numbers of a nest of dictionaries and lists with ours."""
    for name, value in _numbers(theirs, where):
        found.numbers += 1
        own = _at(ours, name[len(where) :])
        error = abs(own - value) / max(1.0, abs(value)) if own is not None else np.inf
        if error <= tolerance:
            found.same += 1
        elif not found.first:
            found.first = f"{name}: {value:.10g} there, {'nothing' if own is None else own} here"
        if np.isfinite(error):
            found.largest = max(found.largest, error)


def _numbers(value: Any, where: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(inner, f"{where}/{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _numbers(inner, f"{where}/{i}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield where, float(value)


def _at(ours: Any, path: str) -> float | None:
    for key in path.split("/")[1:]:
        if isinstance(ours, Mapping):
            if key not in ours:
                return None
            ours = ours[key]
        else:
            try:
                ours = ours[int(key)]
            except (IndexError, TypeError, ValueError):
                return None
    try:
        return float(ours)
    except (TypeError, ValueError):
        return None
