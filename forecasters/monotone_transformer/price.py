"""What a fitted monotone transformer says of prices: demand of every series at any discount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from draingym.common.arrays import FloatArray, require_whole
from draingym.forecasters.data.grid import Times
from draingym.forecasters.data.windows import Batch
from draingym.forecasters.fitted import Fitted
from draingym.forecasters.monotone_transformer.model import MonotoneTransformer, units
from draingym.forecasters.monotone_transformer.network import MonotoneNetwork
from draingym.forecasters.monotone_transformer.types import (
    GRID,
    DemandCurves,
    demand_grid,
    log_demand,
    require_discount,
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PriceCurves:
    """Demand of ``B`` series over ``H`` periods as a function of each period's discount."""

    ids: tuple[str, ...]  # [B]
    times: Times  # [H]
    curves: DemandCurves  # [B, H] on the log scale
    scale: Float[Array, " B"]  # units

    def demand(self, discount: ArrayLike) -> FloatArray:
        """Return units demanded at a discount, or at one for each series and period, [B, H].

        Raises:
            ValueError: If a discount is not in [0, 0.7].
        """
        require_discount("discount", discount)
        given = jnp.broadcast_to(jnp.asarray(discount, jnp.float32), self.curves.base.shape)
        found = units(log_demand(self.curves, given), self.scale)
        return np.asarray(found, np.float64)

    def grid(self, discounts: Sequence[float] = GRID) -> FloatArray:
        """Return units demanded at each of several discounts, [B, H, D].

        Raises:
            ValueError: If a discount is not in [0, 0.7].

        Source: Zalando, section 3.5.
        """
        return np.asarray(units(demand_grid(self.curves, discounts), self.scale), np.float64)

    def one(self, series: str, period: int = 0) -> DemandCurves:
        """Return the curve of one series and period of the horizon; its leaves have no axes left.

        Raises:
            ValueError: If there is no such series or period.
        """
        if series not in self.ids:
            raise ValueError(f"series is {series!r}, must be one of those that were forecast")
        require_whole("period", period, low=0, high=len(self.times) - 1)
        row = self.ids.index(series)
        found: DemandCurves = jax.tree.map(lambda x: x[row, period], self.curves)
        return found


def price_curves(
    fitted: Fitted, history: Any, horizon: int | None = None, future: Any = None
) -> PriceCurves:
    """Return the demand curves of the periods after the last of a history.

    Args:
        fitted: A fitted ``MonotoneTransformer``.
        history: As ``Fitted.predict`` takes it.
        horizon: Periods, at most the model's, which it is when not given.
        future: What is known ahead, as ``Fitted.predict`` takes it. Its discounts do not matter.

    Raises:
        ValueError: If the model is another one, or as ``Fitted.predict`` does.
    """
    if not isinstance(fitted.model, MonotoneTransformer):
        raise ValueError(
            f"model is {type(fitted.model).__name__}, must be MonotoneTransformer: no other has "
            "curves"
        )
    prepared = fitted.prepare(history, horizon, future)
    curves, scale = fitted.each(prepared, _curves)
    steps = prepared.steps
    return PriceCurves(
        ids=prepared.data.ids,
        times=prepared.times,
        curves=jax.tree.map(lambda x: jnp.asarray(x[:, :steps]), curves),
        scale=jnp.asarray(scale),
    )


def _curves(
    model: MonotoneTransformer, network: MonotoneNetwork, batch: Batch
) -> tuple[DemandCurves, Array]:
    return model.curves(network, batch), batch.scale
