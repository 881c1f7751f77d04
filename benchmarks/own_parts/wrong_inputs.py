"""Bar 5: mappings and tables that are wrong end in one line that says what must be, or in a log.

Each is one change of a small export that is right (``wrong``), read by ``draingym ingest``. An
error is one line with exit code 2 that names a bound, and leaves the user's files as they were; a
log is one that ``read_log`` takes, with its page.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from benchmarks._common import Claim, at_least, figure_only
from benchmarks.own_parts import wrong
from draingym.cli import main
from draingym.common.files import write_json
from draingym.world.eventlog import read_log

LONGEST = 1000  # letters of an error
NEEDED = 150  # inputs that are tried


class Case(NamedTuple):
    """One change of an export that is right."""

    table: str  # that the mapping names besides orders, nodes and places; "" for none
    file: str  # what is changed: "mapping", or a file of the export
    old: str  # what is replaced; "" for all of the mapping
    new: str


CASES = (
    *(Case("", "mapping", old, new) for old, new in wrong.MAPPINGS),
    *(Case(*change) for change in wrong.TABLES),
)


class Ended(NamedTuple):
    """How an ingest ended."""

    how: str  # "error" or "log"
    said: str
    fault: str  # what is not as it must be; "" where nothing is


def write_case(case: Case, folder: Path) -> None:
    """Write an export and its mapping, with the case's change.

    Raises:
        ValueError: If there is nothing to change.
    """
    mapping, files = wrong.BASE + wrong.MORE.get(case.table, ""), dict(wrong.FILES)
    if case.old not in (mapping if case.file == "mapping" else files[case.file]):
        raise ValueError(f"{case.old!r} is not in {case.file}, must be")
    if case.file == "mapping":
        mapping = mapping.replace(case.old, case.new, 1) if case.old else case.new
    else:
        many = -1 if case.old == "\n" else 1
        files[case.file] = files[case.file].replace(case.old, case.new, many)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
    (folder / "mapping.yaml").write_text(mapping, encoding="utf-8")


def ended(case: Case, folder: Path) -> Ended:
    """Run ``draingym ingest`` on a case in an empty folder; return how it ended."""
    write_case(case, folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    words = ["draingym", "ingest", "mapping.yaml", "--out", "log"]
    code: Any = 0
    with (
        chdir(folder),
        patch.object(sys, "argv", words),
        redirect_stdout(io.StringIO()),
        redirect_stderr(io.StringIO()) as errors,
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    said = errors.getvalue()
    if not code:
        read_log(folder / "log")
        page = (folder / "log" / "quality.html").is_file()
        return Ended("log", said, "" if page else "there is no quality.html")
    faults = {
        f"exit code {code}": code != 2,
        "more than a line": not said.startswith("draingym: ") or said.count("\n") != 1,
        "too long": len(said) >= LONGEST,
        "no bound": "must" not in said,
        "files changed": {path: path.read_bytes() for path in folder.iterdir()} != before,
    }
    return Ended("error", said, ", ".join(what for what, holds in faults.items() if holds))


def run(folder: Path, few: int | None = None) -> tuple[list[dict[str, Any]], list[Claim]]:
    """Try all cases.

    Args:
        folder: Of the result; one that is kept in it is not found anew.
        few: First cases to try; all when not given.

    Returns:
        Rows and claims.
    """
    result = folder / "wrong.json"
    if not result.exists():
        write_json(result, [_row(case) for case in CASES[:few]])
    tried: list[dict[str, Any]] = json.loads(result.read_text(encoding="utf-8"))
    right = sum(not case["fault"] for case in tried)
    what = f"wrong mappings and tables, of {len(tried)}, that end in a clear error or a right log"
    return rows_of(tried), [
        at_least(5, what, right, "", len(tried)),
        at_least(5, "wrong mappings and tables that were tried", len(tried), "", NEEDED),
        figure_only(5, "of them, end in an error", _ended(tried, "error"), ""),
    ]


def rows_of(tried: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return how many changes of each file ended in what, and the faults there were."""
    rows = []
    for file in dict.fromkeys(case["changed"] for case in tried):
        mine = [case for case in tried if case["changed"] == file]
        faults = [f"{case['from']} -> {case['to']}: {case['fault']}" for case in mine]
        rows.append(
            {
                "changed": file,
                "inputs": len(mine),
                "clear errors": _ended(mine, "error"),
                "logs": _ended(mine, "log"),
                "faults": "; ".join(
                    f for f, case in zip(faults, mine, strict=True) if case["fault"]
                ),
            }
        )
    return rows


def _ended(cases: list[dict[str, Any]], how: str) -> int:
    return sum(case["ended in"] == how for case in cases)


def _row(case: Case) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        try:
            found = ended(case, Path(name))
        except Exception as error:  # whatever it is, it is no clear error
            found = Ended("traceback", str(error), type(error).__name__)
        said = found.said.strip().replace(name, "FOLDER")
    return {"changed": case.file, "table": case.table, "from": case.old, "to": case.new} | {
        "ended in": found.how,
        "said": said,
        "fault": found.fault,
    }


def draw(axis: Any, rows: list[dict[str, Any]]) -> None:
    """Draw how many changes of each file ended in what."""
    files = [row["changed"] for row in rows]
    errors = [row["clear errors"] for row in rows]
    axis.barh(files, errors, label="clear error")
    axis.barh(files, [row["logs"] for row in rows], left=errors, label="log")
    axis.invert_yaxis()
    axis.set_xlabel("wrong inputs")
    axis.legend(frameon=False, fontsize=8)
