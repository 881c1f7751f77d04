"""200 wrong mappings and tables: each ends in one line that says what must be, or in a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.own_parts.wrong_inputs import CASES, NEEDED, Case, ended

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_in_one_line_or_makes_a_log(case: Case, tmp_path: Path) -> None:
    found = ended(case, tmp_path)
    assert not found.fault, found.said


def test_there_are_as_many_as_the_benchmark_needs() -> None:
    assert len(set(CASES)) >= NEEDED
