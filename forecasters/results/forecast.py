"""A forecast: joint samples of many series over a horizon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import FloatArray, require_range
from draingym.forecasters.data.grid import Times
from draingym.forecasters.data.tables import table_of, to_native
from draingym.forecasters.results.scores import score

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_SAMPLE, _QUANTILE = "sample_", "q"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Forecast:
    """Joint samples of ``B`` series over the ``H`` periods after an origin.

    A sample is a path: its periods belong together.

    Raises:
        ValueError: If shapes differ, there are fewer than two samples, or a number is not finite.

    Example:
        >>> forecast = Forecast(
        ...     ids=("a",),
        ...     times=np.array([7, 8]),
        ...     samples=np.array([[[4.0, 6.0]], [[8.0, 6.0]]], np.float32),
        ...     point=np.array([[6.0, 6.0]]),
        ... )
        >>> forecast.mean.tolist(), forecast.quantiles((0.5,)).tolist()
        ([[6.0, 6.0]], [[[6.0, 6.0]]])
        >>> forecast.to_frame((0.9,)).columns.tolist()
        ['unique_id', 'ds', 'mean', 'point', 'q0.9']
    """

    ids: tuple[str, ...]  # [B]
    times: Times  # [H] datetime64[s] or int64
    samples: NDArray[np.float32]  # [S, B, H] units
    point: FloatArray  # [B, H] units; the model's forecast of one number, or the samples' mean

    def __post_init__(self) -> None:
        """Check shapes and numbers; see the class."""
        shape = (len(self.ids), len(self.times))
        if self.samples.ndim != 3 or self.samples.shape[1:] != shape or len(self.samples) < 2:
            raise ValueError(
                f"samples have shape {self.samples.shape}, must be (at least 2, *{shape})"
            )
        if self.point.shape != shape:
            raise ValueError(f"point has shape {self.point.shape}, must be {shape}")
        bad = ~(np.isfinite(self.samples).all(axis=0) & np.isfinite(self.point))
        if bad.any():
            s, t = np.argwhere(bad)[0]
            raise ValueError(
                f"forecast of series {self.ids[s]!r}, {self.times[t]} has a number that is not "
                "finite, must be finite"
            )

    @property
    def horizon(self) -> int:
        """``H``."""
        return len(self.times)

    @property
    def mean(self) -> FloatArray:
        """[B, H] units."""
        found: FloatArray = self.samples.mean(axis=0, dtype=np.float64)
        return found

    def quantiles(self, levels: Sequence[float] = LEVELS) -> FloatArray:
        """Return quantiles of the samples, [Q, B, H] units.

        Raises:
            ValueError: If a level is not in [0, 1].
        """
        for level in levels:
            require_range("level", level, low=0.0, high=1.0)
        found: FloatArray = np.quantile(self.samples, np.asarray(levels), axis=0)
        return found

    def to_frame(
        self,
        levels: Sequence[float] = LEVELS,
        *,
        samples: bool = False,
        backend: str = "pandas",
    ) -> Any:
        """Return the forecast as a long frame.

        Args:
            levels: A column for each, such as ``q0.95``.
            samples: Also a column for each sample, ``sample_0`` on: ``from_frame`` reads them.
            backend: ``pandas``, ``polars`` or ``pyarrow``.

        Returns:
            Columns ``unique_id``, ``ds``, ``mean``, ``point``, quantiles, samples; B x H rows.
        """
        dates = self.times.dtype.kind == "M"  # polars knows no seconds
        times = self.times.astype("datetime64[us]") if dates else self.times
        columns: dict[str, Any] = {
            "unique_id": [name for name in self.ids for _ in times],
            "ds": np.tile(times, len(self.ids)),
            "mean": self.mean.reshape(-1),
            "point": self.point.reshape(-1),
        }
        for level, values in zip(levels, self.quantiles(levels), strict=True):
            columns[f"{_QUANTILE}{level:g}"] = values.reshape(-1)
        if samples:
            columns |= {
                f"{_SAMPLE}{i}": values.reshape(-1) for i, values in enumerate(self.samples)
            }
        return to_native(columns, backend)

    @classmethod
    def from_frame(cls, frame: Any) -> Forecast:
        """Return the forecast of a long frame that has a column for each sample.

        Quantiles at evenly spaced levels, called ``sample_0`` on, do as samples of each period.

        Args:
            frame: ``unique_id``, ``ds``, ``sample_0`` on, and ``point`` where the model has one;
                every series has the same time stamps.

        Raises:
            ValueError: If a column or a row is missing, naming it.
        """
        table = table_of(frame)
        names = [name for name in table.columns if name.startswith(_SAMPLE)]
        for name in ("unique_id", "ds"):
            if name not in table.columns:
                raise ValueError(f"column {name!r} is missing, must be that of a forecast")
        ids = [str(name) for name in table["unique_id"].to_list()]
        times = table["ds"].to_numpy()
        times = times.astype("datetime64[s]" if times.dtype.kind == "M" else np.int64)
        unique, series = np.unique(np.array(ids), return_inverse=True)
        stamps, period = np.unique(times, return_inverse=True)
        row = np.full((len(unique), len(stamps)), -1)
        row[series, period] = np.arange(len(ids))
        if (row < 0).any() or row.size != len(ids):
            s, t = np.argwhere(row < 0)[0] if (row < 0).any() else (0, 0)
            raise ValueError(
                f"series {str(unique[s])!r}, {stamps[t]} is missing or met twice in a forecast, "
                "must be met once"
            )
        if not names:
            raise ValueError(f"columns {_SAMPLE}0 on are missing, must be those of samples")
        samples = np.stack([table[name].to_numpy()[row] for name in names]).astype(np.float32)
        point = samples.mean(axis=0, dtype=np.float64)
        if "point" in table.columns:
            point = table["point"].to_numpy()[row].astype(np.float64)
        return cls(
            ids=tuple(str(name) for name in unique), times=stamps, samples=samples, point=point
        )

    def take(self, series: Sequence[int]) -> Forecast:
        """Return some of the series, by index."""
        rows = list(series)
        return Forecast(
            ids=tuple(self.ids[i] for i in rows),
            times=self.times,
            samples=self.samples[:, rows],
            point=self.point[rows],
        )

    def score(self, actual: FloatArray, levels: Sequence[float] = LEVELS) -> Mapping[str, Any]:
        """Return the scores of each series; see ``results.scores.score``."""
        return score(self.samples, self.point, actual, levels)
