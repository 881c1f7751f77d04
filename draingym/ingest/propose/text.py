"""The text of a proposed mapping: YAML with a comment beside what a user must decide."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from draingym.ingest.given.mapping import KNOWN_LABELS, Assumed, Carrier, Experiment
from draingym.ingest.given.roles import KEPT, TABLES, UNKNOWN
from draingym.ingest.propose.found import (
    Found,
    has_decimal_commas,
    missing_words,
    plain,
    time_formats,
)
from draingym.world.schema import NO_CURRENCY
from draingym.world.weights import POUNDS

_MOST_LABELS = 20
_SOLD_OUT = ("outofstock", "soldout", "unavailable", "notavailable", "nostock", "notinstock")
_EXAMPLE = "{same day: 0, express: 1, standard: 4}"
_WORDS = {"yes", "no", "true", "false", "null", "on", "off", "y", "n"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A table of the mapping that is proposed."""

    name: str
    columns: dict[str, str]  # ours -> the file's
    found: Found | None = None  # None: the user still has to write NAME.csv beside the mapping
    keep: Sequence[str] = ()
    missing: Sequence[str] = ()
    where: dict[str, Sequence[str]] = field(default_factory=dict)
    drop: dict[str, Sequence[str]] = field(default_factory=dict)
    comments: Sequence[str] = ()

    def where_it_is(self) -> dict[str, str]:
        """Return the fields of the mapping that say where the table is, without their defaults."""
        if self.found is None:
            return {"folder": ".", "file": f"{self.name}.csv"}
        encoding = self.found.encoding
        said = {
            "file": self.found.file,
            "table": self.found.table,
            "encoding": "" if encoding == "utf-8" else encoding,
        }
        return {name: value for name, value in said.items() if value}


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A mapping that is proposed."""

    source: str
    folder: str
    build: str
    blocks: Sequence[Block]
    currency: str = NO_CURRENCY
    weight: str = "kg"
    days: int = 7
    num_products: int = 0
    max_line_quantity: int = 0
    notes: Sequence[str] = ()
    events: Sequence[str] = ("christmas", "new_year")
    carrier: Carrier = field(default_factory=Carrier)
    assume: dict[str, object] = field(default_factory=dict)
    unused: Sequence[Found] = ()


def scalar(value: object) -> str:
    """Return a value as YAML has it, in quotes where it might be taken for something else.

    >>> scalar("InvoiceNo"), scalar("no"), scalar("12"), scalar(0.5)
    ('InvoiceNo', '"no"', '"12"', '0.5')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(scalar(entry) for entry in value) + "]"
    text = str(value)
    if re.fullmatch(r"[A-Za-z_./][\w ./%-]*(?<! )", text) and text.lower() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)


def mapping_text(proposal: Proposal) -> str:
    """Return a mapping file: what was found, what is missing, and what will be assumed."""
    lines = [
        "# A mapping for `draingym ingest`; docs/own_data.md says what each table and column is.",
        "# Read the comments, correct what is wrong: draingym ingest mapping.yaml --out log",
        "draingym: 1",
        f"source: {scalar(proposal.source)}",
        f"folder: {scalar(proposal.folder)}  # of the tables, from where this file is",
        f"build: {proposal.build}  # log: what happened; world: to experiment in, of orders alone",
        "seed: 0",
        f"num_products: {proposal.num_products}  # the best sellers by units; 0 for all",
        f"max_line_quantity: {proposal.max_line_quantity}  # lines of more are left out; 0: none",
        *_list("notes", proposal.notes),
        "units:",
        f"  currency: {proposal.currency}  # ISO 4217, such as EUR; {NO_CURRENCY}: not said",
        f"  weight: {proposal.weight}  # {', '.join(POUNDS)}",
        "periods:",
        f"  days: {proposal.days}",
        "  incomplete: drop  # or keep: a last period that the data ends in",
        "  # first_date: 2011-01-01",
        "  # last_date: 2011-12-31",
        "tables:",
    ]
    day_first = _day_first(proposal.blocks)
    for block in proposal.blocks:
        lines += _block(block, day_first)
    lines += [
        f"  # Not used: {file.file}{f' ({file.table})' if file.table else ''}: "
        f"{', '.join(file.columns[:12])}"
        for file in proposal.unused
    ]
    lines += [
        "# Labels of promises and options besides 1d, 2d and 3d+, with their days, fastest first.",
        *_promises(proposal.blocks),
        "events:  # of the calendar: their dates, or yearly for those that we know",
        *(f"  {name}: yearly" for name in proposal.events),
        "assume:  # what stands in for what the tables do not say",
    ]
    assumed = Assumed()
    for name in Assumed.__dataclass_fields__:
        lines.append(f"  {name}: {scalar(proposal.assume.get(name, getattr(assumed, name)))}")
    lines += [
        "carrier:  # where boxes have no bill: box + weight w + (zone + weight_zone w) k",
    ]
    for name in Carrier.__dataclass_fields__:
        lines.append(f"  {name}: {scalar(getattr(proposal.carrier, name))}")
    if proposal.build == "world":
        lines.append("experiment:  # the policy that stocks the nodes; covers: null, or days")
        default = Experiment()
        for name in Experiment.__dataclass_fields__:
            lines.append(f"  {name}: {scalar(getattr(default, name))}")
    return "\n".join(lines) + "\n"


def _list(name: str, entries: Sequence[str]) -> list[str]:
    return (
        [f"{name}:", *(f"  - {json.dumps(e, ensure_ascii=False)}" for e in entries)]
        if entries
        else []
    )


def _block(block: Block, day_first: bool) -> list[str]:
    lines = [f"  {block.name}:", *(f"    # {comment}" for comment in block.comments)]
    if block.found is None:
        lines.append(f"    # Write this file, or name yours: {', '.join(block.columns.values())}")
    lines += [f"    {name}: {scalar(value)}" for name, value in block.where_it_is().items()]
    lines.append("    columns:")
    for role, column in block.columns.items():
        which = "which column is it? " if column == UNKNOWN else ""
        lines.append(f"      {role}: {scalar(column)}  # {which}{TABLES[block.name][role].what}")
    for role, known in TABLES[block.name].items():
        if role not in block.columns:
            lines.append(f"      # {role}:  # {known.what}")
    if block.found is not None:
        lines += _form(block, block.found, day_first)
    for name in ("where", "drop"):
        rules = getattr(block, name)
        if rules:
            verb = "taken" if name == "where" else "left out"
            lines.append(f"    {name}:  # rows that are {verb}")
            lines += [f"      {scalar(c)}: {scalar(tuple(values))}" for c, values in rules.items()]
    used = {*block.columns.values(), *block.keep, *block.where, *block.drop}
    rest = [c for c in (block.found.columns if block.found else ()) if c not in used]
    if block.keep:
        lines.append(f"    keep: {scalar(tuple(block.keep))}  # further columns, kept in the log")
    elif rest and block.name in KEPT:
        lines.append(f"    # keep: {scalar(tuple(rest))}  # further columns, to be kept in the log")
    elif rest:
        lines.append(f"    # Further columns, not used: {', '.join(rest)}")
    return lines


def _promises(blocks: Sequence[Block]) -> tuple[str, str]:
    """Return the lines of promises, with the labels that tables have and we do not know."""
    labels: dict[str, None] = {}
    for block in blocks:
        for role in ("promise", "ship_option"):
            if block.found is not None and (column := block.columns.get(role)):
                labels |= dict.fromkeys(block.found.cells(column))
    strange = [label for label in labels if not _is_speed(label)][:_MOST_LABELS]
    gone = tuple(label for label in strange if plain(label) in _SOLD_OUT)
    listed = ", ".join(f"{scalar(label)}: ..." for label in strange if label not in gone)
    what = f"fill in the days of each: {{{listed}}}" if listed else _EXAMPLE
    lost = f"out_of_stock: {scalar(gone)}  # labels that say that a product could not be had"
    return f"promises: {{}}  # {what}", lost


def _is_speed(cell: str) -> bool:
    """Return whether a promise is understood as it is: a label of ours, or days."""
    try:
        float(cell)
    except ValueError:
        return cell in KNOWN_LABELS
    return True


def _columns(block: Block, found: Found) -> list[tuple[str, str]]:
    """Return a file's columns that are used, and their kind; all, where some are unknown."""
    roles = TABLES[block.name]
    used = {c: roles[r].kind for r, c in block.columns.items() if c != UNKNOWN}
    if UNKNOWN in block.columns.values():
        used |= {c: UNKNOWN for c in found.columns if c not in used}
    return [(kind, column) for column, kind in used.items()]


def _missing(block: Block, found: Found) -> list[str]:
    missing = list(block.missing)
    for _, column in _columns(block, found):
        missing += [w for w in missing_words(found.cells(column)) if w not in missing]
    return missing


def _times(block: Block, found: Found) -> tuple[list[str], str]:
    """Return the formats that fit a table's times as text, and one of these."""
    missing = _missing(block, found)
    dates: tuple[list[str], str] = [], ""
    for kind, column in _columns(block, found):
        if kind in ("time", UNKNOWN) and found.is_text(column):
            cells = [cell for cell in found.cells(column) if cell not in missing]
            if fits := time_formats(cells):
                if "%H" in fits[0]:
                    return fits, cells[0]
                dates = dates if dates[0] else (fits, cells[0])
    return dates


def _day_first(blocks: Sequence[Block]) -> bool:
    """Return whether a table writes days before months, beyond doubt."""
    fits = [_times(block, block.found)[0] for block in blocks if block.found is not None]
    return any(len(f) == 1 and f[0].startswith("%d") for f in fits)


def _form(block: Block, found: Found, day_first: bool) -> list[str]:
    """Return how cells are written: times, decimal signs, words for nothing."""
    lines = []
    missing = _missing(block, found)
    fits, example = _times(block, found)
    if fits:
        # A column of which the first rows fit both is written as the others are.
        form = next((f for f in fits if day_first and f.startswith("%d")), fits[0])
        doubt = (
            "; or is the day first? all rows fit both" if len(fits) > 1 and not day_first else ""
        )
        lines.append(f"    time_format: {scalar(form)}  # as {example}{doubt}")
    kinds = {column: kind for kind, column in _columns(block, found)}
    used = [c for c, kind in kinds.items() if kind in ("number", "whole", UNKNOWN)]
    # Columns that are not used tell it as well, where none of the others does.
    rest = [c for c in found.columns if c not in kinds]
    cells = {c: found.cells(c) for c in (*used, *rest) if found.is_text(c)}
    points = any(re.fullmatch(r"-?\d+\.\d+", cell) for c in used for cell in found.cells(c))
    if any(has_decimal_commas(cells[c]) for c in used if c in cells) or (
        not points and any(has_decimal_commas(cells[c]) for c in rest if c in cells)
    ):
        lines.append("    decimal: ','")
    if missing:
        lines.append(f"    missing: {scalar(tuple(missing))}  # cells that stand for nothing")
    return lines
