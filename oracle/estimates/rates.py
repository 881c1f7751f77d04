"""Conversion rates estimated from a log: by product, or by product and period."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from draingym.common.arrays import require_range
from draingym.common.config import require_fields
from draingym.world.eventlog import EventLog
from draingym.world.views import PROMISES, SHIP_OPTIONS, ConversionRates

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class PeriodRates:
    """Conversion rates that change over time: one matrix per product and block of periods.

    Raises:
        ValueError: If there is no block, blocks have different products, or a period's block does
            not exist.
    """

    blocks: tuple[ConversionRates, ...]  # rates of the P products in each block
    block: IntArray  # [T] index of each period's block

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        if not self.blocks:
            raise ValueError("rates.blocks is empty, must hold at least 1 block")
        shapes = [rates.pmf.shape for rates in self.blocks]
        for b, shape in enumerate(shapes):
            if shape != shapes[0]:
                raise ValueError(f"rates.blocks[{b}] has shape {shape}, must be {shapes[0]}")
        bad = (self.block < 0) | (self.block >= len(self.blocks))
        if self.block.ndim != 1 or not self.block.size or bad.any():
            raise ValueError(
                f"rates.block is {self.block}, must be a vector of blocks in "
                f"[0, {len(self.blocks)}), one for each period"
            )

    @property
    def num_products(self) -> int:
        """How many products there are, ``P``."""
        return int(self.blocks[0].pmf.shape[0])

    @property
    def num_periods(self) -> int:
        """How many periods the rates cover, ``T``."""
        return int(self.block.size)

    def at(self, period: int) -> ConversionRates:
        """Return the rates of a period.

        Raises:
            ValueError: If the rates do not cover the period.
        """
        if not 0 <= period < self.num_periods:
            raise ValueError(f"period is {period}, must be in [0, {self.num_periods})")
        return self.blocks[int(self.block[period])]

    @property
    def cumulative(self) -> FloatArray:
        """C_p(s) [B, P, 4, 4] by block, product, promise and option."""
        return np.stack([rates.cumulative for rates in self.blocks])


def cumulative_of(
    rates: ConversionRates | PeriodRates, product: IntArray, period: IntArray
) -> FloatArray:
    """Return [V, 4, 4] C_p(s) of each view, by promise and option, at its period's rates."""
    if isinstance(rates, ConversionRates):
        return np.asarray(rates.cumulative[product], np.float64)
    return np.asarray(rates.cumulative[rates.block[period], product], np.float64)


@dataclass(frozen=True, kw_only=True, slots=True)
class SmoothingConfig:
    """How strongly rates of thin cells lean on products' and national rates (ours).

    >>> SmoothingConfig(views=50.0).orders
    5.0
    """

    views: float = 200.0  # weight of a product's prior, in views under a promise
    orders: float = 5.0  # weight of the national conversion level, in orders of a product
    national_views: float = 50.0  # weight of the default response to a promise, in views
    # Of rates by period: weight of the product's own rates in a cell of product, block and
    # promise, in views; and of an unchanged national level in a block, in orders.
    period_views: float = 400.0
    period_orders: float = 50.0

    def __post_init__(self) -> None:
        """Check the bounds."""
        require_fields(self)
        for name in ("views", "orders", "national_views", "period_views", "period_orders"):
            require_range(name, getattr(self, name), low=0.0, high=1e12, open_low=True)


def rates_from_counts(
    counts: ArrayLike, smoothing: SmoothingConfig | None = None
) -> ConversionRates:
    """Estimate conversion rates from how often each option was chosen under each promise.

    1. National rates: counts over products, with a default response to a promise as pseudo-views.
    2. A product's level: its orders over those that national rates predict for its promises.
    3. A product's rates: its counts and pseudo-views at its level times the national rates.
    4. Isotonic in the promise: C_p'(s) >= C_p(s) for p' faster than p (weighted, option by
       option; the same weights for all options keep C increasing in s).

    Args:
        counts: [P, 4, 4] views by product, promise shown and option chosen.
        smoothing: Weights of the priors.

    Returns:
        Rates; OOS converts to nothing.

    Raises:
        ValueError: If a count is negative, there are no orders, or an option is chosen that is
            faster than its promise.

    Source:
        The matrix of the paper's appendix F; smoothing is ours.

    Example:
        >>> counts = np.zeros((1, 4, 4))
        >>> counts[0, 0] = [30, 5, 5, 60]  # promised a day: ordered for 1d, 2d, 3d+, or not
        >>> counts[0, 1, 1:] = [20, 10, 70]
        >>> rates_from_counts(counts).cumulative[0, :2].round(2).tolist()
        [[0.29, 0.34, 0.4, 1.0], [0.0, 0.2, 0.3, 1.0]]
    """
    smoothing = SmoothingConfig() if smoothing is None else smoothing
    n = np.asarray(counts, np.float64)
    if n.ndim != 3 or n.shape[1:] != (4, 4):
        msg = f"counts has shape {n.shape}, must be (P, 4, 4)"
        raise ValueError(msg)
    _require_counts(n)
    seen, bought = n[:, :3], n[:, :3, :3]
    orders, views = bought.sum(), seen.sum()
    if orders == 0 or orders == views:
        msg = (
            f"counts holds {orders} orders and {views} views, must hold orders and views without "
            "one"
        )
        raise ValueError(msg)
    default = ConversionRates.from_conversion(np.array([orders / views])).pmf[0, :3, :3]
    by_promise = seen.sum(axis=(0, 2))[:, None]
    weight = smoothing.national_views
    national = (bought.sum(axis=0) + weight * default) / (by_promise + weight)
    predicted = (seen.sum(axis=2) @ national.sum(axis=1))[:, None, None]
    sold = bought.sum(axis=(1, 2))[:, None, None]
    level = (sold + smoothing.orders) / (predicted + smoothing.orders)
    level = np.minimum(level, 0.95 / national.sum(axis=1).max())
    return _posterior(n, level * national, smoothing.views)


def period_rates_from_counts(
    counts: ArrayLike, smoothing: SmoothingConfig | None = None
) -> tuple[ConversionRates, ...]:
    """Estimate conversion rates by block of periods.

    1. A product's rates over all blocks, leaning on the national rates: ``rates_from_counts``.
    2. A block's national level: its orders over those that products' rates predict for it.
    3. A cell's rates: its counts and pseudo-views at the block's level times the product's rates.
    4. Isotonic in the promise, as ``rates_from_counts``.

    Args:
        counts: [B, P, 4, 4] views by block, product, promise shown and option chosen.
        smoothing: Weights of the priors.

    Returns:
        Rates of each of the B blocks; a single block has the rates of ``rates_from_counts``.

    Raises:
        ValueError: As ``rates_from_counts`` does.

    Source:
        The matrix of the paper's appendix F, given product and time; smoothing is ours.
    """
    smoothing = SmoothingConfig() if smoothing is None else smoothing
    n = np.asarray(counts, np.float64)
    if n.ndim != 4 or n.shape[0] < 1 or n.shape[2:] != (4, 4):
        msg = f"counts has shape {n.shape}, must be (B, P, 4, 4) with B >= 1"
        raise ValueError(msg)
    _require_counts(n)
    overall = rates_from_counts(n.sum(axis=0), smoothing)
    if n.shape[0] == 1:
        return (overall,)
    usual = overall.pmf[:, :3, :3]
    ceiling = 0.95 / usual.sum(axis=2).max()
    found = []
    for cell in n:
        predicted = (cell[:, :3].sum(axis=2) * usual.sum(axis=2)).sum()
        weight = smoothing.period_orders
        level = (cell[:, :3, :3].sum() + weight) / (predicted + weight)
        found.append(_posterior(cell, min(level, ceiling) * usual, smoothing.period_views))
    return tuple(found)


def _require_counts(n: FloatArray) -> None:
    """Raise where a count is negative, or an option is counted that the promise rules out."""
    faster = np.tri(4, k=-1, dtype=bool)  # options that the promise rules out; all of them if OOS
    bad = (n < 0) | (faster & (n > 0))
    if bad.any():
        first = tuple(int(k) for k in np.argwhere(bad)[0])
        msg = f"counts{list(first)} is {n[first]}, must be at least 0, and 0 if ruled out"
        raise ValueError(msg)


def _posterior(n: FloatArray, prior: FloatArray, weight: float) -> ConversionRates:
    """Return isotonic rates of counts [P, 4, 4] and ``weight`` pseudo-views at ``prior``."""
    shown = n[:, :3].sum(axis=2)[:, :, None]
    rates = (n[:, :3, :3] + weight * prior) / (shown + weight)
    cumulative = decreasing(np.cumsum(rates, axis=2), shown + weight)
    pmf = np.zeros_like(n)
    pmf[:, :3, :3] = np.maximum(np.diff(cumulative, axis=2, prepend=0.0), 0.0)
    pmf[:, :, 3] = 1.0 - pmf[:, :, :3].sum(axis=2)
    return ConversionRates(pmf=pmf)


def decreasing(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted least-squares fit that does not increase along axis 1.

    ``fit_k = min_{a <= k} max_{b >= k} mean(values[a..b])``.

    Args:
        values: [P, K, S].
        weights: [P, K, 1], above 0.

    Returns:
        [P, K, S].

    >>> decreasing(np.array([[[1.0], [3.0], [2.0]]]), np.ones((1, 3, 1))).ravel().tolist()
    [2.0, 2.0, 2.0]
    """
    size = values.shape[1]

    def mean(a: int, b: int) -> FloatArray:
        block = slice(a, b + 1)
        total = (weights[:, block] * values[:, block]).sum(axis=1)
        return np.asarray(total / weights[:, block].sum(axis=1), np.float64)

    fit = [
        np.min([np.max([mean(a, b) for b in range(k, size)], axis=0) for a in range(k + 1)], axis=0)
        for k in range(size)
    ]
    return np.stack(fit, axis=1)


def estimate_rates(
    log: EventLog,
    smoothing: SmoothingConfig | None = None,
    *,
    known_periods: int | None = None,
) -> ConversionRates:
    """Estimate conversion rates by product from the views of an event log.

    Args:
        log: Any log in the project's schema.
        smoothing: Weights of the priors of ``rates_from_counts``.
        known_periods: Views of later periods do not count; all count when not given.

    Returns:
        Rates of the log's products.

    Raises:
        ValueError: Naming the first row of ``glance_views`` whose product, promise or option does
            not exist, or whose option is faster than its promise; as ``rates_from_counts`` does.
    """
    periods = log["calendar"].num_rows
    known = periods if known_periods is None else known_periods
    if not 1 <= known <= periods:
        raise ValueError(f"known_periods is {known}, must be in [1, {periods}]")
    blocks = (np.arange(periods) >= known).astype(np.int64)
    return rates_from_counts(_count(log, blocks)[0], smoothing)


def estimate_period_rates(
    log: EventLog, periods_per_block: int, smoothing: SmoothingConfig | None = None
) -> PeriodRates:
    """Estimate conversion rates by product and block of periods from an event log.

    Blocks are whole; periods that are left over at the end go with the last one. Thin cells lean
    on the product's rates at the block's national level, see ``period_rates_from_counts``.

    Args:
        log: Any log in the project's schema.
        periods_per_block: How many periods share their rates, at least 1.
        smoothing: Weights of the priors.

    Returns:
        Rates of the log's products and periods.

    Raises:
        ValueError: If ``periods_per_block`` is below 1, and as ``estimate_rates`` does.
    """
    if periods_per_block < 1:
        msg = f"periods_per_block is {periods_per_block}, must be at least 1"
        raise ValueError(msg)
    periods = log["calendar"].num_rows
    last = max(1, periods // periods_per_block) - 1
    block = np.minimum(np.arange(periods) // periods_per_block, last)
    return PeriodRates(blocks=period_rates_from_counts(_count(log, block), smoothing), block=block)


def _count(log: EventLog, block: IntArray) -> IntArray:
    """Return [B, P, 4, 4] views of a log by block, product, promise shown and option chosen."""
    check_views(log)
    names = ("period", "product", "promise", "ship_option")
    period, *keys = (log.array("glance_views", name) for name in names)
    products = log["products"].num_rows
    shape = (int(block.max()) + 1, products, len(PROMISES), len(SHIP_OPTIONS))
    flat = np.ravel_multi_index((block[period], *keys), shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(np.int64)


def check_views(log: EventLog) -> None:
    """Check what conversion needs of a log's views, whether or not the log was validated.

    Raises:
        ValueError: Naming table, column, first bad row, value and bound.
    """
    keys = (("product", "products"), ("customer", "customers"), ("period", "calendar"))
    for name, table in keys:
        values, bound = log.array("glance_views", name), log[table].num_rows
        inside = (values >= 0) & (values < bound)
        if name == "customer":  # null for one who is not known
            inside |= np.asarray(log["glance_views"][name].is_null().to_numpy(), np.bool_)
        _require_rows(log, name, inside, f"in [0, {bound})")
    promise, option = log.array("glance_views", "promise"), log.array("glance_views", "ship_option")
    _require_rows(log, "promise", promise >= 0, f"one of {PROMISES}")
    _require_rows(log, "ship_option", option >= 0, f"one of {SHIP_OPTIONS}")
    _require_rows(log, "ship_option", option >= promise, "no faster than the promise")


def _require_rows(log: EventLog, name: str, ok: NDArray[np.bool_], bound: str) -> None:
    if not bool(ok.all()):
        row = int(np.argmin(ok))
        value = log["glance_views"][name][row].as_py()
        raise ValueError(f"glance_views.{name}, row {row} is {value!r}, must be {bound}")
