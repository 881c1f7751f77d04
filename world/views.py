"""Products, places, glance views, and how views convert under a promise."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Protocol

import numpy as np

from draingym.common.arrays import (
    BoolArray,
    FloatArray,
    Int32Array,
    IntArray,
    require,
    require_shape,
)

PROMISES = ("1d", "2d", "3d+", "oos")
SHIP_OPTIONS = ("1d", "2d", "3d+", "none")
ATTRIBUTES = ("log_price", "log_weight", "log_units_per_view")

# Share of the conversion rate by promise and chosen option; rows need not sum to one, the rest
# of the views buys nothing. Not from the papers: a slower promise loses customers.
_OPTION_SHARE = np.array(
    [
        [0.60, 0.15, 0.25],
        [0.00, 0.55, 0.25],
        [0.00, 0.00, 0.55],
        [0.00, 0.00, 0.00],
    ]
)


class HasAttributes(Protocol):
    """Anything that carries the product columns behind ``ATTRIBUTES``."""

    @property
    def price(self) -> FloatArray:
        """[P] currency per unit."""
        ...

    @property
    def weight_lb(self) -> FloatArray:
        """[P] pounds per unit."""
        ...

    @property
    def conversion(self) -> FloatArray:
        """[P] probability of any order given a view under the best promise."""
        ...

    @property
    def units_per_order(self) -> FloatArray:
        """[P] mean units of an order line."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Products:
    """The assortment.

    Raises:
        ValueError: If shapes disagree, or a value is out of its bounds.
    """

    id: tuple[str, ...]
    price: FloatArray  # [P] currency per unit, > 0
    unit_cost: FloatArray  # [P] currency per unit, >= 0
    weight_lb: FloatArray  # [P] pounds per unit, > 0
    conversion: FloatArray  # [P] probability of any order | view under the 1d promise, in (0, 1)
    units_per_order: FloatArray  # [P] mean units of an order line, at least 1

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        if not self.id:
            raise ValueError("products.id is empty, must hold at least 1 product")
        if len(set(self.id)) != len(self.id):
            twice = next(i for i, x in enumerate(self.id) if x in self.id[:i])
            raise ValueError(f"products.id[{twice}] is {self.id[twice]!r}, must be unique")
        for name in ("price", "unit_cost", "weight_lb", "conversion", "units_per_order"):
            values = getattr(self, name)
            require_shape(f"products.{name}", values, (len(self.id),))
            require(np.isfinite(values), f"products.{name}", values, "finite")
        require(self.price > 0.0, "products.price", self.price, "> 0")
        require(self.unit_cost >= 0.0, "products.unit_cost", self.unit_cost, ">= 0")
        require(self.weight_lb > 0.0, "products.weight_lb", self.weight_lb, "> 0")
        inside = (self.conversion > 0.0) & (self.conversion < 1.0)
        require(inside, "products.conversion", self.conversion, "in (0, 1)")
        enough = self.units_per_order >= 1.0
        require(enough, "products.units_per_order", self.units_per_order, ">= 1")

    @property
    def num_products(self) -> int:
        """How many products there are, ``P``."""
        return len(self.id)


def attribute_matrix(products: HasAttributes) -> FloatArray:
    """Return the products' attributes as a model sees them.

    Column ``f`` is ``ATTRIBUTES[f]``: natural logarithms of price, weight, and the
    units that a view under the best promise is worth, conversion times units per order.

    Args:
        products: ``Products`` of a world, or anything with the same columns.

    Returns:
        [P, F] float64.
    """
    price, weight, conversion, units = (
        np.asarray(values, dtype=np.float64)
        for values in (
            products.price,
            products.weight_lb,
            products.conversion,
            products.units_per_order,
        )
    )
    return np.log(np.stack([price, weight, conversion * units], axis=1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """The places customers live in, finer than regions; each lies in one region.

    Raises:
        ValueError: If shapes disagree, or a value is out of its bounds.
    """

    name: tuple[str, ...]  # three-digit zips
    latitude: FloatArray  # [K] degrees
    longitude: FloatArray  # [K] degrees
    region: IntArray  # [K] index of the region, in [0, Z)
    population: FloatArray  # [K] people

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        for name in ("latitude", "longitude", "region", "population"):
            require_shape(f"places.{name}", getattr(self, name), (len(self.name),))
        require(np.abs(self.latitude) <= 90.0, "places.latitude", self.latitude, "in [-90, 90]")
        require(
            np.abs(self.longitude) <= 180.0, "places.longitude", self.longitude, "in [-180, 180]"
        )
        require(self.region >= 0, "places.region", self.region, ">= 0")
        positive = np.isfinite(self.population) & (self.population > 0.0)
        require(positive, "places.population", self.population, "finite and > 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class ConversionRates:
    """Probability that a view under a promise converts to a ship option.

    ``pmf[i, p, s]`` is pi_p(s) of product i. Nothing is chosen that is faster than the promise,
    an out-of-stock view never converts, and a faster promise converts at least as much:
    C_p'(s) >= C_p(s) for p' faster than p, with C_p(s) the sum over options up to s.

    Raises:
        ValueError: Naming product, promise, option, value and bound.

    Source: Outbound, section 3 and Appendix F; METHODS section 5.
    """

    pmf: FloatArray  # [P, 4, 4] product, promise, option

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        if self.pmf.ndim != 3 or self.pmf.shape[1:] != (len(PROMISES), len(SHIP_OPTIONS)):
            raise ValueError(f"rates.pmf has shape {self.pmf.shape}, must be (P, 4, 4)")
        self._require((self.pmf >= 0.0) & (self.pmf <= 1.0), self.pmf, "in [0, 1]")
        total = np.broadcast_to(self.pmf.sum(axis=2, keepdims=True), self.pmf.shape)
        self._require(np.abs(total - 1.0) < 1e-9, total, "1 as the sum over options")
        faster = np.broadcast_to(np.tri(4, k=-1, dtype=np.bool_), self.pmf.shape)
        self._require(
            ~faster | (self.pmf == 0.0), self.pmf, "0, since the option beats the promise"
        )
        cumulative = self.cumulative
        slower = np.zeros_like(cumulative)
        slower[:, :-1] = cumulative[:, 1:]
        self._require(
            cumulative >= slower - 1e-12,
            cumulative,
            "at least the cumulative rate of the next slower promise",
        )

    def _require(self, ok: BoolArray, values: FloatArray, bound: str) -> None:
        if bool(ok.all()):
            return
        i, p, s = (int(k) for k in np.argwhere(~ok)[0])
        raise ValueError(
            f"rates of product {i}, promise {PROMISES[p]!r}, option {SHIP_OPTIONS[s]!r} "
            f"is {float(values[i, p, s])!r}, must be {bound}"
        )

    @property
    def cumulative(self) -> FloatArray:
        """C_p(s) [P, 4, 4]: probability of an option no slower than s; 1 exactly for ``none``."""
        total = np.cumsum(self.pmf, axis=2)
        total[:, :, -1] = 1.0
        return total

    @property
    def best(self) -> FloatArray:
        """[P] probability of any order under the fastest promise, C_1d(3d+)."""
        return best_rate(self.cumulative)

    @classmethod
    def from_conversion(cls, conversion: FloatArray) -> ConversionRates:
        """Return rates with the same response to a promise for all products.

        With c the probability of an order under 1d: 1d gives c·(.60, .15, .25) over the options
        1d, 2d and 3d+, 2d gives c·(0, .55, .25), 3d+ gives c·(0, 0, .55), OOS nothing.

        Args:
            conversion: [P] probability of any order under the 1d promise, in (0, 1).

        Returns:
            Rates of the P products.
        """
        c = np.asarray(conversion, dtype=np.float64)
        require((c > 0.0) & (c < 1.0), "conversion", c, "in (0, 1)")
        orders = c[:, None, None] * _OPTION_SHARE
        return cls(pmf=np.concatenate([orders, 1.0 - orders.sum(axis=2, keepdims=True)], axis=2))

    @classmethod
    def from_products(cls, products: Products) -> ConversionRates:
        """Return the rates of ``from_conversion`` at the products' own conversion."""
        return cls.from_conversion(products.conversion)


def best_rate(cumulative: FloatArray) -> FloatArray:
    """Return [...] C_1d(3d+), the probability of any order under the fastest promise.

    Args:
        cumulative: [..., 4, 4] C_p(s) by promise and option.
    """
    total: FloatArray = cumulative[..., PROMISES.index("1d"), SHIP_OPTIONS.index("3d+")]
    return total


def can_convert(latent: FloatArray, best: FloatArray) -> BoolArray:
    """Return [V] whether views convert under some promise: U <= C_1d(3d+).

    The rest never orders, whatever the stock, so that a replay without them is exact.

    Args:
        latent: [V] U of each view.
        best: [V] ``best_rate`` of each view's product.
    """
    return latent <= best


@dataclass(frozen=True, kw_only=True, slots=True)
class Views:
    """Glance views in the order in which they happen: by period, time, then session.

    The views of one basket share session, time and customer, and are contiguous. ``latent`` is
    the hidden U of a view: under promise p it converts to the option s with
    C_p(s-1) < U <= C_p(s). A view that can convert under the best promise is a candidate; its
    quantity is what the customer would buy. Other views have quantity 0.

    Raises:
        ValueError: If array shapes or offsets disagree.
    """

    time: FloatArray  # [V] days since the world began
    product: Int32Array  # [V]
    place: Int32Array  # [V] index into the places
    region: Int32Array  # [V]
    customer: Int32Array  # [V]
    quantity: Int32Array  # [V] units; >= 1 for candidates
    session: IntArray  # [V] ascending
    latent: FloatArray  # [V] in (0, 1)
    offsets: IntArray  # [T+1] views of period t are offsets[t]:offsets[t+1]

    def __post_init__(self) -> None:
        """Check shapes and offsets; ``validate`` checks the rest."""
        for field in fields(self):
            if field.name != "offsets":
                require_shape(f"views.{field.name}", getattr(self, field.name), self.time.shape)
        if self.time.ndim != 1 or self.offsets.ndim != 1 or self.offsets.size < 2:
            raise ValueError(
                f"views.offsets has shape {self.offsets.shape}, must be (T+1,) with T >= 1"
            )
        if self.offsets[0] != 0 or self.offsets[-1] != self.time.size:
            raise ValueError(
                f"views.offsets runs from {self.offsets[0]} to {self.offsets[-1]}, must run from "
                f"0 to {self.time.size}"
            )
        steps = np.diff(self.offsets)
        require(steps >= 0, "diff(views.offsets)", steps, ">= 0")

    @property
    def num_views(self) -> int:
        """How many views there are, ``V``."""
        return int(self.time.size)

    @property
    def num_periods(self) -> int:
        """How many periods the views cover, ``T``."""
        return int(self.offsets.size) - 1

    @property
    def period(self) -> Int32Array:
        """[V] the period of each view."""
        return np.repeat(np.arange(self.num_periods, dtype=np.int32), np.diff(self.offsets))

    def select(self, keep: BoolArray) -> Views:
        """Return the views where ``keep`` [V] holds, same periods and sessions."""
        require_shape("keep", keep, self.time.shape)
        counts = np.concatenate([[0], np.cumsum(keep)])
        kept = {f.name: getattr(self, f.name)[keep] for f in fields(self) if f.name != "offsets"}
        return Views(**kept, offsets=counts[self.offsets].astype(np.int64))

    def candidates(self, rates: ConversionRates) -> Views:
        """Return the views that convert under some promise (``can_convert``).

        Args:
            rates: Rates of the P products.

        Returns:
            Views with the offsets counted anew.
        """
        return self.select(can_convert(self.latent, rates.best[self.product]))

    def periods(self, start: int, stop: int) -> Views:
        """Return the views of periods ``start`` to ``stop - 1``; times are not shifted."""
        if not 0 <= start < stop <= self.num_periods:
            raise ValueError(
                f"periods [{start}, {stop}), must be a non-empty part of [0, {self.num_periods})"
            )
        cut = slice(int(self.offsets[start]), int(self.offsets[stop]))
        part = {f.name: getattr(self, f.name)[cut] for f in fields(self) if f.name != "offsets"}
        return replace(self, **part, offsets=self.offsets[start : stop + 1] - self.offsets[start])

    def count(self, num_products: int, num_regions: int) -> IntArray:
        """Return the number of views by product, period and region, [P, T, Z]."""
        shape = (num_products, self.num_periods, num_regions)
        flat = np.ravel_multi_index((self.product, self.period, self.region), shape)
        return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(np.int64)

    def validate(self, rates: ConversionRates, places: Places, period_days: float) -> None:
        """Check every view.

        Args:
            rates: Rates of the P products.
            places: The K places.
            period_days: Length of a period.

        Raises:
            ValueError: Naming the field, first bad view, value and bound.
        """
        num_products, num_places = rates.pmf.shape[0], len(places.name)
        for name, bound in (("product", num_products), ("place", num_places)):
            values = getattr(self, name)
            require((values >= 0) & (values < bound), f"views.{name}", values, f"in [0, {bound})")
        region = places.region[self.place]
        require(self.region == region, "views.region", self.region, "the region of its place")
        require(self.customer >= 0, "views.customer", self.customer, ">= 0")
        inside = (self.latent > 0.0) & (self.latent < 1.0)
        require(inside, "views.latent", self.latent, "in (0, 1)")
        candidate = can_convert(self.latent, rates.best[self.product])
        require(
            np.where(candidate, self.quantity >= 1, self.quantity == 0),
            "views.quantity",
            self.quantity,
            ">= 1 for a view that can convert, 0 for one that cannot",
        )
        period = np.floor(self.time / period_days)
        require(period == self.period, "views.time", self.time, "inside the view's period")
        later = np.concatenate([[True], self.time[1:] >= self.time[:-1]])
        require(later, "views.time", self.time, "ascending")
        step = np.diff(self.session, prepend=self.session[:1])
        require(step >= 0, "views.session", self.session, "ascending")
        same = step == 0
        for name in ("time", "customer", "place"):
            values = getattr(self, name)
            first = values == np.concatenate([values[:1], values[:-1]])
            require(~same | first, f"views.{name}", values, "one value for a session")
