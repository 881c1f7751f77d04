"""A claim that passed and does not any more is found, and the rest is left in peace."""

import json

import pytest

from tools.compare_results import main


def claim(what, passes, value=1.0):
    return {"what": what, "value": value, "unit": "x", "needs": ">= 1", "passes": passes}


@pytest.fixture
def folder(tmp_path):
    def write(name, *claims):
        path = tmp_path / name
        path.mkdir()
        result = {"name": "speed", "claims": list(claims)}
        (path / "speed.json").write_text(json.dumps(result))
        return str(path)

    return write


@pytest.mark.parametrize(
    ("before", "after", "code", "said"),
    [
        (True, True, 0, "0 fell, 0 pass"),
        (True, False, 1, "speed: a: fell: 1.0 x (needs >= 1) -> 0.5 x (needs >= 1)"),
        (False, True, 0, "speed: a: passes now"),
        (False, False, 0, "0 fell, 0 pass"),
        (None, None, 0, "0 fell, 0 pass"),
        (True, None, 1, "1 fell"),
    ],
)
def test_verdicts(folder, capsys, before, after, code, said):
    folders = folder("before", claim("a", before)), folder("after", claim("a", after, 0.5))
    assert main(list(folders)) == code
    assert said in capsys.readouterr().out


def test_a_claim_that_is_gone_has_fallen_if_it_passed(folder, capsys):
    before = folder("before", claim("a", True), claim("b", False))
    assert main([before, folder("after", claim("c", True))]) == 1
    said = capsys.readouterr().out
    assert "a: fell: 1.0 x (needs >= 1) -> gone" in said
    assert "b" not in said.split("claims")[0].replace("before", "")


def test_what_cannot_be_read_is_named(folder, tmp_path, capsys):
    good = folder("good", claim("a", True))
    (tmp_path / "bad").mkdir()
    assert main([good]) == 2
    assert main([good, str(tmp_path / "bad")]) == 2
    assert "holds no results" in capsys.readouterr().err
    (tmp_path / "bad" / "x.json").write_text("{}")
    assert main([good, str(tmp_path / "bad")]) == 2
    assert "x.json is no result" in capsys.readouterr().err
