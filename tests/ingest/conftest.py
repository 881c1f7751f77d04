"""The company's export, its mapping as proposed and corrected, and the log of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.own_parts.company import Company, run_company, write_export, write_mapping
from draingym.ingest.propose.init import propose
from draingym.ingest.run import ingest
from draingym.world.eventlog import EventLog, read_log


@pytest.fixture(scope="session")
def company() -> Company:
    return run_company()


@pytest.fixture(scope="session")
def export(company: Company, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_export(company, tmp_path_factory.mktemp("company") / "export")


@pytest.fixture(scope="session")
def mapping(export: Path) -> Path:
    keep = ("    # keep: [Channel]", "    keep: [Channel]")
    text = propose(export)
    return write_mapping(
        text, export.parent / "mapping.yaml", keep, ("currency: XXX", "currency: EUR")
    )


@pytest.fixture(scope="session")
def made(mapping: Path) -> tuple[Path, dict[str, Any]]:
    out = mapping.parent / "log"
    return out, ingest(mapping, out)


@pytest.fixture(scope="session")
def log(made: tuple[Path, dict[str, Any]]) -> EventLog:
    return read_log(made[0])


@pytest.fixture(scope="session")
def numbers(made: tuple[Path, dict[str, Any]]) -> dict[str, Any]:
    return made[1]
