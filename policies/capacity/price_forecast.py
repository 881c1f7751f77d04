"""Prices of storage for periods to come, from what is known before each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from draingym.policies.capacity.prices import (
    CapacityConfig,
    CapacityRollouts,
    checked_capacity,
    violation,
)
from draingym.policies.rules.placement import NEAREST
from draingym.policies.tree import Tree, catchment_share
from draingym.simulator import Scenario

FloatArray = NDArray[np.float64]


def price_features(
    scenario: Scenario, tree: Tree, capacity: FloatArray, volume: NDArray[Any]
) -> FloatArray:
    """Return [T, N, 4] what is known before a period about the use of storage in it.

    One; the forecast of a period's demand around the node over its capacity, and its square; the
    use at the trajectory's start over the capacity, which fades by half every four periods.

    Args:
        scenario: Leaves [P, ...] and [P, T, ...].
        tree: The network.
        capacity: [N] volumes; inf for none.
        volume: [P] volumes a unit.
    """
    series, weight = scenario.series, np.asarray(volume, np.float64)
    active = jnp.ones(len(capacity), bool)
    share = np.asarray(catchment_share(tree, active, jnp.float32(NEAREST)), np.float64)
    near = np.einsum("p,ptz,nz->tn", weight, np.asarray(series.forecast, np.float64), share)
    pressure = near @ np.asarray(tree.descends, np.float64).T / capacity
    start = weight @ np.asarray(scenario.initial.on_hand, np.float64) / capacity
    fade = 0.5 ** (np.arange(len(pressure)) / 4.0)
    return np.stack(
        [np.ones_like(pressure), pressure, pressure**2, fade[:, None] * start[None, :]], axis=-1
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceForecast:
    """Prices as a linear function of ``price_features``, one for all limited nodes, at least 0."""

    weights: FloatArray  # [4] currency a volume and period
    offset: FloatArray  # [N] currency a volume and period

    def __call__(self, features: FloatArray) -> FloatArray:
        """Return [T, N] the mean price of the next periods."""
        return np.maximum(features @ self.weights + self.offset, 0.0)

    def raised(self, by: float) -> PriceForecast:
        """Return the forecast with currency added at every node, for a margin of safety."""
        return replace(self, offset=self.offset + by)


def fit_price_forecast(
    features: list[FloatArray],
    prices: list[FloatArray],
    capacity: FloatArray,
    config: CapacityConfig | None = None,
    *,
    ridge: float = 1e-2,
) -> PriceForecast:
    """Learn the mean price of the coming periods from what is known before a period.

    Ridge regression with a level for every limited node; nodes without a limit cost nothing.

    Args:
        features: [T, N, 4] of each window, of ``price_features``.
        prices: [T, N] of each window, of ``dual_ascent``.
        capacity: [N] volumes; inf for none.
        config: As for ``dual_ascent``: how many periods' prices a policy sees.
        ridge: Penalty of squared weights, over the features' variance.

    Returns:
        The forecast.

    Raises:
        ValueError: If there are not as many features as prices, at least one, or no limited node.
    """
    config = CapacityConfig() if config is None else config
    capacity = checked_capacity(capacity)
    limited = np.flatnonzero(np.isfinite(capacity))
    if len(features) != len(prices) or not features or not len(limited):
        raise ValueError(
            f"{len(features)} features, {len(prices)} prices, {len(limited)} limited nodes, must "
            "be as many features as prices, and at least 1 of each"
        )
    seen = [CapacityRollouts.seen(p, config.periods_seen) for p in prices]
    x = np.concatenate([f[:, limited, 1:] for f in features])  # [T, n, 3]
    y = np.concatenate([p[:, limited] for p in seen])
    centre, level = x.mean(axis=0), y.mean(axis=0)
    dx, dy = (x - centre).reshape(-1, x.shape[-1]), (y - level).ravel()
    scale = dx.std(axis=0) + 1e-9
    gram = (dx / scale).T @ (dx / scale) + ridge * len(dx) * np.eye(x.shape[-1])
    slope = np.linalg.solve(gram, (dx / scale).T @ dy) / scale
    offset = np.full(len(capacity), -np.inf)
    offset[limited] = level - centre @ slope
    return PriceForecast(weights=np.concatenate([[0.0], slope]), offset=offset)


def calibrate(
    forecast: PriceForecast,
    use_under: Callable[[PriceForecast], FloatArray],
    capacity: FloatArray,
    *,
    most_excess: float = 0.01,
    highest: float = 20.0,
) -> PriceForecast:
    """Raise a forecast as little as keeps the excess on known periods within a limit.

    Args:
        forecast: Fitted.
        use_under: Returns [..., T, N] the use of storage under a forecast, on known periods.
        capacity: [N] volumes; inf for none.
        most_excess: Of ``Violation.excess``.
        highest: Currency that is added at most.

    Returns:
        The raised forecast; raised by ``highest`` where even that does not suffice.
    """

    def good(by: float) -> bool:
        return violation(use_under(forecast.raised(by)), capacity).excess <= most_excess

    low, high = 0.0, highest
    if good(low):
        return forecast
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (low, middle) if good(middle) else (middle, high)
    return forecast.raised(high)
