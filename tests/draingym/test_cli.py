"""The command line: help, and bad input that ends with its message."""

import pytest

from draingym.cli import main


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["draingym", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def test_help_lists_the_commands(monkeypatch, capsys):
    assert run(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    assert "demo" in shown
    assert "data" in shown


def test_an_unknown_key_of_a_config_file_is_named(monkeypatch, capsys, tmp_path):
    (tmp_path / "config.json").write_text('{"seeed": 3}')
    code = run(monkeypatch, "demo", "--config", str(tmp_path / "config.json"))
    assert code == 2
    assert "config.seeed is 3" in capsys.readouterr().err


def test_data_says_where_the_file_is(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("draingym.world.ta_feng.download", lambda: tmp_path / "orders.whl")
    monkeypatch.setattr("sys.argv", ["draingym", "data", "ta-feng"])
    main()
    assert capsys.readouterr().out.strip() == str(tmp_path / "orders.whl")
