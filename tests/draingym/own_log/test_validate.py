"""``draingym validate`` and ``fine-tune`` on a log, and what follows from a verdict."""

import json

import jax
import numpy as np
import pytest

from draingym.commands.next_step import next_step
from draingym.drain_model import load_checkpoint


@pytest.mark.long
def test_a_log_gets_a_verdict_fine_tuning_and_another_verdict(
    whole_folder, settings, tmp_path, call, capsys
):
    log, panel = whole_folder / "log", whole_folder / "panel.zarr"
    common = ("--panel", panel, "--settings", settings)
    model, policy = whole_folder / "drain_model.npz", whole_folder / "neural.npz"
    verdict = (
        "--replications", 1, "--samples", 2, "--no-spread", "--allow-overlap", "products",
    )  # fmt: skip
    out = tmp_path / "validation"
    call(
        "validate", log, "--drain", model, "--policies", policy, *common, *verdict,
        "--out", out,
    )  # fmt: skip
    found = json.loads((out / "validation.json").read_text())
    assert found["policies"] == ["historical", "order up to", "neural"]
    assert found["columns"] == ["simulator", "oracle"]
    assert "distinct policies are too few" in found["headline"]
    assert found["next"].startswith(f"draingym validate {log} --drain {model}")
    assert "Next: draingym validate" in " ".join(capsys.readouterr().out.split())
    assert "Next:" in (out / "validation.html").read_text()
    tuned = tmp_path / "tuned"
    words = (
        "fine-tune", log, "--drain", model, "--policies", policy, *common, "--epochs", 1,
        "--no-diverse", "--out", tuned,
    )  # fmt: skip
    call(*words)
    first = (tuned / "drain_model.npz").read_bytes()
    before, after = load_checkpoint(model), load_checkpoint(tuned / "drain_model.npz")
    assert after.world.facts == before.world.facts
    moved = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), before.weights, after.weights)
    assert max(jax.tree.leaves(moved)) > 0
    # The same command again finds the fits that are kept, and ends where it ended.
    call(*words)
    assert (tuned / "drain_model.npz").read_bytes() == first
    call(
        "validate", log, "--drain", tuned / "drain_model.npz", "--policies",
        tuned / "neural.npz", *common, *verdict,
    )  # fmt: skip
    assert (tuned / "validation" / "validation.html").exists()


@pytest.mark.parametrize(
    ("use", "command"),
    [
        ("none", "draingym fine-tune log --drain d.npz --policies p.npz"),
        (
            "unknown",
            "draingym validate log --drain d.npz --spread --allow-overlap products "
            "--policies MORE.npz",
        ),
        ("ranks", "draingym recommend log --drain d.npz --policy 'my p.npz' --stock STOCK.csv"),
        ("values", "draingym recommend log --drain d.npz --policy 'my p.npz' --stock STOCK.csv"),
    ],
)
def test_a_verdict_names_the_command_that_follows(use, command):
    found = next_step(
        use, log="log", drain="d.npz", policies=["p.npz"], chosen="my p.npz", settings=None
    )
    assert found == command


@pytest.mark.long
def test_a_validation_goes_on_after_the_runs_that_are_done(
    log_run, whole_folder, tmp_path, monkeypatch
):
    from draingym.policies.validation import validate as module

    policies = log_run.files([whole_folder / "neural.npz", whole_folder / "order_up_to.npz"])
    setting = log_run.setting
    horizon = log_run.test_horizon

    def validated(folder, stop_after=None):
        calls = []
        real = module.run

        def counted(*arguments, **named):
            calls.append(1)
            if stop_after is not None and len(calls) > stop_after:
                raise KeyboardInterrupt
            return real(*arguments, **named)

        monkeypatch.setattr(module, "run", counted)
        try:
            found = module.validate(
                policies, setting.simulator, setting.params, setting.test, horizon,
                log_run.oracle(2, 0), workers=1, folder=folder,
            )  # fmt: skip
        finally:
            monkeypatch.setattr(module, "run", real)
        return found, len(calls)

    alone, every = validated(None)
    assert every == 4
    with pytest.raises(KeyboardInterrupt):
        validated(tmp_path / "runs", stop_after=2)
    again, rest = validated(tmp_path / "runs")
    assert rest == 2
    np.testing.assert_array_equal(again.rewards, alone.rewards)
    np.testing.assert_array_equal(again.stock, alone.stock)
    (path, *_) = sorted((tmp_path / "runs").glob("*.npz"))
    path.write_bytes(b"PK")
    with pytest.raises(ValueError, match="remove it to make it again"):
        validated(tmp_path / "runs")
