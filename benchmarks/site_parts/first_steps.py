"""Bar 1: from an empty environment to a gradient, a trained PPO and a report, by the quickstart.

A wheel is built, and each walk has an environment of its own with nothing in it but pip. What is
typed is read from ``docs/quickstart.md``: its commands, with the wheel in place of the name that an
index would know, and the blocks of Python below the walk's headings. pip keeps no download, JAX and
Numba no program. Making the empty environment is not counted.

The bar is held to the processor's clock with all cores added: no less than the wall's on a machine
that does nothing else, but for the waiting for downloads, and the same on one that does. The wall's
stands beside it.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._common import Claim, at_most, figure_only
from benchmarks.own_parts.commands import ROOT, Ended, waited
from draingym.common.files import read_json, write_json

PAGE = ROOT / "docs" / "quickstart.md"
COMMANDS, LINES = 3, 20
# What would be kept between runs, or changes how programs are compiled.
_LEFT_OUT = ("JAX_", "XLA_", "PYTHONPATH", "PIP_CACHE_DIR", "VIRTUAL_ENV")


@dataclass(frozen=True, kw_only=True, slots=True)
class Walk:
    """A way through the page."""

    to: str
    minutes: float
    commands: tuple[int, ...]  # of the page, by their place in it
    headings: tuple[str, ...] = ()  # above the blocks of Python
    leaves: str = ""  # a file that must be there in the end


WALKS = (
    Walk(to="a gradient", minutes=2, commands=(0,), headings=("Take a gradient",)),
    Walk(
        to="a trained PPO",
        minutes=5,
        commands=(0,),
        headings=("Step an environment", "Train a policy"),
    ),
    Walk(to="a report", minutes=8, commands=(1, 2), leaves="runs/demo/report.html"),
)


def commands(page: str) -> list[str]:
    r"""Return what a page tells to type, without comments.

    >>> commands("```console\n$ pip install it   # the core\n```")
    ['pip install it']
    """
    return [
        shlex.join(shlex.split(line, comments=True)) for line in re.findall(r"^\$ (.*)", page, re.M)
    ]


def program(page: str, headings: Sequence[str]) -> str:
    """Return the first block of Python below each of some headings.

    Raises:
        ValueError: If a heading, or the block below it, is not there.
    """
    blocks = []
    for heading in headings:
        section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, re.M | re.S)
        block = section and re.search(r"^```python\n(.*?)^```", section[1], re.M | re.S)
        if not block:
            raise ValueError(f"page has no block of Python below {heading!r}, must have one")
        blocks.append(block[1])
    return "\n".join(blocks)


def lines(code: str) -> int:
    """Return how many lines of a program are not empty."""
    return sum(bool(line.strip()) for line in code.splitlines())


def walked(walk: Walk, page: str, wheel: Path, folder: Path) -> dict[str, Any]:
    """Take a walk in an empty environment, and return a row of what it took.

    Raises:
        RuntimeError: If a step fails, with what it printed, or leaves no file where one should be.
    """
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    scratch = folder / "work"
    scratch.mkdir()
    typed = [commands(page)[k] for k in walk.commands]
    steps = [_words(words, folder / "venv" / "bin", wheel) for words in typed]
    code = program(page, walk.headings)
    if code:
        (scratch / "mine.py").write_text(code, encoding="utf-8")
        steps.append([str(folder / "venv" / "bin" / "python"), "mine.py"])
    took = [_step(words, scratch, folder / "cache") for words in steps]
    if walk.leaves and not (scratch / walk.leaves).is_file():
        raise RuntimeError(f"{walk.to}: {walk.leaves} is not there, must be written")
    return {
        "walk": walk.to,
        "commands": len(typed),
        "lines of Python": lines(code),
        "installing, processor s": round(took[0].processor, 1),
        "the rest, processor s": round(sum(each.processor for each in took[1:]), 1),
        "wall s": round(sum(each.seconds for each in took), 1),
    }


def _words(command: str, bin: Path, wheel: Path) -> list[str]:
    """Return a command as this environment has it, with the wheel for the package's name."""
    first, *rest = shlex.split(command)
    if first == "pip":
        rest = ["--no-cache-dir", *(re.sub(r"^draingym(?=$|\[)", str(wheel), one) for one in rest)]
    return [str(bin / first), *rest]


def _step(words: Sequence[str], scratch: Path, cache: Path) -> Ended:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_LEFT_OUT)}
    own = {"XDG_CACHE_HOME": str(cache), "NUMBA_CACHE_DIR": str(cache / "numba")}
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(words, cwd=scratch, env=kept | own, stdout=said, stderr=said)
        ended = waited(process, began)
        said.seek(0)
        text = said.read().decode(errors="replace")[-4000:]
    if ended.code:
        raise RuntimeError(f"{shlex.join(words)} ended with {ended.code}, must end with 0:\n{text}")
    print(f"{ended.seconds:6.0f} s  {shlex.join(words)}\n{text[-400:]}", flush=True)
    return ended


def rows(folder: Path, take: bool = True) -> list[dict[str, Any]]:
    """Build a wheel, take every walk, and return a row for each.

    Args:
        folder: Keeps the row of every walk that is done: the same call goes on after those.
        take: Whether to take those that are not; otherwise they are left out.
    """
    page = PAGE.read_text(encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for k, walk in enumerate(WALKS):
        kept = folder / f"walk_{k}.json"
        if not kept.exists():
            if not take:
                continue
            with tempfile.TemporaryDirectory(prefix="draingym-") as scratch:
                write_json(kept, walked(walk, page, _wheel(Path(scratch)), Path(scratch)))
        found.append(read_json(kept, "walk"))
    return found


def _wheel(folder: Path) -> Path:
    """Build a wheel into a folder, and return it."""
    uv = Path(sys.executable).with_name("uv")
    build = [str(uv), "build", "--quiet", "--wheel", "--out-dir", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def claims(found: Sequence[dict[str, Any]]) -> Iterator[Claim]:
    """Yield what the rows say of the bar."""
    walks = {walk.to: walk for walk in WALKS}
    for row in found:
        walk = walks[row["walk"]]
        to = f"from an empty environment to {walk.to}"
        processor = row["installing, processor s"] + row["the rest, processor s"]
        yield at_most(1, f"{to}, processor", processor / 60, "min", walk.minutes)
        yield figure_only(1, f"{to}, wall", row["wall s"] / 60, "min")
        yield at_most(1, f"{to}, commands", row["commands"], "", COMMANDS)
        yield at_most(1, f"{to}, lines of Python", row["lines of Python"], "", LINES)
