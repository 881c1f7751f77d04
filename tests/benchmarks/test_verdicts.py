"""The benchmark of verdicts: claims by hand, and a run of it at a size that says nothing."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from benchmarks import verdicts
from draingym.demo.config import LoopConfig
from draingym.policies import Thresholds
from tests.draingym.report_results import fake_final_verdict, fake_verdict


def made(name: str, *, fine_tuned: bool, yes: bool) -> dict:
    """A kept result, whose last verdict says yes or no."""
    last = fake_final_verdict() if yes else fake_verdict()
    both = {"verdict": fake_verdict(), "final_verdict": last}
    chosen = {"name": name, "seconds": 1.0, "verdicts": both if fine_tuned else {"verdict": last}}
    return json.loads(json.dumps(chosen))


@pytest.mark.parametrize(("yes", "few_yes"), [(8, False), (7, False), (10, True)])
def test_last_verdicts_are_counted_and_those_of_few_products_apart(yes: int, few_yes: bool) -> None:
    found = [made(f"seed {s}", fine_tuned=s % 2 == 0, yes=s < yes) for s in range(10)]
    found.append(made(verdicts.FEW, fine_tuned=True, yes=few_yes))
    rows = verdicts.rows_of(found)
    assert len(rows) == 10 + 5 + 2
    assert [row["run"] for row in rows if row["final"]] == [run["name"] for run in found]
    claims = {claim.what: claim for claim in verdicts.claims_of(rows)}
    bar = claims["seeds of 10 that end with a yes"]
    assert (bar.value, bar.needs, bar.passes) == (yes, ">= 8", yes >= 8)
    first = claims["of these, before fine-tuning"]
    assert first.value == sum(s < yes for s in range(1, 10, 2))
    few = claims["verdicts that say yes where 10 products were trained on, of 2"]
    assert (few.value, few.passes) == (int(few_yes), not few_yes)
    assert {claim.bar for claim in claims.values()} == {7}


def test_every_draw_of_a_run_is_of_its_seed_and_one_run_knows_ten_products() -> None:
    base = LoopConfig()
    known = verdicts.configs(base, (0, 3))
    assert list(known) == ["seed 0", "seed 3", "10 products"]
    third = known["seed 3"]
    parts = (third, third.world, third.oracle, third.tune, third.train)
    assert [part.seed for part in parts] == [3] * 5
    assert known["seed 0"] == base
    assert known["10 products"] == replace(base, train_products=0.2)


@pytest.mark.slow
def test_kept_runs_become_a_result_and_a_figure_that_say_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("seed 0", "seed 4", verdicts.FEW):
        found = made(name, fine_tuned=name != "seed 4", yes=name != verdicts.FEW)
        (tmp_path / f"{name.replace(' ', '-')}.json").write_text(json.dumps(found))
    monkeypatch.setattr(verdicts, "run_loop", None)
    for write in ("write_result", "save_figure"):
        to_folder = partial(getattr(verdicts, write), folder=tmp_path / "results")
        monkeypatch.setattr(verdicts, write, to_folder)
    verdicts.main(seeds=(0,), folder=tmp_path)
    result = json.loads((tmp_path / "results" / "verdicts.json").read_text())
    assert (result["issue"], result["seeds"], result["seconds"]) == ("scale", [0, 4], 3.0)
    assert "not run: seed 1, seed 2, seed 3, seed 5" in result["preset"]
    assert result["claims"][0]["value"] == 2
    assert result["claims"][0]["passes"] is False  # two seeds are no eight
    assert (tmp_path / "results" / "verdicts.png").stat().st_size > 10_000
    with pytest.raises(ValueError, match=r"seeds holds 12, must be in \[0, 9\]"):
        verdicts.main(seeds=(12,), folder=tmp_path)


@pytest.mark.long
def test_a_run_is_kept_and_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.draingym.test_loop import SMALL

    config = replace(SMALL, train_products=0.5, thresholds=Thresholds(kendall=1.0))
    found = verdicts.one("seed 1", verdicts.seeded(config, 1), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["seed-1.json"]
    assert list(found["verdicts"]) == ["verdict", "final_verdict"]
    rows = verdicts.rows_of([found])
    assert [row["policies"] >= 20 for row in rows] == [True, True]
    monkeypatch.setattr(verdicts, "run_loop", None)
    assert verdicts.one("seed 1", verdicts.seeded(config, 1), tmp_path) == found
    assert verdicts.claims_of(rows)[0].value == sum(
        row["use"] in verdicts.ALLOWED for row in rows if row["final"]
    )
