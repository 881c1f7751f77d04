"""The noise floor: what the systems would do again on the same stock and the same view counts.

No model that knows stock and regional view counts alone can predict drain better than the
distribution sampled here: customers, times, latents, quantities, baskets and costs are drawn anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import require
from draingym.oracle.fulfilment.period import (
    allocate,
    drain_views,
    move_columns,
    shipments_at_most,
    static_tables,
)
from draingym.oracle.systems import Systems
from draingym.world.views import Places, Views, best_rate, can_convert

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewProfile:
    """What candidate views look like: the empirical distributions behind ``resample_drain``."""

    hour: FloatArray  # [B] time of the day of a basket, as a share of the day
    basket_size: IntArray  # [B] candidate views in a basket
    quantity: NDArray[np.int32]  # sizes of all candidate views, product by product
    quantity_offsets: IntArray  # [P+1] sizes of product i are offsets[i]:offsets[i+1]
    place: NDArray[np.int32]  # [K] places, region by region
    place_cdf: FloatArray  # [K] region index plus cumulative share of views within the region

    @classmethod
    def from_views(cls, systems: Systems, views: Views, places: Places) -> ViewProfile:
        """Measure the distributions.

        Args:
            systems: For the rates that make a view a candidate.
            views: Views with latents; those that can convert are measured, all count for places.
            places: Where customers live. A region without views goes by population.

        Raises:
            ValueError: If no view can convert.
        """
        candidate = can_convert(views.latent, best_rate(systems.cumulative)[views.product])
        if not candidate.any():
            msg = f"views holds {views.num_views} that never convert, must hold one that can"
            raise ValueError(msg)
        _, first, size = np.unique(views.session[candidate], return_index=True, return_counts=True)
        product, quantity = views.product[candidate], views.quantity[candidate]
        sizes = np.bincount(product, minlength=systems.num_products)
        by_product = quantity[np.argsort(product, kind="stable")]
        # A product without a candidate buys single units.
        empty = np.flatnonzero(sizes == 0)
        ends = np.cumsum(sizes)
        by_product = np.insert(by_product, ends[empty], np.int32(1))
        sizes[empty] = 1
        people = places.population / places.population.sum()
        weight = np.bincount(views.place, minlength=len(people)) + people
        order = np.argsort(places.region, kind="stable")
        region = places.region[order]
        total = np.bincount(region, weights=weight[order])
        before = np.cumsum(total) - total
        cdf = region + (np.cumsum(weight[order]) - before[region]) / total[region]
        return cls(
            hour=np.mod(views.time[candidate][first], 1.0),
            basket_size=size.astype(np.int64),
            quantity=by_product.astype(np.int32),
            quantity_offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            place=order.astype(np.int32),
            place_cdf=np.minimum(cdf, region + 1.0),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DrainSamples:
    """Joint samples of the drain of all products and nodes.

    >>> samples = DrainSamples(
    ...     outbound=np.array([[[[3, 1]]], [[[2, 2]]]], np.int32),  # two samples
    ...     ship_cost=np.array([[[[9.0, 4.0]]], [[[6.0, 8.0]]]], np.float32),
    ... )
    >>> samples.outbound.mean(axis=0).tolist()
    [[[2.5, 1.5]]]
    """

    outbound: NDArray[np.int32]  # [S, P, T, N] units
    ship_cost: NDArray[np.float32]  # [S, P, T, N] USD


def resample_drain(
    systems: Systems,
    profile: ViewProfile,
    available: IntArray,
    glance_views: IntArray,
    *,
    start: int = 0,
    period_days: int = 1,
    num_samples: int = 128,
    seed: int = 0,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DrainSamples:
    """Draw every period's drain again, given its stock and its views by product and region.

    Per period, independently: candidates ~ Binomial(views, C_1d(any order)), dealt at random
    into baskets of the region's period; a basket gets a place by the region's share of views and
    a time of the day; a view gets U ~ Uniform(0, C_1d(any order)) and one of its product's sizes;
    then the emulated systems run. A basket at the end of a region's period may be cut short.

    Args:
        systems: The emulated systems.
        profile: Distributions of places, times, baskets and sizes.
        available: [P, T, N] units available in each period, after arrivals.
        glance_views: [P, T, Z] views.
        start: Calendar index of the first period; nodes open by it.
        period_days: Length of a period.
        num_samples: How many joint samples, ``S``.
        seed: Sample m follows from (seed, m) alone.
        threads: How many samples run at a time; the number of cores when not given.
        progress: Called with (samples done, samples).

    Returns:
        Samples of outbound units and ship costs.

    Raises:
        ValueError: If shapes disagree, or a stock or a view count is negative.
    """
    products, periods, nodes = available.shape
    if (products, nodes) != (systems.num_products, systems.num_nodes):
        expected = f"({systems.num_products}, T, {systems.num_nodes})"
        msg = f"available has shape {available.shape}, must be {expected}"
        raise ValueError(msg)
    regions = systems.lane_effect.shape[1]
    if glance_views.shape != (products, periods, regions):
        wanted = (products, periods, regions)
        raise ValueError(f"glance_views has shape {glance_views.shape}, must be {wanted}")
    if num_samples < 1:
        msg = f"num_samples is {num_samples}, must be at least 1"
        raise ValueError(msg)
    require(available >= 0, "available", available, "at least 0")
    require(glance_views >= 0, "glance_views", glance_views, "at least 0")
    stock = np.ascontiguousarray(available.transpose(1, 0, 2), np.int64)
    # Cells in the order (period, region, product), so that regions of a period are contiguous.
    cells = np.ascontiguousarray(glance_views.transpose(1, 2, 0), np.int64)
    outbound = np.empty((num_samples, products, periods, nodes), np.int32)
    ship_cost = np.empty((num_samples, products, periods, nodes), np.float32)
    tables = static_tables(systems)
    open_nodes = [systems.open_nodes(start + t) for t in range(periods)]

    def sample(m: int) -> None:
        rng = np.random.default_rng([seed, m])
        columns, offsets = _draw_views(systems, profile, cells, start, period_days, rng)
        buffers = allocate(
            int(offsets[-1]),
            shipments_at_most(columns[4].astype(np.int32), int(systems.serves.sum())),
        )
        left, drained = stock.copy(), np.zeros_like(stock)
        cost = np.zeros(stock.shape)
        noise_seed = int(rng.integers(2**63))
        for t in range(periods):
            span = int(offsets[t]), int(offsets[t + 1])
            drain_views(
                open_nodes[t],
                *tables,
                noise_seed,
                *span,
                *columns,
                *move_columns(None),
                left[t],
                drained[t],
                cost[t],
                *buffers,
            )
        outbound[m] = drained.transpose(1, 0, 2)
        ship_cost[m] = cost.transpose(1, 0, 2)

    workers = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(max_workers=min(workers, num_samples)) as pool:
        for done, _ in enumerate(pool.map(sample, range(num_samples)), start=1):
            if progress is not None:
                progress(done, num_samples)
    return DrainSamples(outbound=outbound, ship_cost=ship_cost)


def resample_views(
    systems: Systems,
    profile: ViewProfile,
    glance_views: IntArray,
    *,
    period_days: int = 1,
    seed: int = 0,
) -> Views:
    """Draw the candidate views of ``resample_drain``, for replays whose noise floor is exact.

    Args:
        systems: For the rates that make a view a candidate.
        profile: Distributions of places, times, baskets and sizes.
        glance_views: [P, T, Z] views.
        period_days: Length of a period.
        seed: Of the draws.

    Returns:
        Candidate views from period 0 on, each basket with a customer of its own.

    Raises:
        ValueError: If a view count is negative.
    """
    require(glance_views >= 0, "glance_views", glance_views, "at least 0")
    cells = np.ascontiguousarray(glance_views.transpose(1, 2, 0), np.int64)
    # Three words: no stream of ``resample_drain``, whose samples have two.
    rng = np.random.default_rng([seed, 0, 1])
    columns, offsets = _draw_views(systems, profile, cells, 0, period_days, rng)
    names = ("time", "product", "place", "region", "quantity", "session", "latent")
    drawn: dict[str, NDArray[Any]] = dict(zip(names, columns, strict=True))
    # Baskets count up by region of a period; ``Views`` count them up in time.
    change = np.diff(drawn["session"], prepend=drawn["session"][:1]) != 0
    session = np.cumsum(change).astype(np.int64)
    return Views(
        **(drawn | {"session": session, "quantity": drawn["quantity"].astype(np.int32)}),
        customer=session.astype(np.int32),
        offsets=offsets,
    )


def _draw_views(
    systems: Systems,
    profile: ViewProfile,
    cells: IntArray,
    start: int,
    period_days: int,
    rng: np.random.Generator,
) -> tuple[tuple[NDArray[np.generic], ...], IntArray]:
    """Draw candidate views; return the compiled loop's columns and [T+1] offsets."""
    periods, regions, _ = cells.shape
    best = best_rate(systems.cumulative)
    count = rng.binomial(cells, best)
    product = np.repeat(np.tile(np.arange(len(best)), periods * regions), count.ravel())
    cell = np.repeat(np.arange(periods * regions), count.sum(axis=2).ravel())
    size = len(cell)
    # Deal the views of a region's period at random into baskets.
    product = product[np.argsort(cell + rng.random(size), kind="stable")]
    first = np.zeros(size, bool)
    ends = np.cumsum(rng.choice(profile.basket_size, size))
    first[ends[ends < size]] = True
    first[:1] = True
    first[1:] |= cell[1:] != cell[:-1]
    session = np.cumsum(first) - 1
    home = cell[first]
    baskets = len(home)
    region = home % regions
    spot = np.searchsorted(profile.place_cdf, region + rng.random(baskets), side="right")
    place = profile.place[np.minimum(spot, len(profile.place) - 1)]
    day = (start + home // regions) * period_days + rng.integers(period_days, size=baskets)
    time = day + rng.choice(profile.hour, baskets)
    low, high = profile.quantity_offsets[product], profile.quantity_offsets[product + 1]
    quantity = profile.quantity[low + (rng.random(size) * (high - low)).astype(np.int64)]
    latent = np.maximum(rng.random(size), 2.0**-53) * best[product]
    order = np.argsort(time[session], kind="stable")
    at = session[order]
    columns = (
        time[at],
        product[order].astype(np.int32),
        place[at],
        region[at].astype(np.int32),
        quantity[order],
        at,
        latent[order],
    )
    offsets = np.concatenate([[0], np.cumsum(count.sum(axis=(1, 2)))]).astype(np.int64)
    return columns, offsets
