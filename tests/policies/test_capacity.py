"""Storage that products share: prices, the policy that answers to them, and their forecast."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.policies import (
    BaseStock,
    CapacityConfig,
    CapacityRollouts,
    OrderUpTo,
    PriceForecast,
    PriceResponsive,
    PriceResponsiveParams,
    Tree,
    calibrate,
    dual_ascent,
    fit_price_forecast,
    price_features,
    violation,
)
from draingym.policies.capacity.prices import look_ahead, with_prices
from draingym.simulator import single_store
from tests.policies.problems import observation, small_tree

KEY = jax.random.key(0)
HORIZON = 16
PRODUCTS = 6
STORE = Tree(
    parent=jnp.array([-1]),
    descends=jnp.ones((1, 1), bool),
    serves=jnp.ones(1, bool),
    distance=jnp.zeros((1, 1)),
    population=jnp.ones(1),
)


def test_targets_fall_with_the_price_of_storage_by_hand():
    policy = PriceResponsive(base=OrderUpTo(tree=small_tree()), tree=small_tree())
    params = policy.init(KEY)
    seen = observation([20, 4, 30, 0], forecast=(4.0, 3.0, 2.0, 1.0))
    free = policy.apply(params, seen, KEY)
    np.testing.assert_array_equal(free, policy.base.apply(params.base, seen, KEY))
    # The margin is 8: a price of 8 leaves a share of 1 / e of a target, at its own node alone.
    priced = replace(seen, storage_price=jnp.array([0.0, 8.0, 8.0, 0.0]))
    request = policy.apply(params, priced, KEY)
    assert float(request[1]) == pytest.approx((4 + float(free[1])) / np.e - 4, rel=1e-5)
    assert float(request[2]) == 0.0
    np.testing.assert_allclose(request[jnp.array([0, 3])], free[jnp.array([0, 3])], rtol=1e-6)


def test_violation_by_hand():
    use = np.array([[[4.0, 9.0], [6.0, 9.0]], [[5.0, 0.0], [9.0, 0.0]]])
    found = violation(use, np.array([5.0, np.inf]))
    assert found.excess == pytest.approx((0.2 + 0.8) / 4)
    assert (found.node_periods, found.worst) == (0.5, 1.8)
    assert violation(use, np.full(2, np.inf)).excess == 0.0


def test_policies_see_the_mean_price_until_stock_arrives():
    prices = jnp.array([[1.0], [2.0], [6.0], [0.0]])
    np.testing.assert_allclose(look_ahead(prices, 3)[:, 0], [3, 8 / 3, 3, 0], rtol=1e-6)


@pytest.fixture(scope="module")
def stores():
    """Stores with lost sales that share a shelf; prices make a margin."""
    simulator, params, sample = single_store(lead_time=1, unmet_cost=9.0, backlog=False)

    def draw(seed, level=1.0):
        keys = jax.random.split(jax.random.key(seed), PRODUCTS)
        scenarios = jax.vmap(lambda key: sample(key, HORIZON))(keys)
        series = replace(
            scenarios.series,
            price=jnp.full((PRODUCTS, HORIZON), 10.0),
            glance_views=level * scenarios.series.glance_views,
            forecast=level * scenarios.series.forecast,
        )
        return replace(scenarios, series=series)

    policy = PriceResponsive(base=BaseStock(), tree=STORE)
    level = PriceResponsiveParams(base=jnp.float32(14.0), response=jnp.float32(1.0))
    rollouts = CapacityRollouts(simulator, params, policy, level, np.ones(PRODUCTS))
    return rollouts, draw


NOTHING = np.zeros((HORIZON, 1))


@pytest.mark.slow
def test_the_price_is_charged_and_not_counted_as_reward(stores):
    rollouts, draw = stores
    scenario = draw(0)
    free, use = rollouts(scenario, NOTHING, NOTHING)
    charged, same = rollouts(scenario, NOTHING + 3.0, NOTHING)
    np.testing.assert_array_equal(use, same)
    np.testing.assert_allclose(charged, free, rtol=1e-5)
    priced = with_prices(
        scenario, jnp.full((HORIZON, 1), 3.0), jnp.zeros((HORIZON, 1)), jnp.ones(PRODUCTS)
    )
    simulator, params = single_store(lead_time=1, unmet_cost=9.0, backlog=False)[:2]
    one = jax.tree.map(lambda leaf: leaf[0], priced)
    moves = simulator.rollout(params, BaseStock(), jnp.float32(14.0), one).transitions
    np.testing.assert_allclose(moves.capacity_cost, 3.0 * moves.on_hand[:, 0], rtol=1e-6)
    plain = jax.tree.map(lambda leaf: leaf[0], scenario)
    other = simulator.rollout(params, BaseStock(), jnp.float32(14.0), plain).transitions
    np.testing.assert_allclose(moves.reward, other.reward - moves.capacity_cost, rtol=1e-5)


def test_dual_ascent_finds_prices_that_keep_the_limit(stores):
    rollouts, draw = stores
    scenario = draw(0)
    _, use = rollouts(scenario, NOTHING, NOTHING)
    capacity = np.array([0.7 * use[4:].mean()])
    config = CapacityConfig(iterations=80, periods_seen=2)
    found = dual_ascent(rollouts, [scenario], capacity, config)
    assert found.excess[0] > 0.2
    _, limited = rollouts(scenario, NOTHING, rollouts.seen(found.prices, 2))
    assert violation(limited, capacity).excess < 0.03
    # No more is left empty than the noise of a period: the limit binds.
    assert limited[4:].mean() > 0.75 * capacity[0]
    # A limit that does not bind has no price.
    wide = dual_ascent(rollouts, [scenario], np.array([1e4]), config)
    np.testing.assert_array_equal(wide.prices, 0.0)


def test_a_forecast_recovers_prices_that_are_linear_in_what_is_known():
    generator = np.random.default_rng(0)
    capacity = np.array([10.0, np.inf, 20.0])
    features, prices = [], []
    for _ in range(3):
        known = np.concatenate([np.ones((40, 3, 1)), generator.uniform(size=(40, 3, 3))], axis=-1)
        features.append(known)
        prices.append(known @ np.array([0.0, 4.0, 1.0, 2.0]) + np.array([1.0, 0.0, 3.0]))
    config = CapacityConfig(periods_seen=1)
    forecast = fit_price_forecast(features, prices, capacity, config, ridge=1e-8)
    np.testing.assert_allclose(forecast.weights[1:], [4, 1, 2], rtol=1e-4)
    found = forecast(features[0])
    np.testing.assert_allclose(found[:, [0, 2]], prices[0][:, [0, 2]], rtol=1e-4)
    np.testing.assert_array_equal(found[:, 1], 0.0)


def test_a_forecast_learned_on_some_periods_keeps_the_limit_on_others(stores):
    rollouts, draw = stores
    levels = (0.8, 1.0, 1.2)
    learn = [draw(10 + k, level) for k, level in enumerate(levels)]
    capacity = np.array([0.7 * rollouts(learn[1], NOTHING, NOTHING)[1][4:].mean()])
    config = CapacityConfig(iterations=60, periods_seen=2)
    features = [price_features(s, STORE, capacity, np.ones(PRODUCTS)) for s in learn]
    assert features[0].shape == (HORIZON, 1, 4)
    assert features[2][0, 0, 1] == pytest.approx(1.2 * PRODUCTS * 5.0 / capacity[0], rel=1e-2)
    prices = [dual_ascent(rollouts, [scenario], capacity, config).prices for scenario in learn]
    forecast = fit_price_forecast(features, prices, capacity, config)

    def under(known):
        pairs = zip(learn, features, strict=True)
        return np.stack([rollouts(s, NOTHING, known(feature))[1] for s, feature in pairs])

    raised = calibrate(forecast, under, capacity, most_excess=0.01)
    assert violation(under(raised), capacity).excess <= 0.01
    for seed, level in ((20, 0.9), (21, 1.1)):
        scenario = draw(seed, level)
        _, free = rollouts(scenario, NOTHING, NOTHING)
        seen = raised(price_features(scenario, STORE, capacity, np.ones(PRODUCTS)))
        _, use = rollouts(scenario, NOTHING, seen)
        assert violation(use, capacity).excess < 0.2 * violation(free, capacity).excess


def test_bad_input_is_refused(stores):
    rollouts, draw = stores
    with pytest.raises(ValueError, match=r"capacity is 0.0 at its smallest, must be above 0"):
        dual_ascent(rollouts, [draw(0)], np.zeros(1))
    with pytest.raises(ValueError, match="scenarios is empty"):
        dual_ascent(rollouts, [], np.ones(1))
    with pytest.raises(ValueError, match=r"step is 0\.0"):
        CapacityConfig(step=0.0)
    with pytest.raises(ValueError, match="1 features, 0 prices"):
        fit_price_forecast([np.zeros((3, 1, 4))], [], np.ones(1))
    highest = PriceForecast(weights=np.zeros(4), offset=np.zeros(1))
    full = calibrate(highest, lambda _: np.full((3, 1), 9.0), np.ones(1), highest=2.0)
    assert float(full.offset[0]) == 2.0
