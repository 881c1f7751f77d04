"""Descriptions, and the environments, returns and policies that they become."""

import copy
import pickle
from dataclasses import replace

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import draingym
from draingym import Arc, Network, Node, Poisson
from draingym.cli import main
from draingym.networks.policy import base_stock
from draingym.policies import (
    Agent,
    MLPPolicy,
    PathwiseGradient,
    TrainConfig,
    load_policy,
    save_policy,
    task_of,
    train_policy,
)
from draingym.simulator import MOST_UNITS
from tests.compilations import compiled_once
from tests.networks.networks import small


def test_it_is_an_environment_that_may_show_demand_before_actions():
    network = small(sees_demand=True)
    env = network.gymnasium(horizon=4)
    view = env.reset(seed=3)[0]
    read = network.environment(horizon=4).read
    np.testing.assert_array_equal(read(view).demand[:2], [0, 3])
    over, rewards = False, []
    while not over:
        view, reward, _, over, info = env.step(np.full(4, 0.2, np.float32))
        rewards.append(reward)
        if len(rewards) == 1:
            np.testing.assert_array_equal(read(view).demand[:2], [0, 4])
    assert len(rewards) == 4
    assert info["shipped"].shape == (4,)
    many = network.vector(3, horizon=4)
    many.reset(seed=3)
    _, first, *_ = many.step(np.full((3, 4), 0.2, np.float32))
    assert first[0] == pytest.approx(rewards[0], rel=1e-6)


def test_a_batch_of_returns_is_that_of_its_trajectories():
    network = small(demand={"north": [3, 4], "south": [5, 6]})
    arcs = [replace(arc, lead_time=1) for arc in network.arcs]
    network = replace(network, arcs=arcs, discount=0.5)
    built = network.built

    class Fixed:
        def apply(self, params, observation, key):
            return params

    scenario = built.sample(jax.random.key(0), 5, 2)
    requests = np.array([6.0, 2.0, 3.0, 1.0], np.float32)
    returns = draingym.batch_returns(built.simulator, built.params, Fixed(), requests, scenario)
    reward = network.simulate(np.tile(requests, (5, 1)))[1].reward
    np.testing.assert_allclose(returns, [reward @ 0.5 ** np.arange(5)] * 2, rtol=1e-5)


def test_requests_are_played_by_one_program():
    network = line()
    requests = np.full((11, 2), 3.0)
    with compiled_once():
        first = network.simulate(requests)[1].reward
        again = network.simulate(requests.tolist(), jax.random.key(1))[1].reward
    assert not np.array_equal(first, again)


def test_what_is_built_inside_a_trace_can_be_used_outside():
    network = small()
    jax.make_jaxpr(lambda: network.built.params.source)()
    assert np.asarray(network.built.params.source).tolist() == [-1, 0, 0, -1]
    assert not isinstance(
        network.built.sample(jax.random.key(0), 2).initial.on_hand, jax.core.Tracer
    )


def test_a_network_can_be_registered():
    name = "test/Small-v0"
    draingym.register(name, small())
    try:
        env = gymnasium.make(name, horizon=3)
        env.reset(seed=0)
        assert env.action_space.shape == (4,)
        many = gymnasium.make_vec(name, 2, horizon=3, autoreset_mode="SameStep", scaled=True)
        assert many.metadata["autoreset_mode"].value == "SameStep"
        assert env.unwrapped.functional.origin == many.functional.origin
        assert str(many.functional.origin) == name
        assert pickle.loads(pickle.dumps(env)).spec == env.spec
        with pytest.raises(
            ValueError, match=rf"id is '{name}', must be one that is not registered"
        ):
            draingym.register(name, small())
    finally:
        del gymnasium.registry[name]


def test_a_description_is_pickled_without_what_is_made_of_it():
    network = small()
    environment = network.environment(horizon=4)  # builds it
    again = pickle.loads(pickle.dumps(network))
    assert again == network
    assert "built" not in vars(again)
    assert pickle.loads(pickle.dumps(environment)) is environment
    assert copy.deepcopy(network) is network


def test_numbers_may_come_in_arrays_of_any_library():
    one, two = Node("plant", price=[1.0, 2.0]), Arc(None, "plant", lead_time=[1, 2])
    for array in (np.array, jnp.array, pd.Series):
        assert Node("plant", price=array([1.0, 2.0])) == one
        assert Arc(None, "plant", lead_time=array([1, 2])) == two
        network = Network(nodes=[one], arcs=[two], demand={"plant": array([3, 4])})
        assert network.demand == {"plant": (3.0, 4.0)}
    assert Arc(None, "plant", lead_time=np.array(2), batch=np.array(3.0)).batch == 3.0


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({}, 4 * 5.0),
        ({"review": 3}, 4 * 5.0 * 3),  # what is bought has to last until the next
        ({"batch": [30, 40]}, 40.0),  # else no action would ever buy anything
        ({"minimum": 25}, 25.0),
        ({"batch": 30, "request_limit": [0, 33]}, 30.0),
        ({"request_limit": 6}, 6.0),
        ({"most": 7}, 7.0),
    ],
)
def test_an_action_of_one_requests_enough(fields, most):
    network = Network(
        nodes=[Node("shop")], arcs=[Arc(None, "shop", **fields)], demand={"shop": Poisson(rate=5.0)}
    )
    np.testing.assert_allclose(network.built.most, [most])


def test_whole_units_stay_whole_where_part_of_a_unit_is_held():
    # The vendor fills the network up to what is counted exactly, less what is held: 0.5, and 2.
    network = Network(
        nodes=[Node("plant", on_hand=2.5), Node("shop")],
        arcs=[Arc(None, "plant"), Arc("plant", "shop")],
        demand={"shop": [1]},
        whole_units=True,
    )
    moves = network.simulate([[1e30, 0.0]])[1]
    np.testing.assert_array_equal(moves.shipped, [[MOST_UNITS - 3, 0]])


def test_a_network_of_weights_is_trained_on_arcs(tmp_path):
    nodes = [Node("plant", on_hand=9), Node("shop", on_hand=8, shelf_life=2, price=9.0)]
    arcs = [Arc(None, "plant", delay=1), Arc("plant", "shop"), Arc(None, "shop", lead_time=1)]
    network = Network(nodes=nodes, arcs=arcs, demand={"shop": Poisson(rate=5.0)}, backorders=True)
    task = task_of(network.environment(horizon=3))
    policy = MLPPolicy.for_task(task, hidden=(3,))
    # On hand, waiting, ages: 2 nodes; owed, a row of pipeline, one of requests: 3 arcs; and 3 more.
    assert (policy.nodes, policy.arcs, policy.inputs) == (2, 3, 2 + 2 + 2 * 2 + 3 * 3 + 3)
    config = TrainConfig(updates=1, batch_products=4)
    result = train_policy(PathwiseGradient(policy=policy), task, config)
    save_policy(tmp_path / "policy.npz", policy, result.params)
    assert load_policy(tmp_path / "policy.npz")[0] == policy
    act = Agent(network.vector(2, horizon=3), policy, result.params)
    assert act(network.vector(2, horizon=3).reset(seed=0)[0]).shape == (2, 3)


def steady():
    return small(demand={"north": [3], "south": [5]})


def test_an_episode_of_a_file_is_a_page(tmp_path, capsys, monkeypatch):
    steady().save(tmp_path / "network.yaml")
    out = tmp_path / "episode.html"
    command = ["draingym", "play", str(tmp_path / "network.yaml"), "--out", str(out)]
    monkeypatch.setattr("sys.argv", [*command, "--horizon", "3", "--no-show"])
    main()
    said = " ".join(capsys.readouterr().out.split())
    assert "Playing 3 periods: base stock" in said
    assert "base stock: reward" in said
    assert '"policies":["base stock"]' in out.read_text()


@pytest.mark.parametrize("name", ["map.svg", "new/map.webp"])
def test_a_picture_is_written_in_the_format_of_its_suffix(tmp_path, name):
    assert steady().picture(tmp_path / name).shape == (440, 720, 3)
    head = (tmp_path / name).read_bytes()[:100]
    assert (b"<?xml" if name.endswith("svg") else b"WEBP") in head


def test_base_stock_fills_up_every_node_by_its_first_arc():
    # Lead times 2, 0 and 2; demand downstream 8, 3 and 5; a period, and one of cover.
    assert base_stock(steady()).levels == (8 * 4, 3 * 2, 5 * 4)
    built, rule, key = steady().built, base_stock(steady()), jax.random.key(0)
    path = built.simulator.rollout(built.params, rule, rule.init(key), built.sample(key, 3), key)
    moves = path.transitions
    # The plant has 40, above its 32; north 8, above its 6; south has nothing.
    np.testing.assert_array_equal(moves.action[0], [0, 0, 20, 0])
    # 20 are under way to the south, and 5 customers wait: 15 of 20.
    np.testing.assert_array_equal(moves.action[1], [12, 1, 5, 0])


def line(*, upwards=False):
    """A plant and a shop whose customers wait; upwards, the shop is listed first."""
    nodes = [Node("plant", on_hand=9), Node("shop", on_hand=8, backlog=True, unmet_cost=3.0)]
    arcs = [Arc(None, "plant", lead_time=2), Arc("plant", "shop", lead_time=1)]
    order = slice(None, None, -1) if upwards else slice(None)
    return Network(nodes=nodes[order], arcs=arcs[order], demand={"shop": Poisson(rate=5.0)})


def test_a_tree_is_described_without_anything_to_look_up():
    params = line().built.params
    assert (params.target, params.rank, params.kernel.waits) == (None, None, None)
    assert params.terms.unmet_price is None
    np.testing.assert_array_equal(params.unmet_cost, [0.0, 3.0])
    np.testing.assert_array_equal(params.parent, [-1, 0])
    assert line(upwards=True).built.params.target is not None
    varying = replace(line(), nodes=[Node("plant"), Node("shop", unmet_cost=[3.0, 4.0])])
    np.testing.assert_array_equal(varying.built.params.unmet_cost, [0.0, 0.0])


def test_a_tree_does_what_the_same_network_does_in_another_order():
    requests = np.random.default_rng(0).uniform(0.0, 12.0, (9, 2))
    (_, tree), (_, other) = (
        line(upwards=up).simulate(requests[:, :: 1 - 2 * up]) for up in (False, True)
    )
    np.testing.assert_allclose(tree.reward, other.reward, rtol=1e-6)
    np.testing.assert_allclose(tree.on_hand, other.on_hand[:, ::-1], rtol=1e-6)
    np.testing.assert_allclose(tree.ledger.unmet, other.ledger.unmet[:, ::-1], rtol=1e-6)
    assert tree.ledger.unmet.sum() > 0
