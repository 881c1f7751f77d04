"""A folder for one process at a time: two that write to it would undo each other's work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".lock"  # file in the folder; it stays there, and means nothing once its process has ended


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep a folder to this process while a block runs.

    The system lets go of it when the process ends, however it ends: nothing is left to be removed
    by hand. Where the system or the file system has no such locks (Windows, some network drives),
    nothing is kept.

    Args:
        folder: What is written to; made when it does not exist.

    Raises:
        ValueError: If another process has it, or it cannot be written.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ValueError(
            f"{path} cannot be written ({error.strerror or error}), must be a writable path"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"{folder} is in use by another run, process {_owner(handle)}, must be free: wait "
                "for it to end, or write to another folder"
            ) from error
        except OSError:  # a file system without locks
            yield
            return
        os.truncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)


def _owner(handle: int) -> str:
    return os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
