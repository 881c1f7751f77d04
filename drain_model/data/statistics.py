"""Means and scales of training data, and the range of its products."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from draingym.drain_model.data.dataset import DrainData, Float32Array, Geography


@dataclass(frozen=True, kw_only=True, slots=True)
class CostSums:
    """Sums over the entries of every product that shipped something."""

    entries: NDArray[np.float64]  # [P]
    total: NDArray[np.float64]  # [P] of the log cost of a unit
    squares: NDArray[np.float64]  # [P] of its square

    @classmethod
    def of(cls, data: DrainData) -> CostSums:
        """Return the sums of some products."""
        shipped = data.outbound > 0
        unit = data.ship_cost.astype(np.float64) / np.where(shipped, data.outbound, 1.0)
        log_cost = np.where(shipped, np.log(np.maximum(unit, 1e-3)), 0.0)
        entries = shipped.sum(axis=(1, 2)).astype(np.float64)
        return cls(
            entries=entries,
            total=log_cost.sum(axis=(1, 2)),
            squares=np.square(log_cost).sum(axis=(1, 2)),
        )


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Statistics:
    """Means and scales of the training data; frozen with the parameters."""

    calendar_mean: Float[Array, " E"]
    calendar_scale: Float[Array, " E"]
    attributes_mean: Float[Array, " F"]
    attributes_scale: Float[Array, " F"]
    attributes_low: Float[Array, " F"]  # least and greatest that were trained on: products beyond
    attributes_high: Float[Array, " F"]  # them are taken for such ones at the edge
    coordinates_mean: Float[Array, " 2"]  # degrees, of the regions
    coordinates_scale: Float[Array, ""]  # degrees
    places_low: Float[Array, " 2"]  # degrees, least and greatest of all nodes and regions: the
    places_high: Float[Array, " 2"]  # geography that was trained on
    distance_scale: Float[Array, ""]  # km
    log_cost_mean: Float[Array, ""]  # log currency a unit
    log_cost_scale: Float[Array, ""]

    @classmethod
    def from_data(cls, data: DrainData) -> Statistics:
        """Return the statistics of training data that is in memory; see ``from_costs``."""
        costs = [CostSums.of(data)]
        return cls.from_costs(data.calendar, data.attributes, data.geography, costs)

    @classmethod
    def from_costs(
        cls,
        calendar: Float32Array,
        attributes: Float32Array,
        geography: Geography,
        costs: Iterable[CostSums],
    ) -> Statistics:
        """Return the statistics of training data, which may come in parts.

        A feature that never changes gets the scale 1, so that it is shifted to zero.

        Args:
            calendar: [T, E] of the training periods.
            attributes: [P, F].
            geography: Where nodes and regions are.
            costs: Of all products, in any parts: sums are exact, so that the parts do not matter.

        Raises:
            ValueError: If no unit was ever shipped, so that there is nothing to learn.
        """
        entries, total, squares = (
            math.fsum(np.concatenate(column))
            for column in zip(*[(c.entries, c.total, c.squares) for c in costs], strict=True)
        )
        if not entries:
            raise ValueError("data.outbound sums to 0, must be above 0 to train a drain model")
        mean = total / entries
        deviation = math.sqrt(max(squares / entries - mean**2, 0.0))
        regions = np.asarray(geography.region_coordinates)
        places = np.concatenate([np.asarray(geography.node_coordinates), regions])

        def scale(values: NDArray[Any]) -> NDArray[Any]:
            deviation = np.std(values, axis=0)
            return np.where(deviation > 1e-6, deviation, 1.0)

        return cls(
            calendar_mean=jnp.asarray(calendar.mean(axis=0)),
            calendar_scale=jnp.asarray(scale(calendar)),
            attributes_mean=jnp.asarray(attributes.mean(axis=0)),
            attributes_scale=jnp.asarray(scale(attributes)),
            attributes_low=jnp.asarray(attributes.min(axis=0)),
            attributes_high=jnp.asarray(attributes.max(axis=0)),
            coordinates_mean=jnp.asarray(regions.mean(axis=0)),
            coordinates_scale=jnp.asarray(np.max(scale(regions))),
            places_low=jnp.asarray(places.min(axis=0)),
            places_high=jnp.asarray(places.max(axis=0)),
            distance_scale=jnp.asarray(np.mean(np.asarray(geography.distance_km))),
            log_cost_mean=jnp.asarray(mean, jnp.float32),
            log_cost_scale=jnp.asarray(max(deviation, 0.05), jnp.float32),
        )

    def to_dict(self) -> dict[str, NDArray[Any]]:
        """Return the fields by name."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
