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
