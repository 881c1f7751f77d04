"""A forecaster's word in what policies see, and scenarios it draws: nothing from the future."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.forecasters import read_panel
from draingym.policies import (
    NeuralPlacement,
    Newsvendor,
    PathDemand,
    forecast_windows,
    generated_windows,
    stockout_probability,
)
from draingym.policies.forecasting.rolling import error_of, series_for
from draingym.simulator import single_store, smoothed, window
from tests.policies.forecast_world import (
    HORIZON,
    PERIODS,
    PRODUCTS,
    REGIONS,
    changed_after,
    small_forecaster,
    small_panel,
    small_simulator,
    small_windows,
)
from tests.policies.problems import observation, small_tree

KNOWN = 20
GIVEN = {"known_periods": KNOWN, "samples": 20}


def worth_of(panel):
    """Units that a view of each product was worth in the known periods."""
    sold, seen = (panel[n].values[:, :KNOWN].sum(axis=(1, 2)) for n in ("outbound", "glance_views"))
    return sold / seen


def with_cv(seen, cv):
    """The same observation with a forecast that says how much it errs."""
    return replace(seen, forecast_cv=jnp.float32(cv))


@pytest.fixture(scope="module")
def panel():
    return small_panel()


@pytest.fixture(scope="module")
def fitted(panel):
    return small_forecaster(panel)


@pytest.fixture(scope="module")
def windows(panel):
    return small_windows(panel)


@pytest.fixture(scope="module")
def informed(panel, fitted, windows):
    return forecast_windows(windows, fitted, panel, **GIVEN)


@pytest.fixture(scope="module")
def generated(panel, fitted, windows):
    simulator, params = small_simulator()
    return generated_windows(simulator, params, windows, fitted, panel, HORIZON, paths=2, **GIVEN)


def test_the_forecast_is_what_the_model_says_at_each_origin(panel, fitted, informed):
    said = fitted.predict(read_panel(panel, "glance_views").until(22), HORIZON, samples=20)
    views = said.samples.mean(axis=(0, 2))  # a period, of each product
    found = informed.market.forecast[:, 22].sum(axis=1)
    np.testing.assert_allclose(found, views * worth_of(panel), rtol=1e-5)
    np.testing.assert_allclose(
        informed.market.forecast_cv[:, 22], error_of(said.samples.sum(axis=2)), rtol=1e-4
    )


def test_regions_share_as_in_the_forecast_that_is_replaced(windows, informed):
    before, now = np.asarray(windows.market.forecast), np.asarray(informed.market.forecast)
    shares = [x[:, 9:] / x[:, 9:].sum(axis=2, keepdims=True) for x in (before, now)]
    np.testing.assert_allclose(*shares, atol=1e-5)
    np.testing.assert_array_equal(now[:, :8], before[:, :8])  # before the first window
    assert not np.allclose(now[:, 9:], before[:, 9:], rtol=0.1)


def test_nothing_of_the_future_is_in_a_forecast(panel, fitted, windows, informed):
    origin = 23
    other = changed_after(panel, origin)
    found = forecast_windows(small_windows(other), fitted, other, **GIVEN).market
    for name in ("forecast", "forecast_cv"):
        own, changed = (np.asarray(getattr(x, name)) for x in (informed.market, found))
        np.testing.assert_array_equal(own[:, : origin + 1], changed[:, : origin + 1])
        assert not np.allclose(own[:, origin + 1 :], changed[:, origin + 1 :])


@pytest.mark.slow
def test_series_by_region_have_forecasts_of_their_own(panel, windows):
    by_place = small_forecaster(panel, by_place=True)
    found = forecast_windows(windows, by_place, panel, first=24, **GIVEN).market
    said = by_place.predict(
        read_panel(panel, "glance_views", by_place=True).until(25), HORIZON, samples=20
    )
    by_region = said.samples.mean(axis=(0, 2)).reshape(PRODUCTS, REGIONS)
    ratio = np.asarray(found.forecast)[:, 25] / by_region
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1], ratio.shape), rtol=1e-4)


def test_policies_order_by_the_forecast_and_how_much_it_errs(informed):
    cut = window(informed, 1, HORIZON, jax.random.key(0))
    assert cut.series.forecast_cv.shape == (PRODUCTS, HORIZON)
    policy = Newsvendor(tree=small_tree())
    params = policy.init(jax.random.key(0))
    key = jax.random.key(0)

    def bought(cv):
        seen = observation([0.0, 0.0, 0.0, 0.0])
        seen = seen if cv is None else with_cv(seen, cv)
        return float(policy.apply(params, seen, key)[0])

    assert bought(None) == pytest.approx(bought(1.0))
    assert bought(0.2) < bought(1.0) < bought(3.0)


def test_the_neural_policy_wants_to_be_told():
    policy = NeuralPlacement(tree=small_tree(), num_attributes=2, forecast_cv=True)
    params = policy.init(jax.random.key(0))
    seen = observation([1.0, 1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="forecast_cv is None, must be given"):
        policy.apply(params, seen, jax.random.key(0))
    found = policy.apply(params, with_cv(seen, 0.4), jax.random.key(0))
    assert np.isfinite(found).all()


def test_generated_scenarios_begin_as_the_log_and_go_on_otherwise(panel, windows, generated):
    assert generated.num_products == PRODUCTS * 2 * 2  # starts, then paths, then products
    views = np.asarray(generated.market.glance_views)
    assert views.shape == (12, 8 + HORIZON, REGIONS)
    np.testing.assert_array_equal(views, np.maximum(np.rint(views), 0))
    log = np.asarray(panel["glance_views"])
    for s, start in enumerate((8, 20)):
        own = views.reshape(2, 2, PRODUCTS, 8 + HORIZON, REGIONS)[s]
        np.testing.assert_array_equal(own[0, :, :8], log[:, start - 8 : start])
        np.testing.assert_array_equal(own[1, :, :8], own[0, :, :8])
        assert not np.array_equal(own[0, :, 8:], own[1, :, 8:])
        drawn = window(generated, 0, HORIZON, jax.random.key(0))
        rows = slice(s * 2 * PRODUCTS, (s + 1) * 2 * PRODUCTS)
        np.testing.assert_array_equal(
            np.asarray(drawn.initial.on_hand)[rows].reshape(2, PRODUCTS, -1)[0],
            np.asarray(panel["on_hand"])[:, start - 1],
        )
        assert np.asarray(drawn.series.period)[rows, 0].tolist() == [start] * 2 * PRODUCTS


def test_a_generated_scenario_knows_nothing_after_its_start(panel, fitted, generated):
    simulator, params = small_simulator()
    other = changed_after(panel, KNOWN)
    found = generated_windows(
        simulator, params, small_windows(other), fitted, other, HORIZON, paths=2, **GIVEN
    )
    later = slice(2 * PRODUCTS, None)  # those that start at KNOWN, where all was changed
    for name in ("glance_views", "forecast", "forecast_cv"):
        own, changed = (getattr(x.market, name)[later] for x in (generated, found))
        np.testing.assert_array_equal(own, changed)


def test_the_forecast_of_a_path_follows_the_path(panel, fitted, generated):
    path = np.asarray(generated.market.glance_views)[:PRODUCTS]  # start 8, the first path
    data = read_panel(panel, "glance_views")
    history = np.concatenate([data.target[:, :8], path[:, 8:11].sum(axis=2)], axis=1)
    past = type(data)(
        ids=data.ids, grid=data.grid, target=history, known=data.known, static=data.static,
        labels=data.labels,
    )  # fmt: skip
    said = fitted.predict(past, HORIZON, samples=20)
    np.testing.assert_allclose(
        generated.market.forecast[:PRODUCTS, 11].sum(axis=1),
        said.samples.mean(axis=(0, 2)) * worth_of(panel),
        rtol=1e-4,
    )


def test_policies_may_see_the_moving_average_of_a_path(panel, fitted, windows):
    simulator, params = small_simulator()
    found = generated_windows(
        simulator, params, windows, fitted, panel, HORIZON, paths=1, known_periods=KNOWN,
        half_life=7.0,
    ).market  # fmt: skip
    views = np.asarray(found.glance_views)[:PRODUCTS]  # start 8: all periods from the first on
    expected = smoothed(views, 7.0, views[:, 0])[:, 8:] * worth_of(panel)[:, None, None]
    np.testing.assert_allclose(found.forecast[:PRODUCTS, 8:], expected, rtol=1e-5)
    assert found.forecast_cv is None


def test_rollouts_on_generated_scenarios_conserve_units(generated):
    simulator, params = small_simulator()
    scenario = window(generated, 0, HORIZON, jax.random.key(1))

    class Same:
        def init(self, key):
            return jnp.float32(9.0)

        def apply(self, params, observation, key):
            return jnp.full(2, params)

    def one(scenario, key):
        return simulator.rollout(params, Same(), jnp.float32(9.0), scenario, key).transitions

    keys = jax.random.split(jax.random.key(2), generated.num_products)
    moves = jax.jit(jax.vmap(one))(scenario, keys)
    before = np.concatenate(
        [np.asarray(scenario.initial.on_hand)[:, None], np.asarray(moves.on_hand)[:, :-1]], axis=1
    )
    np.testing.assert_array_equal(
        moves.on_hand, before + moves.stowed - moves.transferred - moves.outbound
    )
    assert float(moves.outbound.sum()) > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, f, w: forecast_windows(w, f, p.isel(product=[0, 1])), "market has .products"),
        (lambda p, f, w: forecast_windows(w, f, p, first=PERIODS), r"first is 30, must be in"),
        (lambda p, f, w: forecast_windows(w, f, p, periods=6), r"periods is 6, must be"),
        (
            lambda p, f, w: generated_windows(*small_simulator(), w, f, p, HORIZON + 1),
            r"horizon is 6, must be",
        ),
        (
            lambda p, f, w: generated_windows(*small_simulator(), w, f, p, HORIZON, paths=0),
            r"paths is 0, must be",
        ),
    ],
    ids=["other products", "too late", "beyond the model", "too long", "no path"],
)
def test_what_does_not_fit_is_refused(panel, fitted, windows, change, message):
    with pytest.raises(ValueError, match=message):
        change(panel, fitted, windows)


def test_paths_of_a_forecast_are_demand_of_a_store(fitted, panel):
    data = series_for(fitted, panel, "glance_views").until(KNOWN)
    forecast = fitted.predict(data, HORIZON, samples=6)
    demand = PathDemand(forecast=forecast, series=("b",))
    _, _, sample = single_store(lead_time=1, demand=demand)
    scenario = sample(jax.random.key(0), HORIZON, 40)
    views = np.asarray(scenario.series.glance_views)  # [T, 1, B]
    paths = np.maximum(forecast.samples[:, 1], 0.0)
    for b in range(40):
        assert (views[:, 0, b] == paths).all(axis=1).any()
    assert len({tuple(path) for path in views[:, 0].T.tolist()}) > 1
    assert float(scenario.series.forecast[0, 0]) == pytest.approx(paths.mean(), rel=1e-5)
    with pytest.raises(ValueError, match="periods is 6, must be"):
        sample(jax.random.key(0), HORIZON + 1)
    with pytest.raises(ValueError, match="series 'd' has no forecast"):
        PathDemand(forecast=forecast, series=("d",))


def test_the_simulator_says_how_often_a_shelf_is_empty(windows):
    simulator, params = small_simulator()

    class Nothing:
        def init(self, key):
            return ()

        def apply(self, params, observation, key):
            return jnp.zeros(2)

    found = stockout_probability(
        simulator, params, Nothing(), (), windows, HORIZON, which=1, rollouts=3
    )
    # Nothing is bought, and half of the views are units: what is left is known.
    market, initial = windows.market, windows.initial
    wanted = np.cumsum(0.5 * np.asarray(market.glance_views)[:, 20:].sum(axis=2), axis=1)
    left = np.asarray(initial.on_hand)[1][:, None, 1] - wanted[:, :HORIZON]
    sure = np.abs(left) > 1.0  # half units are rounded
    np.testing.assert_array_equal(found[:, :, 1][sure], (left <= 0)[sure])
    assert 0 < found[:, :, 1].mean() < 1
