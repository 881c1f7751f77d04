"""Sample paths of a forecast as the demand of a classic problem."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from draingym.common.arrays import require_whole
from draingym.forecasters import Forecast
from draingym.simulator.precision import real


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PathDemand:
    """Demand that goes as a forecast says it might: a sample path of it, drawn anew each time.

    For problems such as ``single_store(demand=PathDemand(...))``, one series a region. A path's
    periods belong together, as the forecast's do; series are drawn apart. What policies see as the
    forecast is the mean over the horizon.

    Raises:
        ValueError: If a series has no forecast, naming it, or there is none.
    """

    forecast: Forecast
    series: tuple[str, ...]  # [Z] ids, in the order of the problem's regions

    def __post_init__(self) -> None:
        """Check the series; see the class."""
        require_whole("series", len(self.series), low=1)
        for name in self.series:
            if name not in self.forecast.ids:
                raise ValueError(f"series {name!r} has no forecast, must have one")

    @property
    def regions(self) -> int:
        """``Z``."""
        return len(self.series)

    @property
    def mean(self) -> NDArray[np.float64]:
        """[Z] units a period, over the horizon."""
        found: NDArray[np.float64] = self._paths().mean(axis=(0, 1), dtype=np.float64)
        return found

    def sample(self, key: Array, shape: tuple[int, ...]) -> Float[Array, "T Z *B"]:
        """Draw paths, the first ``T`` periods of them; ``shape`` is (T, Z) or (T, Z, B).

        Raises:
            ValueError: If ``T`` is beyond the horizon.
        """
        periods, regions = shape[:2]
        require_whole("periods", periods, low=1, high=self.forecast.horizon)
        paths = jnp.asarray(self._paths()[:, :periods])  # [S, T, Z]
        which = jax.random.randint(key, (1, *shape[1:]), 0, paths.shape[0])
        drawn = jnp.take_along_axis(
            paths.reshape(*paths.shape, *[1] * len(shape[2:])),
            which[:, None],
            axis=0,
        )
        return real(drawn[0].reshape(periods, regions, *shape[2:]))

    def _paths(self) -> NDArray[np.float32]:
        """Return [S, T, Z] units, at least 0."""
        rows = [self.forecast.ids.index(name) for name in self.series]
        return np.maximum(np.moveaxis(self.forecast.samples[:, rows], 1, 2), 0.0)
