"""Tables of the pages on a user's own data, from the results of their benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks._docs_table import Result, claims, number, table


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


def own_path(result: Result) -> str:
    """Return the claims on the way from a company's own tables to its orders."""
    return claims({"claims": [claim for claim in result["claims"] if claim["bar"] == 1]})


def own_commands(result: Result) -> str:
    """Return what each command of that way took, a company beside the other."""
    found = [row for row in result["rows"] if row["table"] == "commands"]
    shops = list(dict.fromkeys(row["shop"] for row in found))
    verbs = list(dict.fromkeys(_verb(row) for row in found))
    spent = {(_verb(row), row["shop"]): 0.0 for row in found}
    for row in found:
        spent[_verb(row), row["shop"]] += row["processor s"]
    body = [[f"`{verb}`", *(spent.get((verb, shop)) for shop in shops)] for verb in verbs]
    return table(["processor seconds", *shops], body)


def _verb(row: Mapping[str, Any]) -> str:
    """Return the verb of a command; ``ingest --init`` is one of its own."""
    _, verb, first, *_ = str(row["command"]).split()
    return f"{verb} {first}" if first == "--init" else verb


def own_check(result: Result) -> str:
    """Return what ``draingym check`` says of each company's fitted oracle."""
    verdict = {True: "yes", False: "**no**"}
    body = [
        [
            f"{row['shop']}, {row['figure']}",
            f"{number(row['off'])} {row['unit']}",
            f"<= {number(row['bound'])}",
            verdict[row["passes"]],
        ]
        for row in result["rows"]
        if row["table"] == "check"
    ]
    return table(["self-replay", "off by", "bound", "passes"], body)


def own_faults(result: Result) -> str:
    """Return the claims on what is survived: kills and wrong inputs."""
    return claims({"claims": [claim for claim in result["claims"] if claim["bar"] == 5]})


KINDS: dict[str, Callable[[Result], str]] = {
    "own-oracle": own_oracle,
    "own-numbers": own_numbers,
    "own-replays": own_replays,
    "own-path": own_path,
    "own-commands": own_commands,
    "own-check": own_check,
    "own-faults": own_faults,
}
