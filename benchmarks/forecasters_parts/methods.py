"""What is compared: a method is fitted once and forecasts from several origins."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
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
    needs: tuple[str, ...] = ()  # packages beside ours


def there(methods: Sequence[Method]) -> list[Method]:
    """Return the methods whose packages are installed, and say which are left out."""
    found = []
    for method in methods:
        missing = [name for name in method.needs if find_spec(name) is None]
        if missing:
            print(f"{method.name} is left out: {', '.join(missing)} cannot be imported")
        else:
            found.append(method)
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out others' warnings, and what Lightning says of devices and workers."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
