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


def test_a_case_worked_out_by_hand_is_reproduced(tmp_path):
    row = row_of(tmp_path, STORE)
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
