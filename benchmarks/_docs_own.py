"""Tables of the pages on a user's own data, from the results of their benchmark."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks._docs_table import Result, claims, table


def own_oracle(result: Result) -> str:
    """Return the claims on an oracle that is estimated from a log."""
    return claims({"claims": [claim for claim in result["claims"] if claim["bar"] == 2]})


def own_numbers(result: Result) -> str:
    """Return numbers of the systems, the true ones beside those estimated in each world."""
    found = [row for row in result["rows"] if row["table"] == "numbers"]
    worlds = sorted({row["world"] for row in found})
    by = {(row["number"], row["world"]): row for row in found}
    names = dict.fromkeys(row["number"] for row in found)
    body = [
        [name, by[name, worlds[0]]["truth"], *(by[name, w]["estimated"] for w in worlds)]
        for name in names
    ]
    return table(["number", "truth", *(f"estimated, world {w}" for w in worlds)], body)


def own_replays(result: Result) -> str:
    """Return how far self-replays came out from their logs, by oracle and world."""
    found = [row for row in result["rows"] if row["table"] == "self-replay"]
    shown = ("node shares", "units", "ship cost", "promises", "boxes")
    body = [
        [f"{row['oracle']}, world {row['world']}", *(row[name] for name in shown)]
        for row in sorted(found, key=lambda row: row["oracle"])
    ]
    units = ("points", "%", "%", "points", "%")
    header = [f"{name}, {unit}" for name, unit in zip(shown, units, strict=True)]
    return table(["systems", *header], body)


KINDS: dict[str, Callable[[Result], str]] = {
    "own-oracle": own_oracle,
    "own-numbers": own_numbers,
    "own-replays": own_replays,
}
