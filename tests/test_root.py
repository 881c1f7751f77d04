"""The guard of the root: what a test may not leave there, and what tools may make meanwhile."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_what_a_test_leaves_in_the_root_is_named(request: pytest.FixtureRequest) -> None:
    guard = request.config.pluginmanager.get_plugin(str(ROOT / "conftest.py"))
    assert guard is not None
    before = {"README.md", "old"}
    assert guard.left_behind(before, before) == []
    # Other targets of make, in parallel: their environments, and what tools keep.
    made = {".venv", ".venv-clients", ".venv-oldest", ".pytest_cache", ".cache"}
    assert guard.left_behind(before, before | made) == []
    left = {"runs", "x.npz", ".venv-clients", ".vent"}
    assert guard.left_behind(before, before | left) == [".vent", "runs", "x.npz"]
