"""A fitted demand curve as the price response of an environment."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from draingym.common.arrays import require
from draingym.common.price_steps import before_softplus
from draingym.forecasters.monotone_transformer import PriceCurves
from draingym.simulator import FunctionalEnv, PricedDemandParams, PriceResponse


def fitted_response(prices: PriceCurves, series: str, period: int = 0) -> PriceResponse:
    """Return how a fitted monotone transformer says that demand answers to the discount.

    ``demand_lift`` of it is ``(exp(xi(d)) - 1) / (exp(xi(0)) - 1)``: the factor that the forecast
    multiplies demand by.

    Args:
        prices: What ``price_curves`` returned.
        series: Whose response it is.
        period: Of the horizon, from 0. Level and scale differ between periods, slopes between near
            and far ones.

    Raises:
        ValueError: If there is no such series or period, or the curve is of a free response and
            falls somewhere.
    """
    curve = prices.one(series, period)
    delta = np.asarray(curve.delta, np.float64)
    require(delta >= 0, "delta", delta, "at least 0: demand must not fall with the discount")
    return PriceResponse(
        base=jnp.asarray(curve.base, float),
        step=jnp.asarray(before_softplus(curve.delta), float),
        scale=jnp.asarray(before_softplus(curve.scale), float),
        log_scale=True,
    )


def with_response(problem: FunctionalEnv, response: PriceResponse) -> FunctionalEnv:
    """Return a problem whose demand answers to the discount in another way.

    Args:
        problem: Such as ``make_problem("Pricing")``.
        response: Such as ``fitted_response`` returns.

    Raises:
        ValueError: If the problem has no discount.
    """
    kernel = problem.params.kernel
    if not isinstance(kernel, PricedDemandParams):
        raise ValueError(
            f"problem has a kernel with {type(kernel).__name__}, must have PricedDemandParams"
        )
    params = replace(problem.params, kernel=replace(kernel, response=response))
    return replace(problem, params=params)
