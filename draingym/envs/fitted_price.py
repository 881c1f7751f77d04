"""A fitted demand curve as the price response of an environment."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from draingym.common.arrays import require
from draingym.forecasters.monotone_transformer import PriceCurves
from draingym.simulator import PriceResponse

_LEAST = 1e-30  # of what goes through the inverse of the softplus


def fitted_response(prices: PriceCurves, series: str, period: int = 0) -> PriceResponse:
    """Return how a fitted monotone transformer says that demand answers to the discount.

    ``demand_lift`` of it is ``(exp(xi(d)) - 1) / (exp(xi(0)) - 1)``: the factor that the forecast
    multiplies demand by. Where series and period do not matter, take the one you price.

    Args:
        prices: What ``price_curves`` returned.
        series: Whose response it is.
        period: Of the horizon, from 0; scale and level, not slopes, differ between periods.

    Raises:
        ValueError: If there is no such series or period, or the curve is of a free response and
            falls somewhere.
    """
    curve = prices.one(series, period)
    delta = np.asarray(curve.delta, np.float64)
    require(delta >= 0, "delta", delta, "at least 0: demand must not fall with the discount")
    return PriceResponse(
        base=jnp.asarray(curve.base, float),
        step=_before_softplus(curve.delta),
        scale=_before_softplus(curve.scale),
        log_scale=True,
    )


def _before_softplus(values: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Return x such that ``softplus(x)`` is the values, at least 0."""
    given = np.maximum(np.asarray(values, np.float64), _LEAST)
    return jnp.asarray(given + np.log(-np.expm1(-given)), float)
