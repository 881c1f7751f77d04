"""Small long frames to test with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def weekly_pattern(
    series: int = 8, periods: int = 80, *, seed: int = 0, start: str = "2024-01-01"
) -> pd.DataFrame:
    """Daily sales with a weekday pattern; a price that is known ahead; a static category."""
    random = np.random.default_rng(seed)
    days = pd.date_range(start, periods=periods)
    parts = []
    for s in range(series):
        level = 3.0 * 2.0 ** (s % 4)
        price = np.round(1.0 + random.random(periods), 2)
        shape = 1.0 + 0.8 * np.sin(2 * np.pi * np.arange(periods) / 7)
        parts.append(
            pd.DataFrame(
                {
                    "unique_id": f"item {s}",
                    "ds": days,
                    "y": random.poisson(level * shape / price).astype(float),
                    "price": price,
                    "kind": "even" if s % 2 == 0 else "odd",
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def long_frame(**changes: Any) -> pd.DataFrame:
    """Two series of four days."""
    days = pd.date_range("2024-01-01", periods=4)
    columns = {
        "unique_id": ["a"] * 4 + ["b"] * 4,
        "ds": [*days, *days],
        "y": [1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0, 40.0],
        "price": [1.0, 1.5, 2.0, 2.5] * 2,
        "stock": [5.0] * 8,
        "kind": ["x"] * 4 + ["y"] * 4,
    }
    return pd.DataFrame(columns | changes)
