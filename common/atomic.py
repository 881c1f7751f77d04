"""Write files and folders so that nothing half-written survives as if it were whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``target`` that becomes ``target`` when the block succeeds.

    When the block raises, the new folder is removed and what was at ``target`` stays. When the
    process dies, a hidden folder may be left behind, but never a partial ``target``.

    Args:
        target: Folder to create or to replace as a whole.

    Raises:
        ValueError: If ``target`` exists and is not a folder.
    """
    target = Path(os.path.abspath(target))
    if target.exists() and not target.is_dir():
        raise ValueError(f"{target} is a file, must be a folder, or not exist")
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        fresh, old = work / "new", work / "old"
        fresh.mkdir()
        yield fresh
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
        ValueError: If the block ends without having written the file.
    """
    target = Path(os.path.abspath(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    os.close(handle)
    os.unlink(name)
    work = Path(name)
    try:
        yield work
        if not work.exists():
            raise ValueError(f"{target}: nothing was written")
        os.replace(work, target)
    finally:
        work.unlink(missing_ok=True)
