"""What is compared: a method is fitted once and forecasts from several origins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.forecasters_parts.datasets import Dataset
from draingym.common.arrays import FloatArray

LEVELS = tuple(round(0.1 * k, 1) for k in range(1, 10))  # of the quantiles that are scored
Settings = Mapping[str, Any]
Said = tuple[FloatArray, FloatArray]  # quantiles [Q, B, H] and points [B, H], units
# What it forecasts of a data set, such as the one it was fitted to, from an origin no earlier.
Predict = Callable[[Dataset, int], Said]
# What is fitted to a data set up to an origin, with some settings and a seed.
Fit = Callable[[Dataset, int, Settings, int], Predict]


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """A way to forecast, and the settings that are tried on the validation origin."""

    name: str
    fit: Fit
    tried: tuple[Settings, ...] = field(default=({},))
    random: bool = False  # whether seeds make a difference
    effort: Any = None  # what else a run depends on; its ``repr`` is part of a kept run's name
