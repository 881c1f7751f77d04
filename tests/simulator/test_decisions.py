"""Derivatives of decisions that are made or not, against exact ones."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.derivatives_parts.decisions import AT, PERIODS, POLICY, START, cost, exact, shop
from draingym.simulator import decision_returns, observe

NETWORK = shop(whole=True)


def test_the_derivative_of_a_threshold_and_of_a_level_is_right():
    at, step = AT, 1e-4
    params = jax.tree.map(jnp.float32, at)
    slope = jax.jit(jax.value_and_grad(functools.partial(cost, NETWORK)), static_argnums=2)
    found = [slope(params, jax.random.key(seed), 4000) for seed in range(8)]
    value = np.array([float(each[0]) for each in found])

    def close(ours, theirs):
        error = ours.std(ddof=1) / np.sqrt(len(ours))
        assert error < 0.1 * max(abs(theirs), 1.0)
        assert abs(ours.mean() - theirs) < 4 * error

    close(value, exact(**at))
    for name in at:
        up, down = (exact(**at | {name: at[name] + sign * step}) for sign in (1, -1))
        ours = np.array([float(each[1][name]) for each in found])
        close(ours, (up - down) / (2 * step))


def test_values_are_those_of_the_rollout_and_the_path_misses_the_threshold():
    built = NETWORK.built
    params = {"reorder": jnp.float32(3.2), "level": jnp.float32(10.4)}
    scenarios = jax.vmap(lambda key: built.sample(key, PERIODS))(
        jax.random.split(jax.random.key(0), 3)
    )
    key = jax.random.key(1)

    def plain(params):
        def one(scenario, key):
            return built.simulator.rollout(built.params, POLICY, params, scenario, key).transitions

        return jax.vmap(one)(scenarios, jax.random.split(key, 3)).reward.sum(axis=1)

    @jax.jit  # one program
    def all_three(params):
        ours = decision_returns(built.simulator, built.params, POLICY, params, scenarios, key)
        return ours, plain(params), jax.grad(lambda p: plain(p).sum())(params)

    ours, theirs, slope = all_three(params)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert float(slope["reorder"]) == 0.0


@pytest.mark.parametrize("more", [{}, {"batch": 2.0}])
def test_there_is_no_decision_above_the_level(more):
    built = NETWORK.built
    scenario = built.sample(jax.random.key(0), 1)
    state = built.simulator.reset(built.params, scenario)
    seen = observe(built.params, state, jax.tree.map(lambda leaf: leaf[0], scenario.series))
    params = {"reorder": 8.0, "level": START - 0.5, **more}
    chance, slope = jax.value_and_grad(POLICY.log_probability)(params, seen, jnp.zeros(1))
    assert float(chance) == 0.0
    assert all(float(part) == 0.0 for part in slope.values())


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="scenarios hold 1, must hold at least 2"):
        cost(NETWORK, AT, jax.random.key(0), 1)
    with pytest.raises(ValueError, match="horizon is 0, must be at least 1 period"):
        cost(NETWORK, AT, jax.random.key(0), 2, horizon=0)
