"""The two commands as a user types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.own_parts.company import write_mapping
from draingym.cli import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["draingym", *arguments])
    main()


def test_from_an_export_to_a_log(
    export: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*address: object) -> None:
        raise OSError("there is no network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    run(monkeypatch, "ingest", "--init", str(export))
    proposed = capsys.readouterr().out
    mapping = write_mapping(proposed, tmp_path / "mapping.yaml")
    run(monkeypatch, "ingest", str(mapping), "--out", str(tmp_path / "log"))
    shown = " ".join(capsys.readouterr().out.split())
    assert "orders of 5 products in 6 periods of 7 days, 3 nodes, 4 regions" in shown
    assert (tmp_path / "log" / "quality.html").is_file()


def test_errors_are_one_line(
    export: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(monkeypatch, "ingest", "--init", str(export))
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(capsys.readouterr().out)  # without the labels of promises
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, "ingest", str(mapping), "--out", str(tmp_path / "log"))
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert "views.promise (column 'Promised'), row 0 is 'express', must be one of " in error
    assert len(error.strip().splitlines()) == 1
