"""From a mapping file to the folder of a log: tables, page, numbers, all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from draingym.common.atomic import atomic_folder, require_writable
from draingym.common.files import write_json
from draingym.ingest.given.cells import Table, read_table
from draingym.ingest.given.mapping import Mapping, read_mapping
from draingym.ingest.made.log import check_kept, make_log
from draingym.ingest.made.notes import Notes
from draingym.ingest.made.orders import read_lines
from draingym.ingest.quality import quality
from draingym.report.quality_page import quality_page
from draingym.world.eventlog import validate_log, write_tables

STAGES = ("Reading tables", "Cleaning orders", "Making the log", "Checking", "Writing")


def ingest(
    path: Path, out: Path, report: Callable[[str, int, int], None] | None = None
) -> dict[str, Any]:
    """Make an event log of what a mapping file names.

    Everything follows from the mapping and the tables: a run that was interrupted and is run again
    gives the same files. What is at ``out`` is replaced at the end, as a whole.

    Args:
        path: The mapping file.
        out: Folder of the log: its tables, ``quality.html`` and ``quality.json``; of a world, its
            ``carrier.json`` besides.
        report: Called with what is done next, its number, and how many there are.

    Returns:
        What ``quality.json`` holds.

    Raises:
        ImportError: If PyYAML is not there.
        ValueError: Naming file, table, column, row and bound; nothing is written then.
    """
    path, out = Path(path), Path(out)
    require_writable(out, "folder")
    mapping = read_mapping(path)
    _require_no_loss(path, mapping, out)

    def tell(stage: int, more: str = "") -> None:
        if report is not None:
            report(STAGES[stage] + more, stage, len(STAGES))

    tables: dict[str, Table] = {}
    for name, table in mapping.tables.items():
        tell(0, f": {name}")
        tables[name] = read_table(path.parent, mapping.folder, name, table)
    check_kept(tables)
    notes = Notes()
    tell(1)
    lines, returned, calendar = read_lines(tables["orders"], mapping, notes)
    tell(2)
    if mapping.build == "log":
        made = make_log(tables, lines, returned, calendar, mapping, notes)
    else:
        from draingym.ingest.made.emulated import make_world_log

        notes.drop("orders", "returns", len(returned.table))
        made = make_world_log(tables, lines, calendar, mapping, notes)
    tell(3)
    validate_log(made.log)
    numbers = quality(made, tables, mapping, notes)
    page = quality_page(numbers)
    tell(4)
    with atomic_folder(out) as fresh:
        write_tables(made.log, fresh)
        write_json(fresh / "quality.json", numbers)
        (fresh / "quality.html").write_text(page, encoding="utf-8")
        if mapping.build == "world":
            write_json(fresh / "carrier.json", _card(mapping))
    return numbers


def _card(mapping: Mapping) -> dict[str, Any]:
    from draingym.ingest.made.emulated import carrier_card

    return carrier_card(mapping)


def _require_no_loss(path: Path, mapping: Mapping, out: Path) -> None:
    """Raise where writing the log would take away anything but a log.

    Raises:
        ValueError: If the folder holds the mapping or its tables, or other things than a log.
    """
    target = out.resolve()
    folders = [mapping.folder, *(table.folder for table in mapping.tables.values())]
    for kept in (path, *(path.parent / folder for folder in folders)):
        if kept.resolve().is_relative_to(target):
            raise ValueError(f"{out} holds {kept}, must be a folder of its own: it is replaced")
    if out.is_dir() and any(out.iterdir()) and not (out / "glance_views.parquet").is_file():
        raise ValueError(f"{out} holds other things than a log, must be empty or not exist")
