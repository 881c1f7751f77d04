"""Figures in the pages are those of the benchmarks' files, and links lead somewhere."""

import importlib.util
import json
import re

import pytest

from benchmarks._docs import ROOT, fill, pages

RESULT = {
    "preset": "small",
    "claims": [
        {"what": "speed", "value": 2.345, "unit": "x", "needs": ">= 2", "passes": True},
        {"what": "memory", "value": 12000, "unit": "MB", "needs": "<= 9", "passes": False},
        {"what": "boxes", "value": None, "unit": "", "needs": "", "passes": None},
    ],
    "rows": [{"feature": "zone", "cost": 1.5}, {"feature": "items", "cost": 12345.6}],
}
PAGE = "Before.\n<!-- figures: {} speed -->\nold\n<!-- end -->\nAfter.\n"


@pytest.fixture
def results(tmp_path):
    (tmp_path / "speed.json").write_text(json.dumps(RESULT))
    return tmp_path


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.name)
def test_figures_are_those_of_the_files(page):
    text = page.read_text(encoding="utf-8")
    # Otherwise: python -m benchmarks._docs
    assert fill(text) == text


def links(page):
    """What a page links to in the repository."""
    found = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    return [target for target in found if "://" not in target]


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    lost = [target for target in links(page) if not (page.parent / target).exists()]
    assert lost == []


def test_pages_and_their_links_are_found():
    assert {"README.md", "gym.md"} <= {page.name for page in pages()}
    assert len(links(ROOT / "README.md")) > 5


def test_claims_are_shown_with_their_verdict(results):
    assert fill(PAGE.format("claims"), results).splitlines() == [
        "Before.",
        "<!-- figures: claims speed -->",
        "| figure | value | needs | passes |",
        "| --- | ---: | ---: | ---: |",
        "| speed | 2.35 x | >= 2 | yes |",
        "| memory | 12,000 MB | <= 9 | **no** |",
        "| boxes |  |  |  |",
        "",
        "*small; `make bench-speed`.*",
        "<!-- end -->",
        "After.",
    ]


def test_rows_are_shown_and_a_second_time_changes_nothing(results):
    filled = fill(PAGE.format("rows"), results)
    assert "| zone | 1.5 |\n| items | 12,346 |" in filled
    assert fill(filled, results) == filled


def test_a_benchmark_that_has_not_run_is_said_to_be(results):
    page = "<!-- figures: own-path own -->\n<!-- end -->\n"
    said = "<!-- figures: own-path own -->\n*Not measured yet; `make bench-own`.*\n<!-- end -->\n"
    assert fill(page, results) == said
    (results / "own.json").write_text(json.dumps(RESULT | {"claims": []}))  # other parts of it did
    assert fill(page, results) == said


def test_a_long_table_is_folded_but_not_inside_of_a_fold(results):
    many = RESULT | {"claims": RESULT["claims"] * 10}
    (results / "speed.json").write_text(json.dumps(many))
    filled = fill(PAGE.format("claims"), results)
    title = "<details><summary>30 figures: 10 hold their bound, 10 do not</summary>\n\n| figure"
    assert title in filled
    assert filled.endswith("`make bench-speed`.*\n\n</details>\n<!-- end -->\nAfter.\n")
    assert fill(filled, results) == filled
    inside = f"<details><summary>All</summary>\n\n{PAGE.format('claims')}\n</details>\n"
    assert fill(inside, results).count("<details>") == 1


def test_a_page_that_is_out_of_date_differs(results):
    filled = fill(PAGE.format("claims"), results)
    changed = RESULT | {"claims": [RESULT["claims"][0] | {"value": 2.5}]}
    (results / "speed.json").write_text(json.dumps(changed))
    assert fill(filled, results) != filled


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PAGE.format("speeds"), "the kind must be one of"),
        ("<!-- figures: claims size -->\n<!-- end -->", r"size\.json must be in"),
        ("<!-- figures: claims speed -->\n", "1 markers of figures, 0 ended"),
    ],
)
def test_bad_markers_are_named(text, message, results):
    with pytest.raises(ValueError, match=message):
        fill(text, results)


def test_the_pages_are_where_they_should_be():
    assert ROOT / "docs" / "oracle.md" in pages()


def test_the_opening_example_is_shown_as_it_prints(capsys):
    path = ROOT / "examples" / "opening_example.py"
    spec = importlib.util.spec_from_file_location("opening_example", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    example.main()
    assert capsys.readouterr().out in (ROOT / "docs" / "oracle.md").read_text(encoding="utf-8")
