"""The zoo's table in docs/gym.md: ``python -m draingym.zoo.page`` writes it."""

from __future__ import annotations

import re

from draingym.envs.page import PAGE
from draingym.zoo.table import TABLE

_HEADER = """\
| problem | from | in | optimum | computed by | published | rule |
| --- | --- | --- | ---: | --- | --- | --- |
"""
_MARKED = re.compile(r"(<!-- zoo -->\n).*?(<!-- /zoo -->)", re.DOTALL)


def table() -> str:
    """Return a row for each entry."""
    rows = []
    for entry in TABLE:
        optimum = "" if entry.optimum is None else f"{entry.optimum:,.6g}"
        optimum = f"above {optimum}" if entry.bound else optimum
        cells = (f"`{entry.label}`", entry.source, entry.unit, optimum, entry.how)
        rows.append(f"| {' | '.join(cells)} | {entry.published} | {entry.rule} |\n")
    return _HEADER + "".join(rows)


def filled(page: str) -> str:
    """Return the page with the table between its markers."""
    return _MARKED.sub(lambda found: found[1] + table() + found[2], page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
