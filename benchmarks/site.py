"""What the site holds: first steps, names with an example, blocks that run, and its pages.

``make docs`` first. The first steps are taken in environments that are made for them, which takes
some minutes; each is kept in ``--folder`` when it is done, and taken once. Names and blocks are
counted in the code and the pages. Every page of the built site is read: pictures without
alternative text, and what it would load from elsewhere. The bytes of the first page are those of
the files that it loads. With Playwright and a Chromium (``--chromium PATH``) pages are opened, too,
and what the console says is counted.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from benchmarks._common import (
    Claim,
    at_least,
    at_most,
    figure_only,
    print_claims,
    save_figure,
    write_result,
)
from benchmarks.site_parts import first_steps
from tools.pages import reference
from tools.pages.links import ROOT

SITE = ROOT / "build" / "site"
OPENED = ("", "quickstart/", "environments/", "reference/", "results/", "gym/", "oracle/")
RUN = ("", "clients", "elsewhere")  # the marks of blocks that tests run
_BLOCK = re.compile(r"(?:^<!-- code: (\w+)[^>]*-->\n)?^```python\n", re.MULTILINE)


class Page(HTMLParser):
    """What a page loads, and its pictures without alternative text."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.loads: list[str] = []
        self.mute: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag loads."""
        found = dict(attrs)
        if found.get("id"):
            self.ids.add(str(found["id"]))
        if tag == "img" and not (found.get("alt") or "").strip():
            self.mute.append(found.get("src") or "")
        if tag in {"img", "script"} and found.get("src"):
            self.loads.append(str(found["src"]))
        if tag == "link" and "stylesheet" in str(found.get("rel")) and found.get("href"):
            self.loads.append(str(found["href"]))


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def read(path: Path) -> Page:
    """Return a page of the built site."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def blocks() -> dict[str, int]:
    """Return how many blocks of Python the pages have, by their mark; "" for none."""
    counted: dict[str, int] = {}
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for mark in _BLOCK.findall(path.read_text(encoding="utf-8")):
            counted[mark] = counted.get(mark, 0) + 1
    return counted


def names() -> list[dict[str, Any]]:
    """Return by package how many names it offers, and how many have an example that is run."""
    rows: dict[str, dict[str, Any]] = {}
    for name in reference.public_names():
        package = ".".join(name.package.split(".")[:2])
        row = rows.setdefault(package, {"package": package, "names": 0, "with an example": 0})
        row["names"] += 1
        shown = reference.has_doctest(name) or name.path in reference.examples()
        row["with an example"] += int(shown)
    return list(rows.values())


def built(site: Path) -> Iterator[Claim]:
    """Yield what the built pages say."""
    pages = {path: read(path) for path in sorted(site.rglob("*.html"))}
    ids = set().union(*(page.ids for page in pages.values()))
    there = [name.path in ids for name in reference.public_names()]
    share = sum(there) / len(there)
    yield at_least(2, "public names with an entry in the reference", share, "of all", 1.0)
    yield figure_only(3, "pages", len(pages), "")
    mute = sum(len(page.mute) for page in pages.values())
    yield at_most(3, "pictures without alternative text", mute, "", 0)
    outside = sum("://" in each for page in pages.values() for each in page.loads)
    yield at_most(3, "files loaded from elsewhere", outside, "", 0)
    first = site / "index.html"
    files = {(first.parent / each).resolve() for each in pages[first].loads}
    size = first.stat().st_size + sum(path.stat().st_size for path in files)
    yield at_most(3, "first page, with all that it loads", size / 1e6, "MB", 1.0)


def opened(site: Path, chromium: str) -> Iterator[Claim]:
    """Yield what a browser says when it opens pages."""
    from playwright.sync_api import sync_playwright

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}/"
    errors: list[str] = []
    outside: list[str] = []
    wide: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(here) else outside.append(r.url))
        for name in OPENED:
            page.goto(here + name, wait_until="networkidle")
            if page.evaluate("document.documentElement.scrollWidth") > 390:
                wide.append(name)
        browser.close()
    server.shutdown()
    for what, found in (("errors", errors), ("requests", outside), ("wide", wide)):
        print(what, *found, sep="\n  ")
    yield at_most(3, f"errors in the console, {len(OPENED)} pages opened", len(errors), "", 0)
    yield at_most(3, "requests to elsewhere, the same pages", len(outside), "", 0)
    yield at_most(3, "pages wider than a telephone of 390 pixels", len(wide), "", 0)


def main() -> None:
    """Count, read, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", help="path of a Chromium, to open pages with Playwright")
    parser.add_argument("--folder", type=Path, default=Path("runs/site"), help="keeps first steps")
    parser.add_argument("--no-steps", action="store_true", help="leave out those not yet taken")
    arguments = parser.parse_args()
    chromium = arguments.chromium
    start = time.perf_counter()
    if not (SITE / "index.html").is_file():
        raise SystemExit(f"{SITE} holds no site: run `make docs` first")
    steps = first_steps.rows(arguments.folder, take=not arguments.no_steps)
    rows, marks = names(), blocks()
    total = sum(row["names"] for row in rows)
    run = sum(marks.get(mark, 0) for mark in RUN)
    claims = [
        *first_steps.claims(steps),
        figure_only(2, "public names", total, ""),
        at_least(
            2,
            "public names with an example that is run",
            sum(row["with an example"] for row in rows) / total,
            "of all",
            1.0,
        ),
        at_least(2, "blocks of Python that are run", run / sum(marks.values()), "of all", 1.0),
        figure_only(2, "blocks of Python", sum(marks.values()), ""),
        *built(SITE),
        *(opened(SITE, chromium) if chromium else ()),
    ]
    print_claims(claims)
    save_figure("site", partial(draw, rows=rows))
    opening = f"opened with {Path(chromium).name}" if chromium else "not opened in a browser"
    write_result(
        "site",
        "site",
        claims,
        steps + rows,
        [],
        f"the built site, {opening}",
        time.perf_counter() - start,
    )


def draw(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Draw the names of each package, and those with an example."""
    labels = [row["package"].removeprefix("draingym.") for row in rows]
    axes.barh(labels, [row["names"] for row in rows], color="lightgray", label="public names")
    axes.barh(labels, [row["with an example"] for row in rows], label="with an example that runs")
    axes.legend()


if __name__ == "__main__":
    main()
