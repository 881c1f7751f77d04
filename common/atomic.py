"""Write files and folders so that nothing half-written survives as if it were whole."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

# Bytes of a name that file systems allow, less what the name of an unfinished file adds.
_MOST_NAME = 255 - 10
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def require_writable(target: Path, kind: Literal["file", "folder"]) -> None:
    """Raise unless a file or folder can be written; makes nothing. Call it before long work.

    Args:
        target: What will be written, or replaced.
        kind: What it will be.

    Raises:
        ValueError: If something of another kind is there, a file is where a folder should be on the
            way to it, the name is too long, or it may not be written.
    """
    with _writing(target):
        there, at = Path(os.path.abspath(target)), kind
        while (mode := _mode(there)) is None:
            if len(os.fsencode(there.name)) > _MOST_NAME:
                raise ValueError(
                    f"{there} has a name of {len(os.fsencode(there.name))} bytes, must have at "
                    f"most {_MOST_NAME}"
                )
            there, at = there.parent, "folder"
        if stat.S_ISDIR(mode) != (at == "folder"):
            found = "folder" if stat.S_ISDIR(mode) else "file"
            raise ValueError(f"{there} is a {found}, must be a {at}, or not exist")
        if not os.access(there, os.W_OK):
            raise ValueError(f"{there} may not be written, must be writable")


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``target`` that becomes ``target`` when the block succeeds.

    When the block raises, the new folder is removed and what was at ``target`` stays. When the
    process dies, a hidden folder may be left behind, but never a partial ``target``.

    Args:
        target: Folder to create or to replace as a whole.

    Raises:
        ValueError: If it cannot be written, such as where ``target`` is a file.
    """
    target = Path(os.path.abspath(target))
    require_writable(target, "folder")
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        fresh, old = work / "new", work / "old"
        fresh.mkdir()
    try:
        with _room(target):
            yield fresh
        with _writing(target):
            if target.exists():
                os.rename(target, old)
            try:
                os.rename(fresh, target)
            except OSError:
                if old.exists():
                    os.rename(old, target)
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Yield a path beside ``target`` whose file replaces ``target`` when the block succeeds.

    When the block raises, nothing is left of the new file and what was at ``target`` stays.

    Args:
        target: File to create or to replace.

    Raises:
        ValueError: If it cannot be written, such as where ``target`` is a folder, or if the block
            ends without having written the file.
    """
    target = Path(os.path.abspath(target))
    require_writable(target, "file")
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
        os.close(handle)
        os.unlink(name)
    work = Path(name)
    try:
        with _room(target):
            yield work
        if not work.exists():
            raise ValueError(f"{target}: nothing was written")
        with _writing(target):
            os.replace(work, target)
    finally:
        work.unlink(missing_ok=True)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turn what the file system refuses into a ``ValueError`` that names the target."""
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"{target} cannot be written ({error.strerror or error}), must be a writable path"
        ) from error


@contextmanager
def _room(target: Path) -> Iterator[None]:
    """Name the target where a block that writes it finds the disk full."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise ValueError(
            f"{target} cannot be written ({os.strerror(error.errno)}), must be where there is room "
            "for it; what was there is as it was"
        ) from error


def _mode(path: Path) -> int | None:
    """Return what is at a path, None where nothing is."""
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
