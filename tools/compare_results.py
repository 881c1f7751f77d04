"""Compare two folders of benchmark results: ``python tools/compare_results.py BEFORE AFTER``.

Ends with exit code 1 where a claim that passed before no longer passes, or is gone, and with 2
where a folder cannot be read. What passes now, and did not, is said too. Claims that are new have
nothing to be compared with.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Claims = Mapping[tuple[str, str], Mapping[str, Any]]  # by benchmark and what is claimed


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A claim whose verdict is not what it was."""

    benchmark: str
    what: str
    before: str
    after: str
    fell: bool  # it passed, and does not pass any more

    def __str__(self) -> str:
        """Say it in a line."""
        verb = "fell" if self.fell else "passes now"
        return f"{self.benchmark}: {self.what}: {verb}: {self.before} -> {self.after}"


def read(folder: Path) -> Claims:
    """Return the claims of a folder.

    Raises:
        ValueError: If there is no result, or a file is none; naming it.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise ValueError(f"{folder} holds no results, must hold NAME.json")
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for path in paths:
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
            for claim in result["claims"]:
                found[result["name"], claim["what"]] = claim
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no result of a benchmark: {error!r}") from error
    return found


def compare(before: Claims, after: Claims) -> list[Change]:
    """Return the claims whose verdict changed, those that fell first."""
    changes = []
    for (name, what), claim in before.items():
        now = after.get((name, what))
        passed = claim["passes"] is True
        passes = now is not None and now["passes"] is True
        if passed != passes and (passed or now is not None):
            changes.append(
                Change(
                    benchmark=name,
                    what=what,
                    before=_shown(claim),
                    after="gone" if now is None else _shown(now),
                    fell=passed,
                )
            )
    return sorted(changes, key=lambda change: not change.fell)


def _shown(claim: Mapping[str, Any]) -> str:
    return f"{claim['value']} {claim['unit']} (needs {claim['needs'] or 'nothing'})"


def main(arguments: list[str]) -> int:
    """Print what changed, and return the exit code."""
    if len(arguments) != 2:
        print("usage: python tools/compare_results.py BEFORE AFTER", file=sys.stderr)
        return 2
    try:
        before, after = (read(Path(folder)) for folder in arguments)
    except (OSError, ValueError) as error:
        print(f"compare_results: {error}", file=sys.stderr)
        return 2
    changes = compare(before, after)
    for change in changes:
        print(change)
    fallen = sum(change.fell for change in changes)
    print(f"{len(before)} claims before: {fallen} fell, {len(changes) - fallen} pass that did not")
    return 1 if fallen else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
