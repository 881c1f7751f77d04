"""The optimum that a page promises is played in the very environment that it describes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym import simulator
from draingym.policies import BaseStock, EchelonBaseStock, EqualFractile
from draingym.policies.bounds.optimal import transshipment_bound

# As docs/gym.md says: echelon levels, and the local levels that add up to them.
LINE = (-1, 0, 1, 2)
ECHELON, LOCAL, SERIAL_COST = [83.2, 72.8, 49.0, 32.35], [10.4, 23.8, 16.65, 32.35], 10.7341
MEANS = 3.0 + 4.0 * (np.arange(5) + 0.5) / 5
BOUND = transshipment_bound(
    MEANS, 0.3 * MEANS, correlation=0.5, warehouse_lead_time=3, store_lead_time=2,
    holding_cost=1.0, unmet_cost=4.0,
)  # fmt: skip
FRACTILE = EqualFractile(mean=tuple(3 * MEANS), sd=tuple(3**0.5 * 0.3 * MEANS))


def costs(name, policy, levels, *, warm_up=30, periods=100, episodes=2000, **options):
    """Return every episode's mean cost of a period, after a warm-up."""
    env = simulator.make(f"draingym:draingym/{name}", horizon=warm_up + periods, **options)
    levels = jnp.asarray(levels, jnp.float32)

    def episode(key):
        def period(carry, _):
            view, state = carry
            request = policy.apply(levels, env.read(view), key)
            view, state, reward, _, _ = env.step(key, state, env.unscale(request))
            return (view, state), reward

        return jax.lax.scan(period, env.reset(key), length=warm_up + periods)[1]

    rewards = jax.jit(jax.vmap(episode))(jax.random.split(jax.random.key(0), episodes))
    return -np.asarray(rewards, np.float64)[:, warm_up:].mean(axis=1)


def z_score(found, cost):
    """Return how far the mean is from ``cost``, in standard errors."""
    return (found.mean() - cost) / (found.std(ddof=1) / len(found) ** 0.5)


@pytest.mark.parametrize(
    ("name", "policy", "levels", "cost", "options"),
    [
        ("SingleStore-v0", BaseStock(), 12.90, 3.9703, {"backlog": True}),
        ("Serial-v0", EchelonBaseStock(parent=LINE), ECHELON, SERIAL_COST, {}),
        ("Serial-v0", BaseStock(parent=LINE), LOCAL, SERIAL_COST, {}),
    ],
    ids=["store", "line, echelon levels", "line, local levels"],
)
def test_the_optimal_levels_cost_what_is_published(name, policy, levels, cost, options):
    assert abs(z_score(costs(name, policy, levels, **options), cost)) < 3.5


def test_equal_fractiles_reach_the_bound_of_a_warehouse_that_keeps_nothing():
    found = costs("OneWarehouseManyStores-v0", FRACTILE, BOUND.levels[0]) / 5
    assert z_score(found, BOUND.cost) > -3.5
    assert z_score(found, 1.003 * BOUND.cost) < 3.5
