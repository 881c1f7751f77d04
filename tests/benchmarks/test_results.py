import json
import math
import operator

import numpy as np
import pytest

from benchmarks import _common
from benchmarks._common import (
    FIELDS,
    RESULTS,
    Claim,
    at_least,
    at_most,
    figure_only,
    median_seconds,
    write_result,
)

BENCHMARKS = {p.stem for p in RESULTS.parent.glob("*.py") if not p.stem.startswith("_")}
CLAIM = {"bar", "what", "value", "unit", "needs", "passes"}


COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def keeps(needs, value):
    """Whether a value keeps to a bar such as ``< 3`` or ``in [1, 2]``."""
    relation, _, bound = needs.partition(" ")
    if relation == "in":
        low, high = json.loads(bound)
        return low <= value <= high
    return COMPARE[relation](value, float(bound))


def check(path):
    """Raise unless a result is well-formed."""
    result = json.loads(path.read_text())
    assert tuple(result) == FIELDS
    assert result["name"] == path.stem
    assert result["issue"] in _common.get_args(_common.Issue)
    assert result["claims"]
    for claim in result["claims"]:
        assert set(claim) == CLAIM
        if claim["value"] is None:
            assert claim["passes"] is not True
        else:
            made = Claim(**claim)
            assert made.passes == (keeps(made.needs, made.value) if made.needs else None)
    assert all(isinstance(row, dict) and row for row in result["rows"])
    assert all(isinstance(seed, int) for seed in result["seeds"])
    assert {"python", "numpy"} <= result["versions"].keys()
    assert set(result["machine"]) == {"cpu", "cores", "gpu"}
    assert isinstance(result["preset"], str)
    assert result["seconds"] >= 0


def test_every_result_is_well_formed_and_has_its_benchmark_and_figure():
    results = sorted(RESULTS.glob("*.json"))
    assert results
    for path in results:
        check(path)
        assert path.stem in BENCHMARKS
        assert list(RESULTS.glob(f"{path.stem}*.png"))
    # One figure or more, such as one for each part: their names begin with the benchmark's own.
    names = tuple(path.stem for path in results)
    assert all(figure.stem.startswith(names) for figure in RESULTS.glob("*.png"))


def claims():
    return [at_least(1, "speed", np.float64(3.0), "x", 2.0), figure_only(2, "size", math.nan, "MB")]


def test_a_result_is_written_whole_with_plain_numbers(tmp_path):
    rows = [{"n": np.int64(3), "x": np.array([1.5, math.inf])}]
    path = write_result("thing", "oracle", claims(), rows, [0, 1], "small", 1.234, folder=tmp_path)
    check(path)
    result = json.loads(path.read_text())
    assert result["rows"] == [{"n": 3, "x": [1.5, None]}]
    assert result["claims"][0]["passes"] is True
    assert result["claims"][1]["value"] is None
    assert result["seconds"] == 1.2
    assert [p.name for p in tmp_path.iterdir()] == ["thing.json"]


def test_a_write_that_fails_leaves_the_old_result(tmp_path):
    path = write_result("thing", "oracle", claims(), [], [0], "small", 1.0, folder=tmp_path)
    before = path.read_text()
    with pytest.raises(TypeError):
        write_result("thing", "oracle", claims(), [{"x": object()}], [0], "s", 1, folder=tmp_path)
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("bar", 0, r"claim\.bar is 0"),
        ("what", "", r"claim\.what"),
        ("passes", None, r"claim\.passes is None"),
        ("value", math.nan, r"claim\.value is nan"),
    ],
)
def test_a_bad_claim_is_refused(field, value, message):
    good = {"bar": 1, "what": "w", "value": 1.0, "unit": "", "needs": ">= 1", "passes": True}
    with pytest.raises(ValueError, match=message):
        Claim(**good | {field: value})


def test_unknown_issues_and_results_without_claims_are_refused(tmp_path):
    with pytest.raises(ValueError, match="issue is 'none'"):
        write_result("x", "none", claims(), [], [], "", 0, folder=tmp_path)
    with pytest.raises(ValueError, match="claims is empty"):
        write_result("x", "oracle", [], [], [], "", 0, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_bounds_include_their_ends():
    assert at_least(1, "a", 2.0, "", 2.0).passes
    assert at_most(1, "a", 2.0, "", 2.0).passes
    assert not at_least(1, "a", 1.99, "", 2.0).passes
    assert not at_most(1, "a", 2.01, "", 2.0).passes


def test_the_timer_runs_warm_ups_and_repeats():
    calls = []
    median, times = median_seconds(lambda: calls.append(1), repeats=3, warm_up=2)
    assert len(calls) == 5
    assert len(times) == 3
    assert median == sorted(times)[1]
    with pytest.raises(ValueError, match="repeats is 0"):
        median_seconds(lambda: None, repeats=0)
