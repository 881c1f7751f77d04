"""Policies that keep stock where no log has it."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from draingym.policies.rules.shares import (
    PlaceByShare,
    ShareParams,
    diverse_policies,
    market_shares,
)
from draingym.simulator import Observation
from draingym.world.network import NetworkConfig, build_network


def test_placing_asks_for_what_is_missing() -> None:
    place = PlaceByShare(upstream=(True, False, False))
    observation = Observation(
        on_hand=jnp.array([5.0, 2.0, 30.0]),
        pipeline=jnp.array([[1.0, 3.0, 0.0]]),
        waiting=jnp.zeros(3),
        active=jnp.ones(3, bool),
        forecast=jnp.array([4.0, 6.0]),
        price=jnp.float32(1.0),
        unit_cost=jnp.float32(1.0),
        attributes=jnp.zeros(3),
        calendar=jnp.zeros(1),
    )
    # Ten a period: twenty near customers, half of them each; sixty in all, of which 41 are there.
    params = ShareParams(
        share=jnp.array([0.0, 0.5, 0.5]), near=jnp.float32(2.0), total=jnp.float32(6.0)
    )
    asked = place.apply(params, observation, jax.random.key(0))
    assert asked.tolist() == [19.0, 5.0, 0.0]
    closed = replace(observation, active=jnp.array([True, False, True]))
    assert place.apply(params, closed, jax.random.key(0)).tolist() == [19.0, 0.0, 0.0]
    assert place.init(jax.random.key(0)).share.tolist() == [0.0, 0.5, 0.5]


def test_diverse_policies_keep_different_stock() -> None:
    network = build_network(NetworkConfig(num_nodes=4, num_regions=12, period_days=2))
    shares = market_shares(network)
    assert shares.sum() == 1.0
    assert (shares[~network.serves_customers] == 0).all()
    observation = Observation(
        on_hand=jnp.zeros(5),
        pipeline=jnp.zeros((2, 5)),
        waiting=jnp.zeros(5),
        active=jnp.ones(5, bool),
        forecast=jnp.full(12, 10.0),
        price=jnp.float32(1.0),
        unit_cost=jnp.float32(1.0),
        attributes=jnp.array([1.0, 2.0, 3.0]),
        calendar=jnp.zeros(1),
    )
    key = jax.random.key(0)
    asked = {
        name: np.asarray(policy.apply(params, observation, key))
        for name, (policy, params) in diverse_policies(network, 2, seed=3).items()
    }
    # A period sells 120 units, and lasts two days: covers of 3 and 20 days at four nodes.
    assert asked["lean"].tolist() == [540.0, 45.0, 45.0, 45.0, 45.0]
    assert asked["deep"].tolist() == [1800.0, 300.0, 300.0, 300.0, 300.0]
    near = asked["sparse"][1:]
    assert near.max() > 0.4 * near.sum()
    assert near.min() < 0.1 * near.sum()
    noisy = asked["noisy demand"][1:] / asked["noisy demand"][1:].sum()
    assert 0.01 < np.abs(noisy - shares[1:]).max() < 0.5
    # Another product is spread otherwise, the same one never.
    other = replace(observation, attributes=jnp.array([1.5, 2.0, 3.0]))
    sparse, params = diverse_policies(network, 2, seed=3)["sparse"]
    assert not np.array_equal(sparse.apply(params, other, key), asked["sparse"])
    np.testing.assert_array_equal(
        sparse.apply(params, observation, jax.random.key(9)), asked["sparse"]
    )
