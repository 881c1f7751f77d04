"""A release is refused where its tag, its version and its changelog are not of one mind."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tools.check_wheel import check_tag

ROOT = Path(__file__).parents[2]
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-31\n\n### Added\n"


def test_a_tag_of_the_version_with_a_dated_section_passes():
    check_tag("v1.2.3", "1.2.3", CHANGELOG)


@pytest.mark.parametrize(
    ("tag", "version", "message"),
    [
        ("v1.2.4", "1.2.3", "The tag is v1.2.4, must be v1.2.3"),
        ("1.2.3", "1.2.3", "must be v1.2.3"),
        ("v1.2.4", "1.2.4", "must have a section"),
        ("v1.2", "1.2", "must have a section"),
    ],
)
def test_others_are_refused(tag, version, message):
    with pytest.raises(SystemExit, match=re.escape(message)):
        check_tag(tag, version, CHANGELOG)


def test_the_changelog_keeps_its_form():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert sections[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", each) for each in sections[1:])
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_citation_is_of_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert f"version = {{{project['version']}}}" in (ROOT / "docs/cite.md").read_text()


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda p: p.name)
def test_workflows_and_templates_can_be_read_and_name_targets_that_exist(path):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert content
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"make ([a-z-]+)", path.read_text(encoding="utf-8")):
        assert f"\n{target}:" in makefile or target == "bench-", target
