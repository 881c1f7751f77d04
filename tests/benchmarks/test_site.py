"""The first steps that the benchmark of the site takes are those of the quickstart, and short."""

from pathlib import Path

import pytest

from benchmarks.site_parts import first_steps
from benchmarks.site_parts.first_steps import (
    COMMANDS,
    LINES,
    PAGE,
    WALKS,
    _words,
    claims,
    commands,
    lines,
    program,
)

TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.to)
def test_a_walk_is_on_the_page_and_as_short_as_the_bar_asks(walk):
    typed = [commands(TEXT)[k] for k in walk.commands]
    assert typed[0].startswith("pip install ")
    assert len(typed) <= COMMANDS
    assert lines(program(TEXT, walk.headings)) <= LINES
    assert bool(walk.headings) != bool(walk.leaves)


def test_the_wheel_stands_for_the_name_and_pip_keeps_nothing():
    wheel = Path("/w/draingym-1.whl")
    words = _words("pip install 'draingym[demo]'", Path("/e/bin"), wheel)
    assert words == ["/e/bin/pip", "--no-cache-dir", "install", "/w/draingym-1.whl[demo]"]
    assert _words("draingym demo", Path("/e/bin"), wheel) == ["/e/bin/draingym", "demo"]


def test_a_heading_without_a_program_is_named():
    with pytest.raises(ValueError, match="no block of Python below 'Where to go from here'"):
        program(TEXT, ["Where to go from here"])


def test_claims_hold_minutes_commands_and_lines_to_their_bounds():
    rows = [
        {
            "walk": walk.to,
            "commands": 4,
            "lines of Python": 20,
            "installing, processor s": 60.0,
            "the rest, processor s": 61.0,
            "wall s": 300.0,
        }
        for walk in WALKS
    ]
    found = list(claims(rows))
    held = {claim.what: claim.passes for claim in found if claim.passes is not None}
    minutes = [passes for what, passes in held.items() if what.endswith("processor")]
    assert minutes == [False, True, True]  # 121 s: two minutes, five, eight
    assert not any(passes for what, passes in held.items() if what.endswith("commands"))
    assert all(passes for what, passes in held.items() if what.endswith("Python"))


def test_a_walk_that_is_kept_is_not_taken_again(tmp_path, monkeypatch):
    taken = []

    def walked(walk, page, wheel, folder):
        taken.append(walk.to)
        return {"walk": walk.to}

    monkeypatch.setattr(first_steps, "walked", walked)
    monkeypatch.setattr(first_steps, "_wheel", lambda folder: folder / "draingym.whl")
    assert first_steps.rows(tmp_path, take=False) == []
    (tmp_path / "walk_1.json").write_text('{"walk": "kept"}')
    assert [row["walk"] for row in first_steps.rows(tmp_path)] == ["a gradient", "kept", "a report"]
    assert taken == ["a gradient", "a report"]
    assert len(first_steps.rows(tmp_path, take=False)) == 3
