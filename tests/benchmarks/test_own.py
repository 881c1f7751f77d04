"""The benchmark of a user's own data: claims follow from rows, and finished parts are kept."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import own
from benchmarks._docs_own import KINDS
from benchmarks.own_parts import kills, oracle, path, wrong_inputs
from benchmarks.own_parts.commands import Ended
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

    def part(preset, folder, data):
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
    monkeypatch.setattr(own, "PARTS", {"oracle": part, "panel": part})
    own.main(parts=("oracle",), preset="small", folder=tmp_path)
    assert len(calls) == 3
    assert results[-1][5] == "small; not run: panel"


def walked(tmp_path, monkeypatch, use):
    """A shop on its way to orders; commands write what is looked at, and do nothing else."""
    typed = []

    def finish(folder, words, said, codes=(0,)):
        typed.append(" ".join(words))
        out = folder / words[-1]
        if words[1] == "--init":
            said.write_text("a mapping")
        elif words[0] == "check":
            off = [("node shares", 0.01, 0.03), ("boxes", 0.09, 0.05)]
            found = [{"what": w, "off": o, "bound": b, "worst": "in all"} for w, o, b in off]
            check = json.dumps({"self_replay": {"comparisons": found}})
            (folder / "log_check.json").write_text(check)
        elif words[0] == "validate":
            out.mkdir()
            (out / "validation.json").write_text(json.dumps({"use": use.pop(0)}))
        elif words[0] == "recommend":
            out.write_text("product,action,units\na,buy,3\na,place,2.0\n")
        return Ended(code=int(words[0] == "check"), seconds=60.0, processor=30.0)

    monkeypatch.setattr(path, "finish", finish)
    monkeypatch.setattr(path, "_todays_stock", lambda folder: None)
    monkeypatch.setattr(path, "_products", lambda folder: 5)
    shop = path.Shop(
        name="A shop",
        known=4,
        write=lambda folder: None,
        correct=lambda text, file: file.write_text(text),
        limits={"node shares": 3.0},
    )
    return typed, path.run(tmp_path, [shop]), lambda: path.run(tmp_path, [shop])


def test_the_way_to_orders_is_kept_step_by_step(tmp_path, monkeypatch):
    typed, (rows, claims), again = walked(tmp_path, monkeypatch, ["ranking"])
    assert [words.split()[0] for words in typed] == [
        "ingest", "ingest", "check", "panel", "train-drain", "train-policy", "validate",
        "recommend",
    ]  # fmt: skip
    assert "--allow-failed-check" in typed[6]
    found = by_name(claims)
    minutes = found["A shop, 5 products, from tables to orders.csv: processor's clock, "
                    "both cores added"]  # fmt: skip
    assert (minutes.value, minutes.passes) == (4.0, True)
    assert found["A shop: wall's clock"].value == 8.0
    assert found["A shop: self-replay of the fitted oracle, node shares off by"].passes
    boxes = found["A shop: self-replay of the fitted oracle, boxes off by"]
    assert (boxes.bar, boxes.value, boxes.passes) == (1, pytest.approx(9.0), None)
    assert found["A shop: figures of draingym check, of 2, in bounds"].value == 1
    assert again() == (rows, claims)
    assert len(typed) == 8
    result = {"rows": rows, "claims": [vars_of(claim) for claim in claims]}
    assert "| `ingest --init` | 30 |" in KINDS["own-commands"](result)
    assert "| A shop, boxes | 9 % | <= 5 | **no** |" in KINDS["own-check"](result)
    assert "A shop: rows of orders.csv | 2 | >= 1 | yes |" in KINDS["own-path"](result)


def test_where_the_verdict_is_no_models_are_fine_tuned(tmp_path, monkeypatch):
    typed, (rows, _), _ = walked(tmp_path, monkeypatch, ["none", "values"])
    assert [words.split()[0] for words in typed[6:]] == [
        "validate", "fine-tune", "validate", "recommend",
    ]  # fmt: skip
    assert "--drain tuned/drain_model.npz --policies tuned/neural.npz" in typed[8]
    assert rows[-1]["verdict"] == "none, fine-tuned: values"


def vars_of(claim):
    return {name: getattr(claim, name) for name in claim.__dataclass_fields__}


def test_kills_are_kept_and_those_that_differ_count(tmp_path, monkeypatch):
    killed = []

    def kill(start, folder, verb, number):
        killed.append((verb, number))
        differs = "orders.csv" if number else ""
        return {"verb": verb, "differs": differs}

    monkeypatch.setattr(kills, "kill", kill)
    (tmp_path / "start").mkdir()
    monkeypatch.setattr(kills, "prepare", lambda folder: (folder / "stock.csv").touch())
    rows, (claim,) = kills.run(tmp_path, {"run": 2, "panel": 1})
    assert (claim.value, claim.needs, claim.passes) == (2, ">= 3", False)
    assert kills.run(tmp_path, {"run": 2, "panel": 1}) == (rows, [claim])
    assert killed == [("run", 0), ("run", 1), ("panel", 0)]
    assert sum(kills.KILLS.values()) == 20
    assert list(kills.KILLS) == list(kills.VERBS)


def test_a_killed_run_reads_the_tables_of_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kills.prepare(Path("start"))
    text = (tmp_path / "start" / "mapping.yaml").read_text()
    assert "\nfolder: export  #" in text
    assert (tmp_path / "start" / "export" / "orders.csv").exists()


def test_wrong_inputs_are_counted_by_file_with_their_faults():
    case = {"changed": "mapping", "from": "a", "to": "b", "ended in": "error", "fault": ""}
    tried = [
        case,
        case | {"ended in": "log"},
        case | {"ended in": "traceback", "fault": "KeyError"},
    ]
    assert wrong_inputs.rows_of(tried) == [
        {
            "changed": "mapping", "inputs": 3, "clear errors": 1, "logs": 1,
            "faults": "a -> b: KeyError",
        }
    ]  # fmt: skip


@pytest.mark.long
def test_the_benchmark_runs_at_a_small_size(tmp_path, monkeypatch):
    part = oracle.run_part(tmp_path, "small", worlds=1)
    monkeypatch.setattr(oracle, "make_logged", None)  # what is kept is not run again
    assert oracle.run_part(tmp_path, "small", worlds=1) == part
    values = [row for row in part.rows if row["table"] == "values"]
    assert len(values) >= 20
    assert all(np.isfinite(row["estimated"]) for row in values)
    assert by_name(part.claims)["self-replay, units off by"].passes
