"""Many series on one time grid, with what is known of them: past, known ahead, static."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import BoolArray, FloatArray, IntArray, require, require_shape
from draingym.forecasters.data.grid import Grid, Times

Labels = NDArray[Any]  # text; "" where missing


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SeriesData:
    """Series of demand on one grid, ``S`` of them over ``T`` periods.

    What is known ahead reaches ``F`` periods further than the target. Missing numbers are NaN,
    missing labels "".

    Raises:
        ValueError: If shapes differ, an id is met twice, or a number is infinite; naming series,
            column, time and bound.

    Example:
        >>> from draingym.forecasters.data.grid import Grid, Step
        >>> data = SeriesData(
        ...     ids=("a", "b"),
        ...     grid=Grid(0, Step("whole", 1)),
        ...     target=np.array([[1.0, 2, 3], [4, np.nan, 6]]),
        ... )
        >>> data.num_series, data.num_periods, data.observed.tolist()
        (2, 3, [[True, True, True], [True, False, True]])
        >>> data.until(2).actual(1, 1).tolist()
        [[2.0], [nan]]
    """

    ids: tuple[str, ...]
    grid: Grid
    target: FloatArray  # [S, T]
    past: Mapping[str, FloatArray] = field(default_factory=dict)  # [S, T] each
    known: Mapping[str, FloatArray] = field(default_factory=dict)  # [S, T + F]
    known_labels: Mapping[str, Labels] = field(default_factory=dict)  # [S, T + F]
    static: Mapping[str, FloatArray] = field(default_factory=dict)  # [S]
    labels: Mapping[str, Labels] = field(default_factory=dict)  # [S]

    def __post_init__(self) -> None:
        """Check shapes and numbers; see the class."""
        if self.target.ndim != 2:
            raise ValueError(f"target has shape {self.target.shape}, must be [series, periods]")
        series, periods = len(self.ids), self.target.shape[1]
        if series == 0 or periods == 0:
            raise ValueError(
                f"data has {series} series and {periods} periods, must have at least 1 of each"
            )
        if len(set(self.ids)) < series:
            twice = next(name for name in self.ids if self.ids.count(name) > 1)
            raise ValueError(f"series {twice!r} is met twice, must be met once")
        if self.num_known < periods:
            raise ValueError(
                f"columns known ahead have {self.num_known} periods, must have at least {periods}"
            )
        for columns, shape in (
            ({"target": self.target} | dict(self.past), (series, periods)),
            (dict(self.known) | dict(self.known_labels), (series, self.num_known)),
            (dict(self.static) | dict(self.labels), (series,)),
        ):
            for name, values in columns.items():
                require_shape(f"column {name!r}", values, shape)
                if values.dtype.kind == "f":
                    self._require_no_infinity(name, values)

    def _require_no_infinity(self, name: str, values: FloatArray) -> None:
        bad = np.isinf(values)
        if not bad.any():
            return
        if values.ndim == 1:
            require(~bad, f"column {name!r}", values, "finite, or missing")
        s, t = np.argwhere(bad)[0]
        raise ValueError(f"{self.where(int(s), name, int(t))} is {values[s, t]}, must be finite")

    @property
    def num_series(self) -> int:
        """``S``."""
        return len(self.ids)

    @property
    def num_periods(self) -> int:
        """``T``, the periods of the target."""
        return int(self.target.shape[1])

    @property
    def num_known(self) -> int:
        """``T + F``, the periods of columns that are known ahead; ``T`` where there are none."""
        ahead = [*self.known.values(), *self.known_labels.values()]
        return int(ahead[0].shape[1]) if ahead else self.num_periods

    @property
    def observed(self) -> BoolArray:
        """[S, T] where the target is there."""
        found: BoolArray = ~np.isnan(self.target)
        return found

    @property
    def times(self) -> Times:
        """[T] the target's time stamps."""
        return self.grid.times(0, self.num_periods)

    def where(self, series: int, column: str, period: int) -> str:
        """Return the place of an entry as errors name it."""
        return f"series {self.ids[series]!r}, column {column!r}, {self.grid.shown(period)}"

    def until(self, periods: int) -> SeriesData:
        """Return what is known at the end of a period: the first ``periods`` of target and past.

        Columns that are known ahead stay as they are.

        Raises:
            ValueError: If there are not that many.
        """
        if not 1 <= periods <= self.num_periods:
            raise ValueError(f"periods is {periods}, must be in [1, {self.num_periods}]")
        return replace(
            self,
            target=self.target[:, :periods],
            past={name: values[:, :periods] for name, values in self.past.items()},
        )

    def take(self, series: IntArray | Sequence[int]) -> SeriesData:
        """Return some of the series, by index."""
        rows = np.asarray(series, np.int64)

        def cut(columns: Mapping[str, Any]) -> dict[str, Any]:
            return {name: values[rows] for name, values in columns.items()}

        return replace(
            self,
            ids=tuple(self.ids[i] for i in rows),
            target=self.target[rows],
            past=cut(self.past),
            known=cut(self.known),
            known_labels=cut(self.known_labels),
            static=cut(self.static),
            labels=cut(self.labels),
        )

    def actual(self, origin: int, horizon: int) -> FloatArray:
        """Return the target of the periods after an origin, [S, H]; NaN where it is missing.

        Raises:
            ValueError: If the data end before.
        """
        if not 0 <= origin <= self.num_periods - horizon:
            raise ValueError(
                f"origin is {origin}, must be in [0, {self.num_periods - horizon}] for a horizon "
                f"of {horizon}"
            )
        return self.target[:, origin : origin + horizon]

    def require_observed(self) -> None:
        """Raise unless every series has an observation.

        Raises:
            ValueError: Naming the first that has none.
        """
        empty = ~self.observed.any(axis=1)
        if empty.any():
            s, last = int(np.argmax(empty)), self.grid.shown(self.num_periods - 1)
            raise ValueError(
                f"series {self.ids[s]!r}, column 'target' has no value up to {last}, must have at "
                "least 1"
            )
