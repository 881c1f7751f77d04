"""What commands say: words, nothing, or one object; and how a self-test ends."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from draingym.cli import main
from draingym.cli.entry import VERBS
from draingym.cli.terminal import Outcome, hush, starting, tell, use
from draingym.selftest import run as selftest
from draingym.selftest.checks import Check


def fine():
    return Check(name="sums", passes=True, says="1 + 1 is 2", figures={"sum": 2})


def wrong():
    return Check(name="products", passes=False, says="2 x 2 is 5")


def broken():
    raise RuntimeError("no such device\nmore")


def called(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["draingym", *arguments])
    try:
        main()
    except SystemExit as end:
        return end.code
    return 0


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(selftest, "CHECKS", (fine,))
    monkeypatch.setattr(selftest, "speed", lambda: Check(name="speed", passes=None, says="fast"))
    selftest.speed.__name__ = "speed"


def test_a_self_test_says_what_to_paste(monkeypatch, capsys):
    assert called(monkeypatch, "selftest") == 0
    said = capsys.readouterr().out
    assert "   ok  sums: 1 + 1 is 2" in said
    assert "This machine computes right." in said
    paste = said.split("To paste into a bug report:\n\n")[1]
    assert "- sums: ok, 1 + 1 is 2" in paste
    assert "python 3." in paste


def test_one_that_fails_ends_with_exit_code_1(monkeypatch, capsys):
    monkeypatch.setattr(selftest, "CHECKS", (fine, wrong, broken))
    assert called(monkeypatch, "--json", "selftest") == 1
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["verb"] == "selftest"
    assert told["exit_code"] == 1
    assert not told["figures"]["passes"]
    assert told["figures"]["checks"]["sums"] == {"passes": True, "says": "1 + 1 is 2", "sum": 2}
    assert told["figures"]["checks"]["broken"]["says"] == "RuntimeError: no such device"
    assert "This machine fails at products, broken." in err


def test_quiet_says_nothing(monkeypatch, capsys):
    assert called(monkeypatch, "selftest", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_bad_input_is_an_object_too(monkeypatch, capsys):
    assert called(monkeypatch, "play", "Nowhere", "--json") == 2
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["exit_code"] == 2
    assert told["error"].startswith("'Nowhere' is no file of a network")
    assert err == f"draingym: {told['error']}\n"


def test_data_prints_nothing_but_the_path_and_json_has_it_too(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("draingym.world.ta_feng.download", lambda: tmp_path / "orders.whl")
    assert called(monkeypatch, "data", "ta-feng") == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "orders.whl")
    assert called(monkeypatch, "data", "ta-feng", "--json") == 0
    assert json.loads(capsys.readouterr().out)["figures"]["file"] == str(tmp_path / "orders.whl")


def test_help_says_the_exit_codes_and_every_verb(monkeypatch, capsys):
    assert called(monkeypatch, "--help") == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "0 done, 1 a check or a self-test fails, 2 bad input" in said
    assert all(verb in said for verb in VERBS)


@pytest.mark.parametrize("mode", ["words", "json"])
def test_a_process_that_is_not_the_first_says_nothing_of_results(mode, capsys):
    use(mode)
    hush(Console(quiet=True))
    tell("panel", Outcome(files=(Path("run"),), next=("draingym", "demo")), 1.0)
    assert capsys.readouterr() == ("", "")
    use(mode)
    hush(Console())
    tell("panel", Outcome(files=(Path("run"),)), 1.0)
    assert "run" in capsys.readouterr().out
    use("words")


def test_a_verb_says_in_a_terminal_that_it_starts(monkeypatch, capsys):
    with starting():
        pass
    assert capsys.readouterr() == ("", "")  # no terminal
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    with starting():
        pass
    out, err = capsys.readouterr()
    assert (out, "Starting" in err) == ("", True)
    use("quiet")
    with starting():
        pass
    use("words")
    assert capsys.readouterr() == ("", "")
