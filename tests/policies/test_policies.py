"""Policies: hand-computed requests, equivariance, and one file each."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.policies import (
    BaseStock,
    Historical,
    NeuralPlacement,
    OrderUpTo,
    OrderUpToParams,
    catchment_share,
    echelon_position,
    tree_of,
)
from draingym.policies.rules.base_stock import positive, raised
from draingym.policies.store import load_parameters, save_parameters
from draingym.simulator import requests_of
from draingym.world.network import NetworkConfig, build_network
from tests.compilations import compiled_once
from tests.policies.problems import observation, small_tree

KEY = jax.random.key(0)


def test_tree_of_a_network_knows_who_is_below_whom():
    network = build_network(NetworkConfig(num_nodes=3, num_upstream=1, num_regions=10))
    tree = tree_of(network)
    np.testing.assert_array_equal(tree.descends[0], [True] * 4)
    np.testing.assert_array_equal(tree.descends[1:], np.eye(4, dtype=bool)[1:])
    assert float(tree.population.sum()) == pytest.approx(1.0)


def test_base_stock_raises_the_position_to_the_level():
    seen = observation([3, 0, 9, 1], pipeline=[[1, 2, 0, 0], [0, 4, 0, 0]])
    seen = replace(seen, waiting=jnp.array([0.0, 0, 0, 2]))
    np.testing.assert_allclose(
        BaseStock(parent=(-1,) * 4).apply(jnp.float32(7.0), seen, KEY), [3, 1, 0, 8]
    )


def test_echelon_position_counts_everything_below():
    seen = observation([5, 1, 2, 3], pipeline=[[1, 0, 0, 4], [0, 0, 2, 0]])
    np.testing.assert_allclose(echelon_position(small_tree(), seen), [18, 1, 4, 7])


def test_order_up_to_by_hand():
    # Nearest nodes: region 0 and 1 -> node 1, region 2 -> node 2, region 3 -> node 3, so that
    # shares by population are .6, .3, .1 of a national forecast of 10.
    seen = observation([20, 4, 30, 0], forecast=(4.0, 3.0, 2.0, 1.0))
    params = OrderUpToParams(
        buy_cover=jnp.float32(6.0), place_cover=jnp.float32(2.0), safety=jnp.float32(0.0)
    )
    # Targets: echelon 6 * 10 = 60 against 54; nodes 12, 6, 2 against 4, 30, 0.
    request = OrderUpTo(tree=small_tree()).apply(params, seen, KEY)
    np.testing.assert_allclose(request, [6, 8, 0, 2], atol=1e-4)


def test_a_closed_node_gets_no_share_of_demand():
    active = jnp.array([True, True, False, True])
    share = catchment_share(small_tree(), active, jnp.float32(0.3))
    assert (np.asarray(share[2]) == 0).all()
    np.testing.assert_allclose(share.sum(axis=0), 1.0, rtol=1e-6)
    assert (np.asarray(share[0]) == 0).all()  # upstream serves nobody


def test_permuting_fulfilment_nodes_permutes_the_neural_policy():
    tree = small_tree()
    order = np.array([0, 3, 1, 2])
    shuffled = replace(
        tree,
        descends=tree.descends[order][:, order],
        serves=tree.serves[order],
        distance=tree.distance[order],
    )
    seen = observation(
        [2, 4, 3, 0], pipeline=[[1, 2, 0, 5], [0, 0, 3, 0]], forecast=(40.0, 30.0, 20.0, 10.0)
    )
    mixed = replace(seen, on_hand=seen.on_hand[order], pipeline=seen.pipeline[:, order])
    policy = NeuralPlacement(tree=tree, num_attributes=2)
    params = policy.init(KEY)
    params = nudged(params)
    plain = policy.apply(params, seen, KEY)
    other = NeuralPlacement(tree=shuffled, num_attributes=2)
    np.testing.assert_allclose(other.apply(params, mixed, KEY), plain[order], rtol=1e-5)
    assert len({float(x) for x in plain}) == 4


def nudged(params):
    """Weights away from the zero head of a new policy, so that features matter."""
    return jax.tree.map(
        lambda leaf: (
            leaf + 0.3 * jnp.sin(jnp.arange(leaf.size, dtype=jnp.float32)).reshape(leaf.shape)
        ),
        params,
    )


@pytest.mark.slow
@pytest.mark.parametrize("feasibility", ["proportional", "softmax"])
def test_a_feasible_policy_asks_for_no_more_than_its_parent_has(feasibility):
    tree = small_tree()
    plain = NeuralPlacement(tree=tree, num_attributes=2)
    policy = replace(plain, feasibility=feasibility)
    params = policy.init(KEY)
    start = plain.apply(plain.init(KEY), observation([0, 0, 0, 0]), KEY)[1:]  # 7 periods of demand
    # Enough upstream: it asks for what it wants. Less: for all there is, in proportion at first.
    rich = policy.apply(params, observation([40, 0, 0, 0]), KEY)
    np.testing.assert_allclose(rich[1:], start, rtol=1e-4)
    short = policy.apply(params, observation([10, 0, 0, 0]), KEY)
    np.testing.assert_allclose(short[1:], 10 * start / start.sum(), rtol=1e-4)
    assert float(policy.apply(params, observation([0, 0, 0, 0]), KEY)[1:].sum()) == 0.0
    # Learned priorities change who gets it, not how much there is.
    other = policy.apply(nudged(params), observation([10, 3, 0, 1]), KEY)
    assert float(other[1:].sum()) <= 10.0 + 1e-4
    gradient = jax.grad(lambda p: policy.apply(p, observation([0, 0, 0, 0]), KEY).sum())(params)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradient))


def test_a_node_that_opens_is_used_by_the_same_weights():
    policy = NeuralPlacement(tree=small_tree(), num_attributes=2)
    params = nudged(policy.init(KEY))
    closed = observation([9, 1, 0, 2], active=[True, True, False, True])
    assert float(policy.apply(params, closed, KEY)[2]) == 0.0
    opened = policy.apply(params, observation([9, 1, 0, 2]), KEY)
    assert float(opened[2]) > 0.0


def test_attention_sees_which_regions_are_asking():
    # Two forecasts with the same demand at every node: regions 0 and 1 share their node.
    near, far = (4.0, 2.0, 2.0, 1.0), (2.0, 4.0, 2.0, 1.0)
    for heads, differs in ((2, True), (0, False)):
        policy = NeuralPlacement(tree=small_tree(), num_attributes=2, heads=heads)
        params = nudged(policy.init(KEY))
        params["log_reach"] = jnp.log(jnp.float32(1e-3))
        first, second = (
            policy.apply(params, observation([9, 1, 0, 2], forecast=f), KEY) for f in (near, far)
        )
        assert np.allclose(first, second, rtol=1e-3) != differs


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heads": 3}, "heads is 3, must divide"),
        ({"feasibility": "hope"}, "feasibility is 'hope'"),
        ({"attribute_range": ((0.0, 1.0),)}, "attribute_range has 1 entries, must have 2"),
        ({"attribute_range": ((0.0, 1.0), (2.0, 1.0))}, "attribute_range.1. is .2.0, 1.0."),
    ],
    ids=["heads", "feasibility", "ranges", "range"],
)
def test_bad_settings_of_a_neural_policy_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        NeuralPlacement(tree=small_tree(), num_attributes=2, **settings)


def test_a_product_beyond_the_trained_range_is_taken_at_its_edge():
    free = NeuralPlacement(tree=small_tree(), num_attributes=2)
    bound = replace(free, attribute_range=((-1.0, 1.0), (0.0, 2.0)))
    params = jax.tree.map(lambda leaf: leaf + 0.01, free.init(KEY))
    seen = observation([3, 0, 1, 0])
    beyond, edge, inside = (
        replace(seen, attributes=jnp.array(a)) for a in ([9.0, -5.0], [1.0, 0.0], [0.3, 1.0])
    )
    asked = bound.apply(params, beyond, KEY)
    np.testing.assert_array_equal(asked, free.apply(params, edge, KEY))
    assert not np.allclose(asked, free.apply(params, beyond, KEY), rtol=1e-3)
    same = bound.apply(params, inside, KEY), free.apply(params, inside, KEY)
    np.testing.assert_array_equal(*same)


def test_a_new_neural_policy_is_a_plain_order_up_to_policy():
    policy = NeuralPlacement(tree=small_tree(), num_attributes=2)
    request = policy.apply(policy.init(KEY), observation([0, 0, 0, 0]), KEY)
    assert float(request[0]) == pytest.approx(14 * 4.0, rel=1e-5)
    assert float(request[1:].sum()) == pytest.approx(7 * 4.0, rel=1e-5)


def test_historical_policy_favours_nodes_for_good_and_explores():
    tree = small_tree()
    policy = Historical(tree=tree, forecast_sd=0.0, explore_share=0.0)
    params = policy.init(KEY)
    seen = observation([0, 0, 0, 0])
    first, second = (policy.apply(params, seen, jax.random.key(k)) for k in (1, 2))
    np.testing.assert_array_equal(first, second)
    plain = OrderUpTo(tree=tree).apply(params, seen, KEY)
    assert float(first[0]) == float(plain[0])  # buying is not biased
    assert not np.allclose(first[1:], plain[1:], rtol=0.05)
    explorer = Historical(tree=tree, forecast_sd=0.0, placement_sd=0.0, explore_share=0.5)
    requests = jax.vmap(lambda k: explorer.apply(params, seen, k))(jax.random.split(KEY, 400))
    off = np.asarray(~jnp.isclose(requests, plain[None], rtol=1e-3))
    assert off[:, 0].mean() == 0
    assert off[:, 1:].mean() == pytest.approx(0.5, abs=0.06)


def test_parameters_survive_a_file(tmp_path):
    policy = NeuralPlacement(tree=small_tree(), num_attributes=2)
    params = policy.init(jax.random.key(3))
    save_parameters(tmp_path / "policy.npz", params)
    loaded = load_parameters(tmp_path / "policy.npz", policy)
    jax.tree.map(np.testing.assert_array_equal, loaded, params)


@pytest.mark.parametrize("wrong", ["shape", "names", "garbage"])
def test_a_file_of_another_policy_is_refused(tmp_path, wrong):
    tree = small_tree()
    path = tmp_path / "policy.npz"
    policy = NeuralPlacement(tree=tree, num_attributes=2)
    if wrong == "shape":
        save_parameters(path, NeuralPlacement(tree=tree, num_attributes=3).init(KEY))
        message = "must be"
    elif wrong == "names":
        save_parameters(path, OrderUpTo(tree=tree).init(KEY))
        message = "is missing"
    else:
        path.write_bytes(b"not a zip file")
        message = r"must be a whole \.npz file; draingym train-policy makes another"
    with pytest.raises(ValueError, match=message):
        load_parameters(path, policy)


def test_parameters_that_are_not_finite_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="not finite"):
        save_parameters(tmp_path / "policy.npz", {"level": jnp.array(jnp.nan)})
    assert list(tmp_path.iterdir()) == []


def test_policies_of_one_network_are_equal_and_share_a_program():
    one, other = (OrderUpTo(tree=small_tree()) for _ in range(2))
    assert one.tree is not other.tree
    assert (one, hash(one)) == (other, hash(other))
    far = replace(one.tree, distance=2 * one.tree.distance)
    assert one != OrderUpTo(tree=far)
    assert one != Historical(tree=one.tree)
    seen = jax.tree.map(lambda leaf: leaf[None], observation([3.0, 1.0, 0.0, 2.0]))
    keys = jax.random.split(jax.random.key(0), 1)
    with compiled_once():
        found = [requests_of(p, p.init(keys[0]), seen, keys) for p in (one, other)]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("level", "position", "to_level", "to_position"),
    [
        (4.3, 2.0, 1.0, -1.0),  # more than a unit away: the slope itself
        (4.3, 4.0, 1.0, -0.65),  # a unit less requests 1.3, a unit more nothing
        (4.3, 5.0, 0.0, -0.15),
        (4.3, 6.0, 0.0, 0.0),
    ],
)
def test_the_secant_of_a_gap_is_that_of_a_unit_to_either_side(
    level, position, to_level, to_position
):
    def gap(level, position):
        return raised(level, position, secant=True)

    slopes = jax.grad(gap, argnums=(0, 1))(jnp.float32(level), jnp.float32(position))
    np.testing.assert_allclose(slopes, (to_level, to_position), atol=1e-6)
    at = jnp.float32(level), jnp.float32(position)
    assert float(gap(*at)) == float(raised(*at)) == float(positive(at[0] - at[1]))
