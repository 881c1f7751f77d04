"""A truth whose price response is known: our own demand, with discounts that followed it.

Weekly units of synthetic order lines are what would be demanded at list price. A discount
multiplies them by ``(1 - d) ** -elasticity``. History's discounts were given when demand had been
low, so that who compares weeks with and without one finds too weak a response.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.forecasters_parts.datasets import Dataset
from draingym.common.arrays import FloatArray
from draingym.forecasters import SeriesData
from draingym.forecasters.data.grid import Grid, Step
from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines

GRID = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)  # discounts that are asked for
WEEKS = 120
HORIZON = 8
_SHARE = 0.5  # of weeks that have a discount
_FOLLOWS = 0.5  # rise of the discount with the log of the shortfall of the four weeks before


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """Demand at list price, how it answers, and what was seen of it."""

    dataset: Dataset
    base: FloatArray  # [B, T] units at list price
    elasticity: FloatArray  # [B] of demand in the price, as a positive number

    def demand(self, discount: float, origin: int) -> FloatArray:
        """Return units demanded at a discount in the horizon after an origin, [B, H]."""
        ahead = self.base[:, origin : origin + self.dataset.horizon]
        found: FloatArray = ahead * (1.0 - discount) ** -self.elasticity[:, None]
        return found

    def at(self, discount: float, origin: int) -> Dataset:
        """Return the data set with one discount throughout the horizon after an origin."""
        data = self.dataset.data
        planned = data.known["discount"].copy()
        planned[:, origin : origin + self.dataset.horizon] = discount
        return replace(self.dataset, data=replace(data, known={"discount": planned}))


def make_truth(series: int, seed: int = 0) -> Truth:
    """Return a truth of some products.

    Args:
        series: Products.
        seed: Of demand, discounts and elasticities.
    """
    config = SyntheticConfig(
        num_products=series,
        num_customers=200 * series,
        num_days=7 * WEEKS,
        lines_per_day=6.0 * series,
        drift_sd=0.5,
        drift_days=40.0,
    )
    lines = synthetic_order_lines(config, seed=seed)
    base = np.zeros((series, WEEKS))
    np.add.at(base, (lines.product, lines.day // 7), lines.quantity)
    random = np.random.default_rng([seed, 1])
    elasticity = random.uniform(1.0, 3.5, series)
    discount = _followed(base, random)
    sold = random.poisson(base * (1.0 - discount) ** -elasticity[:, None]).astype(np.float64)
    data = SeriesData(
        ids=tuple(f"product {b}" for b in range(series)),
        grid=Grid(0, Step("whole", 1)),
        target=sold,
        known={"discount": discount},
    )
    dataset = Dataset(name="truth", data=data, horizon=HORIZON, season=52, discount="discount")
    return Truth(dataset=dataset, base=base, elasticity=elasticity)


def _followed(base: FloatArray, random: np.random.Generator) -> FloatArray:
    """Return discounts, multiples of 5%: in half of the weeks, larger after low demand."""
    series, weeks = base.shape
    level = np.log1p(base)
    padded = np.pad(level, ((0, 0), (4, 0)), mode="edge")
    recent = np.stack([padded[:, k : k + weeks] for k in range(4)]).mean(axis=0)
    shortfall = level[:, : weeks // 2].mean(axis=1, keepdims=True) - recent
    wanted = 0.25 + _FOLLOWS * shortfall + 0.1 * random.standard_normal((series, weeks))
    given = random.random((series, weeks)) < _SHARE
    return np.where(given, np.clip(np.round(20.0 * wanted) / 20.0, 0.0, 0.7), 0.0)
