"""Pages of episodes: what they hold, that no name leaves its place, that they load nothing."""

import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from draingym.report.check import check_episodes
from draingym.report.live import episodes as module
from draingym.report.live import graph_place, moves_of, spread, write_episodes
from draingym.report.live.page import data_block, show_scenes
from draingym.simulator import make
from draingym.simulator.adapters.functional import at
from draingym.simulator.adapters.scene import make_scene
from tests.draingym.report_results import fake_episodes
from tests.draingym.test_report import Page

ROOT = Path(__file__).parents[2]
BAD = "</script><script>alert(1)</script><!--"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    episodes = fake_episodes(names=(BAD, BAD, BAD))
    path = tmp_path_factory.mktemp("page") / "episode.html"
    return write_episodes(episodes, path, title=BAD, lead="An episode").read_text(), episodes


def test_names_do_not_leave_the_data_of_a_page(page):
    text, episodes = page
    parsed = Page(text)
    assert parsed.tags.count("script") == 3  # the data, the library, and what draws
    assert BAD in parsed.text  # the title, as text
    block = re.search(r'<script type="application/json" id="episodes">(.*?)</script>', text)
    assert json.loads(block.group(1)) == episodes
    assert not set(block.group(1)) & set("<>&")
    assert json.loads(str(data_block({BAD: "a & b"}))) == {BAD: "a & b"}


def test_a_page_is_small_loads_nothing_and_names_its_controls(page):
    text, _ = page
    assert len(text.encode()) < 1_000_000
    parsed = Page(text)
    assert parsed.links == ["data:,"]
    assert not {"img", "iframe", "object"} & set(parsed.tags)
    names = set(
        re.findall(r"https?://[^\"'` )>]*", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))
    )
    # Names of XML's kinds of elements, and no addresses to load.
    assert all(name.startswith("http://www.w3.org/") for name in names)
    assert not re.search(r"\b(fetch|XMLHttpRequest|importScripts|eval)\(", text)
    for control in ("product", "left", "right", "period"):
        assert re.search(rf'<label[^>]*>(?:(?!</label>).)*id="{control}"', text, flags=re.DOTALL)
    assert "3 of 50 products" in " ".join(parsed.text.split())


def test_the_library_is_of_the_versions_that_its_list_says():
    wanted = json.loads((ROOT / "tools" / "plot" / "package.json").read_text())["dependencies"]
    listed = (ROOT / "draingym" / "report" / "live" / "plot.txt").read_text()
    assert wanted
    for name, version in wanted.items():
        assert f"\n{name} {version} (ISC): Copyright" in listed


def test_moves_are_those_of_the_episode():
    env = make("draingym/SingleStore-v0", horizon=4)
    _, state = env.reset(jax.random.key(0))
    series, scenes, on_way, transitions = state.series, [], [], []
    for t in range(4):
        _, state, _, _, info = env.step(jax.random.key(0), state, np.full(1, 0.2 + 0.1 * t))
        transitions.append(info["transition"])
        on_way.append(float(np.sum(state.core.pipeline)))
        scenes.append(make_scene(state.core, at(series, t), info["transition"]))
    moves = jax.tree.map(lambda *leaves: np.stack(leaves), *transitions)
    found = moves_of(moves, np.sum(state.core.pipeline, axis=0))
    assert np.ravel(found["in_transit"]) == pytest.approx(on_way, rel=1e-3)
    assert np.ravel(found["shipped"]) == pytest.approx([6, 9, 12, 15], rel=1e-3)
    assert found == module.moves_of_scenes(scenes)
    place = graph_place(["store"], [-1], [0], [0.0], [0.5])
    assert show_scenes(scenes, place, "period").stat().st_size > 1000


def test_products_are_spread_over_their_ranks_and_left_out_where_there_is_no_room(monkeypatch):
    assert spread(np.arange(50), 3) == [49, 25, 0]
    whole = fake_episodes(products=5)
    monkeypatch.setattr(module, "MOST_SIZE", len(json.dumps(whole, separators=(",", ":"))) - 10)
    assert fake_episodes(products=5)["products"] == [
        "product 0",
        "product 1",
        "product 3",
        "product 4",
    ]
    monkeypatch.setattr(module, "MOST_SIZE", 1000)
    with pytest.raises(ValueError, match=r"takes .* MB, must take at most 0\.00: choose a shorter"):
        fake_episodes(products=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e.pop("labels"), "episodes.labels is missing"),
        (
            lambda e: e["labels"].pop(),
            r"episodes.moves\[0\]\[0\].on_hand has 6 entries, must have 5",
        ),
        (lambda e: e["moves"].pop(), "episodes.moves has 2 entries, must have 3"),
        (lambda e: e["moves"][0][1]["sold"][2].pop(), r"sold\[2\] has 3 entries, must have 4"),
        (lambda e: e["moves"][0][1]["lanes"][0].append([1]), r"must be a list of \[node, region"),
        (lambda e: e["moves"][2][0].update(reward=[float("nan")]), "reward"),
    ],
    ids=["missing", "periods", "products", "nodes", "lanes", "numbers"],
)
def test_episodes_that_no_page_can_be_made_of_are_refused(change, message):
    episodes = fake_episodes()
    check_episodes(episodes)
    change(episodes)
    with pytest.raises(ValueError, match=message):
        check_episodes(episodes)
