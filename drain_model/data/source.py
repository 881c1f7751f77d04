"""Where training takes its products from: arrays in memory, or anything that reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from draingym.drain_model.data.dataset import DrainData, Float32Array, Geography, Inputs
from draingym.drain_model.data.statistics import CostSums, Statistics


class ProductStream(Protocol):
    """A panel's products by index; only what all products share is in memory."""

    @property
    def num_products(self) -> int:
        """How many products there are, ``P``."""
        ...

    @property
    def num_periods(self) -> int:
        """How many periods there are, ``T``."""
        ...

    @property
    def calendar(self) -> Float32Array:
        """[T, E]."""
        ...

    @property
    def attributes(self) -> Float32Array:
        """[P, F]."""
        ...

    @property
    def geography(self) -> Geography:
        """Where nodes and regions are."""
        ...

    def name_of(self, product: int) -> str:
        """Return what messages call a product."""
        ...

    def blocks(self) -> Iterator[DrainData]:
        """Return all products in their order, some at a time."""
        ...

    def shuffled(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Return [P] all products once, in an order that suits the reading of them."""
        ...

    def batches(self, rows: NDArray[np.int64]) -> Iterator[Inputs]:
        """Return a batch [B, T, ...] for each row of products ``rows`` [S, B], read ahead."""
        ...


Source = DrainData | ProductStream


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What one pass over training data finds."""

    statistics: Statistics  # of the periods that are fitted
    fingerprint: str  # of all arrays: the same for the same data, in memory or not


def summarise(source: Source, fit: int) -> Summary:
    """Read all products once.

    Args:
        source: Training data.
        fit: The statistics are of this many first periods.

    Raises:
        ValueError: If data are out of their bounds, or nothing was shipped.
    """
    digest = hashlib.blake2b(digest_size=16)

    def add(values: Any) -> None:
        digest.update(str(np.shape(values)).encode())
        digest.update(np.ascontiguousarray(values).tobytes())

    places = source.geography
    for values in (
        *(source.calendar, source.attributes, places.distance_km),
        *(places.node_coordinates, places.region_coordinates),
    ):
        add(values)
    costs = []
    active = None
    for block in (source,) if isinstance(source, DrainData) else source.blocks():
        if active is None:
            active = block.active
            add(active)
        costs.append(CostSums.of(block.periods(0, fit)))
        for product in range(block.num_products):
            for name in block.cubes:
                add(getattr(block, name)[product])
    return Summary(
        statistics=Statistics.from_costs(
            source.calendar[:fit], source.attributes, source.geography, costs
        ),
        fingerprint=digest.hexdigest(),
    )
