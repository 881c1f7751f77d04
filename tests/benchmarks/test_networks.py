"""The benchmark of networks: others are given what ours plays, and nothing passes untimed."""

import json
import math
import sys

import numpy as np
import pytest

from benchmarks._peers import PEERS, Served, is_there, main
from benchmarks.networks_parts import claims, mabim
from benchmarks.networks_parts.hdpo import agree, cases, feasible_orders
from benchmarks.networks_parts.hdpo_problems import MANY, PROBLEMS
from benchmarks.networks_parts.orgym import described


@pytest.mark.parametrize("name", ["serial", MANY])
def test_every_source_ships_the_orders_that_are_drawn(name):
    problem = PROBLEMS[name]
    orders = feasible_orders(problem, 12, 3)
    assert (orders >= 0).all()
    assert (orders.sum(axis=(0, 2)) > 0).all()
    _, moves = problem.network.simulate(orders[:, :, 1])
    np.testing.assert_allclose(moves.shipped, orders[:, :, 1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", PROBLEMS)
def test_hdpo_is_given_every_order_and_the_lead_time_of_its_arc(name):
    problem = PROBLEMS[name]
    arcs = problem.network.arcs
    orders = np.arange(1.0, 1 + 2 * len(arcs) * 3, dtype=np.float32).reshape(2, len(arcs), 3)
    arrays = problem.arrays(orders)
    given = [value for key, value in arrays.items() if key.startswith("orders_")]
    assert sum(value.sum() for value in given) == orders.sum()
    for e, arc in enumerate(arcs):
        kind, place = arc.target.split()
        source = int(arc.source.split()[1]) if arc.source and kind == "store" else 0
        there = arrays[f"orders_{kind}s"][:, :, int(place), source]
        np.testing.assert_array_equal(there, orders[:, e])
        leads = arrays["lead_times" if kind == "store" else f"{kind}_lead_times"]
        assert (leads[int(place), source] if leads.ndim > 1 else leads[int(place)]) == arc.lead_time
    assert json.dumps(problem.told())


def test_costs_that_differ_are_no_comparison():
    agree("store", 10.0, 10.001)
    with pytest.raises(RuntimeError, match=r"store costs 10\.0 a period, and 11\.0 in HDPO"):
        agree("store", 10.0, 11.0)


def hdpo_rows(times):
    """Rows as the benchmark writes them, ours a number of times as fast."""
    return [
        {
            "problem": problem.what,
            "measured": {"simulate": "simulation", "train": "training"}[what],
            "batch": batch,
            "M steps/s": 1.0,
            "times faster": times,
            "layers": "512 x 512 x 512",
            "flops a step": 1000,
        }
        for problem, batch, measured in cases()
        for what in measured
    ]


def test_every_bar_over_hdpo_is_claimed_and_fails_where_hdpo_is_not_there():
    with_bars = {
        times: [claim for claim in claims.hdpo(hdpo_rows(times), []) if claim.needs]
        for times in (100.0, 1.0, None)
    }
    assert all(len(found) == len(claims.NEEDS) + 1 for found in with_bars.values())
    assert all(claim.passes for claim in with_bars[100.0])
    assert not any(claim.passes for claim in with_bars[1.0])
    assert not any(claim.passes for claim in with_bars[None])
    assert all(math.isnan(claim.value) for claim in with_bars[None])


@pytest.mark.parametrize(("peak", "passes"), [(1.5, True), (2.0, False)])
def test_wide_layers_may_reach_their_share_of_the_peak_instead(peak, passes):
    # 1 M steps of 1000 operations are 1 GFLOP: two thirds of a peak of 1.5, half of one of 2.
    found = claims.hdpo(hdpo_rows(1.0), [{"GFLOP/s": peak}, {"GFLOP/s": 0.1}])
    wide = next(claim for claim in found if claim.what.startswith("512 x 512"))
    assert wide.passes is passes


def test_others_that_are_not_there_do_not_pass():
    missing = {"problem": "chain", "times faster": None, "a product": None}
    assert [claim.passes for claim in claims.mabim([missing])] == [False, None]
    assert [claim.passes for claim in claims.orgym([missing])] == [False]
    assert not any(is_there(None, name) for name in PEERS)
    with pytest.raises(ValueError, match=r"only holds 'nobody', must be some of or-gym"):
        main("nowhere", only=("nobody",))


def test_the_slowest_id_is_the_claim():
    names = ("first step warm, s", "of the processor, s", "first step cold, s")
    rows = [dict(zip(names, values, strict=True)) for values in ((2.0, 1.5, 4.0), (3.5, 1.0, 3.9))]
    found = claims.first_step(rows)
    assert [(claim.value, claim.passes) for claim in found] == [
        (3.5, False),
        (1.5, None),
        (4.0, None),
    ]


def test_a_served_process_answers_in_turn_and_says_when_it_has_ended():
    code = "import sys, json\nfor line in sys.stdin: print(json.dumps(2 * json.loads(line)))"
    served = Served([sys.executable, "-u", "-c", code])
    assert [served.call(3), served.call([1])] == [6, [1, 1]]
    served.close()
    ended = Served([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(RuntimeError, match="a process ended with 3"):
        ended.answer()
    ended.close()


def test_the_chain_shares_a_room_and_is_a_tree(tmp_path):
    network = mabim.chain(4)
    assert network.built.params.target is None
    assert len(network.stores) == mabim.WAREHOUSES
    config = json.loads(mabim.write_data(tmp_path).read_text())
    assert [w["upstream"] for w in config["warehouse"]] == ["super_vendor", "store3", "store2"]
    table = (tmp_path / "4.csv").read_text().splitlines()
    assert len(table) == 1 + mabim.LOOKBACK + mabim.PEER_DAYS
    assert len(table[-1].split(",")) == 1 + mabim.THEIRS


def test_or_gyms_graph_becomes_a_network():
    nodes = {
        "0": {"type": "market"},
        "1": {"type": "retailer", "I0": 100, "h": 0.03},
        "2": {"type": "factory", "I0": 400, "C": 90, "o": 0.01, "v": 1, "h": 0.012},
        "3": {"type": "source"},
    }
    edges = [
        {"supplier": 1, "buyer": 0, "p": 2.0, "b": 0.1},
        {"supplier": 2, "buyer": 1, "L": 5.0, "p": 1.5, "g": 0.01},
        {"supplier": 3, "buyer": 2, "L": 0.0, "p": 0.15, "g": 0.0},
    ]
    network = described([nodes, edges, {"mu": 20}, 1.0, False])
    assert [arc.lead_time for arc in network.arcs] == [5, 0]
    assert network.demand["1"].rate == 20
