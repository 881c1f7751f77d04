"""Cases of other simulators, where they are, and the comparison itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.parity.__main__ import rows_of
from benchmarks.parity.compare import Compared, compare

ROOT = Path(__file__).parents[2]
CASES = ROOT / ".." / "shared" / "cases"


def test_what_is_missing_or_off_is_not_reproduced():
    theirs = {"cost": 3.0, "state": {"a": [1.0, 2.0], "b": 5}}
    found = Compared()
    compare(theirs, {"cost": 3.0, "state": {"a": [1.0, 2.1]}}, 1e-4, "period", found)
    assert (found.numbers, found.same) == (4, 2)
    assert found.first == "period/state/a/1: 2 there, 2.1 here"


STORE = {
    "peer": "idinn",
    "problem": "SingleSourcing",
    "case": "ours",
    "parameters": {
        "holding_cost": 1, "shortage_cost": 4, "discount": 1, "lead_time": 1, "policy": "by hand"
    },
    "initial": {"on_hand": 3, "in_transit": 0},
    "periods": [
        {
            "t": 0, "inputs": {"demand": 5}, "actions": {"order": 4},
            "state_end": {"on_hand": 0, "backlog": 2, "in_transit": {"single": 4}}, "cost": 8,
        },
        {
            "t": 1, "inputs": {"demand": 1}, "actions": {"order": 0},
            "state_end": {"on_hand": 1, "backlog": 0, "in_transit": {"single": 0}}, "cost": 1,
        },
    ],
    "totals": {"cost": 9},
}  # fmt: skip


def row_of(tmp_path, case):
    (tmp_path / "case.json").write_text(json.dumps(case))
    return rows_of(tmp_path)[0]


@pytest.mark.parametrize(
    "told", [{}, {"optimal_levels_of_the_peer": {"S": 7}, "expected_cost": 3, "policy_table": [1]}]
)
def test_a_case_worked_out_by_hand_is_reproduced(tmp_path, told):
    row = row_of(tmp_path, STORE | {"parameters": STORE["parameters"] | told})
    assert (row["numbers"], row["reproduced"], row["note"]) == (9, 1.0, "")


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"parameters": STORE["parameters"] | {"order_capacity": 3}},
         "parameters.order_capacity is given, and not known here"),
        ({"initial": {"on_hand": 3, "in_transit": 2}},
         "initial.in_transit is given, and not known here"),
        ({"periods": [period | {"inputs": period["inputs"] | {"price": 2}}
                      for period in STORE["periods"]]},
         "periods[0].inputs.price is given, and not known here"),
        ({"parameters": {"holding_cost": 1}}, "'shortage_cost' is not there"),
        ({"parameters": STORE["parameters"] | {"lead_time": -1}},
         "arc 'vendor > stock': lead_time is -1, must be in [0, 1000]"),
        ({"peer": "nobody"}, "peer is nobody, must be one of"),
    ],
    ids=["parameter", "start", "input", "missing", "value", "peer"],
)  # fmt: skip
def test_a_case_that_says_what_is_not_read_is_refused(tmp_path, change, note):
    row = row_of(tmp_path, STORE | change)
    assert row["note"].startswith(f"refused: {note}")
    assert row["numbers"] == 0
    assert row["reproduced"] == 0


def test_a_factory_may_supply_nobody(tmp_path):
    # Its capacity, yield and cost are of no account; the market's 4 leave 6 of 10 with the shop.
    row = row_of(
        tmp_path,
        {
            "peer": "gyminvmgmt", "problem": "CoreNetwork", "case": "ours",
            "parameters": {
                "mode": "backlog", "discount": 1, "goodwill": None,
                "nodes": {
                    "0": {"type": "market"}, "1": {"type": "distributor", "I0": 10, "h": 1},
                    "2": {"type": "factory", "I0": 5, "C": 9, "o": 2, "v": 0.5, "h": 0.5},
                    "3": {"type": "source"},
                },
                "edges_in_filling_order": [
                    {"supplier": 3, "buyer": 1, "L": 1, "p": 1, "g": 0},
                    {"supplier": 3, "buyer": 2, "L": 0, "p": 2, "g": 0},
                    {"supplier": 1, "buyer": 0, "p": 4, "b": 3},
                ],
            },
            "initial": {"on_hand": {"1": 10, "2": 5}},
            "periods": [
                {
                    "t": 0, "inputs": {"demand": {"1>0": 4}},
                    "actions": {"orders": {"3>1": 2, "3>2": 1}},
                    "state_end": {"on_hand": {"1": 6, "2": 6}}, "reward": 16 - 6 - 3 - 2 - 2,
                },
            ],
            "totals": {"reward": 3},
        },
    )  # fmt: skip
    assert (row["numbers"], row["reproduced"], row["note"]) == (4, 1.0, "")


def node(before, after, **said):
    """A node of stockpyl that says what all of them say."""
    plain = {
        "holding_cost": 1, "in_transit_holding_cost": None, "stockout_cost": 0, "revenue": 0,
        "SLT": 1, "OLT": 0, "initial_orders": 0, "initial_shipments": 0, "demand": None,
        "order_capacity": None, "disruption_type": None, "policy": {}, "predecessors": [before],
        "successors_in_service_order": [after], "initial_inventory_level": 0,
    }  # fmt: skip
    return plain | said


def day(t, demand, paused, orders, **was):
    return {
        "t": t,
        "inputs": {"demand": {"shop": demand}, "disrupted": {"plant": False, "shop": paused}},
        "actions": {
            "orders_by_predecessor": {
                "plant": {"external": orders[0]},
                "shop": {"plant": orders[1]},
            }
        },
    } | was


def test_units_set_aside_are_sold_when_they_leave_and_orders_are_cut(tmp_path):
    # Day 0: the plant sets 4 aside for the shop, whose shipments are paused; 9 are ordered, 5 is
    # the capacity. Day 1: the 4 leave, with 2 more. What is on the way costs its sender 1 a unit.
    parameters = {
        "nodes": {
            "plant": node("external", "shop", revenue=3, order_capacity=5),
            "shop": node("plant", "external", stockout_cost=7, disruption_type="SP",
                         demand={"type": "P"}),
        },
        "edges": [["plant", "shop"]],
    }  # fmt: skip
    case = {
        "peer": "stockpyl", "problem": "Serial", "case": "ours", "parameters": parameters,
        "initial": {"plant": {"inventory_level": 10}, "shop": {"inventory_level": 1}},
        "periods": [
            day(0, 3, True, (9, 4), cost=10 + 14, costs={"plant": {"revenue": 0, "total": 10}}),
            day(1, 0, False, (0, 2), cost=9 + 6 - 18 + 14,
                costs={"plant": {"holding": 9, "in_transit_holding": 6, "revenue": 18}}),
        ],
        "totals": {"cost": 24 + 11},
    }  # fmt: skip
    row = row_of(tmp_path, case)
    assert (row["numbers"], row["reproduced"], row["note"]) == (8, 1.0, "")


def test_rooms_in_volumes_are_played_until_they_are_full(tmp_path):
    case = {
        "peer": "mabim", "problem": "Chain", "case": "ours",
        "parameters": {
            "warehouses_head_to_tail": ["one"], "skus": ["x"], "capacity": [20], "volume": [[2]],
            "unit_storage_cost_per_volume": [0.5], "unit_order_cost": [1],
            "basic_holding_cost": [1], "backlog_ratio": [0], "overflow_cost_ratio": [0],
            "lead_time": [[0]], "integer_mode": True, "reward_function": "reward2", "days": 1,
        },
        "initial": {"stock": [[4]], "in_transit": [[0]]},
        "periods": [
            {
                "t": 0, "actions": {"order": [[3]]},
                "inputs": {"customer_demand": [1], "selling_price": [[5]],
                           "procurement_cost": [[2]]},
                "flows": {"excess": [[0]], "sale": [[1]]}, "state_end": {"stock": [[6]]},
                "reward": 3 - 1 - 12,
            }
        ],
        "totals": {"reward_from_day_0": -10},
    }  # fmt: skip
    row = row_of(tmp_path, case)
    assert (row["numbers"], row["reproduced"], row["note"]) == (5, 1.0, "")
    case["periods"][0]["state_end"] = {"stock": [[12]]}
    note = row_of(tmp_path, case)["note"]
    assert note.startswith("refused: volume is not 1, and on day 0 warehouse 0 is full")


def store(**said):
    """A case of one store, supplied from a warehouse that holds 3."""
    parameters = {
        "mode": "lost", "objective": "cost", "n_stores": 1, "n_warehouses": 1,
        "n_extra_echelons": 0, "store_holding_cost": [1], "warehouse_holding_cost": [0],
        "store_underage_cost_or_unit_margin": [9], "store_lead_time_by_store_and_source": [[1]],
        "edges_store_x_source": [[1]], "warehouse_lead_time": [1], "warehouse_edge_cost": [0],
        "discount": 1,
    }  # fmt: skip
    return {
        "peer": "hdpo", "problem": "Serial", "case": "ours", "parameters": parameters | said,
        "initial": {"stores": [[2, 0]], "warehouses": [[3, 0]]},
        "periods": [
            {
                "t": 0, "inputs": {"demand": [1]}, "cost": 1,
                "actions": {"stores": [[5]], "warehouses": [[0]]},
            }
        ],
        "totals": {"cost": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("case", "note"),
    [
        (store(), "in period 0 warehouse 0 has less than is asked for, by 2 for store 0"),
        (
            store(mode="backlog", objective="profit"),
            "objective is 'profit' where mode is 'backlog'",
        ),
        (store(warehouse_lead_time=[0]), "the lead time of warehouse 0 is 0, must be at least 1"),
        (
            store(store_lead_time_by_store_and_source=[[0]]),
            "the lead time of store 0 is 0, must be at least 1",
        ),
    ],
    ids=["overdraft", "profit of a backlog", "no lead time", "no lead time to a store"],
)
def test_a_fault_of_a_peer_is_refused(tmp_path, case, note):
    row = row_of(tmp_path, case)
    assert row["note"].startswith(f"refused: {note}")
    assert row["reproduced"] == 0


@pytest.mark.slow
@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not there")
def test_all_cases_are_reproduced():
    rows = rows_of(CASES)
    assert rows
    assert not [row for row in rows if row["reproduced"] < 1]


@pytest.mark.slow
@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not there")
def test_all_cases_are_reproduced_in_double_precision(tmp_path):
    # A process of its own: JAX has one precision a process.
    out = tmp_path / "rows.json"
    subprocess.run(
        [sys.executable, "-m", "benchmarks.parity", str(CASES), "--double", "--json", str(out)],
        cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    rows = json.loads(out.read_text())
    assert {row["precision"] for row in rows} == {"float64"}
    assert not [row for row in rows if row["reproduced"] < 1]
    assert max(row["largest difference"] for row in rows) <= 1e-9
