"""Batches laid out for speed: the same numbers as one rollout after another."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.throughput_parts.dense_policy import DensePolicy, elu
from draingym.policies import BaseStock
from draingym.simulator import (
    batch,
    batch_last,
    batch_returns,
    chunked_value_and_grad,
    discounted_return,
    scenario_from_views,
    single_store,
    straight_through,
    vmap_last,
)
from draingym.simulator.network.arcs import in_transit
from tests.simulator.worlds import tree_world

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


def test_a_large_batch_goes_through_in_parts_that_fit_the_cache(monkeypatch, store):
    simulator, params, sample = store
    scenario = sample(jax.random.key(4), PERIODS, BATCH)

    def run():
        return batch_returns(simulator, params, BaseStock(), jnp.float32(15.0), scenario)

    whole = run()
    monkeypatch.setattr(batch, "_WORTH", 2)
    monkeypatch.setattr(batch, "_CACHE", 4 * 5 * (2 + 12))  # five stores' state
    assert batch._cached(BATCH, 2, 1) == 4
    np.testing.assert_allclose(run(), whole, rtol=1e-6)


def mixed(params, batched, other):
    """Every rule of ``vmap_last``, and operations that have none."""
    weight, stock = params["weight"], batched["stock"]  # [3, 4], [4]
    x = weight @ stock  # not batched, batched
    y = stock @ weight.T  # the other way round
    z = jnp.stack([x, y, jnp.ones(3)])  # [3, 3]
    z = jnp.where(other > 0, z, z.T) + batched["scalar"] * jnp.arange(3.0)[None, :]
    z = jnp.clip(z, -2.0, batched["scalar"] + 3.0)
    joined = jnp.concatenate([z[1:, ::2], z[:2, :1]], axis=1)  # [2, 3]
    total = jnp.cumsum(joined, axis=1) @ joined.T  # both batched
    taken = jnp.take(stock, jnp.argmax(total, axis=0))  # a gather
    smooth = straight_through(jnp.floor(taken), taken) + jax.nn.relu(taken)  # custom derivatives
    last = jax.lax.fori_loop(0, 3, lambda _, c: c * 0.5 + smooth, taken)  # a loop
    return {"z": z.reshape(9)[None], "last": last, "constant": jnp.arange(2.0), "weight": weight}


@pytest.mark.slow
def test_the_batch_stays_last_and_nothing_else_changes():
    key = jax.random.key(5)
    params = {"weight": jax.random.normal(key, (3, 4))}
    batched = {"stock": jax.random.normal(key, (4, BATCH)), "scalar": jnp.linspace(0.0, 1.0, BATCH)}
    args = (params, batched, jnp.float32(1.0))
    mapped = ({"weight": False}, {"stock": True, "scalar": True}, False)
    ours = vmap_last(mixed, mapped, BATCH)
    theirs = jax.vmap(mixed, in_axes=(None, -1, None), out_axes=-1)
    for got, want in zip(jax.tree.leaves(ours(*args)), jax.tree.leaves(theirs(*args)), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)

    def loss(function, params, batched):
        out = function(params, batched, args[2])
        return jnp.sum(out["last"] ** 2) + jnp.sum(out["z"]) * jnp.sum(out["weight"])

    got, want = (jax.grad(loss, argnums=(1, 2))(f, params, batched) for f in (ours, theirs))
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_dense_policy_starts_near_the_demand_and_its_derivative_is_exact():
    policy = DensePolicy(num_nodes=1, lead_time=2, scale=5.0, width=4, depth=2)
    simulator, params, sample = single_store(lead_time=2)
    weights = policy.init(jax.random.key(6))
    scenario = sample(jax.random.key(7), PERIODS, BATCH)

    def loss(weights, remat):
        return -batch_returns(simulator, params, policy, weights, scenario, remat=remat).mean()

    value = jax.jit(jax.value_and_grad(loss), static_argnums=1)
    (kept, slope), (stored, other) = value(weights, True), value(weights, False)
    assert kept == stored
    for a, b in zip(jax.tree.leaves(slope), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    ahead = jax.jvp(lambda w: loss(w, False), (weights,), (slope,))[1]
    assert float(ahead) == pytest.approx(
        sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(slope)), rel=1e-3
    )
    z = jnp.array([-2.0, 0.0, 3.0])
    np.testing.assert_allclose(elu(z), jax.nn.elu(z), rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(jax.grad(elu))(z), [np.exp(-2.0), 1.0, 1.0], rtol=1e-6)
    with pytest.raises(ValueError, match="width is 0, must be at least 1"):
        DensePolicy(num_nodes=1, lead_time=2, width=0)
    with pytest.raises(ValueError, match=r"scale is 0\.0, must be above 0"):
        DensePolicy(num_nodes=1, lead_time=2, scale=0.0)


def test_the_node_that_a_region_buys_at_is_a_share_of_one():
    demand = np.random.default_rng(0).poisson(3.0, (6, 4)).astype(np.float32)
    simulator, params = tree_world([-1, 0, 0], holding_cost=1.0)
    scenario = scenario_from_views(demand, np.eye(2)[[1, 1, 1]], jax.random.key(0))
    seller = np.array([2, 1, 2, 2], np.int32)  # three regions of one node, and none of the first
    found = [
        simulator.kernel.prepare(replace(params.kernel, share=share), scenario.series)
        for share in (jnp.asarray(seller), jnp.eye(3)[:, seller])
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0][:, 2], demand[:, [0, 2, 3]].sum(1))
    assert not found[0][:, 0].any()


@pytest.mark.parametrize("periods", [0, 1, 3, 20])
def test_what_is_in_transit_is_the_sum_of_all_periods(periods):
    pipeline = np.random.default_rng(0).poisson(3.0, (periods, 5)).astype(np.float32)
    np.testing.assert_array_equal(in_transit(jnp.asarray(pipeline)), pipeline.sum(0))
