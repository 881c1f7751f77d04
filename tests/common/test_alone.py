"""A folder for one process at a time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from draingym.common.alone import LOCK, alone

HOLD = """
import pathlib, sys
from draingym.common.alone import alone
with alone(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_told_of_the_first_and_a_killed_one_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with alone(out):
        pass
    words = (sys.executable, "-c", HOLD, str(out))
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        said = f"{out} is in use by another run, must be free"
        with pytest.raises(ValueError, match=said), alone(out):
            raise AssertionError("two at a time")
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    with alone(out):
        assert [path.name for path in out.iterdir()] == [LOCK]


def test_it_is_let_go_where_a_block_raises(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), alone(tmp_path / "out"):
            raise KeyError


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match=r"file.*cannot be written"), alone(tmp_path / "file"):
        pass
    assert (tmp_path / "file").read_text() == "x"
