import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from draingym.common.atomic import atomic_file, atomic_folder, require_writable


class Interrupted(BaseException):
    """Like KeyboardInterrupt: not an Exception."""


@pytest.mark.parametrize("error", [RuntimeError, Interrupted])
@pytest.mark.parametrize("existing", [False, True])
def test_folder_that_fails_leaves_what_was(
    tmp_path: Path, existing: bool, error: type[BaseException]
) -> None:
    target = tmp_path / "log"
    if existing:
        target.mkdir()
        (target / "old").write_text("whole")

    def fail() -> None:
        with atomic_folder(target) as fresh:
            (fresh / "new").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert os.listdir(tmp_path) == (["log"] if existing else [])
    if existing:
        assert (target / "old").read_text() == "whole"


def test_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "log"
    for name in ("a", "b"):
        with atomic_folder(target) as fresh:
            (fresh / name).write_text(name)
            assert not (target / name).exists()
    assert os.listdir(target) == ["b"]
    assert os.listdir(target.parent) == ["log"]


def test_folder_comes_back_when_the_swap_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "log"
    target.mkdir()
    (target / "old").write_text("whole")
    rename = os.rename

    def fails(source: Path, to: Path) -> None:
        if Path(source).name == "new":
            raise OSError("disk is gone")
        rename(source, to)

    monkeypatch.setattr(os, "rename", fails)

    def swap() -> None:
        with atomic_folder(target) as fresh:
            (fresh / "new").write_text("x")

    with pytest.raises(ValueError, match=r"log cannot be written \(disk is gone\)"):
        swap()
    assert (target / "old").read_text() == "whole"
    assert os.listdir(tmp_path) == ["log"]


def test_folder_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x")
    with (
        pytest.raises(ValueError, match="log is a file, must be a folder, or not exist"),
        atomic_folder(tmp_path / "log"),
    ):
        pass
    assert (tmp_path / "log").read_text() == "x"


def test_file_that_fails_leaves_what_was(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    with atomic_file(target) as work:
        work.write_text("whole")

    def fail() -> None:
        with atomic_file(target) as work:
            work.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "whole"
    assert os.listdir(tmp_path) == ["x.json"]


def test_file_must_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing was written"), atomic_file(tmp_path / "x"):
        pass
    assert os.listdir(tmp_path) == []


def test_file_refuses_a_folder(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="is a folder, must be a file, or not exist"),
        atomic_file(tmp_path),
    ):
        pass


@pytest.mark.parametrize("write", [atomic_file, atomic_folder])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("taken/x", "taken is a file, must be a folder"),
        ("taken/x/y", "taken is a file, must be a folder"),
        ("x" * 300, r"cannot be written \(File name too long\), must be a writable path"),
        ("deep/" + "x" * 300, r"has a name of 300 bytes, must have at most 245"),
        ("é" * 123, r"has a name of 246 bytes, must have at most 245"),
    ],
)
def test_a_path_that_cannot_be_written_is_named(
    tmp_path: Path, write, name: str, message: str
) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(ValueError, match=message), write(tmp_path / name) as work:
        work.mkdir()
    assert (tmp_path / "taken").read_text() == "x"


def test_what_may_not_be_written_is_named_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_writable(tmp_path / "a" / "b", "file")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(ValueError, match=f"{tmp_path} may not be written, must be writable"):
        require_writable(tmp_path / "a" / "b", "file")


@pytest.mark.parametrize("write", [atomic_file, atomic_folder])
def test_the_longest_name_can_be_written(tmp_path: Path, write) -> None:
    with write(tmp_path / ("x" * 245)) as work:
        work.touch()
    assert os.listdir(tmp_path) == ["x" * 245]


@pytest.mark.parametrize("write", [atomic_file, atomic_folder])
def test_a_full_disk_is_named_and_nothing_is_lost(
    tmp_path: Path, write: Callable[[Path], AbstractContextManager[Path]]
) -> None:
    target = tmp_path / "target"
    with write(target) as fresh:
        (fresh / "one" if fresh.is_dir() else fresh).write_text("old")
    bound = f"{target} cannot be written \\(No space left on device\\), must be where there is room"
    with pytest.raises(ValueError, match=bound), write(target):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert (target / "one" if target.is_dir() else target).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    with pytest.raises(FileNotFoundError), write(target):  # of something else, as it was
        raise FileNotFoundError(errno.ENOENT, "x")
