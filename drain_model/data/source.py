"""Where training takes its products from: arrays in memory, or anything that reads them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import BoolArray
from draingym.common.processes import from_all, from_first, process_count, process_index
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

    def blocks(self, first: int = 0, step: int = 1) -> Iterator[DrainData]:
        """Return products in their order, some at a time: all, or every ``step``-th part."""
        ...

    def shuffled(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Return [P] all products once, in an order that suits the reading of them."""
        ...

    def batches(self, rows: NDArray[np.int64]) -> Iterator[Inputs]:
        """Return a batch [B, T, ...] for each row of products ``rows`` [S, B], read ahead."""
        ...


Source = DrainData | ProductStream


def host_batches(source: Source, rows: NDArray[np.int64]) -> Iterator[Inputs]:
    """Yield a batch [B, T, ...] in the host's memory for each row of products ``rows`` [S, B]."""
    if not isinstance(source, DrainData):
        yield from source.batches(rows)
        return
    whole = source.arrays()
    for row in rows:
        part: Inputs = jax.tree.map(lambda x, row=row: x[row], whole)
        yield part


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
    parts, active = _parts(source, fit)
    for open_nodes in active[:1]:
        add(open_nodes)
    add(np.concatenate([digests for _, digests in parts]))
    return Summary(
        statistics=Statistics.from_costs(
            source.calendar[:fit], source.attributes, source.geography, [p[0] for p in parts]
        ),
        fingerprint=from_first(lambda: digest.hexdigest().encode()).decode(),
    )


_Part = tuple[CostSums, NDArray[np.uint8]]  # sums, and a digest of every product's arrays


def _part(block: DrainData, fit: int) -> _Part:
    digests = []
    for product in range(block.num_products):
        digest = hashlib.blake2b(digest_size=16)
        for name in block.cubes:
            values = np.ascontiguousarray(getattr(block, name)[product])
            digest.update(str(values.shape).encode())
            digest.update(values.tobytes())
        digests.append(np.frombuffer(digest.digest(), np.uint8))
    return CostSums.of(block.periods(0, fit)), np.stack(digests)


def _parts(source: Source, fit: int) -> tuple[list[_Part], list[BoolArray]]:
    """Read all products; of several processes each reads its share, and tells the others."""
    if isinstance(source, DrainData):
        return [_part(source, fit)], [source.active]
    own: list[_Part] = []
    active: list[BoolArray] = []

    def read() -> bytes:
        for block in source.blocks(process_index(), process_count()):
            own.append(_part(block, fit))
            active.append(block.active)
        buffer = io.BytesIO()
        np.savez(
            buffer,
            allow_pickle=False,
            sizes=np.array([len(digests) for _, digests in own], np.int64),
            sums=np.concatenate([np.zeros((0, 3)), *(_columns(sums) for sums, _ in own)]),
            digests=np.concatenate([np.zeros((0, 16), np.uint8), *(d for _, d in own)]),
        )
        return buffer.getvalue()

    found = from_all(read)
    if len(found) == 1:
        return own, active
    every = []
    for data in found:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            cuts = np.cumsum(file["sizes"])[:-1]
            sums, digests = (np.split(file[name], cuts) for name in ("sums", "digests"))
        every.append(
            [
                (CostSums(entries=s[:, 0], total=s[:, 1], squares=s[:, 2]), d)
                for s, d in zip(sums, digests, strict=True)
            ]
        )
    number = sum(map(len, every))
    parts = [every[i % len(every)][i // len(every)] for i in range(number)]
    return parts, active


def _columns(sums: CostSums) -> NDArray[np.float64]:
    return np.stack([sums.entries, sums.total, sums.squares], axis=1)
