"""Results that no report can be made of are refused, and the key is named."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from draingym.report import summary_table, write_report
from draingym.report.check import check
from tests.draingym.report_results import Results, fake_results, inside

FREE = ("seconds", "compiling", "versions", "config")  # any keys


def key_paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """All key paths that a run must have; of lists and of policies, those of the first."""
    found: list[tuple[str | int, ...]] = []
    if isinstance(value, dict):
        for key, inner in value.items():
            if path in (
                ("seconds",),
                ("compiling",),
                ("versions",),
                ("config",),
            ) or "quantiles" in str(path):
                continue
            if path[1:] == ("one_step",):
                continue
            if path != ("trace", "policies"):
                found.append((*path, key))
            found += key_paths(inner, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        found += key_paths(value[0], (*path, 0))
    return found


PATHS = key_paths(fake_results())


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
            ("policies", "neural", "updates"),
            [0],
            "policies.neural.curve has 7",
            id="curve",
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
