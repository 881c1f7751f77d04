"""All checks in order, and what to paste into a report of a bug."""

from __future__ import annotations

import platform
import time
from typing import Any

from rich.console import Console

from draingym.commands.progress import say
from draingym.common.machine import machine, versions
from draingym.selftest.checks import CHECKS, Check
from draingym.selftest.speed import speed

_MARK = {True: "ok", False: "FAILS", None: "-"}


def selftest(console: Console) -> dict[str, Any]:
    """Run every check, say how each came out, and print what to paste into a report.

    Args:
        console: Where findings are printed.

    Returns:
        ``passes``, ``checks`` by name, ``versions``, ``machine``, ``system`` and ``seconds``.
    """
    found: dict[str, Check] = {}
    began = time.perf_counter()
    for check in (*CHECKS, speed):
        name = check.__name__.replace("_", " ")
        with console.status(f"{name} ..."):
            start = time.perf_counter()
            try:
                result = check()
            except Exception as error:  # a machine that computes wrong may fail in any way
                result = Check(
                    name=name, passes=False, says=f"{type(error).__name__}: {error}".split("\n")[0]
                )
            seconds = time.perf_counter() - start
        found[result.name] = result
        say(console, f"{_MARK[result.passes]:>5}  {result.name}: {result.says}  [{seconds:.1f} s]")
    figures: dict[str, Any] = {
        "passes": all(check.passes is not False for check in found.values()),
        "checks": {
            name: {"passes": check.passes, "says": check.says, **check.figures}
            for name, check in found.items()
        },
        "versions": versions(),
        "machine": machine(),
        "system": platform.platform(),
        "seconds": time.perf_counter() - began,
    }
    failed = [name for name, check in found.items() if check.passes is False]
    say(
        console,
        f"This machine {'computes right' if not failed else 'fails at ' + ', '.join(failed)}.",
    )
    say(console, f"To paste into a bug report:\n\n{paste(figures)}")
    return figures


def paste(figures: dict[str, Any]) -> str:
    """Return findings, machine and versions as lines of Markdown."""
    there = figures["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in figures["versions"].items())
    checks = [
        f"- {name}: {_MARK[check['passes']]}, {check['says']}"
        for name, check in figures["checks"].items()
    ]
    return "\n".join(
        [
            f"- {there['cpu']}, {there['cores']} cores, GPU {there['gpu'] or 'none'}; "
            f"{figures['system']}",
            f"- {packages}",
            *checks,
        ]
    )
