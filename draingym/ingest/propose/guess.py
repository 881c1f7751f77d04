"""Guesses: which table of ours a file is, and which of its columns is what."""

from __future__ import annotations

import re
from dataclasses import dataclass

from draingym.ingest.given.roles import TABLES, UNKNOWN
from draingym.ingest.propose.found import Found, plain

# Words in names of files and of tables in databases, most telling first.
_FILE_WORDS = {
    "adjustments": ("adjust", "damage", "correction", "writeoff"),
    "transfers": ("transfer", "movement"),
    "receipts": ("receipt", "inbound", "received", "replenish"),
    "boxes": ("box", "shipment", "parcel", "package", "deliver", "fulfil", "dispatch"),
    "views": ("view", "click", "traffic", "pageview", "impression"),
    "places": ("place", "postcode", "zip", "city", "cities", "geograph", "destination"),
    "nodes": ("node", "warehouse", "network", "facilit", "depot", "stores", "sites"),
    "stock": ("stock", "inventor", "snapshot", "onhand"),
    "customers": ("customer", "client", "users", "members"),
    "products": ("product", "item", "sku", "catalog", "article", "assortment"),
    "orders": ("order", "sale", "invoice", "transaction", "basket", "retail"),
}
# Last words of a column's name that tell nothing, by what is in it.
_NUMBER_WORDS = ("kg", "g", "lb", "oz", "eur", "usd", "gbp", "chf", "km", "days", "net")
_IDLE = {
    "text": ("no", "nr", "num", "number", "id", "code", "key", "name"),
    "time": ("at", "on", "date", "time", "datetime", "timestamp", "utc"),
    "number": _NUMBER_WORDS,
    "whole": ("pcs", "pieces", "units"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Guess:
    """A file as a table of ours."""

    name: str
    found: Found
    columns: dict[str, str]  # ours -> the file's
    rest: tuple[str, ...]  # columns of the file that are nothing of ours

    @property
    def doubt(self) -> bool:
        """Whether a column that is needed is unknown."""
        return UNKNOWN in self.columns.values()


def bare(name: str, kind: str) -> str:
    """Return a name without brackets, and without last words that say what every such column is.

    >>> bare("Customer no.", "text"), bare("Booked on", "time"), bare("Freight (EUR)", "number")
    ('customer', 'booked', 'freight')
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", re.sub(r"[(\[].*?[)\]]", " ", name))
    words = re.findall(r"[a-z0-9]+", spaced.lower())
    while len(words) > 1 and words[-1] in _IDLE.get(kind, ()):
        words.pop()
    return "".join(words)


def guess_columns(name: str, found: Found) -> dict[str, str]:
    """Return which column of a file is what in a table of ours, by its name alone."""
    left = list(found.columns)
    chosen: dict[str, str] = {}
    # Names that are ours first, then the words of each, so that no word takes another's column.
    for step in ("ours", "words", "bare"):
        for role, known in TABLES[name].items():
            if role in chosen:
                continue
            named = {
                plain(column) if step != "bare" else bare(column, known.kind): column
                for column in reversed(left)
            }
            for word in (plain(role),) if step == "ours" else (plain(role), *known.words):
                if word in named:
                    chosen[role] = named[word]
                    left.remove(named[word])
                    break
    return {role: chosen[role] for role in TABLES[name] if role in chosen}


def guess_tables(found: list[Found]) -> tuple[list[Guess], list[Found]]:
    """Return the tables that files are, one of each kind, and the files that are none.

    A file is what its name says, where it has the columns that are needed; or else the table that
    it has most columns of; or else what its name says, columns that are needed being ``UNKNOWN``.
    """
    taken: dict[str, Guess] = {}
    rest = []
    for file in sorted(found, key=lambda f: not _named(f)):
        for name in _named(file) or _alike(file):
            columns = guess_columns(name, file)
            needed = {role for role, column in TABLES[name].items() if column.needed}
            if name not in taken and needed <= columns.keys():
                taken[name] = _guess(name, file, columns)
                break
        else:
            rest.append(file)
    for file in tuple(rest):
        # Its name says what it is, in a language of which we know no words for columns.
        for name in [name for name in _named(file) if name not in taken][:1]:
            known = guess_columns(name, file)
            columns = {
                role: known.get(role, UNKNOWN)
                for role, column in TABLES[name].items()
                if column.needed or role in known
            }
            taken[name] = _guess(name, file, columns)
            rest.remove(file)
    return [taken[name] for name in TABLES if name in taken], rest


def _guess(name: str, file: Found, columns: dict[str, str]) -> Guess:
    used = set(columns.values())
    rest = tuple(column for column in file.columns if column not in used)
    return Guess(name=name, found=file, columns=columns, rest=rest)


def _named(file: Found) -> list[str]:
    name = plain(file.table or file.file.rpartition("/")[2].partition(".")[0])
    return [table for table, words in _FILE_WORDS.items() if any(word in name for word in words)]


def _alike(file: Found) -> list[str]:
    """Return tables by how many of their columns a file has."""
    return sorted(TABLES, key=lambda name: -len(guess_columns(name, file)))
