"""A command in several processes at once: all compute, the first one writes and speaks."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console


@contextmanager
def together(distributed: bool, out: Path, console: Console) -> Iterator[tuple[Path, Console]]:
    """Join the other processes, where there are any.

    Enter it before anything computes. A process that fails ends at once, so that the others notice:
    the failing one says why, and JAX ends those that wait for it.

    Args:
        distributed: Whether there are other processes; see ``draingym.common.processes.join``.
        out: The folder that the command writes to.
        console: Where words go.

    Yields:
        The folder, and the console; in all processes but the first a folder that is thrown away,
        and a console that says nothing.
    """
    if not distributed:
        yield out, console
        return
    from draingym.common.processes import is_first, join

    join()
    try:
        if is_first():
            yield out, console
        else:
            with tempfile.TemporaryDirectory(prefix="draingym-") as scratch:
                yield Path(scratch) / "run", Console(quiet=True)
    except BaseException as error:
        if isinstance(error, ValueError | OSError | ImportError) and "--debug" not in sys.argv:
            print(f"draingym: {' '.join(str(error).split())}", file=sys.stderr)
        else:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(2)
