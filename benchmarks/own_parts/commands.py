"""The command line as a user has it: a verb in a process of its own, in a folder of the user's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def begin(folder: Path, words: Sequence[str], said: Path) -> subprocess.Popen[bytes]:
    """Start a verb.

    Args:
        folder: That it works in.
        words: The verb and its arguments.
        said: File that what it prints is added to.
    """
    with said.open("ab") as file:
        return subprocess.Popen(
            (sys.executable, "-m", "draingym.cli", *words),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=file,
            stderr=file,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a verb ended."""

    code: int
    seconds: float  # by the wall's clock
    processor: float  # seconds of all cores


def waited(process: subprocess.Popen[bytes], began: float) -> Ended:
    """Wait for a process, and for those that it waits for.

    Args:
        process: What was started.
        began: When, by ``time.perf_counter``.
    """
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Ended(
        code=process.returncode,
        seconds=time.perf_counter() - began,
        processor=used.ru_utime + used.ru_stime,
    )


def finish(folder: Path, words: Sequence[str], said: Path, codes: Sequence[int] = (0,)) -> Ended:
    """Run a verb to its end.

    Args:
        folder: That it works in.
        words: The verb and its arguments.
        said: File that what it prints is added to.
        codes: With which it may end.

    Raises:
        RuntimeError: If it ends with another code; what it printed is in the message.
    """
    began = time.perf_counter()
    ended = waited(begin(folder, words, said), began)
    if ended.code not in codes:
        text = said.read_text(encoding="utf-8", errors="replace")[-4000:]
        raise RuntimeError(
            f"draingym {' '.join(words)} ended with {ended.code}, must end with one of "
            f"{tuple(codes)}:\n{text}"
        )
    return ended
