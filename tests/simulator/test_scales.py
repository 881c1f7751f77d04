"""Scaled observations and rewards are near one, and lose no bit on the way back."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.simulator import FunctionalEnv, InventoryEnv, InventoryVectorEnv, single_store

KEY = jax.random.key(0)


def problem(**options):
    simulator, params, sample = single_store(lead_time=1)
    return FunctionalEnv(
        simulator=simulator,
        params=params,
        sample=lambda key: sample(key, 6),
        max_action=np.array([30.0]),
        **options,
    )


RAW, SCALED = problem(), problem(scaled=True)


def test_one_is_the_power_of_two_nearest_to_the_mean_demand_and_its_cost():
    assert RAW.scales.units == RAW.scales.money == 1.0
    assert SCALED.scales.units == 4.0  # the mean demand is 5
    assert SCALED.scales.money == 2.0 ** round(math.log2(5.0 * 9.0))  # nothing has a price


@pytest.mark.parametrize("observation", ["box", "dict"])
def test_multiplying_gives_back_every_bit(observation):
    raw, scaled = (replace(env, observation=observation) for env in (RAW, SCALED))
    one, other = InventoryEnv(raw), InventoryEnv(scaled)
    seen, view = one.reset(seed=3)[0], other.reset(seed=3)[0]
    for _ in range(6):
        mine, theirs = raw.read(jax.tree.map(jnp.asarray, seen)), scaled.read(view)
        jax.tree.map(np.testing.assert_array_equal, theirs, mine)
        seen, reward, *_ = one.step(np.array([0.3], np.float32))
        view, gain, *_ = other.step(np.array([0.3], np.float32))
        assert gain * scaled.scales.money == reward
        assert abs(gain) < 4.0
    if observation == "dict":
        np.testing.assert_array_equal(view["on_hand"] * scaled.scales.units, seen["on_hand"])
        np.testing.assert_array_equal(view["active"], seen["active"])


def test_vectors_are_scaled_alike():
    one, many = InventoryEnv(SCALED), InventoryVectorEnv(SCALED, 2)
    one.reset(seed=3)
    many.reset(seed=3)
    seen, reward, *_ = one.step(np.array([0.3], np.float32))
    views, rewards, *_ = many.step(np.full((2, 1), 0.3, np.float32))
    np.testing.assert_allclose(views[0], seen, rtol=1e-6)
    assert rewards[0] == pytest.approx(reward, rel=1e-6)


def test_demand_that_nobody_forecasts_is_no_scale():
    def nothing(key):
        scenario = RAW.sample(key)
        none = jnp.zeros_like(scenario.series.forecast)
        return replace(scenario, series=replace(scenario.series, forecast=none))

    with pytest.raises(ValueError, match="scaled is True, must be False: no demand is forecast"):
        InventoryEnv(replace(SCALED, sample=nothing))
