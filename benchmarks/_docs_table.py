"""Tables of a page, in Markdown, from the result of a benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Result = Mapping[str, Any]


def number(value: Any) -> str:
    """Return a figure as a page has it: three digits, thousands in full.

    >>> number(15785.9), number(0.05071), number(-2.1), number(None)
    ('15,786', '0.0507', '-2.1', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if abs(value) >= 1000 or isinstance(value, int):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table in Markdown; all columns but the first are aligned to the right.

    >>> print(table(["a", "b"], [["x", 1.25]]))
    | a | b |
    | --- | ---: |
    | x | 1.25 |
    """
    names = list(header)
    lines = ["| " + " | ".join(names) + " |"]
    lines.append("| " + " | ".join(["---"] + ["---:"] * (len(names) - 1)) + " |")
    lines.extend("| " + " | ".join(number(cell) for cell in row) + " |" for row in rows)
    return "\n".join(lines)


def claims(result: Result) -> str:
    """Return all claims of a benchmark, those that do not pass too."""
    verdict = {True: "yes", False: "**no**", None: ""}
    rows = (
        (c["what"], f"{number(c['value'])} {c['unit']}".strip(), c["needs"], verdict[c["passes"]])
        for c in result["claims"]
    )
    return table(["figure", "value", "needs", "passes"], rows)
