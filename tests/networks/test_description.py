"""Descriptions: what is refused and how, files, and the environments they become."""

import json
import sys
from dataclasses import replace

import gymnasium
import jax
import numpy as np
import pytest

import draingym
from draingym import Arc, Network, Node, Normal, Poisson, Store
from draingym.cli import main
from draingym.networks.play import episode
from draingym.networks.policy import base_stock


def small(**options):
    return Network(
        **{
            "nodes": [
                Node("plant", on_hand=40, holding_cost=0.1),
                Node("north", on_hand=8, price=9.0),
                Node("south", backlog=True, unmet_cost=3.0),
            ],
            "arcs": [
                Arc(None, "plant", lead_time=2, request_cost=3.0),
                Arc("plant", "north"),
                Arc("plant", "south", lead_time={1: 0.5, 2: 0.5}),
                Arc(None, "south", request_cost=[5.0, 6.0]),
            ],
            "demand": {"north": [3, 4], "south": Poisson(rate=4.0)},
        }
        | options
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(
            lambda: Network(
                nodes=[Node("a"), Node("b")], arcs=[Arc("a", "b"), Arc("b", "a")], demand={"a": [1]}
            ),
            r"arcs go in a circle, (a > b|b > a)",
            id="circle",
        ),
        pytest.param(
            lambda: small(arcs=[Arc("mill", "plant")]),
            r"arc 'mill > plant': source is 'mill', must be a node's name",
            id="arc from no node",
        ),
        pytest.param(
            lambda: small(arcs=[Arc(None, "shop")]),
            r"arc 'vendor > shop': target is 'shop', must be a node's name",
            id="arc to no node",
        ),
        pytest.param(
            lambda: Arc("a", "b", lead_time={1: 0.5, 2: 0.4}),
            r"arc 'a > b': lead_time has probabilities that sum to 0.9, must be 1",
            id="probabilities",
        ),
        pytest.param(
            lambda: Arc("a", "b", ages=[0.5, 0.4]),
            r"arc 'a > b': ages\[0\] sums to 0.9, must be 1",
            id="shares of ages",
        ),
        pytest.param(
            lambda: Arc("a", "b", batch=5, request_limit=4),
            r"arc 'a > b': batch is 5, must be at most request_limit, 4",
            id="batch above limit",
        ),
        pytest.param(
            lambda: Network(
                nodes=[Node("a", shelf_life=2)],
                arcs=[Arc(None, "a", ages=[0, 0, 1])],
                demand={"a": [1]},
            ),
            r"arc 'vendor > a': ages has 3 entries, must have at most shelf_life, 2",
            id="age above shelf life",
        ),
        pytest.param(
            lambda: Node("a", on_hand=3, ages=[1, 1], shelf_life=2),
            r"node 'a': ages sum to 2.0, must be on_hand, 3",
            id="ages that are not the stock",
        ),
        pytest.param(
            lambda: Network(nodes=[Node("a")], arcs=[], demand={"a": [1]}),
            r"arcs is empty, must hold at least one arc",
            id="nothing to act on",
        ),
        pytest.param(
            lambda: small(demand={"north": [1], "mill": [2]}),
            r"demand is for 'mill', must be for a node's name",
            id="demand for no node",
        ),
        pytest.param(
            lambda: small(demand={"north": [1]}),
            r"node 'south': sells nothing, must be named in demand",
            id="price without demand",
        ),
        pytest.param(
            lambda: small(demand={"north": [1], "south": Normal(means=(1.0, 2.0), sds=(1.0, 1.0))}),
            r"demand for 'south' has 2 regions, must have 1",
            id="regions",
        ),
        pytest.param(
            lambda: Arc("a", "b", ship_limit=-1),
            r"arc 'a > b': ship_limit is -1, must be finite and in \[0.0,",
            id="negative capacity",
        ),
        pytest.param(
            lambda: Node("a", price=[1.0, np.nan]),
            r"node 'a': price\[1\] is nan, must be finite",
            id="price that is no number",
        ),
        pytest.param(
            lambda: Store("hall", -1), r"store 'hall': room is -1, must be finite", id="room"
        ),
        pytest.param(
            lambda: small(nodes=[Node("plant"), Node("plant")]),
            r"nodes has two named 'plant', must have different names",
            id="two of a name",
        ),
        pytest.param(
            lambda: small(nodes=[Node("plant", store="hall"), Node("north"), Node("south")]),
            r"node 'plant': store is 'hall', must be one of \[\]",
            id="no such store",
        ),
        pytest.param(
            lambda: small(nodes=[1]), r"nodes\[0\] is 1, must be of type Node", id="no node"
        ),
        pytest.param(lambda: small(arcs="ab"), r"arcs is 'ab', must be a list of", id="no arcs"),
        pytest.param(lambda: small(demand=3), r"demand is 3, must hold a dist", id="no demand"),
        pytest.param(
            lambda: small(demand={"north": [float("nan")]}),
            r"demand for node 'north'\[0\] is nan, must be finite",
            id="NaN demand",
        ),
        pytest.param(lambda: Node("a", store=3), r"node 'a': store is 3, must be text", id="store"),
        pytest.param(lambda: Store("", 3), r"store name is '', must be text", id="store's name"),
        pytest.param(
            lambda: Node("a", substitutes=["b"]),
            r"node 'a': substitutes is \['b'\], must hold shares by node",
            id="substitutes no mapping",
        ),
        pytest.param(lambda: Node("a", price=None), r"node 'a': price is None, must", id="None"),
        pytest.param(
            lambda: Node("a", unmet_cost=b"x"), r"unmet_cost is b'x', must be a number", id="bytes"
        ),
        pytest.param(lambda: Arc(3, "a"), r"source is 3, must be text", id="source no text"),
        pytest.param(lambda: Arc(None, None), r"target is None, must be text", id="no target"),
        pytest.param(
            lambda: Arc(None, "a", rank=float("nan")), r"rank is nan, must be a whole", id="rank"
        ),
        pytest.param(
            lambda: Arc(None, "a", review=10**9), r"review is 1000000000, must be in", id="review"
        ),
        pytest.param(
            lambda: Arc(None, "a", minimum=5, request_limit=[3, 4]),
            r"arc 'vendor > a': minimum is 5, must be at most request_limit, 4",
            id="minimum above limit",
        ),
        pytest.param(
            lambda: Normal(means=4.0, sds=1.0), r"means is 4.0, must be a list", id="no list"
        ),
        pytest.param(
            lambda: draingym.register("no version", small()), r"id is 'no version', must", id="id"
        ),
        pytest.param(
            lambda: draingym.register("test/Small-v0", small(), horizon=0),
            r"horizon is 0, must be in",
            id="registered horizon",
        ),
        pytest.param(
            lambda: small().simulate([["a", 1, 2, 3]]), r"requests is .*, must be numb", id="text"
        ),
        pytest.param(
            lambda: small().environment(horizon=0), r"horizon is 0, must be in \[1,", id="horizon"
        ),
        pytest.param(
            lambda: small().simulate([[1.0]]),
            r"requests has shape \(1, 1\), must be \(T, 4\)",
            id="requests",
        ),
    ],
)
def test_bad_input_names_what_it_is(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_network_of_arcs_is_no_tree():
    with pytest.raises(ValueError, match=r"params.target is given, must be None"):
        _ = small().built.params.parent


def test_files_hold_a_network(tmp_path):
    network = small()
    network.save(tmp_path / "network.json")
    assert Network.load(tmp_path / "network.json") == network
    both = {("north", "south"): Normal(means=(3.0, 4.0), sds=(1.0, 1.0), correlation=0.5)}
    network = small(demand=both, arrivals="end", sees_demand=True)
    network.save(tmp_path / "network.json")
    assert Network.load(tmp_path / "network.json") == network


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"roads": []}, r"roads is no field, must be one of nodes, arcs", id="field"),
        pytest.param({"demand": {"north": {"Zipf": {}}}}, r"demand for 'north' is", id="demand"),
        pytest.param({"nodes": [{"nam": 1}]}, r"nodes\[0\].nam is no field", id="node's field"),
        pytest.param({"arcs": 3}, r"arcs is 3, must be a list", id="no list"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path, change, message):
    path = tmp_path / "network.json"
    small().save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=rf"network.json: {message}"):
        Network.load(path)


YAML = """
nodes:
- {name: plant, on_hand: 40}
- {name: shop, on_hand: 8, price: 9.0, unmet_cost: [1, 2]}
arcs:
- {source: null, target: plant, lead_time: {1: 0.5, 2: 0.5}}
- {source: plant, target: shop, batch: 2}
demand:
  shop: {Poisson: {rate: 5.0}}
"""


def test_a_yaml_file_holds_a_network(tmp_path):
    path = tmp_path / "network.yaml"
    path.write_text(YAML)
    network = Network.load(path)
    assert network.arcs[0].lead_time == {1: 0.5, 2: 0.5}
    assert network.demand == {"shop": Poisson(rate=5.0)}
    network.save(tmp_path / "again.yml")
    network.save(tmp_path / "again.json")
    assert Network.load(tmp_path / "again.yml") == Network.load(tmp_path / "again.json") == network


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "on_hand: 40",
            "on_hand: -1",
            r"nodes\[0\]: node 'plant': on_hand is -1, must be .* \[0.0",
        ),
        ("batch: 2", "batch: .nan", r"arcs\[1\]: arc 'plant > shop': batch is nan, must be finite"),
        ("name: plant", "name: no", r"nodes\[0\].name is False, must be of type str"),
        ("shop: {P", "3: {P", r"demand is for 3, must be for a node's name"),
        (
            "[1, 2]",
            "[1, 2",
            r"cannot be read \(line 4, column 57: expected .*\)",
        ),
        (
            "40",
            "!!python/object/apply:os.getpid []",
            r"cannot be read \(line 3, .*could not determine",
        ),
        ("nodes:", "nodes: [\n" + "[" * 5000, "cannot be read"),
    ],
    ids=["negative", "NaN", "no text", "no name", "half", "code", "deep"],
)
def test_a_yaml_file_that_is_damaged_says_where(tmp_path, old, new, message):
    path = tmp_path / "network.yaml"
    path.write_text(YAML.replace(old, new))
    with pytest.raises(ValueError, match=rf"network.yaml:? {message}"):
        Network.load(path)


def test_a_yaml_file_without_its_package_says_what_to_install(tmp_path, monkeypatch, capsys):
    path = tmp_path / "network.yaml"
    path.write_text(YAML)
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError, match=r"pip install 'draingym\[yaml\]'"):
        Network.load(path)
    monkeypatch.setattr("sys.argv", ["draingym", "play", str(path)])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err == (
        "draingym: YAML files need PyYAML: pip install 'draingym[yaml]'\n"
    )


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
    network = replace(network, arcs=arcs)
    built = network.built

    class Fixed:
        def apply(self, params, observation, key):
            return params

    scenario = built.sample(jax.random.key(0), 5, 2)
    requests = np.array([6.0, 2.0, 3.0, 1.0], np.float32)
    returns = draingym.batch_returns(built.simulator, built.params, Fixed(), requests, scenario)
    reward = network.simulate(np.tile(requests, (5, 1)))[1].reward
    np.testing.assert_allclose(returns, [reward.sum()] * 2, rtol=1e-5)


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
        with pytest.raises(
            ValueError, match=rf"id is '{name}', must be one that is not registered"
        ):
            draingym.register(name, small())
    finally:
        del gymnasium.registry[name]


def steady():
    return small(demand={"north": [3], "south": [5]})


def test_an_episode_is_played_and_drawn(tmp_path, capsys, monkeypatch):
    steady().save(tmp_path / "network.yaml")
    out = tmp_path / "episode.png"
    command = ["draingym", "play", str(tmp_path / "network.yaml"), "--out", str(out)]
    monkeypatch.setattr("sys.argv", [*command, "--horizon", "3"])
    main()
    assert "base-stock, 3 periods: reward" in capsys.readouterr().out
    assert out.stat().st_size > 1000


def test_base_stock_fills_up_every_node_by_its_first_arc():
    # Lead times 2, 0 and 2; demand downstream 8, 3 and 5; a period, and one of cover.
    assert base_stock(steady()).levels == (8 * 4, 3 * 2, 5 * 4)
    moves = episode(steady(), "base-stock", 3, 0)
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
