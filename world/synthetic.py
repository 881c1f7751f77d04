"""Order lines drawn from a model, for tests and for where real ones cannot be had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy.signal import lfilter

from draingym.common.arrays import FloatArray, require_range, require_whole
from draingym.common.config import require_fields
from draingym.world.calendar import calendar_features
from draingym.world.draws import streams
from draingym.world.lines import OrderLines

# Demand by weekday from Monday, mean 1; and how much it rises in the weeks before an event.
_WEEKDAY = np.array([0.92, 0.88, 0.90, 0.94, 1.02, 1.16, 1.18])
_EVENT_LIFT = 0.5
_EVENT_DAYS = 10.0
MOST_LINES = 1e8  # that one table holds in memory


@dataclass(frozen=True, kw_only=True, slots=True)
class SyntheticConfig:
    """Sizes and distributions of synthetic order lines; choices of ours, not from the papers.

    Raises:
        ValueError: If a field is out of its bounds.
    """

    num_products: int = 60
    num_customers: int = 12_000
    num_days: int = 120
    lines_per_day: float = 650.0  # over all products, in a mean week
    lines_per_basket: float = 2.5
    first_date: date = date(2000, 11, 1)
    popularity_exponent: float = 0.6  # the k-th product sells in proportion to k^-exponent
    dispersion: float = 8.0  # size of the negative binomial of a product's lines a day
    drift_sd: float = 0.35  # of the log of a product's slowly moving level
    drift_days: float = 14.0  # time constant of that level
    extra_units: float = 0.7  # mean units of a line beyond the first
    price_median: float = 60.0  # currency per unit
    price_sd: float = 0.7  # of the log of the price
    margin: float = 0.35  # mean share of the price that is not cost

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        require_fields(self, "synthetic")
        for name in ("num_products", "num_customers", "num_days"):
            require_whole(f"synthetic.{name}", getattr(self, name), low=1, high=10**8)
        for name in ("lines_per_day", "dispersion", "drift_days", "price_median"):
            value = getattr(self, name)
            require_range(f"synthetic.{name}", value, low=0.0, high=1e9, open_low=True)
        for name, most in (("popularity_exponent", 10), ("drift_sd", 5), ("price_sd", 5)):
            require_range(f"synthetic.{name}", getattr(self, name), low=0.0, high=most)
        require_range("synthetic.extra_units", self.extra_units, low=0.0, high=1e6)
        require_range("synthetic.lines_per_basket", self.lines_per_basket, low=1.0, high=1e6)
        for name, count in (
            ("lines_per_day", self.lines_per_day),
            ("num_products", float(self.num_products)),
        ):
            if count * self.num_days > MOST_LINES:
                raise ValueError(
                    f"synthetic.num_days is {self.num_days}, must be at most "
                    f"{int(MOST_LINES / count)} with {name} = {count:g}"
                )
        require_range(
            "synthetic.margin", self.margin, low=0.0, high=1.0, open_low=True, open_high=True
        )


_STREAMS = ("drift", "lines", "basket", "customer", "quantity", "price")


def synthetic_order_lines(config: SyntheticConfig | None = None, seed: int = 0) -> OrderLines:
    """Draw order lines with seasons, events, overdispersion and baskets.

    The lines of product i on day d are negative binomial with mean
    popularity_i · weekday_d · event_d · exp(level_{i,d}), level a stationary AR(1). The lines
    of a day are thrown into baskets whose attraction is gamma distributed, so that most baskets
    are small and some are large; lines of one product in one basket become one line.

    Args:
        config: Sizes and distributions.
        seed: Of every draw.

    Returns:
        Order lines by day, customer and product; the same for the same arguments.
    """
    config = SyntheticConfig() if config is None else config
    rng = streams(seed, _STREAMS)
    rate = _daily_rate(config, rng["drift"])
    count = rng["lines"].poisson(rng["lines"].gamma(config.dispersion, rate / config.dispersion))
    count[0, [0, -1]] = np.maximum(count[0, [0, -1]], 1)  # the days asked for are all covered
    product, day = np.divmod(np.repeat(np.arange(count.size), count.reshape(-1)), config.num_days)

    baskets = np.maximum(1, np.round(count.sum(axis=0) / config.lines_per_basket)).astype(np.int64)
    last = np.cumsum(baskets)
    edge = np.cumsum(rng["basket"].gamma(1.5, size=int(last[-1])))
    low = np.concatenate([[0.0], edge[last[:-1] - 1]])
    u = rng["basket"].random(day.size)
    basket = np.searchsorted(edge, low[day] + u * (edge[last - 1] - low)[day], side="right")
    basket = np.minimum(basket, last[day] - 1)
    taste = np.cumsum(rng["customer"].gamma(0.8, size=config.num_customers))
    u = rng["customer"].random(int(last[-1])) * taste[-1]
    customer = np.minimum(np.searchsorted(taste, u, side="right"), taste.size - 1)[basket]

    extra = rng["quantity"].poisson(
        rng["quantity"].gamma(0.8, config.extra_units / 0.8, size=day.size)
    )
    key = (day * config.num_customers + customer) * config.num_products + product
    lines, which = np.unique(key, return_inverse=True)
    quantity = np.bincount(which, weights=1 + extra).astype(np.int32)
    pair, product = np.divmod(lines, config.num_products)
    day, customer = np.divmod(pair, config.num_customers)

    z = rng["price"].standard_normal(config.num_products)
    price = np.round(config.price_median * np.exp(config.price_sd * z), 2) + 0.01
    a = 20.0 * config.margin
    cost = price * (1.0 - rng["price"].beta(a, 20.0 - a, size=config.num_products))
    return OrderLines(
        source="synthetic",
        first_date=config.first_date,
        num_customers=config.num_customers,
        product_id=tuple(f"P{i:04d}" for i in range(config.num_products)),
        day=day.astype(np.int32),
        customer=customer.astype(np.int32),
        product=product.astype(np.int32),
        quantity=quantity,
        unit_price=price[product],
        unit_cost=cost[product],
    )


def _daily_rate(config: SyntheticConfig, rng: np.random.Generator) -> FloatArray:
    """Return the mean lines of each product and day, [P, days]."""
    popularity = np.arange(1, config.num_products + 1) ** -config.popularity_exponent
    popularity *= config.lines_per_day / popularity.sum()
    names, calendar = calendar_features(config.first_date, config.num_days, 1)
    events = [i for i, name in enumerate(names) if name.startswith("event_")]
    days_to = -30.0 * calendar[:, events]
    lift = np.where(days_to >= 0.0, np.exp(-days_to / _EVENT_DAYS), 0.0).sum(axis=1)
    weekday = np.array(
        [_WEEKDAY[(config.first_date.weekday() + d) % 7] for d in range(config.num_days)]
    )
    memory = np.exp(-1.0 / config.drift_days)
    shock = config.drift_sd * rng.standard_normal((config.num_products, config.num_days))
    shock[:, 1:] *= np.sqrt(1.0 - memory**2)
    level = lfilter([1.0], [1.0, -memory], shock, axis=1) - 0.5 * config.drift_sd**2
    rate: FloatArray = popularity[:, None] * weekday * (1.0 + _EVENT_LIFT * lift) * np.exp(level)
    return rate
