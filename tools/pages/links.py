"""Links between files of the repository, as links between pages of the site.

A page in ``docs/`` keeps its name. A file elsewhere that a page links to (a module, an example, a
picture of a benchmark) gets a page of its own below ``source/``, so that the site needs no host of
the repository; a folder gets a page that lists what is in it.
"""

from __future__ import annotations

import ast
import json
import os
import posixpath
import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Pages of the repository that are no part of docs/, and where they stand in the site.
OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "draingym/__init__.py": "reference/index.md",
}
NOTEBOOKS = "examples/notebooks"
PICTURES = (".gif", ".png", ".svg", ".webp")
_FENCE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2[`~]*$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(\]\(|\bsrc=\"|\bhref=\")([^)\s\"]+)")


def outside_fences(text: str, change: re.Pattern[str], by: Callable[[re.Match[str]], str]) -> str:
    """Return a page in which a pattern is replaced, but for blocks of code."""
    kept, end = [], 0
    for fence in _FENCE.finditer(text):
        kept += [change.sub(by, text[end : fence.start()]), fence[0]]
        end = fence.end()
    kept.append(change.sub(by, text[end:]))
    return "".join(kept)


def place(name: str) -> str:
    """Return where a file or folder of the repository stands in the site.

    Args:
        name: Its path in the repository.
    """
    if name in OUTSIDE:
        return OUTSIDE[name]
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    if name.endswith(PICTURES):
        return f"source/{name}"
    if (ROOT / name).is_dir():
        return f"source/{name}/index.md"
    return f"source/{name}.md"


def to_site(text: str, page: str) -> tuple[str, set[str]]:
    """Return a page of the repository as a page of the site, and which files it links to.

    Args:
        text: The page.
        page: Its path in the repository.

    Returns:
        The page with links that lead to pages of the site, and the paths in the repository of what
        it links to outside of ``docs/``.
    """
    found: set[str] = set()
    here = posixpath.dirname(place(page))

    def one(match: re.Match[str]) -> str:
        opened, target = match[1], match[2]
        path, mark, anchor = target.partition("#")
        if not path or "://" in target or target.startswith(("mailto:", "{")):
            return match[0]
        name = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
        if name.startswith("..") or not os.path.lexists(ROOT / name):
            return match[0]  # mkdocs says that it leads nowhere
        if place(name).startswith("source/"):
            found.add(name)
        return f"{opened}{posixpath.relpath(place(name), here or '.')}{mark}{anchor}"

    # Markdown inside of a fold is HTML to MkDocs unless it is told otherwise.
    folds = text.replace("<details>", '<details markdown="1">')
    return outside_fences(folds, _LINK, one), found


def source_page(name: str) -> str:
    """Return the page of a file or a folder outside of ``docs/``."""
    path = ROOT / name
    head = f"---\nsearch:\n  exclude: true\n---\n\n# `{name}`\n\n"
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.is_file() and f.suffix != ".pyc")
        rows = "".join(f"| `{each.name}` | {first_line(each)} |\n" for each in files)
        return f"{head}| file | what it is |\n| --- | --- |\n{rows}"
    if path.suffix == ".ipynb":
        return head + notebook(path)
    language = {".py": "python", ".toml": "toml", ".csv": "text"}.get(path.suffix, "text")
    return f"{head}``````{language}\n{path.read_text(encoding='utf-8').rstrip()}\n``````\n"


def download(name: str) -> str:
    """Return where the site has a notebook's file itself, beside the page of its cells."""
    return f"notebooks/{name}"


def notebook(path: Path) -> str:
    """Return the cells of a notebook as a page."""
    file = posixpath.relpath(download(path.name), f"source/{NOTEBOOKS}")
    parts = [f"Its cells. [Download the file]({file}) to run them in Jupyter.\n"]
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(re.sub(r"^#", "##", text, flags=re.MULTILINE))
        else:
            parts.append(f"```python\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def first_line(path: Path) -> str:
    """Return the first line of a module's docstring; nothing for another file."""
    if path.suffix != ".py":
        return ""
    words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return words.partition("\n")[0].replace("|", "\\|")
