"""Shares of totals that are next to nothing: what they are, and that derivatives are finite."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.envs.make import make_problem
from draingym.registration import CORE
from draingym.simulator.ratio import LEAST_WHOLE, ratio
from tests.networks.random_networks import random_network

MAGNITUDES = [1e-45, 1e-38, 1e-30, 1e-21, 1e-20, 1e-12, 1.0, 1e9, 1e20, 1e30]
PERIODS = 3


@pytest.mark.parametrize(
    ("part", "whole", "value", "to_part", "to_whole"),
    [
        (1.0, 4.0, 0.25, 0.25, -0.0625),
        (1e-19, 4e-19, 0.25, 2.5e18, -6.25e17),
        (0.0, 1e-19, 0.0, 1e19, 0.0),
        (0.0, LEAST_WHOLE / 2, 0.0, 0.0, 0.0),
        (0.0, 0.0, 0.0, 0.0, 0.0),
    ],
)
def test_ratio(part, whole, value, to_part, to_whole):
    given = jnp.float32(part), jnp.float32(whole)
    assert ratio(*given) == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(jax.grad(ratio, (0, 1))(*given), (to_part, to_whole), rtol=1e-5)


def requests_of(actions, periods=PERIODS):
    """Requests [K, T, E]: of one magnitude each, and of all magnitudes together."""
    rng = np.random.default_rng(0)
    alike = [np.full((periods, actions), size) for size in MAGNITUDES]
    mixed = 10.0 ** rng.uniform(-38, 30, (20, periods, actions))
    mixed *= rng.random(mixed.shape) < 0.8
    return jnp.asarray(np.concatenate([alike, mixed]), jnp.float32)


def check_finite(simulator, params, scenario, actions):
    scenario = simulator.prepare(params, scenario)
    start = simulator.reset(params, scenario)

    def total(units):
        def period(state, now):
            state, moves = simulator.step(params, state, *now)
            return state, moves.reward

        return jnp.sum(jax.lax.scan(period, start, (units, scenario.series))[1])

    requests = requests_of(actions)
    value, slope = jax.jit(lambda units: jax.lax.map(jax.value_and_grad(total), units))(requests)
    for units, *found in zip(requests, value, slope, strict=True):
        assert all(bool(jnp.isfinite(leaf).all()) for leaf in found), units


def check_environment(name):
    env = make_problem(name, horizon=PERIODS)
    check_finite(env.simulator, env.params, env.sample(jax.random.key(0)), env.num_actions)


def check_network(seed, size, *, whole_units):
    network = random_network(seed, size, PERIODS, whole_units=whole_units)
    built = network.built
    scenario = built.sample(jax.random.key(0), PERIODS)
    check_finite(built.simulator, built.params, scenario, len(network.arcs))


def test_any_finite_request_has_a_finite_derivative():
    check_environment("OneWarehouseManyStores")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CORE))
def test_any_finite_request_has_a_finite_derivative_in_every_environment(name):
    check_environment(name)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8))
def test_any_finite_request_has_a_finite_derivative_in_random_networks(seed):
    check_network(seed, 3 + seed % 3, whole_units=seed % 2 == 1)
