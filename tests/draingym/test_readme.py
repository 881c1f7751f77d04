"""The README's example prints what the README says it prints."""

import contextlib
import io
import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), flags=re.DOTALL)


def test_the_first_example_prints_what_is_shown():
    code, shown = blocks("python")[0], blocks("text")[0]
    assert len(code.strip().splitlines()) <= 20
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, str(README), "exec"), {"__name__": "readme"})
    assert printed.getvalue().strip() == shown.strip()


def test_it_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) < 120


def test_pictures_exist():
    pictures = re.findall(r"!\[[^]]*]\(([^)]+)\)", README.read_text())
    assert pictures
    for picture in pictures:
        assert (README.parent / picture).is_file(), picture
