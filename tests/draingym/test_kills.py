"""kill -9 at 20 random moments of every verb, then the same command: the undisturbed result."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.own_parts import kills

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kills")
    kills.prepare(folder)
    return folder


@pytest.mark.parametrize(
    ("verb", "number"), [(verb, k) for verb, many in kills.KILLS.items() for k in range(many)]
)
def test_the_same_command_after_a_kill_ends_as_if_nothing_had_been(
    start: Path, tmp_path: Path, verb: str, number: int
) -> None:
    row = kills.kill(start, tmp_path / "killed", verb, number)
    assert row["differs"] == "", row
