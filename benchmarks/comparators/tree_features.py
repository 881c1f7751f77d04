"""What a regression baseline is told of a node: stock, expected orders, the past, the product."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from draingym.drain_model.closest_node.kernel import ClosestNodeParams
from draingym.drain_model.data.dataset import DrainData

FloatArray = NDArray[np.float64]
_ROUNDS = 3  # how often orders that a node cannot fill are offered to the others
_NEAR_SHARE = 0.25  # share of the regions that count as near a node


def fluid_drain(
    params: ClosestNodeParams, data: DrainData, orders: FloatArray, temperature: float
) -> tuple[FloatArray, FloatArray]:
    """Return what the closest node would drain if orders were a fluid, and its mean distance.

    Orders split by softmax(-lambda distance) over nodes with stock; what a node cannot fill is
    split among the others, three rounds.

    Args:
        params: The closest node's.
        data: Products and periods.
        orders: [P, T, Z] expected orders.
        temperature: lambda, 1 / km.

    Returns:
        [P, T, N] units, and the mean km of the orders that prefer the node among all with stock.
    """
    distance = np.asarray(params.distance_km, np.float64)
    weights = np.exp(-temperature * (distance - distance.min(axis=0)))
    units, km = (np.zeros(data.outbound.shape) for _ in range(2))
    for i in range(data.num_products):  # one by one, which bounds memory
        left = np.where(data.active, data.available[i], 0.0).astype(np.float64)
        waiting = orders[i]
        for step in range(_ROUNDS):
            open_weights = weights * (left > 1e-9)[..., None]  # [T, N, Z]
            total = open_weights.sum(axis=1, keepdims=True)
            offered = open_weights / np.maximum(total, 1e-300) * waiting[:, None, :]
            wanted = offered.sum(axis=-1)
            if step == 0:
                km[i] = (offered * distance).sum(axis=-1) / np.maximum(wanted, 1e-9)
            taken = np.minimum(wanted, left)
            served = taken / np.maximum(wanted, 1e-12)
            unmet = np.where(total[:, 0] > 0.0, (offered * (1.0 - served[..., None])).sum(1), 0.0)
            units[i] += taken
            left, waiting = left - taken, unmet
    return units, km


def node_features(
    params: ClosestNodeParams, data: DrainData, periods: tuple[int, int], conversion_column: int
) -> tuple[FloatArray, FloatArray]:
    """Return the features of every product, period and node, and the closest node's drain.

    Args:
        params: The closest node's, tuned on training periods.
        data: Panel from its first period on, so that the past is seen.
        periods: First period and the one after the last.
        conversion_column: Attribute that is the log of units per view.

    Returns:
        [P, T', N, F] features, the last of them the node's index; and [P, T', N] units that the
        closest node would drain, as a fluid.
    """
    part = data.periods(*periods)
    rate = np.exp(data.attributes[:, conversion_column].astype(np.float64))
    rate = np.minimum(rate * float(params.rate_scale), 1.0)
    orders = part.glance_views.astype(np.float64) * rate[:, None, None]
    shape = part.outbound.shape
    soft, km = fluid_drain(params, part, orders, float(params.temperature))
    distance = np.asarray(params.distance_km, np.float64)
    hard, _ = fluid_drain(params, part, orders, 100.0 / max(float(distance.mean()), 1e-9))
    even, _ = fluid_drain(params, part, orders, 0.0)
    count = max(1, round(_NEAR_SHARE * distance.shape[1]))
    near = distance <= np.sort(distance, axis=1)[:, count - 1 : count]
    first_choice = distance == distance.min(axis=0)
    stock = np.where(part.active, part.available, 0.0).astype(np.float64)
    total = orders.sum(axis=-1, keepdims=True)
    whole = stock.sum(axis=-1, keepdims=True)

    def everywhere(values: FloatArray) -> FloatArray:
        return np.broadcast_to(values, shape)

    columns = [
        stock,
        stock / (soft + 1.0),
        everywhere(total),
        everywhere(whole),
        everywhere(whole / (total + 1.0)),
        everywhere((stock > 0).sum(axis=-1, keepdims=True).astype(np.float64)),
        orders @ near.T,
        orders @ first_choice.T,
        soft,
        hard,
        even,
        km,
        *_past(data, periods),
    ]
    columns += [everywhere(stock[..., n : n + 1]) for n in range(shape[2])]
    columns += [
        everywhere(part.attributes[:, None, f : f + 1].astype(np.float64))
        for f in range(part.attributes.shape[1])
    ]
    columns += [
        everywhere(part.calendar[None, :, e : e + 1].astype(np.float64))
        for e in range(part.calendar.shape[1])
    ]
    columns.append(everywhere(np.arange(shape[2], dtype=np.float64)))
    return np.stack(columns, axis=-1), soft


def _past(data: DrainData, periods: tuple[int, int]) -> list[FloatArray]:
    """Return what happened before each period: drain, its mean, share, and cost of a unit."""
    index = np.arange(*periods)
    padded = [
        np.concatenate([np.zeros_like(x[:, :1]), x], axis=1).astype(np.float64)
        for x in (data.outbound, data.ship_cost)
    ]
    sums = [np.cumsum(x, axis=1) for x in padded]

    def recent(which: int, k: int) -> FloatArray:
        total = sums[which]
        return np.asarray(total[:, index] - total[:, np.maximum(index - k, 0)])

    short, long = recent(0, 4), recent(0, 12)
    network = short.sum(axis=-1, keepdims=True)
    lags = [padded[0][:, index], padded[0][:, np.maximum(index - 1, 0)]]
    share = short / np.maximum(network, 1.0)
    unit_cost = recent(1, 12) / np.maximum(long, 1.0)
    return [*lags, short, long, np.broadcast_to(network, short.shape), share, unit_cost]
