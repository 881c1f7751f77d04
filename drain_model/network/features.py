"""The network's inputs: how views, stock, drain, attributes and dates become features.

Whatever has a heavy tail is seen through a logarithm; what has none is normalised by the training
data's statistics. A product whose attributes lie beyond those trained on is seen at their edge; its
conversion counts in full where it turns views into orders.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from draingym.drain_model.config import DrainConfig
from draingym.drain_model.network.types import Static

_CLIP = 5.0  # normalised features are clipped here, so that no outlier leads far off

NUM_NODE, NUM_NOW, NUM_COST, NUM_TOTAL = 6, 3, 3, 3  # features of the functions below


def num_shared(config: DrainConfig, num_calendar: int, num_attributes: int) -> int:
    """Return how many features all regions of a period share: attributes, scale, and dates."""
    return num_attributes + 1 + num_calendar * config.calendar


def num_location(config: DrainConfig, num_calendar: int, num_attributes: int) -> int:
    """Return how many features a region has in a period: its own, its place, the shared ones."""
    return 3 + 2 * config.sales + 2 + num_shared(config, num_calendar, num_attributes)


@dataclass(frozen=True, kw_only=True, slots=True)
class Locations:
    """The location stream's inputs."""

    tokens: Float[Array, "*b T Z C"]  # features of every region
    shared: Float[Array, "*b T S"]  # features of the product and of the period
    attributes: Float[Array, "*b T F"]  # normalised
    orders: Float[Array, "*b T Z"]  # units expected from views and conversion
    scale: Float[Array, "*b T"]  # units: 1 + expected orders per active node


def locations_of(
    config: DrainConfig,
    static: Static,
    glance_views: Float[Array, "*b T Z"],
    calendar: Float[Array, "*b T E"],
    attributes: Float[Array, "*b T F"],
    active: Bool[Array, "*b T N"],
    sales: Float[Array, "*b T Z"] | None,
) -> Locations:
    """Return the location stream's inputs; arguments as of ``DrainNetwork.locations``."""
    stats, regions = static.statistics, glance_views.shape[-1]
    conversion = jnp.exp(attributes[..., config.conversion_column])
    orders = glance_views * conversion[..., None]
    total = jnp.sum(orders, axis=-1)
    scale = 1.0 + total / jnp.maximum(jnp.sum(active, axis=-1), 1)
    share = orders / (total[..., None] + 1e-6) * regions
    columns = [0.5 * jnp.log1p(glance_views), jnp.log1p(orders), jnp.log1p(share)]
    if sales is not None:
        columns += [jnp.log1p(sales), jnp.log((sales + 0.5) / (orders + 0.5))]
    local = jnp.stack(columns, axis=-1)
    place = static.region.reshape((1,) * (local.ndim - 2) + static.region.shape)
    lead = (1,) * (attributes.ndim - 1)
    low, high = (x.reshape(lead + x.shape) for x in (stats.attributes_low, stats.attributes_high))
    known_range = jnp.clip(attributes, low, high)
    product = _normalise(known_range, stats.attributes_mean, stats.attributes_scale)
    known = [product, jnp.log(scale)[..., None]]
    if config.calendar:
        known.append(_normalise(calendar, stats.calendar_mean, stats.calendar_scale))
    shared = jnp.concatenate(known, axis=-1)
    spread = [
        jnp.broadcast_to(place, (*local.shape[:-1], 2)),
        jnp.broadcast_to(shared[..., None, :], (*local.shape[:-1], shared.shape[-1])),
    ]
    return Locations(
        tokens=jnp.concatenate([local, *spread], axis=-1),
        shared=shared,
        attributes=product,
        orders=orders,
        scale=scale,
    )


def node_features(
    static: Static,
    outbound: Float[Array, "*b N"],
    ship_cost: Float[Array, "*b N"],
    available: Float[Array, "*b N"],
) -> Float[Array, "*b N 6"]:
    """Return the node stream's inputs: last period's drain and this period's stock.

    Args:
        static: Of the geography.
        outbound: [*b, N] units of the period before.
        ship_cost: [*b, N] currency of the period before.
        available: [*b, N] units of this period.

    Returns:
        [*b, N, 6].
    """
    lead = available.ndim - 1
    columns = [
        0.5 * jnp.log1p(outbound),
        0.25 * jnp.log1p(ship_cost),
        0.5 * jnp.log1p(available),
        jnp.minimum(available, 1.0),
    ]
    place = jnp.broadcast_to(
        static.coordinates.reshape((1,) * lead + static.coordinates.shape),
        (*available.shape, 2),
    )
    return jnp.concatenate([jnp.stack(columns, axis=-1), place], axis=-1)


def now_features(
    available: Float[Array, "*b N"], scale: Float[Array, "*b"]
) -> Float[Array, "*b N 3"]:
    """Return what a node's stock is now, in units and relative to the orders to come."""
    relative = available / scale[..., None]
    return jnp.stack(
        [jnp.log1p(available), jnp.log1p(relative), relative / (1.0 + relative)], axis=-1
    )


def cost_features(units: Float[Array, "*b N"], scale: Float[Array, "*b"]) -> Float[Array, "*b N 3"]:
    """Return what the cost of a unit is told of the units shipped."""
    return jnp.stack([jnp.log1p(units), units / scale[..., None], 1.0 / (1.0 + units)], axis=-1)


def total_features(
    orders: Float[Array, "*b"], served: Float[Array, "*b"], stock: Float[Array, "*b"]
) -> Float[Array, "*b 3"]:
    """Return what the network's total is told of expected orders, of those served, and of stock."""
    columns = [
        jnp.log1p(orders),
        jnp.log((stock + 1.0) / (orders + 1.0)),
        jnp.log((served + 1.0) / (orders + 1.0)),
    ]
    return jnp.stack(columns, axis=-1)


def _normalise(values: Array, mean: Array, scale: Array) -> Array:
    lead = (1,) * (values.ndim - 1)
    z = (values - mean.reshape(lead + mean.shape)) / scale.reshape(lead + scale.shape)
    return jnp.clip(z, -_CLIP, _CLIP)
