"""Descriptions that are refused, and how."""

import numpy as np
import pytest

import draingym
from draingym import AgeOdds, Arc, Network, Node, Normal, Poisson, Store
from tests.networks.networks import small

SHOPS = (Node("north"), Node("south"))


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
            lambda: AgeOdds([0.0, 1.0], slopes=[0.0]),
            r"slopes has 1 entries, must have as many as intercepts, 2",
            id="slopes of ages",
        ),
        pytest.param(
            lambda: AgeOdds([]), r"intercepts is \(\), must hold one number an age", id="no odds"
        ),
        pytest.param(
            lambda: AgeOdds([0.0, 1e9]),
            r"intercepts\[1\] is 1000000000.0, must be finite and in \[-1000000.0, 1000000.0\]",
            id="odds without end",
        ),
        pytest.param(
            lambda: Arc("a", "b", ages={"intercepts": [0.0], "most": 0}),
            r"arc 'a > b': ages: most is 0, must be in \[1, 10000\]",
            id="units whose age is drawn",
        ),
        pytest.param(
            lambda: Arc("a", "b", ages={"intercepts": [0.0], "odds": 1}),
            r"arc 'a > b': ages has 'odds', must have only intercepts, slopes, most",
            id="field of odds",
        ),
        pytest.param(
            lambda: Arc("a", "b", ages={"slopes": [0.0]}),
            r"arc 'a > b': ages has no intercepts, must have one number an age",
            id="odds without intercepts",
        ),
        pytest.param(
            lambda: Network(
                nodes=[Node("a", shelf_life=2)],
                arcs=[Arc(None, "a", ages=AgeOdds([0, 0, 1]))],
                demand={"a": [1]},
            ),
            r"arc 'vendor > a': ages has 3 entries, must have at most shelf_life, 2",
            id="odds of an age above shelf life",
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
        pytest.param(
            lambda: small(demand={"north": [True], "south": [1]}),
            r"demand for node 'north' is \[True\], must be a distribution or a list of units",
            id="truth values for demand",
        ),
        pytest.param(
            lambda: small(demand={"north": ["3"], "south": [1]}),
            r"demand for node 'north' is \['3'\], must be a distribution or a list of units",
            id="text for demand",
        ),
        pytest.param(
            lambda: small(demand={"north": [10**400], "south": [1]}),
            r"demand for node 'north' is \[10+\.\.\.0+\], must be a distribution or a list of",
            id="demand too large for a number",
        ),
        pytest.param(
            lambda: Node("a", class_limit=3),
            r"node 'a': class_limit is 3, must be None without shelf_life",
            id="limit of an age where nothing ages",
        ),
        pytest.param(
            lambda: Network(nodes=[Node("a")], arcs=[Arc(None, "a", owed=2)], demand={"a": [1]}),
            r"arc 'vendor > a': owed is 2, must be 0 without backorders",
            id="owed where nothing is",
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
            lambda: Arc(None, "a", batch=5, minimum=6, request_limit=7),
            r"arc 'vendor > a': minimum is 6, must be at most 5, the most that whole batches make",
            id="minimum above the whole batches of a limit",
        ),
        pytest.param(
            lambda: Arc(None, "a", batch=7, most=5),
            r"arc 'vendor > a': batch is 7, must be at most most, 5",
            id="batch above what an action requests",
        ),
        pytest.param(
            lambda: Arc(None, "a", stands=[0, 0.5]),
            r"stands\[1\] is 0.5, must be 0 or 1",
            id="stands",
        ),
        pytest.param(
            lambda: Node("a", shelf_life=2, class_limit=[1, 2]),
            r"node 'a': class_limit is \[1, 2\], must be a number",
            id="limits of an age by period",
        ),
        pytest.param(
            lambda: Node("a", ages=[1]),
            r"ages is given, must be None without shelf_life",
            id="ages",
        ),
        pytest.param(
            lambda: Node("a", price={1, 2}),
            r"price is {1, 2}, must be a number, or a list of one number a period",
            id="set",
        ),
        pytest.param(
            lambda: Arc(None, "a", lead_time={"\u00b2": 1.0}),
            r"arc 'vendor > a': lead_time key is '\u00b2', must be a whole number",
            id="a figure that is no number",
        ),
        pytest.param(
            lambda: Arc(None, "a", in_transit=np.array(2.0)),
            r"in_transit is array\(2.\), must be a list",
            id="array of no axis",
        ),
        pytest.param(
            lambda: small(demand={"north": 3.0, "south": [1]}),
            r"demand for node 'north' is 3.0, must be a distribution or a list of units",
            id="demand that is a number",
        ),
        pytest.param(
            lambda: small(demand={"north": Poisson, "south": [1]}),
            r"demand for node 'north' is <class .*, must be a distribution or a list of units",
            id="kind of a distribution",
        ),
        pytest.param(
            lambda: small(demand={(): [1]}),
            r"demand is for \(\), must be for",
            id="nobody's demand",
        ),
        pytest.param(
            lambda: small(nodes=[Node("plant", on_hand=9e6), *SHOPS], whole_units=True),
            r"hold 9000000 units, must hold at most 8388608 where whole_units",
            id="more whole units than are counted exactly",
        ),
        pytest.param(
            lambda: small(arcs=[Arc(None, "plant", most=9e6)], whole_units=True),
            r"arc 'vendor > plant': most is 9e\+06, must be at most 8388608",
            id="larger requests of whole units than are counted exactly",
        ),
        pytest.param(
            lambda: small().simulate(np.ones((2, 4)), key=0), r"key is 0, must be a key", id="key"
        ),
        pytest.param(
            lambda: small().simulate(np.ones((2, 4)) * 1j),
            r"requests is .*must be numb",
            id="complex",
        ),
        pytest.param(
            lambda: small().picture("network.xyz"),
            r"network.xyz must end in one of .png",
            id="image",
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
