"""What is installed is what is promised: lower bounds that were tried, and no import hook."""

import re
import tomllib
from importlib.metadata import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# What `make test-oldest` installs.
OLDEST = dict(
    re.findall(
        r"^([a-z0-9-]+)==([^ ]+)",
        (ROOT / "requirements" / "oldest.txt").read_text(encoding="utf-8"),
        re.MULTILINE,
    )[::-1]  # of several versions, the first: that of the oldest Python
)
EXTRAS = PROJECT["optional-dependencies"]


@pytest.mark.parametrize(
    "requirement",
    [
        Requirement(line)
        for line in [*PROJECT["dependencies"], *EXTRAS["report"], *EXTRAS["yaml"], *EXTRAS["test"]]
        if not line.startswith("draingym")
    ],
    ids=lambda requirement: requirement.name,
)
def test_the_oldest_version_that_is_allowed_is_the_one_that_is_tried(requirement):
    (bound,) = requirement.specifier
    assert bound.operator == ">="
    assert Version(OLDEST[requirement.name]) == Version(bound.version)


def test_the_oldest_python_that_is_allowed_is_the_one_that_is_tried():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    oldest, newest = re.findall(r"test_on\.sh (3\.\d+)[ ,]", makefile)
    assert PROJECT["requires-python"] == f">={oldest},<3.{int(newest.partition('.')[2]) + 1}"


def test_an_editable_install_needs_no_import_hook():
    paths = [path for path in files("draingym") or [] if path.suffix == ".pth"]
    if not paths:
        pytest.skip("draingym is not installed in editable mode")
    for path in paths:
        folder = Path(path.read_text().strip())
        assert (folder / "draingym" / "__init__.py").is_file()
