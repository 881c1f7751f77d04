"""What a command says: words, nothing, or one JSON object; the same for every verb.

While a verb runs, what it does and how long it still takes go to ``terminal()``. When it is done,
``tell`` says where the result lies and what to do next.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from draingym.common.files import json_text

Mode = Literal["words", "quiet", "json"]

OPTIONS: Mapping[str, Mode] = {"--quiet": "quiet", "--json": "json"}
EXIT_CODES = {
    0: "done",
    1: "a check or a self-test fails",
    2: "bad input, or a file or a package that is not there",
    130: "interrupted",
}

_now: dict[str, Mode] = {"mode": "words"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a verb ended."""

    files: tuple[Path, ...] = ()  # where the result lies; the first is what to open
    next: tuple[str, ...] = ()  # the command that follows, word by word
    said: bool = False  # whether the verb's own words name it
    figures: Mapping[str, Any] = field(default_factory=dict)
    code: int = 0  # of ``EXIT_CODES``


def use(mode: Mode) -> None:
    """Choose what is said from now on."""
    _now["mode"] = mode


def hush(console: Console) -> None:
    """Say nothing more where a console does not: of several processes the first one speaks."""
    if console.quiet:
        use("quiet")


def terminal() -> Console:
    """Return where words go: nowhere with --quiet, beside the JSON object with --json."""
    return Console(quiet=_now["mode"] == "quiet", stderr=_now["mode"] == "json")


@contextmanager
def starting() -> Iterator[None]:
    """Say that a verb loads what it needs, which takes seconds; in a terminal, and gone after."""
    console = Console(quiet=_now["mode"] == "quiet", stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status("Starting"):
        yield


def result(text: str) -> None:
    """Print what a verb is called for, such as a path that a script reads; not with --json."""
    if _now["mode"] != "json":
        print(text)


def tell(verb: str, outcome: Outcome, seconds: float) -> None:
    """Say how a verb ended."""
    if _now["mode"] == "json":
        told = {
            "verb": verb,
            "exit_code": outcome.code,
            "seconds": round(seconds, 3),
            "files": outcome.files,
            "next": shlex.join(outcome.next) or None,
            "figures": outcome.figures,
        }
        print(json_text(told))
        return
    console = terminal()
    for path in outcome.files:
        console.print(f"Result: {path}", markup=False, highlight=False, soft_wrap=True)
    if outcome.next and not outcome.said:
        line = f"Next: {shlex.join(outcome.next)}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def failed(message: str) -> str:
    """Return the JSON object of a verb that could not do what it was asked."""
    return json_text({"exit_code": 2, "error": message})
