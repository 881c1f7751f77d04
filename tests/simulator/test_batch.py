"""Batches laid out for speed: the same numbers as one rollout after another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from policies import BaseStock
from simulator import (
    batch_last,
    batch_returns,
    chunked_value_and_grad,
    discounted_return,
    single_store,
)

BATCH, PERIODS = 12, 10


class Noisy:
    """A policy that draws at random."""

    def init(self, key):
        return jnp.float32(9.0)

    def apply(self, params, observation, key):
        return params * jax.random.uniform(key, observation.on_hand.shape)


@pytest.fixture(scope="module")
def store():
    return single_store(lead_time=2)


def test_returns_are_those_of_single_rollouts(store):
    simulator, params, sample = store
    keys = jax.random.split(jax.random.key(0), BATCH)
    scenarios = jax.vmap(lambda key: sample(key, PERIODS))(keys)

    def one(scenario):
        moves = simulator.rollout(params, BaseStock(), jnp.float32(15.0), scenario).transitions
        return discounted_return(params, moves), moves.reward[4:].sum()

    whole, late = jax.jit(jax.vmap(one))(scenarios)
    run = jax.jit(
        lambda scenario, warm_up: batch_returns(
            simulator, params, BaseStock(), jnp.float32(15.0), scenario, warm_up=warm_up
        ),
        static_argnums=1,
    )
    np.testing.assert_allclose(run(batch_last(scenarios), 0), whole, rtol=1e-5)
    np.testing.assert_allclose(run(batch_last(scenarios), 4), late, rtol=1e-5)


def test_leaves_may_be_shared_and_policies_draw_for_each_product(store):
    simulator, params, sample = store
    scenario = sample(jax.random.key(1), PERIODS, BATCH)
    assert scenario.series.glance_views.shape == (PERIODS, 1, BATCH)
    assert scenario.series.lead_share.shape == (PERIODS, 1, 3)
    run = jax.jit(
        lambda key: batch_returns(simulator, params, Noisy(), jnp.float32(9.0), scenario, key)
    )
    first, again, other = (np.asarray(run(jax.random.key(k))) for k in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first)) == BATCH
    assert not np.array_equal(first, other)


def test_chunks_give_the_same_value_and_gradient(store):
    simulator, params, sample = store
    scenario = sample(jax.random.key(2), PERIODS, BATCH)

    def loss(level, scenario):
        return -batch_returns(simulator, params, BaseStock(), level, scenario, remat=True).mean()

    want = jax.jit(jax.value_and_grad(loss))(jnp.float32(13.3), scenario)
    got = jax.jit(chunked_value_and_grad(loss, 4))(jnp.float32(13.3), scenario)
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_bad_batches_are_refused(store):
    simulator, params, sample = store
    scenario = sample(jax.random.key(3), PERIODS, BATCH)

    def run(scenario):
        return batch_returns(simulator, params, BaseStock(), jnp.float32(1.0), scenario)

    with pytest.raises(ValueError, match="chunk is 0, must be at least 1"):
        chunked_value_and_grad(lambda level, scenario: level, 0)
    with pytest.raises(ValueError, match="chunk is 5, must divide the batch of 12"):
        chunked_value_and_grad(lambda level, scenario: level, 5)(1.0, scenario)
    with pytest.raises(ValueError, match="exogenous is set, must be None"):
        run(simulator.prepare(params, sample(jax.random.key(0), PERIODS)))
    with pytest.raises(ValueError, match=r"batch sizes of the scenario's leaves are \[\]"):
        run(sample(jax.random.key(0), PERIODS))
    with pytest.raises(ValueError, match=r"has \d axes, must have \d, or one more"):
        run(jax.tree.map(lambda leaf: leaf[..., None, None], scenario))
