"""``draingym check`` on the command line."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from draingym.cli import main
from draingym.commands.check import beside
from draingym.oracle import OracleConfig, setting_from_log
from draingym.world.eventlog import read_log, write_log
from tests.oracle.fitted import make_hidden


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("checked") / "log"
    write_log(make_hidden().log, place)
    return place


def call(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["draingym", "check", *map(str, words)])
    try:
        main()
    except SystemExit as end:
        return end.code
    return 0


def test_a_log_that_its_oracle_gives_again_passes(folder, monkeypatch, capsys):
    assert call(monkeypatch, folder, "--seeds", 1) == 0
    shown = capsys.readouterr().out
    assert "The oracle gives the log again on its own stock" in shown
    assert "? days of processing, and days beyond 3" in shown
    found = json.loads(beside(folder).read_text())
    assert found["passes"] is True
    assert found["conservation"]["passes"] is True
    assert found["self_replay"]["seeds"] == [0]
    assert found["self_replay"]["sentence"] == found["sentence"]
    assert {f["part"] for f in found["fit"]["findings"]} == {
        *("promise", "fulfilment", "ship cost", "boxes"),
    }


def test_an_oracle_that_does_not_give_its_log_again_fails(folder, monkeypatch, capsys, tmp_path):
    """Systems that are assumed, not estimated."""
    monkeypatch.setattr(
        "draingym.commands.check.setting_from_log",
        lambda log: setting_from_log(log, OracleConfig(seed=5)),
    )
    out = tmp_path / "found.json"
    assert call(monkeypatch, folder, "--seeds", 1, "--out", out) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "The oracle does not give the log again on its own stock" in shown
    page = (Path(__file__).parents[2] / "docs" / "own_data.md").read_text(encoding="utf-8")
    assert "docs/own_data.md has the usual reasons, under: Where check fails" in shown
    assert "### Where `check` fails\n" in page
    found = json.loads(out.read_text())
    assert found["passes"] is False
    assert found["conservation"]["passes"] is True
    assert found["bounds"]["cost"] == 0.03


def test_units_from_nowhere_are_named(folder, monkeypatch, capsys, tmp_path):
    log = read_log(folder)
    tables = dict(log.tables)
    stock = {name: log.array("inventory", name) for name in log["inventory"].column_names}
    stock["on_hand"] = stock["on_hand"] + (np.arange(stock["on_hand"].size) == 7)
    broken = type(log).from_arrays(tables | {"inventory": stock})
    place = tmp_path / "log"
    place.mkdir()
    for name, table in broken.tables.items():
        pq.write_table(table, place / f"{name}.parquet")
    assert call(monkeypatch, place) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "The log does not hold together" in shown
    assert "inventory.on_hand, row 7" in shown
    found = json.loads(beside(place).read_text())
    assert found["conservation"]["passes"] is False
    assert "fit" not in found


@pytest.mark.parametrize(
    ("words", "message"),
    [(("--seeds", 0), "seeds is 0, must be"), (("--out", "/dev/null/x.json"), "must be a folder")],
)
def test_bad_arguments_are_named(folder, monkeypatch, capsys, words, message):
    assert call(monkeypatch, folder, *words) == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_named(monkeypatch, capsys, tmp_path):
    assert call(monkeypatch, tmp_path / "none") == 2
    assert "is no folder, must be the folder of an event log" in capsys.readouterr().err
