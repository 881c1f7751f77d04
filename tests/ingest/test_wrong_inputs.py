"""200 wrong mappings and tables: each ends in one line that says what must be, or in a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from draingym.cli import main
from draingym.world.eventlog import read_log
from tests.ingest import wrong

pytestmark = pytest.mark.slow

CASES = [
    *(("", "mapping", old, new) for old, new in wrong.MAPPINGS),
    *wrong.TABLES,
]


def ended() -> object:
    """The exit code of the command line."""
    try:
        main()
    except SystemExit as end:
        return end.code
    return 0


@pytest.mark.parametrize(("table", "name", "old", "new"), CASES)
def test_it_is_refused_in_one_line_or_makes_a_log(
    table: str,
    name: str,
    old: str,
    new: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mapping, files = wrong.BASE + wrong.MORE.get(table, ""), dict(wrong.FILES)
    if name == "mapping":
        assert old in mapping
        mapping = mapping.replace(old, new, 1) if old else new
    else:
        assert old in files[name]
        files[name] = files[name].replace(old, new, -1 if old == "\n" else 1)
    for file, text in files.items():
        (tmp_path / f"{file}.csv").write_text(text, encoding="utf-8", newline="")
    (tmp_path / "mapping.yaml").write_text(mapping, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr("sys.argv", ["draingym", "ingest", "mapping.yaml", "--out", "log"])
    code = ended()
    if code:
        error = capsys.readouterr().err
        assert code == 2
        assert error.startswith("draingym: ")
        assert error.count("\n") == 1
        assert len(error) < 1000
        assert "must" in error
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    else:
        read_log(tmp_path / "log")
        assert (tmp_path / "log" / "quality.html").is_file()
