"""The leaderboard of docs/gym.md, from the result of the zoo's benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks._docs_table import Result, number, table


def zoo_leaderboard(result: Result) -> str:
    """Return a row a problem and method: value, gap, and how long it took."""

    def periods(row: Mapping[str, Any]) -> str:
        if row["method"] == "tuned rule":
            return ""
        reached = row["periods to 1%"]
        return "never" if reached is None else f"{reached:,.0f}"

    body = [
        [
            f"{row['problem']}: {row['method']}",
            row["in"],
            row["value"],
            f"{number(row['gap, %'])} [{number(row['gap low, %'])}, {number(row['gap high, %'])}]",
            row["against"],
            periods(row),
            row["periods"],
            row["seconds"],
        ]
        for row in result["rows"]
    ]
    header = ["problem: method", "in", "value", "gap, %", "to", "periods to 1%", "periods", "s"]
    return table(header, body)


KINDS: dict[str, Callable[[Result], str]] = {"zoo-leaderboard": zoo_leaderboard}
