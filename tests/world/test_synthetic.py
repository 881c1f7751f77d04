from dataclasses import fields
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from draingym.world.lines import OrderLines
from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines


@pytest.fixture(scope="module")
def lines() -> OrderLines:
    return synthetic_order_lines(SyntheticConfig(num_products=30, num_days=200), seed=1)


def test_same_seed_same_lines(lines: OrderLines) -> None:
    config = SyntheticConfig(num_products=30, num_days=200)
    again, other = synthetic_order_lines(config, seed=1), synthetic_order_lines(config, seed=2)
    for field in fields(lines):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(lines, field.name))
    assert other.num_lines != lines.num_lines


@pytest.mark.parametrize("days", [1, 2, 30])
def test_all_days_are_covered(days: int) -> None:
    config = SyntheticConfig(num_products=2, num_customers=3, num_days=days, lines_per_day=1e-3)
    lines = synthetic_order_lines(config)
    assert lines.num_days == days
    assert lines.day[0] == 0


def test_volume_and_popularity(lines: OrderLines) -> None:
    # Events lift the mean; lines of one product in one basket become one.
    assert lines.num_lines / 200 == pytest.approx(650, rel=0.2)
    units = np.bincount(lines.product)
    assert units[:3].mean() > 3 * units[-3:].mean()


def test_demand_is_overdispersed(lines: OrderLines) -> None:
    key = lines.product.astype(np.int64) * 200 + lines.day
    count = np.bincount(key, minlength=6000).reshape(30, 200)
    assert (count.var(axis=1) / count.mean(axis=1)).min() > 1.3


def test_weekend_and_christmas_sell_more(lines: OrderLines) -> None:
    daily = np.bincount(lines.day)
    days = [date(2000, 11, 1) + timedelta(days=d) for d in range(200)]
    weekend = np.array([d.weekday() >= 5 for d in days])
    quiet = np.arange(200) > 100  # after the events of the winter
    assert daily[weekend & quiet].mean() > 1.15 * daily[~weekend & quiet].mean()
    before = np.array([date(2000, 12, 18) <= d <= date(2000, 12, 25) for d in days])
    assert daily[before].mean() > 1.2 * daily[quiet].mean()


def test_baskets_are_skewed(lines: OrderLines) -> None:
    key = lines.day.astype(np.int64) * lines.num_customers + lines.customer
    size = np.unique(key, return_counts=True)[1]
    assert np.median(size) <= 3
    assert size.max() >= 10
    pairs = key * 30 + lines.product
    assert np.unique(pairs).size == pairs.size


def test_prices_belong_to_products(lines: OrderLines) -> None:
    for product in range(30):
        assert np.unique(lines.unit_price[lines.product == product]).size == 1
    assert (lines.unit_cost < lines.unit_price).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_products": 0}, "synthetic.num_products is 0"),
        ({"num_days": -1}, "synthetic.num_days is -1"),
        ({"lines_per_day": 0.0}, "synthetic.lines_per_day is 0.0"),
        ({"lines_per_basket": 0.5}, r"synthetic.lines_per_basket is 0.5, must be .*\[1.0"),
        ({"drift_sd": -1.0}, "synthetic.drift_sd is -1.0"),
        ({"margin": 1.0}, r"synthetic.margin is 1.0, must be .*\(0.0, 1.0\)"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_config_names_field_value_and_bound(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SyntheticConfig(**change)


@pytest.mark.parametrize("dispersion", [1.5, 4.0, 1e6])
def test_lines_are_negative_binomial(dispersion: float) -> None:
    config = SyntheticConfig(
        num_products=40,
        num_customers=100_000,
        num_days=350,
        lines_per_day=400.0,
        lines_per_basket=1.0,
        first_date=date(2001, 4, 1),
        popularity_exponent=0.0,
        dispersion=dispersion,
        drift_sd=0.0,
    )
    lines = synthetic_order_lines(config, seed=3)
    key = lines.product.astype(np.int64) * 350 + lines.day
    # Wednesdays before the events of autumn have one mean, 9, less a few lines of one basket.
    count = np.bincount(key, minlength=14_000).reshape(40, 350)[:, 3:190:7]
    assert count.mean() == pytest.approx(9.0, rel=0.1)
    assert count.var() == pytest.approx(count.mean() + count.mean() ** 2 / dispersion, rel=0.15)
