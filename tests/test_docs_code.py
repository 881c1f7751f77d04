"""Every block of Python in the pages runs, one after the other, or says beside it why it does not.

A comment before a block says what is special about it: ``<!-- code: clients -->`` needs packages
that `make test-clients` installs, and ``<!-- code: elsewhere FILE -->`` runs in another test.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
from pathlib import Path

import pytest

from tests.docs_given import LONG, SHORTER, SLOW, given

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"(?:^<!-- code: ([^>]+) -->\n)?^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)

PRINTED = re.compile(r"^```text\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: Path, kind: str = "") -> list[str]:
    """Return the blocks of a page with a mark, or without one."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [code for mark, code in found if mark.split(" ")[0] == kind]


def run(page: Path, codes: list[str]) -> dict[str, object]:
    """Run blocks in one namespace and return it."""
    names = given(page.name)
    for code in codes:
        for long, short in SHORTER.get(page.name, {}).items():
            code = code.replace(long, short)
        exec(compile(code, page.name, "exec", dont_inherit=True), names)
    return names


def marked(page: Path) -> object:
    marks = [pytest.mark.slow] if page.name in SLOW else []
    marks += [pytest.mark.long] if page.name in LONG else []
    return pytest.param(page, id=page.name, marks=marks)


@pytest.mark.parametrize("page", [marked(page) for page in PAGES if blocks(page)])
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        run(page, blocks(page))
    if page.name.startswith("gallery_"):  # what the programs print is shown below each
        assert printed.getvalue() == "".join(PRINTED.findall(page.read_text(encoding="utf-8")))


@pytest.mark.clients
@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "clients")], ids=lambda p: p.name)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Minari wants an author, and a link to code
def test_the_code_for_other_libraries_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    run(page, blocks(page, "clients"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_marks_are_known_and_what_runs_elsewhere_is_there(page):
    for mark, _ in BLOCK.findall(page.read_text(encoding="utf-8")):
        kind, _, where = mark.partition(" ")
        assert kind in {"", "clients", "elsewhere"}, mark
        if kind == "elsewhere":
            assert page.name in (ROOT / where).read_text(encoding="utf-8"), where


@pytest.mark.parametrize("name", SHORTER)
def test_what_is_made_smaller_is_in_the_page(name):
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert [long for long in SHORTER[name] if long not in text] == []


def messages() -> list[str]:
    """Return the texts in the code, with … where something is put in."""
    found = []
    folders = ["common", "world", "simulator", "drain_model", "oracle", "policies", "forecasters"]
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    for path in [*files, *(ROOT / "draingym").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (p.value if isinstance(p, ast.Constant) else "…" for p in node.values)
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(re.sub(r"%[sdr]", "…", node.value))
    return found


def test_the_errors_of_troubleshooting_are_in_the_code():
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    errors = re.findall(r"```text\n(.*?)\n```", text)
    assert len(errors) > 10
    known = "\n".join(messages())
    for error in errors:
        parts = [re.escape(part) for part in error.replace("'?'", "…").split("…")]
        assert re.search("…?" + ".*".join(parts).strip(), known), error
