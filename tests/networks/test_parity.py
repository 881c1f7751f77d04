"""Cases of other simulators, where they are, and the comparison itself."""

from pathlib import Path

import pytest

from benchmarks.parity.__main__ import rows_of
from benchmarks.parity.compare import Compared, compare

CASES = Path(__file__).parents[2] / ".." / "shared" / "cases"


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
