from dataclasses import fields, replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from draingym.world.draws import other_views, random_hours, streams, unit_prices
from draingym.world.lines import OrderLines
from draingym.world.orders import World, WorldConfig, build_world
from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines


@pytest.fixture(scope="module")
def lines() -> OrderLines:
    config = SyntheticConfig(num_products=12, num_customers=900, num_days=70, lines_per_day=90.0)
    return synthetic_order_lines(config, seed=4)


@pytest.fixture(scope="module")
def built(lines: OrderLines) -> World:
    return build_world(lines, WorldConfig(num_products=8, num_nodes=3, num_regions=9, seed=4))


def _arrays(value: Any, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in fields(value):
        item = getattr(value, field.name)
        if isinstance(item, np.ndarray):
            found[prefix + field.name] = item
        elif hasattr(item, "__dataclass_fields__"):
            found |= _arrays(item, f"{prefix}{field.name}.")
    return found


def test_same_seed_same_world(lines: OrderLines, built: World) -> None:
    again = build_world(lines, built.config)
    for (name, a), b in zip(_arrays(built).items(), _arrays(again).values(), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)
    other = build_world(lines, replace(built.config, seed=5))
    assert not np.array_equal(other.customer_place, built.customer_place)
    assert not np.array_equal(other.products.conversion, built.products.conversion)
    np.testing.assert_array_equal(other.products.price, built.products.price)


def test_best_sellers_by_units(lines: OrderLines, built: World) -> None:
    units: dict[str, int] = {}
    for product, quantity in zip(lines.product, lines.quantity, strict=True):
        if quantity <= 24:
            name = lines.product_id[product]
            units[name] = units.get(name, 0) + int(quantity)
    best = sorted(units, key=lambda name: -units[name])[:8]
    assert list(built.products.id) == best
    daily = [units[name] / 70 for name in best]
    np.testing.assert_allclose(built.mean_daily_demand, daily)


def test_every_retail_line_of_a_best_seller_is_one_candidate(
    lines: OrderLines, built: World
) -> None:
    rank = {name: i for i, name in enumerate(built.products.id)}
    expected = sorted(
        (int(day), rank[lines.product_id[product]], int(quantity))
        for day, product, quantity in zip(lines.day, lines.product, lines.quantity, strict=True)
        if lines.product_id[product] in rank and quantity <= 24
    )
    views = built.views.candidates(built.rates)
    found = zip(views.period, views.product, views.quantity, strict=True)
    assert sorted((int(t), int(i), int(q)) for t, i, q in found) == expected


def test_baskets_stay_together(lines: OrderLines, built: World) -> None:
    kept = np.isin([lines.product_id[i] for i in lines.product], built.products.id)
    kept &= lines.quantity <= 24
    key = lines.day[kept].astype(np.int64) * lines.num_customers + lines.customer[kept]
    expected = np.sort(np.unique(key, return_counts=True)[1])
    views = built.views.candidates(built.rates)
    found = np.sort(np.unique(views.session, return_counts=True)[1])
    np.testing.assert_array_equal(found, expected)
    assert expected.max() > 1
    built.views.validate(built.rates, built.places, 1)


def test_latents_are_uniform_below_and_above_the_best_rate(built: World) -> None:
    views, best = built.views, built.rates.best
    limit = best[views.product]
    ordered = views.quantity > 0
    below = views.latent[ordered] / limit[ordered]
    above = (views.latent - limit)[~ordered] / (1 - limit[~ordered])
    assert stats.kstest(below, "uniform").pvalue > 0.01
    assert stats.kstest(above, "uniform").pvalue > 0.01


def test_views_convert_at_the_products_rate(built: World) -> None:
    views = built.views
    seen = np.bincount(views.product, minlength=8)
    orders = np.bincount(views.product[views.quantity > 0], minlength=8)
    # Other views are negative binomial around orders (1 - c)/c: the sd here is about 2%.
    np.testing.assert_allclose(orders / seen, built.products.conversion, rtol=0.1)


def test_customers_live_where_people_live(built: World) -> None:
    people = built.places.population
    expected = built.customer_place.size * people / people.sum()
    region = built.places.region
    count = np.bincount(region[built.customer_place], minlength=9)
    chance = np.bincount(region, weights=expected, minlength=9)
    assert stats.chisquare(count, chance).pvalue > 0.001
    np.testing.assert_array_equal(built.views.place, built.customer_place[built.views.customer])


def test_prices_keep_their_ratios(lines: OrderLines, built: World) -> None:
    own = dict(zip((lines.product_id[i] for i in lines.product), lines.unit_price, strict=True))
    ratio = built.products.price / np.array([own[name] for name in built.products.id])
    np.testing.assert_allclose(ratio, ratio[0])
    mean = built.products.price @ built.mean_daily_demand / built.mean_daily_demand.sum()
    assert mean == pytest.approx(30.0)
    assert (built.products.unit_cost <= 0.7 * built.products.price * (1 + 1e-12)).all()


def test_capacity_follows_demand(built: World) -> None:
    total = built.network.daily_capacity[1:].sum()
    assert total == pytest.approx(2.0 * built.mean_daily_demand.sum(), abs=3)


def test_distances_and_calendar(built: World) -> None:
    assert built.place_distance_km.shape == (4, len(built.places.name))
    assert built.calendar.shape == (70, len(built.calendar_name))
    assert built.event_distance.shape == (70, 4)
    np.testing.assert_array_equal(built.event_distance, built.calendar[:, 2:])


def test_whole_weeks_only(lines: OrderLines, built: World) -> None:
    weekly = build_world(lines.select(lines.day < 68), replace(built.config, period_days=7))
    assert weekly.num_periods == weekly.views.num_periods == 9
    assert weekly.views.time.max() < 63.0
    assert weekly.network.lead_time.shape[1] == 2
    weekly.views.validate(weekly.rates, weekly.places, 7)


def test_wholesale_is_dropped_and_counted(lines: OrderLines, built: World) -> None:
    quantity = lines.quantity.copy()
    quantity[[3, 500]] = 25
    world = build_world(replace(lines, quantity=quantity), built.config)
    already = int((lines.quantity > 24).sum())
    assert world.wholesale_lines == already + 2
    assert world.views.quantity.max() <= 24


@st.composite
def order_lines(draw: st.DrawFn) -> OrderLines:
    """Any valid order lines, however odd."""
    size = draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    days, customers, products = (draw(st.integers(1, k)) for k in (6, 5, 4))
    return OrderLines(
        source="test",
        first_date=date(2001, 5, 4),
        num_customers=customers,
        product_id=tuple(map(str, range(products))),
        day=np.sort(rng.integers(0, days, size)).astype(np.int32),
        customer=rng.integers(0, customers, size).astype(np.int32),
        product=rng.integers(0, products, size).astype(np.int32),
        quantity=rng.integers(1, 24, size).astype(np.int32),
        unit_price=rng.uniform(0.01, 1e4, size),
        unit_cost=rng.uniform(0, 1e4, size),
    )


@settings(max_examples=40)
@given(order_lines(), st.integers(0, 100))
def test_any_order_lines_make_a_valid_world(lines: OrderLines, seed: int) -> None:
    config = WorldConfig(num_products=1, num_nodes=2, num_regions=3, seed=seed)
    world = build_world(lines, config)
    world.views.validate(world.rates, world.places, 1)
    units = np.bincount(lines.product, weights=lines.quantity)
    assert world.views.quantity.sum() == units.max()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_products": 13}, r"num_products is 13, must be in \[1, 12\]"),
        ({"period_days": 71}, r"period_days is 71, must be in \[1, 70\]"),
    ],
    ids=["products", "days"],
)
def test_too_little_data(lines: OrderLines, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_world(lines, WorldConfig(**change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_products": 0}, r"world.num_products is 0"),
        ({"max_line_quantity": 0}, r"world.max_line_quantity is 0"),
        ({"conversion_mean": 1.0}, r"world.conversion_mean is 1.0, must be .*\(0, 1\)"),
        ({"conversion_concentration": 0.0}, r"world.conversion_concentration is 0.0"),
        (
            {"mean_unit_price": -1.0},
            r"world.mean_unit_price is -1.0, must be .*\(0.0, 1000000000.0\]",
        ),
        ({"min_margin": 0.0}, r"world.min_margin is 0.0"),
        ({"weight_median_lb": float("nan")}, r"world.weight_median_lb is nan"),
        ({"weight_sd": -0.1}, r"world.weight_sd is -0.1"),
        ({"view_dispersion": 0.0}, r"world.view_dispersion is 0.0"),
        ({"smoothing_days": 0}, r"world.smoothing_days is 0"),
        ({"capacity_slack": 0.0}, r"world.capacity_slack is 0.0, must be > 0"),
        ({"seed": -1}, r"world.seed is -1"),
        ({"num_regions": 100}, r"network.num_regions is 100"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_config_names_field_value_and_bound(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WorldConfig(**change)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("day", -1, r"order_lines.day\[9\] is -1, must be >= 0"),
        ("day", 60, r"order_lines.day\[10\] is 0, must be ascending"),
        ("customer", 900, r"order_lines.customer\[9\] is 900, must be in \[0, 900\)"),
        ("product", 12, r"order_lines.product\[9\] is 12, must be in \[0, 12\)"),
        ("quantity", 0, r"order_lines.quantity\[9\] is 0, must be >= 1"),
        ("unit_price", 0.0, r"order_lines.unit_price\[9\] is 0.0, must be finite and > 0"),
        ("unit_cost", np.nan, r"order_lines.unit_cost\[9\] is nan, must be finite and >= 0"),
        ("quantity", 7.5, r"order_lines.quantity\[9\] is 7.5, must be a whole number of 32 bits"),
        ("day", np.nan, r"order_lines.day\[9\] is nan, must be a whole number of 32 bits"),
        ("product", 2.0**31, r"order_lines.product\[9\] is 2147483648.0, must be a whole number"),
    ],
)
def test_order_lines_name_field_row_value_and_bound(
    lines: OrderLines, name: str, value: float, message: str
) -> None:
    values = getattr(lines, name).astype(type(value))
    values[9] = value
    with pytest.raises(ValueError, match=message):
        replace(lines, **{name: values})


def test_unit_prices_by_hand() -> None:
    price, cost = unit_prices(
        np.array([0, 0, 1]),
        np.array([1, 3, 4], dtype=np.int32),
        np.array([10.0, 6.0, 21.0]),
        np.array([7.0, 7.0, 2.1]),
        mean_unit_price=28.0,
        min_margin=0.3,
    )
    # 7 and 21 a unit, 14 on average: twice that. Cost ratios 1, cut to .7, and .1.
    np.testing.assert_allclose(price, [14.0, 42.0])
    np.testing.assert_allclose(cost, [9.8, 4.2])


def test_other_views_have_the_moments_of_a_negative_binomial() -> None:
    rng = np.random.default_rng(7)
    orders = np.full((1, 20_000), 3.0)
    home = np.array([0, 0, 0, 1])
    seen = other_views(rng, orders, np.array([0.25]), home, 3, dispersion=2.0, smoothing_days=7)
    region = home[seen.customer]
    assert set(seen.customer[region == 0].tolist()) == {0, 1, 2}
    for z, mean in ((0, 3.0 * 3.0 * 0.75), (1, 3.0 * 3.0 * 0.25)):
        count = np.bincount(seen.day[region == z], minlength=20_000)
        assert count.mean() == pytest.approx(mean, rel=0.03)
        assert count.var() == pytest.approx(mean + mean**2 / 2.0, rel=0.06)


def test_other_views_follow_orders_over_a_window() -> None:
    orders = np.zeros((2, 21))
    orders[1, 10] = 70.0
    seen = other_views(
        np.random.default_rng(0),
        orders,
        np.array([0.5, 0.1]),
        np.zeros(4, dtype=np.int64),
        1,
        dispersion=1e6,
        smoothing_days=7,
    )
    assert set(seen.product.tolist()) == {1}
    assert set(seen.day.tolist()) == set(range(7, 14))
    assert np.bincount(seen.day).sum() == pytest.approx(70 * 9, rel=0.15)


def test_hours_peak_in_the_evening() -> None:
    share = random_hours(np.random.default_rng(0), 50_000)
    assert share.min() >= 0.0
    assert share.max() < 1.0
    count = np.bincount((share * 24).astype(int), minlength=24)
    assert 18 < np.argmax(count) < 22
    assert 2 <= np.argmin(count) <= 4


def test_streams_do_not_move_when_one_is_added() -> None:
    short, long = streams(3, ("a", "b")), streams(3, ("a", "b", "c"))
    assert short["b"].random() == long["b"].random()
    assert len({stream.random() for stream in long.values()}) == 3
