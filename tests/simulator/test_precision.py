"""Everything runs in float32 and in float64, on the same draws, and agrees to 1e-3."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.simulator import (
    Dynamics,
    FunctionalEnv,
    GymnaxEnv,
    InventoryEnv,
    InventoryVectorEnv,
    LocalDemand,
    LocalDemandParams,
    NegativeBinomial,
    Poisson,
    PricedDemand,
    PricedDemandParams,
    PricedSimulator,
    Simulator,
    batch_last,
    batch_returns,
    chunked_value_and_grad,
    discounted_return,
    make_params,
    make_price_response,
    sample_supply,
    sample_views,
    scenario_from_views,
    serial_line,
    single_store,
)
from tests.simulator.test_demand import PROCESS

PERIODS, BATCH = 6, 4
KEY = jax.random.key(0)


class Level:
    """Requests what is missing to a level, at every node."""

    def init(self, key):
        return jnp.float32(12.0)

    def apply(self, params, observation, key):
        position = observation.on_hand + observation.pipeline.sum(axis=0) - observation.waiting
        return jnp.maximum(params - position, 0.0)


class LevelAndDiscount(Level):
    """The same, at a discount of a quarter."""

    def apply(self, params, observation, key):
        return jnp.append(Level.apply(self, params, observation, key), 0.25)


def rolled(problem, policy):
    """Returns of a batch by both ways of rolling out, and the derivative of their mean."""
    simulator, params, sample = problem
    level = jnp.float32(12.0)  # in both precisions, as users write it
    scenarios = jax.vmap(lambda key: sample(key, PERIODS))(jax.random.split(KEY, BATCH))

    @jax.jit
    def one_by_one(level):
        def value(scenario):
            moves = simulator.rollout(params, policy, level, scenario).transitions
            return discounted_return(params, moves)

        return jax.vmap(value)(scenarios)

    def loss(level, scenario):
        return batch_returns(simulator, params, policy, level, scenario, remat=True).mean()

    value, slope = jax.jit(chunked_value_and_grad(loss, chunk=2))(level, batch_last(scenarios))
    return one_by_one(level), value, slope


def tree():
    """Whole units on a tree, with shipments that are split and cut short."""
    lead = np.tile([[0.25, 0.75]], (3, 1))
    # Left in float32 by who wrote it.
    kernel = LocalDemandParams(
        share=jnp.asarray(np.eye(3, 2, -1, np.float32)), unit_ship_cost=jnp.ones(3, jnp.float32)
    )
    params = make_params([-1, 0, 0], kernel, holding_cost=0.1, unmet_cost=4.0, discount=0.9)

    def sample(key, periods):
        key_views, key_supply = jax.random.split(key)
        views = Poisson(rate=3.0).sample(key_views, (periods, 2))
        made = scenario_from_views(views, lead, key, on_hand=[9.0, 2.0, 2.0], price=8.0)
        supply = sample_supply(made.series, lead, key_supply, concentration=3.0, fill_mean=0.9)
        return replace(made, series=supply)

    return Simulator(kernel=LocalDemand()), params, sample


def priced():
    kernel = PricedDemandParams(
        kernel=LocalDemandParams(share=jnp.ones((1, 1)), unit_ship_cost=jnp.zeros(1)),
        response=make_price_response([1.1, 1.4, 1.9, 2.6, 3.5, 4.6, 5.9]),
    )
    simulator = PricedSimulator(
        kernel=PricedDemand(kernel=LocalDemand()), dynamics=Dynamics(whole_units=False)
    )

    def sample(key, periods):
        views = NegativeBinomial(rate=4.0, dispersion=0.5).sample(key, (periods, 1))
        return scenario_from_views(views, [[0.0, 1.0]], key, price=9.0, unit_cost=2.0)

    return simulator, make_params([-1], kernel, unmet_cost=1.0), sample


def functional(problem):
    simulator, params, sample = problem
    return FunctionalEnv(
        simulator=simulator,
        params=params,
        sample=lambda key: sample(key, PERIODS),
        max_action=np.array([30.0]),
    )


def gym(env):
    seen = [env.reset(seed=1)[0]]
    action = np.full(env.action_space.shape, 0.2, np.float32)
    rewards = []
    for _ in range(3):
        observation, reward, *_ = env.step(action)
        seen.append(observation)
        rewards.append(reward)
    assert all(observation.dtype == np.float32 for observation in seen)
    return seen, rewards


def gymnax():
    env = GymnaxEnv(functional(single_store()), episodes=3)
    params = env.default_params
    _, state = env.reset(jax.random.key(1), params)

    def step(state, key):
        view, state, reward, *_ = env.step(key, state, jnp.array([0.3]), params)
        return state, (view, reward)

    keys = jax.random.split(KEY, PERIODS + 2)
    return jax.jit(lambda state: jax.lax.scan(step, state, keys)[1])(state)


RUNS = {
    "store": lambda: rolled(single_store(), Level()),
    "line": lambda: rolled(serial_line(lead_times=(1, 2), holding_cost=(0.5, 1.0)), Level()),
    "tree": lambda: rolled(tree(), Level()),
    "pricing": lambda: rolled(priced(), LevelAndDiscount()),
    "gymnasium": lambda: gym(InventoryEnv(functional(single_store()))),
    "vector": lambda: gym(InventoryVectorEnv(functional(single_store()), 2)),
    "gymnax": gymnax,
    "views": lambda: sample_views(PROCESS, KEY, PERIODS),
}


@pytest.mark.parametrize(
    "name",
    RUNS,
)
# `make test-x64` runs all of them in double precision as well.
@pytest.mark.slow
def test_both_precisions_agree(name):
    with jax.enable_x64(False):
        single = jax.device_get(RUNS[name]())
    with jax.enable_x64(True):
        double = jax.device_get(RUNS[name]())
    for a, b in zip(jax.tree.leaves(single), jax.tree.leaves(double), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


def test_a_trajectory_is_of_the_precision_that_is_on():
    with jax.enable_x64(True):
        simulator, params, sample = single_store(holding_cost=1 / 3)
        moves = simulator.rollout(params, Level(), jnp.float32(9.0), sample(KEY, 2)).transitions
        assert moves.reward.dtype == moves.on_hand.dtype == np.float64
        assert float(params.holding_cost[0]) == 1 / 3  # to more digits than float32 has
