"""Networks as files, JSON and YAML: what they hold, and where one is damaged."""

import json
import sys

import numpy as np
import pytest

from draingym import AgeOdds, Arc, Network, Node, Normal, Poisson
from draingym.cli import main
from tests.networks.networks import small


def test_files_hold_a_network(tmp_path):
    network = small()
    network.save(tmp_path / "network.json")
    assert Network.load(tmp_path / "network.json") == network
    both = {("north", "south"): Normal(means=(3.0, 4.0), sds=(1.0, 1.0), correlation=0.5)}
    network = small(demand=both, arrivals="end", sees_demand=True)
    network.save(tmp_path / "network.json")
    assert Network.load(tmp_path / "network.json") == network


def test_odds_of_ages_are_kept(tmp_path):
    arc = Arc(None, "ward", ages=AgeOdds([0.5, 0.0], slopes=[0.1, 0.0]))
    network = Network(nodes=[Node("ward", shelf_life=2)], arcs=[arc], demand={"ward": [3]})
    network.save(tmp_path / "network.json")
    read = json.loads((tmp_path / "network.json").read_text(encoding="utf-8"))
    assert read["arcs"][0]["ages"] == {"intercepts": [0.5, 0.0], "slopes": [0.1, 0.0]}
    assert Network.load(tmp_path / "network.json") == network


def test_a_name_may_hold_what_files_put_between_names(tmp_path):
    paris = "Paris, France"
    nodes, arcs = [Node(paris), Node("Rome")], [Arc(None, paris), Arc(None, "Rome")]
    for demand in ({paris: [1.0], "Rome": [2.0]}, {(paris, "Rome"): [[1.0, 2.0]]}):
        network = Network(nodes=nodes, arcs=arcs, demand=demand)
        network.save(tmp_path / "network.json")
        assert Network.load(tmp_path / "network.json") == network


def test_a_key_that_would_be_read_as_another_is_not_written(tmp_path):
    names = ["a", "b", "a, b"]
    network = Network(
        nodes=[Node(name) for name in names],
        arcs=[Arc(None, name) for name in names],
        demand={("a", "b"): [[1, 2]]},
    )
    with pytest.raises(
        ValueError, match=r"demand for \('a', 'b'\) would be read as that of 'a, b'"
    ):
        network.save(tmp_path / "network.json")


def test_demand_in_arrays_is_kept_as_plain_values(tmp_path):
    units = np.array([[1.0, 2.0], [3.0, 4.0]])
    nodes, arcs = [Node("a"), Node("b")], [Arc(None, "a"), Arc(None, "b")]
    network = Network(nodes=nodes, arcs=arcs, demand={("a", "b"): units})
    units[:] = 9.0
    assert network.demand == {("a", "b"): ((1.0, 2.0), (3.0, 4.0))}
    network.save(tmp_path / "network.json")
    assert Network.load(tmp_path / "network.json") == network
    assert Network(nodes=nodes, arcs=arcs, demand={("a",): [1]}).demand == {"a": (1.0,)}


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
        (
            "batch: 2",
            "batch: 2, batch: 3",
            r"cannot be read \(line 7: batch is there twice, must",
        ),
        ("40", "\x01", r"cannot be read \(unacceptable character #x0001: .* position \d+\)"),
    ],
    ids=[
        "negative",
        "NaN",
        "no text",
        "no name",
        "half",
        "code",
        "deep",
        "twice",
        "no text at all",
    ],
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
