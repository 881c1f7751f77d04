from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from draingym.world.orders import World
from draingym.world.views import ConversionRates, Places, Products, attribute_matrix

PMF = np.array(
    [
        [0.40, 0.20, 0.10, 0.30],
        [0.00, 0.30, 0.20, 0.50],
        [0.00, 0.00, 0.25, 0.75],
        [0.00, 0.00, 0.00, 1.00],
    ]
)


def _pmf(change: dict[tuple[int, int], float]) -> Any:
    pmf = np.stack([PMF, PMF])
    for (promise, option), value in change.items():
        pmf[1, promise, option] = value
    return pmf


def test_cumulative_and_best() -> None:
    rates = ConversionRates(pmf=np.stack([PMF]))
    np.testing.assert_allclose(rates.cumulative[0, 0], [0.4, 0.6, 0.7, 1.0])
    np.testing.assert_allclose(rates.cumulative[0, 2], [0.0, 0.0, 0.25, 1.0])
    np.testing.assert_allclose(rates.best, [0.7])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {(1, 0): 0.1, (1, 3): 0.4},
            r"product 1, promise '2d', option '1d' is 0.1, must be 0, since the option beats",
        ),
        ({(0, 0): 1.0}, r"product 1, promise '1d', option '1d' is 1.6, must be 1 as the sum"),
        ({(0, 0): -0.1, (0, 3): 0.8}, r"product 1, promise '1d', option '1d' is -0.1, must be in"),
        (
            {(3, 2): 0.0, (3, 3): 0.9},
            r"product 1, promise 'oos', option '1d' is 0.9, must be 1 as the sum",
        ),
        (
            {(2, 2): 0.6, (2, 3): 0.4},
            r"product 1, promise '2d', option '3d\+' is 0.5, must be at least the cumulative",
        ),
    ],
    ids=["faster", "sum", "negative", "oos", "isotonic"],
)
def test_rates_name_product_promise_option_and_value(
    change: dict[tuple[int, int], float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ConversionRates(pmf=_pmf(change))


def test_rates_refuse_wrong_shape() -> None:
    with pytest.raises(ValueError, match=r"\(1, 3, 4\), must be \(P, 4, 4\)"):
        ConversionRates(pmf=PMF[None, :3])


@given(hnp.arrays(np.float64, 3, elements=st.floats(1e-6, 1 - 1e-6)))
def test_rates_of_any_conversion_are_isotonic(conversion: Any) -> None:
    rates = ConversionRates.from_conversion(conversion)
    np.testing.assert_allclose(rates.best, conversion, rtol=1e-12)
    assert (np.diff(rates.cumulative, axis=1) <= 1e-12).all()
    np.testing.assert_array_equal(rates.pmf[:, 3], [[0, 0, 0, 1]] * 3)


def test_rates_refuse_certainty() -> None:
    with pytest.raises(ValueError, match=r"conversion\[1\] is 1.0, must be in \(0, 1\)"):
        ConversionRates.from_conversion(np.array([0.5, 1.0]))


def _products(**change: Any) -> Products:
    values: dict[str, Any] = {
        "id": ("a", "b"),
        "price": np.array([np.e, 1.0]),
        "unit_cost": np.array([1.0, 0.0]),
        "weight_lb": np.array([1.0, np.e**2]),
        "conversion": np.array([0.5, 0.25]),
        "units_per_order": np.array([1.0, 2.0]),
    }
    return Products(**(values | change))


def test_attribute_matrix() -> None:
    expected = [[1.0, 0.0, np.log(0.5)], [0.0, 2.0, np.log(0.5)]]
    np.testing.assert_allclose(attribute_matrix(_products()), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": ("a", "a")}, r"products.id\[1\] is 'a', must be unique"),
        ({"id": ()}, "products.id is empty"),
        ({"price": np.array([1.0, 0.0])}, r"products.price\[1\] is 0.0, must be > 0"),
        ({"price": np.ones(3)}, r"products.price has shape \(3,\), must be \(2,\)"),
        ({"unit_cost": np.array([-1.0, 1.0])}, r"products.unit_cost\[0\] is -1.0, must be >= 0"),
        ({"weight_lb": np.array([1.0, np.nan])}, r"products.weight_lb\[1\] is nan, must be finite"),
        ({"conversion": np.array([1.0, 0.1])}, r"products.conversion\[0\] is 1.0, .*\(0, 1\)"),
        ({"units_per_order": np.array([1.0, 0.5])}, r"products.units_per_order\[1\] is 0.5"),
    ],
    ids=["unique", "empty", "price", "shape", "cost", "weight", "conversion", "units"],
)
def test_products_name_field_value_and_bound(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _products(**change)


def test_places_name_field_value_and_bound(world: World) -> None:
    region = world.places.region.copy()
    region[7] = -1
    with pytest.raises(ValueError, match=r"places.region\[7\] is -1, must be >= 0"):
        replace(world.places, region=region)
    with pytest.raises(ValueError, match=r"places.latitude has shape"):
        Places(
            name=("x",),
            latitude=np.zeros(2),
            longitude=np.zeros(1),
            region=np.zeros(1, dtype=np.int64),
            population=np.ones(1),
        )


def test_candidates_are_the_views_that_can_convert(world: World) -> None:
    views = world.views
    candidates = views.candidates(world.rates)
    best = world.rates.best
    kept = [v for v in range(views.num_views) if views.latent[v] <= best[views.product[v]]]
    assert candidates.num_views == len(kept) > 0
    np.testing.assert_array_equal(candidates.latent, views.latent[kept])
    np.testing.assert_array_equal(candidates.period, views.period[kept])
    assert (candidates.quantity >= 1).all()
    assert candidates.num_periods == views.num_periods


@given(st.data())
def test_select_keeps_periods(world: World, data: st.DataObject) -> None:
    views = world.views
    seed = data.draw(st.integers(0, 2**32 - 1))
    keep = np.random.default_rng(seed).random(views.num_views) < data.draw(st.floats(0, 1))
    part = views.select(keep)
    np.testing.assert_array_equal(part.period, views.period[keep])
    part.validate(world.rates, world.places, world.period_days)


def test_periods_and_count(world: World) -> None:
    views = world.views
    part = views.periods(3, 5)
    np.testing.assert_array_equal(part.offsets, views.offsets[3:6] - views.offsets[3])
    np.testing.assert_array_equal(part.time, views.time[views.offsets[3] : views.offsets[5]])
    count = world.glance_views()
    assert count.shape == (3, world.num_periods, 4)
    np.testing.assert_array_equal(part.count(3, 4), count[:, 3:5])
    assert count.sum() == views.num_views
    v = 100
    first = (views.product[v], views.period[v], views.region[v])
    cells = zip(views.product, views.period, views.region, strict=True)
    assert count[first] == sum(cell == first for cell in cells)
    with pytest.raises(
        ValueError, match=r"periods \[5, 5\), must be a non-empty part of \[0, 12\)"
    ):
        views.periods(5, 5)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("product", 3, r"views.product\[50\] is 3, must be in \[0, 3\)"),
        ("place", -1, r"views.place\[50\] is -1"),
        ("region", 77, r"views.region\[50\] is 77, must be the region of its place"),
        ("customer", -5, r"views.customer\[50\] is -5"),
        ("latent", 1.0, r"views.latent\[50\] is 1.0, must be in \(0, 1\)"),
        ("quantity", 40, r"views.quantity\[50\] is 40, must be >= 1 .*0 for one that cannot"),
        ("time", 11.5, r"views.time\[50\] is 11.5, must be inside the view's period"),
        ("session", 0, r"views.session\[50\] is 0, must be ascending"),
    ],
)
def test_validate_names_field_view_value_and_bound(
    world: World, name: str, value: float, message: str
) -> None:
    v = 50
    assert world.views.quantity[v] == 0
    values = getattr(world.views, name).copy()
    values[v] = value
    bad = replace(world.views, **{name: values})
    with pytest.raises(ValueError, match=message):
        bad.validate(world.rates, world.places, world.period_days)


def test_views_refuse_wrong_offsets(world: World) -> None:
    views = world.views
    with pytest.raises(ValueError, match=r"views.offsets runs from 0 to"):
        replace(views, offsets=views.offsets[:-1])
    with pytest.raises(ValueError, match=r"views.latent has shape"):
        replace(views, latent=views.latent[1:])
    swapped = views.offsets.copy()
    swapped[[3, 4]] = swapped[[4, 3]]
    with pytest.raises(ValueError, match=r"diff\(views.offsets\)\[3\] is -\d+, must be >= 0"):
        replace(views, offsets=swapped)
