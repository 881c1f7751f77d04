"""The closest node as a baseline forecast: tuned on training periods, sampled on any."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from drain_model.closest_node import ClosestNodeParams, sample_cells
from drain_model.data import DrainData
from drain_model.metrics import crps

# Temperatures tried first, in units of 1 / mean distance; the last is the closest node itself.
_GRID = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 1e3)
_CELLS = 256  # product-periods used for tuning, at most


def expected_units(views: NDArray[np.floating], rate: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return expected orders of product-periods, [...]: views [..., Z] times rate [...]."""
    return np.asarray(views.sum(axis=-1) * rate, dtype=np.float64)


def max_orders_for(
    data: DrainData, params: ClosestNodeParams, *, conversion_column: int = 2
) -> int:
    """Return a ``max_orders`` that a period exceeds with a chance of about one in 10^9.

    The largest mean over products and periods, plus six standard deviations and six units.
    """
    rate = _rate(data, float(params.rate_scale), conversion_column)
    return _bound(float(expected_units(data.glance_views, rate[:, None]).max()))


def _bound(mean: float) -> int:
    return math.ceil(mean + 6.0 * math.sqrt(mean) + 6.0)


def _rate(data: DrainData, scale: float, column: int) -> NDArray[np.float64]:
    return np.minimum(np.exp(data.attributes[:, column].astype(np.float64)) * scale, 1.0)


def sample_closest_node(
    params: ClosestNodeParams,
    data: DrainData,
    periods: tuple[int, int],
    num_samples: int,
    key: Array,
    *,
    conversion_column: int = 2,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw outbound and cost of every product, period and node on the actual stock.

    Args:
        params: Of ``fit_closest_node``.
        data: A panel.
        periods: First period and the one after the last.
        num_samples: ``S``; the paper draws 128.
        key: Random key.
        conversion_column: Attribute that is the log of units per view.

    Returns:
        Outbound units and cost [S, P, T', N].

    Raises:
        ValueError: If the periods are not in the data, or ``num_samples`` is below 1.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples = {num_samples}: must be at least 1")
    part = data.periods(*periods)
    shape = part.outbound.shape
    rate = np.repeat(_rate(part, float(params.rate_scale), conversion_column), shape[1])
    views = part.glance_views.reshape(-1, part.glance_views.shape[-1])
    active = np.broadcast_to(part.active, shape).reshape(-1, shape[2])
    stock = part.available.reshape(-1, shape[2])
    outbound = np.empty((num_samples, *stock.shape), np.float32)
    cost = np.empty_like(outbound)
    # Cells of like size together, so that a slow product does not wait for a fast one.
    need = np.array([_bound(m) for m in expected_units(views, rate)])
    size = np.power(4, np.ceil(np.log2(np.maximum(need, 16)) / 2)).astype(int)
    for i, most in enumerate(np.unique(size)):
        index = np.flatnonzero(size == most)
        drawn = sample_cells(
            params,
            jnp.asarray(views[index]),
            jnp.asarray(rate[index], jnp.float32),
            jnp.asarray(active[index]),
            jnp.asarray(stock[index]),
            jax.random.fold_in(key, i),
            num_samples=num_samples,
            max_orders=int(most),
        )
        outbound[:, index], cost[:, index] = (np.asarray(x) for x in drawn)
    full = (num_samples, *shape)
    return outbound.reshape(full), cost.reshape(full)


def fit_closest_node(
    data: DrainData,
    *,
    conversion_column: int = 2,
    num_samples: int = 8,
    seed: int = 0,
) -> ClosestNodeParams:
    """Fit the closest node to training periods.

    1. ``rate_scale``: units shipped over expected orders, then tuned with the temperature.
    2. ``temperature``: by node-level CRPS, on a grid and then around the best; the same random
       numbers for all candidates, on at most 256 product-periods.
    3. Cost of a unit: affine in distance, least squares of cost on units and on units times the
       mean distance of the orders a node is expected to get.

    Args:
        data: Training periods.
        conversion_column: Attribute that is the log of units per view.
        num_samples: For each CRPS.
        seed: Of the samples and of the choice of product-periods.

    Returns:
        Parameters. A node counts as open from its first active period on.

    Raises:
        ValueError: If no unit was shipped.
    """
    shipped = float(data.outbound.sum())
    if shipped <= 0.0:
        raise ValueError(f"data.outbound sums to {shipped}: must be above 0 to fit a baseline")
    distance = np.asarray(data.geography.distance_km)
    ever = data.active.any(axis=0)
    rate = _rate(data, 1.0, conversion_column)
    # Only of product-periods with stock to spare: elsewhere stock is the limit, not demand.
    left = (data.available - data.outbound) * data.active
    spare = left.sum(axis=-1) >= 0.5 * data.outbound.sum(axis=-1)
    spare = spare if spare.any() else np.ones_like(spare)
    orders = expected_units(data.glance_views, rate[:, None])
    ratio = float(data.outbound.sum(axis=-1)[spare].sum() / max(orders[spare].sum(), 1e-9))
    params = ClosestNodeParams(
        distance_km=jnp.asarray(distance, jnp.float32),
        serves=jnp.asarray(ever),
        active_from=jnp.asarray(np.where(ever, data.active.argmax(axis=0), 0), jnp.int32),
        temperature=jnp.asarray(8.0 / distance.mean(), jnp.float32),
        rate_scale=jnp.asarray(ratio, jnp.float32),
        cost_fixed=jnp.zeros(()),
        cost_per_km=jnp.zeros(()),
    )
    score = _tuning_score(data, params, conversion_column, num_samples, seed)

    def best_of(candidates: list[ClosestNodeParams]) -> ClosestNodeParams:
        values = [score(candidate) for candidate in candidates]
        return candidates[int(np.argmin(values))]

    def temperatures(around: ClosestNodeParams, values: list[float]) -> list[ClosestNodeParams]:
        return [replace(around, temperature=jnp.asarray(v, jnp.float32)) for v in values]

    params = best_of(temperatures(params, [g / float(distance.mean()) for g in _GRID]))
    scales = [float(params.rate_scale) * f for f in (0.85, 0.92, 1.0, 1.08, 1.16)]
    params = best_of([replace(params, rate_scale=jnp.asarray(s, jnp.float32)) for s in scales])
    middle = float(params.temperature)
    params = best_of(temperatures(params, [middle * f for f in (0.6, 0.77, 1.0, 1.3, 1.65)]))
    fixed, per_km = _fit_cost(data, params)
    return replace(params, cost_fixed=jnp.asarray(fixed), cost_per_km=jnp.asarray(per_km))


def _tuning_score(
    data: DrainData, start: ClosestNodeParams, column: int, num_samples: int, seed: int
) -> Callable[[ClosestNodeParams], float]:
    """Return the node-level CRPS of parameters on some product-periods of the data."""
    products, periods = data.outbound.shape[:2]
    random = np.random.default_rng(seed)
    cells = random.permutation(products * periods)[:_CELLS]
    i, t = np.unravel_index(cells, (products, periods))
    base = np.exp(data.attributes[i, column].astype(np.float64))
    mean = expected_units(data.glance_views[i, t], base * float(start.rate_scale))
    actual, active = data.outbound[i, t], data.active[t]
    most = _bound(1.2 * float(mean.max()))
    arrays = [jnp.asarray(x) for x in (data.glance_views[i, t], active, data.available[i, t])]
    key = jax.random.key(seed)

    def score(params: ClosestNodeParams) -> float:
        rate = jnp.asarray(np.minimum(base * float(params.rate_scale), 1.0), jnp.float32)
        drawn, _ = sample_cells(
            params,
            arrays[0],
            rate,
            arrays[1],
            arrays[2],
            key,
            num_samples=num_samples,
            max_orders=most,
        )
        return float(crps(np.asarray(drawn), actual)[active].mean())

    return score


def _fit_cost(data: DrainData, params: ClosestNodeParams) -> tuple[float, float]:
    """Return the cost of a unit: fixed, and per km.

    Minimises ``sum (C - a O - b O d)^2 / O`` over product-periods and nodes, d the mean distance
    of the orders a node is expected to get from those with stock; b is at least 0.
    """
    distance = np.asarray(params.distance_km, np.float64)
    units, cost = data.outbound.astype(np.float64), data.ship_cost.astype(np.float64)
    mean = np.zeros(units.shape)
    for i in range(data.num_products):
        stocked = (data.available[i] > 0) & data.active  # [T, N]
        score = np.where(stocked[..., None], -float(params.temperature) * distance, -np.inf)
        best = score.max(axis=1, keepdims=True)
        weight = np.exp(score - np.where(np.isfinite(best), best, 0.0))
        share = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
        orders = share * data.glance_views[i][:, None, :] + 1e-12
        mean[i] = (orders * distance).sum(axis=-1) / orders.sum(axis=-1)
    some = units > 0
    o, c, d = units[some], cost[some], mean[some]
    average = c.sum() / o.sum()
    centre = (o * d).sum() / o.sum()
    spread = (o * (d - centre) ** 2).sum()
    slope = ((c - average * o) * (d - centre)).sum() / spread if spread > 1e-6 else 0.0
    slope = max(float(slope), 0.0)
    return float(average - slope * centre), slope
