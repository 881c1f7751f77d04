"""Derivatives of decisions that are made or not, against exact ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from draingym import Arc, Network, Node, Poisson
from draingym.simulator import RandomReorder, decision_returns, observe

FEE, HOLDING, UNMET, RATE, PERIODS, START, WIDTH = 5.0, 1.0, 4.0, 6.0, 5, 9.0, 1.0
POLICY = RandomReorder(width=WIDTH)
NETWORK = Network(
    nodes=[Node("shop", on_hand=START, holding_cost=HOLDING, unmet_cost=UNMET, backlog=True)],
    arcs=[Arc(None, "shop", request_fee=FEE)],
    demand={"shop": Poisson(rate=RATE)},
)


def cost(params, key, batch, *, horizon=None):
    """The mean cost, by simulation."""
    built = NETWORK.built
    key_demand, key_policy = jax.random.split(key)
    keys = jax.random.split(key_demand, batch)
    scenarios = jax.vmap(lambda key: built.sample(key, PERIODS))(keys)
    returns = decision_returns(
        built.simulator, built.params, POLICY, params, scenarios, key_policy, horizon=horizon
    )
    return -returns.mean()


def exact(reorder, level):
    """The same by backward induction: net stock is whole units below the start, or the level."""
    demand = stats.poisson.pmf(np.arange(40), RATE)
    reach = 40 * (PERIODS + 1)
    below = np.arange(reach)

    def period(stock):
        left = stock[:, None] - np.arange(40)
        return (HOLDING * np.maximum(left, 0) + UNMET * np.maximum(-left, 0)) @ demand

    stocks = [START - below, level - below]
    ahead = [np.zeros(reach), np.zeros(reach)]
    for _ in range(PERIODS):
        after = [np.convolve(np.pad(v, (0, 39)), demand[::-1], "valid") for v in ahead]
        stay = [period(stock) + v for stock, v in zip(stocks, after, strict=True)]
        order = FEE + stay[1][0]
        chance = [1 / (1 + np.exp((stock - reorder) / WIDTH)) for stock in stocks]
        ahead = [
            np.where(stock < level, p * order + (1 - p) * v, v)
            for stock, p, v in zip(stocks, chance, stay, strict=True)
        ]
    return ahead[0][0]


def test_the_derivative_of_a_threshold_and_of_a_level_is_right():
    at, step = {"reorder": 3.2, "level": 10.4}, 1e-4
    params = jax.tree.map(jnp.float32, at)
    slope = jax.jit(jax.value_and_grad(cost), static_argnums=2)
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
        cost({"reorder": 3.0, "level": 9.0}, jax.random.key(0), 1)
    with pytest.raises(ValueError, match="horizon is 0, must be at least 1 period"):
        cost({"reorder": 3.0, "level": 9.0}, jax.random.key(0), 2, horizon=0)
