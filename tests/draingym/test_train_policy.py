"""``draingym train-policy`` on the command line."""

import json
import sys

import pytest

from draingym.cli import main
from draingym.forecasters import load_forecaster
from draingym.policies import load_policy


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        (),
        pytest.param(("--model", "lstm"), marks=pytest.mark.long),
        pytest.param(("--model", "armdn", "--generated", 1), marks=pytest.mark.long),
    ],
)
def test_a_policy_is_trained_and_judged_beside_the_runs_own(folder, how, tmp_path, monkeypatch):
    out = tmp_path / "policy"
    words = [folder, "--periods", 2, "--updates", 1, "--epochs", 1, "--out", out, *how]
    monkeypatch.setattr(sys, "argv", ["draingym", "train-policy", *map(str, words)])
    main()
    values = json.loads((out / "values.json").read_text(encoding="utf-8"))
    assert set(values["value"]) == {"moving average", "this policy"}
    assert set(values["difference"]) == {"simulator", "oracle", "truth"}
    policy, _ = load_policy(out / "neural.npz")
    assert policy.forecast_cv == bool(how)
    if how:
        assert load_forecaster(out / "forecaster.npz").model.horizon >= 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model", "lstm", "--forecaster", "f.npz"), "one must not be given"),
        (("--generated", 2), "generated is 2, must be 0 without a model"),
        (("--periods", 0), "periods is 0, must be"),
        ((), "has no config.json"),
    ],
)
def test_what_does_not_fit_is_refused(words, message, refused, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    assert message in refused("train-policy", run, *words)
