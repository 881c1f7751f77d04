"""Policies at the size that matters: claims from values that are given, and the whole part."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import scale
from benchmarks._common import Clock
from benchmarks.scale_parts.policies import _SIZES, RETUNED, result_of, sized
from draingym.drain_model import DrainConfig
from draingym.policies import TrainConfig

NAMES = ("lean", "deep", "neural")


def values(truth, simulator, seed):
    """Values [policy, column, replication, product] around given means."""
    noise = np.random.default_rng(seed).normal(0.0, 0.1, (1, 1, 1, 30))
    means = np.stack([simulator, truth, truth], axis=1)[:, :, None, None]
    return np.asarray(means, float) + noise


def written(folder, truth, simulator):
    """A run's folder with values of two seeds; the retuned baseline is as the deep one."""
    for seed in (0, 1):
        (folder / f"seed{seed}").mkdir()
        for stage, names, pick in (
            ("before", NAMES, [0, 1, 2]),
            ("after", (*NAMES, "deep" + RETUNED), [0, 1, 2, 1]),
        ):
            np.savez(
                folder / f"seed{seed}" / f"values_{stage}.npz",
                names=np.asarray(names),
                values=values(np.array(truth)[pick], np.array(simulator)[pick], seed),
            )
    deep = [values(truth, simulator, seed)[1, 2] for seed in (0, 1)]
    np.save(folder / "informed.npy", np.concatenate(deep) + 6.0)
    return SimpleNamespace(out=folder, config=SimpleNamespace(training_horizon=14))


def found(kendall=0.95, policies=22):
    cell = {"mean": kendall}
    agreed = {
        "column": "simulator", "reference": "oracle", "mean_error": {"mean": 0.02}, "worst": "lean",
        "error": {"lean": {"mean": -0.02}}, "kendall": cell, "spearman": cell,
        "regret": {"mean": 0.0}, "chosen": "neural", "best": "neural",
    }  # fmt: skip
    judged = {"0": {"policies": ["x"] * policies, "agreements": [agreed]}}
    learnt = {"lean": 100, "deep": 100, "neural, seed 0": 110, "neural, seed 1": 110}
    return {
        "learn": {name: {"rollouts": count} for name, count in learnt.items()},
        "before": judged,
        "after": judged,
        "fine_tune": {"retuned": "deep"},
    }


def test_claims_compare_with_the_best_in_the_truth_and_with_who_knows_the_demand(tmp_path):
    run = written(tmp_path, truth=[5.0, 8.0, 10.0], simulator=[5.0, 8.0, 12.0])
    claims = {c["what"]: c for c in result_of("busy", run, (0, 1), found())["claims"]}
    assert {c["bar"] for c in claims.values()} == {6}
    assert all(what.startswith("busy: ") for what in claims)
    gains = [c for what, c in claims.items() if "lower end of the interval" in what]
    assert [c["passes"] for c in gains] == [True, True]
    assert all("(deep)" in c["what"] for c in gains)
    assert all(c["value"] == pytest.approx(2.0) for c in gains)
    # The simulator promised 4 and the truth gives 2; who knows the demand would have gained 6.
    survives = [c["value"] for what, c in claims.items() if "survives" in what]
    assert survives == [pytest.approx(0.5)] * 2
    (share,) = (c["value"] for what, c in claims.items() if "that which neural gains" in what)
    assert share == pytest.approx(2.0 / 6.0)
    (budget,) = (c["value"] for what, c in claims.items() if "budget" in what)
    assert budget == pytest.approx(1.1)
    # They are read back as the benchmark's own.
    result = result_of("busy", run, (0, 1), found())
    assert len(scale.claims_of({"policies-busy": json.loads(json.dumps(result))})) == len(claims)


def test_claims_that_fall_short_fail(tmp_path):
    run = written(tmp_path, truth=[5.0, 8.0, 7.5], simulator=[5.0, 8.0, 9.0])
    claims = result_of("paper", run, (0, 1), found(kendall=0.8, policies=19))["claims"]
    failed = [c["what"] for c in claims if c["passes"] is False]
    assert len(failed) == len([c for c in claims if c["passes"] is not None]) == 5


def test_searches_have_the_rollouts_of_training():
    sizes = sized(replace(_SIZES, searched=10, searched_starts=2, evaluations=5), 100)
    # 100 updates of 25, and six evaluations of 10 products in 2 windows.
    assert (sizes.updates, sizes.rollouts) == (100, 100 * 25 + 6 * 20)


LEAST = DrainConfig(width=4, heads=1, pair_width=4, frequencies=1, epochs=1, validate_every=1)


@pytest.mark.long
def test_every_policy_is_valued_in_every_column(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few = replace(
        _SIZES, searched=4, searched_starts=1, plans=4, labelled=3,
        train=TrainConfig(batch_products=4),
    )  # fmt: skip
    monkeypatch.setitem(scale.CONFIGS, "tiny", replace(LEAST, joint="coherent"))
    monkeypatch.setitem(scale.POLICY_SIZES, "tiny", sized(few, 8))
    monkeypatch.setattr(scale, "POLICY_SEEDS", 2)
    folder = tmp_path / "policies-tiny-0-4-states"
    result = scale.policies("tiny", 0, 4, Clock(), folder)
    claims = scale.claims_of({"policies-tiny": json.loads(json.dumps(result))})
    assert {claim.bar for claim in claims} == {6}
    (number,) = (claim.value for claim in claims if "policies that judge" in claim.what)
    assert number >= 20
    after = [r for r in result["rows"] if r["table"] == "tiny: value, after fine-tuning"]
    names = {row["policy"]: row["seeds"] for row in after}
    assert names["neural"] == names["scenario program"] == names["hindsight, imitated"] == 2
    assert names["historical"] == 1
    assert any(name.endswith(RETUNED) for name in names)
    budgets = [r["simulated periods"] for r in result["rows"] if r["table"] == "tiny: budgets"]
    assert max(budgets) <= 1.25 * min(budgets)
    # What is finished is kept.
    again = scale.policies("tiny", 0, 4, Clock(), folder)
    assert again["claims"] == result["claims"]
