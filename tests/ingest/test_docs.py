"""docs/own_data.md names every table and column, with an example row of each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from draingym.ingest.given.roles import TABLES
from draingym.world.schema import DEFAULTS, SCHEMA

PAGE = (Path(__file__).parents[2] / "docs" / "own_data.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(SCHEMA))
def test_tables_of_the_log(name: str) -> None:
    start = PAGE.index(f"\n**{name}**: ")
    words, _, table = PAGE[start + 1 :].partition("\n\n")
    head, _, row = table.split("\n")[:3]
    columns = [cell.strip() for cell in head.strip("|").split("|")]
    expected = [*SCHEMA[name].names, *DEFAULTS.get(name, {})]
    assert columns[: len(expected)] == expected
    assert len(row.strip("|").split("|")) == len(columns)
    for column in expected:
        assert re.search(rf"\b{column}\b", words), column


@pytest.mark.parametrize("name", sorted(TABLES))
def test_tables_of_a_mapping(name: str) -> None:
    line = next(x for x in PAGE.splitlines() if x.startswith(f"| `{name}`"))
    for role, column in TABLES[name].items():
        mark = rf"\*\*{role}\*\*" if column.needed else rf"(?<!\*)\b{role}\b"
        assert re.search(mark, line), role
