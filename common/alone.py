"""A folder for one process at a time: two that write to it would undo each other's work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".lock"  # file in the folder; it stays there, and means nothing once its process has ended


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep a folder to this process while a block runs.

    The system lets go of it when the process ends, however it ends: nothing is left to be removed
    by hand.

    Args:
        folder: What is written to; made when it does not exist.

    Raises:
        ValueError: If another process has it, or it cannot be written.
    """
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout as error:
        raise ValueError(
            f"{folder} is in use by another run, must be free: wait for it to end, or write to "
            "another folder"
        ) from error
    except OSError as error:
        raise ValueError(
            f"{folder / LOCK} cannot be written ({error.strerror or error}), must be a writable "
            "path of a file system with locks"
        ) from error
    try:
        yield
    finally:
        lock.release()
