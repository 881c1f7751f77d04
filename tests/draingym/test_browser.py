"""Pages in a headless Chromium: they move, say nothing in the console, and load nothing.

``make test-browser`` installs Playwright beside what tests need. The browser is the system's
(``chromium`` or ``google-chrome`` on the path), or the one that ``playwright install`` brought.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from draingym.report import write_report, write_validation
from draingym.report.live import write_episodes
from tests.draingym.report_results import fake_episodes, fake_results, fake_verdict

pytestmark = pytest.mark.browser

BAD = "<img src=x onerror=alert(1)>"
SYSTEM = ("chromium", "chromium-browser", "google-chrome")
PHONE = {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, SYSTEM)), None)
    with sync_playwright() as running:
        # As root, in a container, Chromium has no sandbox to run in.
        opened = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """A run's report, a validation's page, and an episode whose names are hostile."""
    out = tmp_path_factory.mktemp("pages")
    verdict = {**fake_verdict(), "notes": [], "next": "", "currency": "USD"}
    hostile = fake_episodes(names=(BAD, BAD, BAD))
    return {
        "report": write_report(fake_results(), out / "run", fake_episodes()),
        "validation": write_validation(verdict, out / "validation", "run", fake_episodes()),
        "episode": write_episodes(hostile, out / "episode.html", title=BAD, lead="An episode"),
    }


@pytest.fixture
def opened(browser, pages):
    """Return what opens a page and fails when it errs, or asks for anything but itself."""
    contexts = []
    heard: list[str] = []

    def open_page(name: str, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: heard.append(said.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("dialog", lambda dialog: heard.append(dialog.message))
        page.on(
            "request",
            lambda asked: None if asked.url == address else heard.append(asked.url),
        )
        address = pages[name].as_uri()
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert heard == []


def pictures(page) -> list[str]:
    return page.locator("#sides svg").evaluate_all("all => all.map(one => one.outerHTML)")


@pytest.mark.parametrize("name", ["report", "validation", "episode"])
def test_the_slider_moves_the_map_the_curves_and_the_table(opened, name):
    page = opened(name)
    before, rows = pictures(page), page.locator("#now tbody").inner_text()
    assert len(before) == 8  # a map and three curves, of two policies
    page.locator("#period").fill("4")
    assert page.locator("#label").inner_text() == "Nov 5 (5 of 6)"
    after = pictures(page)
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert page.locator("#now tbody").inner_text() != rows
    page.locator("#period").press("ArrowLeft")
    assert page.locator("#label").inner_text() == "Nov 4 (4 of 6)"


def test_product_and_policy_are_chosen_and_an_episode_plays_to_its_end(opened):
    page = opened("report")
    heads = page.locator("#sides h3")
    assert heads.all_inner_texts() == ["neural", "historical"]
    before = pictures(page)
    page.locator("#product").select_option(label="product 2")
    assert pictures(page) != before
    assert page.locator("#now caption").inner_text() == "product 2, Nov 1"
    page.locator("#right").select_option(label="none")
    assert heads.all_inner_texts() == ["neural"]
    page.locator("#left").select_option(label="historical")
    assert heads.all_inner_texts() == ["historical"]
    page.locator("#play").click()
    page.wait_for_function("document.getElementById('label').textContent.startsWith('Nov 6')")
    page.wait_for_function("document.getElementById('play').textContent === 'Play'")


def test_pointing_at_a_node_shows_its_numbers_and_a_click_on_a_curve_goes_there(opened):
    page = opened("report")
    node = page.locator("#sides svg").first.locator("[aria-label=dot] circle").last
    node.scroll_into_view_if_needed()
    box = node.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function(
        "document.querySelector('#sides svg [aria-label=tip]').textContent.includes('on hand')"
    )
    curve = page.locator("#sides svg").nth(1)
    curve.scroll_into_view_if_needed()
    box = curve.bounding_box()
    page.mouse.click(box["x"] + 0.95 * box["width"], box["y"] + 60)
    assert page.locator("#label").inner_text() == "Nov 6 (6 of 6)"


def test_tables_sort_both_ways_and_by_keyboard(opened):
    page = opened("validation")
    table = page.locator("#policies table")
    head = table.locator("thead th").nth(1)
    first = "all => all.map(row => row.cells[1].querySelector('b').textContent)"

    def column() -> list[float]:
        shown = table.locator("tbody tr").evaluate_all(first)
        return [float(text.replace(",", "")) for text in shown]

    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column() == sorted(column(), reverse=True)
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column() == sorted(column())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "validation", "episode"])
def test_a_phone_shows_all_of_it_in_both_themes(opened, name, scheme):
    page = opened(name, viewport=PHONE, color_scheme=scheme)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]
    ink, paper = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    bright = [sum(map(int, tone[4:-1].split(","))) for tone in (ink, paper)]
    assert (bright[0] < bright[1]) == (scheme == "light")


@pytest.mark.parametrize("name", ["report", "validation", "episode"])
def test_every_picture_and_control_has_words(opened, name):
    page = opened(name)
    wordless = page.evaluate(
        """() => [...document.querySelectorAll("svg, img, input, select, button")].filter((one) => {
             if (one.closest("svg svg")) return false;
             if (one.tagName === "svg" || one.tagName === "IMG")
               return !(one.getAttribute("aria-label") || one.getAttribute("alt"));
             return !((one.labels && one.labels.length) || one.textContent.trim());
           }).map((one) => one.outerHTML.slice(0, 200))"""
    )
    assert wordless == []
    assert page.locator("html").get_attribute("lang") == "en"


def test_hostile_names_are_words(opened):
    page = opened("episode")
    assert page.locator("img").count() == 0
    assert BAD in page.locator("#product").inner_text()
    assert BAD in page.locator("#sides h3").all_inner_texts()
    assert BAD in page.locator("#now tbody").inner_text()
