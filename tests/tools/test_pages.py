"""The pages that are written from code: links, reference, environments, results."""

import json
import re

import pytest

from draingym.registration import ENVIRONMENTS
from tools.pages import environments, reference, results
from tools.pages.links import ROOT, place, source_page, to_site

NAMES = reference.public_names()


@pytest.mark.parametrize(
    ("text", "page", "expected", "outside"),
    [
        ("[a](networks.md#limits)", "docs/gym.md", "[a](networks.md#limits)", set()),
        ("[a](docs/gym.md)", "README.md", "[a](gym.md)", set()),
        ("[a](../README.md)", "docs/gym.md", "[a](index.md)", set()),
        (
            "[a](../simulator/draws.py)",
            "docs/gym.md",
            "[a](source/simulator/draws.py.md)",
            {"simulator/draws.py"},
        ),
        (
            "![a](../benchmarks/results/gpu.png)",
            "docs/reference/x.md",
            "![a](../benchmarks/results/gpu.png)",
            set(),  # from there it leads nowhere, which mkdocs says
        ),
        ("[a](simulator)", "README.md", "[a](source/simulator/index.md)", {"simulator"}),
        ("<details><summary>", "README.md", '<details markdown="1"><summary>', set()),
        ("[a](https://b.c/d.md)", "README.md", "[a](https://b.c/d.md)", set()),
        ("```\nx[1](simulator)\n```", "README.md", "```\nx[1](simulator)\n```", set()),
    ],
)
def test_links(text, page, expected, outside):
    assert to_site(text, page) == (expected, outside)


def test_a_source_page_holds_the_file_and_a_folder_what_is_in_it():
    assert "def hard_draw" in source_page("simulator/draws.py")
    assert "| `draws.py` | " in source_page("simulator")
    assert "](../../../notebooks/2_gradients.ipynb)" in source_page(
        "examples/notebooks/2_gradients.ipynb"
    )
    assert place("docs/images/map.png") == "images/map.png"


@pytest.mark.parametrize("package", reference.PACKAGES)
def test_every_public_name_is_in_the_reference(package):
    known = {(each.module, each.name) for each in NAMES}
    for name in reference.offered(package):
        assert (reference._origin(name, package), name) in known, name


def test_a_name_is_where_the_reference_says():
    assert len(NAMES) == len({(each.module, each.name) for each in NAMES})
    made = reference.pages()
    for each in NAMES:
        assert f"::: {each.path}\n" in made[f"reference/{reference.room_of(each)}"]


def test_the_navigation_holds_every_page():
    shown = set(re.findall(r"reference/[\w/]+\.md", repr(reference.navigation())))
    assert shown == set(reference.pages())


def test_a_name_leads_to_what_uses_it():
    code = "import draingym as dg\nfrom draingym.policies import tune\ndg.single_store().x"
    assert reference.used_names(code) == {
        "draingym.policies.tune",
        "draingym.simulator.single_store",
    }
    assert any(page == "docs/networks.md" for _, page in reference.examples()["draingym.Arc"])


def test_every_public_name_has_an_example_that_is_run():
    used = reference.examples()
    assert [n.path for n in NAMES if not (reference.has_doctest(n) or n.path in used)] == []


def test_a_name_with_its_file_leads_to_the_reference():
    text = "[`Scenario`](../simulator/types.py) [`x`](../simulator/types.py)"
    assert reference.referred(text) == (
        "[`Scenario`][draingym.simulator.Scenario] [`x`](../simulator/types.py)"
    )


def test_doctests_are_fenced():
    assert reference.fenced("Add.\n\n>>> 1 + 1\n2\n\nThen.") == (
        "Add.\n\n```pycon\n>>> 1 + 1\n2\n```\n\nThen."
    )


def test_the_page_of_an_environment_says_what_it_is():
    page = environments.page("SingleStore")
    for words in (
        "| Action space | `Box` of 1 in [0, 1]; 1 requests 30 units |",
        "| `unmet_cost` | 9 | currency per unit of demand lost",
        "| `pipeline` | 1 | units actually filled and in transit |",
        "demand that finds no stock is lost",
        "::: draingym.envs.classic.single_store",
    ):
        assert words in page, words
    assert "demand that finds no stock waits" in environments.page("Serial")
    assert "| `units_per_view` | 0.15 |" not in page


def test_every_environment_has_its_page():
    assert len(environments.navigation()) == 1 + len(ENVIRONMENTS)
    assert all(name in environments.index() for name in map(environments.name_of, ENVIRONMENTS))


@pytest.mark.long
@pytest.mark.parametrize("problem", ENVIRONMENTS)
def test_the_code_of_a_page_runs_and_its_picture_is_one(problem):
    (code,) = re.findall(r"```python\n(.*?)```", environments.page(problem), re.DOTALL)
    names = {}
    exec(compile(code, problem, "exec"), names)
    assert names["image"].shape[2] == 3
    assert environments.picture(problem).startswith(b"\x89PNG")


def test_the_results_are_all_claims():
    page = results.pages()["results.md"]
    held = [json.loads(path.read_text()) for path in (ROOT / "benchmarks/results").glob("*.json")]
    claims = [claim for result in held for claim in result["claims"]]
    assert page.count("| yes |") == sum(claim["passes"] is True for claim in claims)
    assert page.count("| **no** |") == sum(claim["passes"] is False for claim in claims)
    assert page.count("\n## ") == 1 + len(held)
