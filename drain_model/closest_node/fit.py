"""The closest node as a baseline forecast: tuned on training periods, sampled on any.

Fitting and sampling need numba, of the extra ``data``.
"""

from __future__ import annotations

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from draingym.drain_model.closest_node.kernel import ClosestNodeParams
from draingym.drain_model.data.dataset import DrainData

# Units sampled for each candidate, about, and product-periods: what tuning may take.
_TUNING_UNITS = 400_000
_TUNING_CELLS = 4096


def _expected_units(views: NDArray[np.floating], rate: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return expected orders of product-periods, [...]: views [..., Z] times rate [...]."""
    return np.asarray(views.sum(axis=-1) * rate, dtype=np.float64)


def max_orders_for(
    data: DrainData, params: ClosestNodeParams, *, conversion_column: int = 2
) -> int:
    """Return a ``max_orders`` that a period exceeds with a chance of about one in 10^9.

    The largest mean over products and periods, plus six standard deviations and six units.
    """
    rate = _rate(data, float(params.rate_scale), conversion_column)
    mean = float(_expected_units(data.glance_views, rate[:, None]).max())
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
        raise ValueError(f"num_samples is {num_samples}, must be at least 1")
    from draingym.drain_model.closest_node.cells import Tuned, sample

    part = data.periods(*periods)
    shape = part.outbound.shape
    units, km = sample(
        Tuned(temperature=float(params.temperature), rate_scale=float(params.rate_scale)),
        np.asarray(params.distance_km, np.float64),
        *_cells(part, np.arange(shape[0] * shape[1]), conversion_column),
        num_samples,
        int(jax.random.bits(key)),
    )
    cost = float(params.cost_fixed) * units + float(params.cost_per_km) * km
    full = (num_samples, *shape)
    return units.astype(np.float32).reshape(full), cost.astype(np.float32).reshape(full)


def _cells(
    data: DrainData, cells: NDArray[np.int64], column: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return views [C, Z], units per view [C] and stock [C, N] of some product-periods."""
    i, t = np.unravel_index(cells, data.outbound.shape[:2])
    return (
        np.floor(data.glance_views[i, t]).astype(np.int64),
        _rate(data, 1.0, column)[i],
        np.floor(data.available[i, t] * data.active[t]).astype(np.int64),
    )


def fit_closest_node(
    data: DrainData,
    *,
    conversion_column: int = 2,
    num_samples: int = 16,
    seed: int = 0,
) -> ClosestNodeParams:
    """Fit the closest node to training periods.

    1. Temperature and rate scale by node-level CRPS, by turns on fine grids
       (``closest_node_cells.tune``): the same random numbers for all candidates, on up to 4096
       product-periods, fewer where they are large.
    2. Cost of a unit: affine in distance, least squares of cost on units and on units times the
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
    from draingym.drain_model.closest_node.cells import tune

    shipped = float(data.outbound.sum())
    if shipped <= 0.0:
        raise ValueError(f"data.outbound sums to {shipped}, must be above 0 to fit a baseline")
    distance = np.asarray(data.geography.distance_km)
    ever = data.active.any(axis=0)
    rate = _rate(data, 1.0, conversion_column)
    cells = np.random.default_rng(seed).permutation(rate.size * data.num_periods)[:_TUNING_CELLS]
    orders = float(_expected_units(data.glance_views, rate[:, None]).mean())
    cells = cells[: max(128, int(_TUNING_UNITS / (num_samples * max(orders, 1.0))))]
    i, t = np.unravel_index(cells, data.outbound.shape[:2])
    tuned = tune(
        np.asarray(distance, np.float64),
        *_cells(data, cells, conversion_column),
        np.rint(data.outbound[i, t]).astype(np.int64),
        counted=data.active[t],
        num_samples=num_samples,
        seed=seed,
    )
    params = ClosestNodeParams(
        distance_km=jnp.asarray(distance, jnp.float32),
        serves=jnp.asarray(ever),
        active_from=jnp.asarray(np.where(ever, data.active.argmax(axis=0), 0), jnp.int32),
        temperature=jnp.asarray(tuned.temperature, jnp.float32),
        rate_scale=jnp.asarray(tuned.rate_scale, jnp.float32),
        cost_fixed=jnp.zeros(()),
        cost_per_km=jnp.zeros(()),
    )
    fixed, per_km = _fit_cost(data, params)
    return replace(params, cost_fixed=jnp.asarray(fixed), cost_per_km=jnp.asarray(per_km))


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
