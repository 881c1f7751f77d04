"""The benchmark of a user's own data: claims follow from rows, and finished parts are kept."""

import json

import numpy as np
import pytest

from benchmarks import own
from benchmarks.own_parts import oracle
from benchmarks.own_parts.oracle import ORACLES, SEEDS, claims_of
from benchmarks.policies_parts.part import Part


def made_rows(error=1.01, share=1.0, policies=21):
    """Two worlds in which every oracle but the one that assumes is off by the same."""
    rows = []
    for world in range(2):
        for name in ORACLES:
            worse = 10.0 if name == "assumed" else 1.0
            off = dict.fromkeys(("node shares", "units", "ship cost", "promises", "boxes"), share)
            row = {"table": "self-replay", "world": world, "oracle": name}
            rows.append(row | {what: worse * value for what, value in off.items()})
        for k in range(policies):
            truth = 100.0 + k
            rows.append(
                {"table": "values", "world": world, "policy": f"{k}", "truth": truth}
                | dict.fromkeys(("estimated", "told"), error * truth)
                | {"assumed": 300.0 - truth}
            )
    return rows


def by_name(claims):
    return {claim.what: claim for claim in claims}


def test_claims_are_those_of_the_worst_world():
    rows = made_rows()
    rows[0]["node shares"] = 2.5
    found = by_name(claims_of(rows, 2))
    assert found["self-replay, node shares off by"].value == 2.5
    assert found["mean error of a policy's value"].value == pytest.approx(1.0)
    assert found["Kendall of policies' values, worst world"].value == 1.0
    assert found["policies with values that differ"].value == 21
    assert all(claim.passes is not False for claim in found.values())
    assert found["assuming systems: Kendall of policies' values"].value == -1.0
    assert found["assuming systems: node shares off by"].value == 10.0


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (made_rows(error=1.04), "mean error of a policy's value"),
        (made_rows(share=3.5), "self-replay, node shares off by"),
        (made_rows(policies=19), "policies with values that differ"),
    ],
)
def test_what_is_out_of_its_bound_does_not_pass(rows, what):
    assert by_name(claims_of(rows, 2))[what].passes is False


def test_policies_of_one_value_count_once():
    rows = made_rows()
    for row in rows:
        if row["table"] == "values" and int(row["policy"]) > 14:
            row["truth"] = 100.0
    assert by_name(claims_of(rows, 2))["policies with values that differ"].value == 15


def test_finished_parts_are_kept_and_joined(monkeypatch, tmp_path):
    rows = made_rows()
    calls, results = [], []

    def part(preset, folder):
        calls.append(preset)
        return Part(claims=claims_of(rows, 2), rows=rows, seeds=SEEDS)

    monkeypatch.setattr(own, "PARTS", {"oracle": part})
    monkeypatch.setattr(own, "write_result", lambda *found: results.append(found))
    monkeypatch.setattr(own, "save_figure", lambda name, draw, **_: None)
    own.main(preset="small", folder=tmp_path)
    own.main(preset="small", folder=tmp_path)
    assert calls == ["small"]
    own.main(parts=("oracle",), preset="small", folder=tmp_path)
    assert calls == ["small", "small"]
    names, issues = {found[0] for found in results}, {found[1] for found in results}
    assert (names, issues) == ({"own"}, {"own-data"})
    assert len(results[0][2]) == len(claims_of(rows, 2))
    assert results[0][3] == json.loads(json.dumps(rows))


@pytest.mark.long
def test_the_benchmark_runs_at_a_small_size():
    part = oracle.run_part("small", worlds=1)
    values = [row for row in part.rows if row["table"] == "values"]
    assert len(values) >= 20
    assert all(np.isfinite(row["estimated"]) for row in values)
    assert by_name(part.claims)["self-replay, units off by"].passes
