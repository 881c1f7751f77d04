"""docs/gym.md says what is so, and its examples run."""

import re
from pathlib import Path

import pytest

from draingym import simulator
from draingym.envs.page import filled
from draingym.envs.rendering import MapPicture
from draingym.registration import IDS, ZOO
from draingym.zoo.page import filled as with_the_zoo

PAGE = Path(__file__).parents[2] / "docs" / "gym.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\| `(\w+-v0)` \| (\d+): .* \| (whole|real) \| (lost|waits)", TEXT, re.MULTILINE
)


def test_every_environment_has_its_row():
    assert [f"draingym/{row[0]}" for row in ROWS] == list(IDS.values())


def test_the_table_is_what_the_environments_say():
    assert filled(TEXT) == TEXT, "run python -m draingym.envs.page"
    assert filled(TEXT.replace("4 stages in a line", "5")) == TEXT


def test_the_table_of_the_zoo_is_what_it_says_of_itself():
    assert with_the_zoo(TEXT) == TEXT, "run python -m draingym.zoo.page"
    assert with_the_zoo(TEXT.replace("23.0714", "5")) == TEXT


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row[0].removesuffix("-v0") not in ZOO], ids=lambda row: row[0]
)
def test_a_row_is_right(row):
    name, actions, units, unmet = row
    env = simulator.make(f"draingym:draingym/{name}")
    assert env.num_actions == int(actions)
    assert env.simulator.dynamics.whole_units == (units == "whole")
    assert env.simulator.kernel.backlog == (unmet == "waits")
    assert env.horizon == (60 if isinstance(env.painter(), MapPicture) else 100)


def test_every_library_names_tests_that_are_there():
    rows = re.findall(r"^\|[^|]+\|[^|]*\|[^|]*\|(.*`make test.*)\|$", TEXT, re.MULTILINE)
    assert len(rows) == 13
    here = Path(__file__)
    files = [*here.parent.glob("test_*.py"), here.parents[1] / "test_docs_code.py"]
    tests = "".join(path.read_text(encoding="utf-8") for path in files)
    targets = (here.parents[2] / "Makefile").read_text(encoding="utf-8")
    for row in rows:
        named = re.findall(r"`(\w+)`", row)
        assert named
        assert [name for name in named if f"\ndef {name}(" not in tests] == []
        made = re.findall(r"`make ([\w-]+)`", row)
        assert [name for name in made if f"\n{name}:" not in targets] == []


def test_pictures_are_small():
    names = re.findall(r"\((images/[^)]+)\)", TEXT)
    assert names
    for name in names:
        assert 0 < (PAGE.parent / name).stat().st_size < 150_000
