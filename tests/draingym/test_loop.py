"""The whole loop, small, with a round of fine-tuning: every stage, resuming, validating it."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import chex
import jax
import numpy as np
import pytest
from rich.console import Console

from draingym.cli import main
from draingym.demo.config import LoopConfig, load_config
from draingym.demo.loop import STAGES, run_loop
from draingym.demo.run import Run
from draingym.demo.validation_stage import spread_of_policies
from draingym.drain_model import DrainConfig
from draingym.policies import TrainConfig, TuneConfig, load_policy, save_policy
from draingym.policies.validation.checked import checked_rollouts
from draingym.policies.validation.fine_tuning import label
from draingym.policies.validation.pessimism import PessimisticSimulator
from draingym.policies.validation.validate import validate
from draingym.policies.validation.verdict import Thresholds
from draingym.simulator import window
from draingym.world.orders import WorldConfig
from tests.compilations import compiled_once

SMALL = LoopConfig(
    data="synthetic",
    samples=16,
    floor_samples=16,
    replications=1,
    verdict_replications=1,
    one_step_samples=4,
    training_horizon=5,
    training_starts=2,
    world=WorldConfig(num_products=6, num_nodes=3, num_regions=6, period_days=4),
    drain=DrainConfig(width=8, heads=2, pair_width=8, dilations=(1,), epochs=2, batch_products=3),
    tune=TuneConfig(population=2, generations=1),
    train=TrainConfig(updates=2, batch_products=3, evaluate_every=2),
    thresholds=Thresholds(kendall=1.0),  # which none reaches: a round of fine-tuning follows
)


# Seven policies request units: historical, order up to, neural, perturbed copies of the last two,
# and two that place by shares. A drain model and a policy are evaluated. Oracles run over three
# horizons: those of the log, of training and of the test.
SEVERAL = {"requests_of": 7, "evaluate": 2, "_keys": 3, "_look": 4}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    with compiled_once(SEVERAL, little=130):
        figures = run_loop(SMALL, out, Console(quiet=True))
    return out, figures


def test_the_report_says_how_long_compiling_took(run):
    out, figures = run
    assert set(figures["compiling"]) == set(figures["seconds"])
    assert all(stage["seconds"] >= 0 for stage in figures["compiling"].values())
    assert sum(stage["programs"] for stage in figures["compiling"].values()) > 10
    assert "Of these, compiling" in (out / "report.html").read_text()


def test_every_cell_of_the_validation_table_is_filled(run):
    _, figures = run
    table = figures["validation"]["value"]
    assert set(table) == {"historical", "order up to", "neural"}
    for columns in table.values():
        assert set(columns) == {"simulator", "oracle", "truth"}
        for cell in columns.values():
            assert np.isfinite([cell["mean"], cell["low"], cell["high"]]).all()
            assert cell["low"] <= cell["mean"] <= cell["high"]


def test_the_demo_ends_with_a_verdict_over_twenty_policies(run):
    out, figures = run
    verdict = figures["verdict"]
    assert len(verdict["policies"]) >= 20
    assert verdict["use"] in ("values", "ranks", "none")
    assert set(verdict["one_step"]) == set(verdict["policies"])
    assert np.shape(verdict["drift"]["stock"]) == (len(verdict["policies"]), verdict["horizon"])
    # All products were trained on, and the report says so.
    assert verdict["reasons"][-1].startswith("6 of 6 products were trained on")
    text = (out / "report.html").read_text()
    assert verdict["headline"] in text
    assert "May the simulator be trusted?" in text
    (found,) = verdict["agreements"]
    assert found["top_regret"]["1"] == found["regret"]
    assert found["top_regret"]["5"]["mean"] <= found["top_regret"]["3"]["mean"]
    assert set(found["tail"]) == set(verdict["policies"])
    for name, tail in found["tail"].items():  # the worst of six products, and not their mean
        assert tail["worth"]["mean"] < verdict["value"][name]["oracle"]["mean"]


def test_a_no_is_followed_by_a_round_of_fine_tuning_and_another_verdict(run):
    out, figures = run
    first, final = figures["verdict"], figures["final_verdict"]
    assert first["use"] == "none"
    assert set(final["policies"]) == set(first["policies"])
    labelled = figures["fine_tuning"]["labelled"]
    assert not set(labelled) & set(final["policies"]) - {"neural"}  # and that one is new
    assert final["value"]["neural"] != first["value"]["neural"]
    # The rules are the same, and so are the oracle's draws; the simulator is another.
    rule = "up to 2x bought, 1x placed"
    assert final["value"][rule]["oracle"] == first["value"][rule]["oracle"]
    assert final["value"][rule]["simulator"] != first["value"][rule]["simulator"]
    folder = Run(SMALL, out)
    assert folder.final is folder.fine_tuned
    for name in ("drain_model", "neural"):
        before, after = (out / f"{name}{end}.npz" for end in ("", "_fine_tuned"))
        assert before.read_bytes() != after.read_bytes()
    # What is validated last, and what is chosen, comes from the fine-tuned model.
    table = figures["validation"]["value"]["neural"]
    assert table["oracle"]["mean"] != pytest.approx(first["value"]["neural"]["oracle"]["mean"])
    kept, kept_params = load_policy(out / "chosen.npz")
    chosen, params = spread_of_policies(folder.final)[final["agreements"][0]["chosen"]]
    assert type(kept) is type(chosen)
    chex.assert_trees_all_equal(kept_params, params)
    text = (out / "report.html").read_text()
    assert "After a round of fine-tuning" in text
    assert all(policy in text for policy in labelled)


def test_the_folder_holds_what_the_readme_says(run):
    out, figures = run
    assert json.loads((out / "results.json").read_text()) == json.loads(json.dumps(figures))
    for name in ("report.html", "config.json", "drain_model.npz", "neural.npz", "order_up_to.npz"):
        assert (out / name).stat().st_size > 0, name
    assert '<script type="application/json" id="episodes">' in (out / "report.html").read_text()
    assert load_config(out / "config.json") == SMALL


def test_the_oracle_knows_no_latent_and_the_truth_no_estimate(run):
    out, figures = run
    log_columns = Run(SMALL, out).log["glance_views"].column_names
    assert "latent" not in log_columns
    # On history's own rates the two columns may be close, but not the same numbers.
    cells = figures["validation"]["value"]["neural"]
    assert cells["oracle"]["mean"] != cells["truth"]["mean"]


def test_flows_of_the_map_are_the_panel_s_units(run):
    out, figures = run
    flows = np.array(figures["history"]["flows"])
    panel = Run(SMALL, out).panel
    np.testing.assert_array_equal(
        flows.sum(axis=1), panel["outbound"].sum(["product", "period"]).to_numpy()
    )


def test_a_finished_run_keeps_every_stage(run):
    out, figures = run
    before = {p.name: p.stat().st_mtime_ns for p in (out / "stages").iterdir()}
    again = run_loop(SMALL, out, Console(quiet=True))
    assert {p.name: p.stat().st_mtime_ns for p in (out / "stages").iterdir()} == before
    assert again["validation"] == figures["validation"]


@pytest.mark.long
def test_an_interrupted_run_goes_on_after_its_last_finished_stage(run, monkeypatch):
    out, figures = run
    last = ("accuracy", "policies", "verdict", "fine_tuning", "final_verdict", "validation")
    for name in last:
        (out / "stages" / f"{name}.json").unlink()
    ran = []

    def counted(name, work):
        return lambda run, advance: ran.append(name) or work(run, advance)

    counting = tuple((name, title, counted(name, work)) for name, title, work in STAGES)
    monkeypatch.setattr("draingym.demo.loop.STAGES", counting)
    again = run_loop(SMALL, out, Console(quiet=True))
    assert tuple(ran) == last
    assert again["validation"]["value"] == figures["validation"]["value"]


def test_a_damaged_file_is_named(run, tmp_path):
    out, _ = run
    broken = tmp_path / "config.json"
    broken.write_text("{")
    with pytest.raises(ValueError, match=r"config\.json cannot be read"):
        load_config(broken)
    panel = next(Path(out / "panel.zarr").rglob("on_hand/0*"))
    kept = panel.read_bytes()
    try:
        panel.write_bytes(kept[: len(kept) // 2])
        with pytest.raises(ValueError, match=r"panel\.zarr"):
            _ = Run(SMALL, out).panel
    finally:
        panel.write_bytes(kept)
    stage = out / "stages" / "data.json"
    kept = stage.read_bytes()
    try:
        stage.write_text("[")
        with pytest.raises(ValueError, match=r"data\.json cannot be read"):
            run_loop(SMALL, out, Console(quiet=True))
    finally:
        stage.write_bytes(kept)


@pytest.mark.long
def test_a_rollout_of_an_ensemble_is_the_members_mean_less_their_spread(run):
    out, _ = run
    folder = Run(SMALL, out)
    first = folder.checkpoint
    second = replace(first, weights=jax.tree.map(lambda x: 1.1 * x, first.weights))
    policy, params = folder.policies["order up to"], folder.parameters["order up to"]
    key = jax.random.key(0)
    setting = folder.setting_of([first, second], pessimism=0.7)
    scenario = window(setting.test, 0, 5, key)
    found, moves = checked_rollouts(setting.simulator, setting.params, policy, params, scenario)
    alone = []
    for e, checkpoint in enumerate((first, second)):
        one = folder.setting_of([checkpoint])
        series = scenario.series
        own = replace(
            scenario,
            series=replace(
                series,
                drain_uniform=series.drain_uniform[..., :-1],
                exogenous=jax.tree.map(lambda x, e=e: x[:, :, e], series.exogenous.members),
            ),
        )
        alone.append(checked_rollouts(one.simulator, one.params, policy, params, own)[0])
    assert np.abs(alone[0] - alone[1]).max() > 0
    expected = np.mean(alone, axis=0) - 0.7 * np.std(alone, axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-2)
    assert moves.reward.shape == (6, 5)
    with pytest.raises(ValueError, match="weight is -1, must be at least 0"):
        replace(setting.simulator, weight=-1)
    with pytest.raises(ValueError, match="kernel is LearnedDrain, must be an EnsembleDrain"):
        PessimisticSimulator(kernel=one.simulator.kernel)


def call(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["draingym", "validate", *map(str, words)])
    main()


def test_validate_judges_the_policies_of_files_in_the_truth_too(run, tmp_path, monkeypatch):
    out, figures = run
    folder = Run(SMALL, out)
    policy, params = folder.policies["order up to"], folder.parameters["order up to"]
    save_policy(tmp_path / "mine.npz", policy, params, world=folder.identity)
    words = ("--no-spread", "--policies", tmp_path / "mine.npz", "--replications", 1)
    allowed = ("--allow-overlap", "products", "--samples", 4, "--out", tmp_path / "out")
    call(monkeypatch, out, *words, *allowed)
    found = json.loads((tmp_path / "out" / "validation.json").read_text())
    assert found["policies"] == ["historical", "order up to", "neural", "mine"]
    assert found["columns"] == ["simulator", "oracle", "truth"]
    assert found["use"] == "unknown"  # four policies
    assert found["value"]["mine"] == found["value"]["order up to"]
    # The same periods, products and random numbers as in the demo's own validation.
    demo = figures["validation"]["value"]["neural"]
    assert found["value"]["neural"]["oracle"]["mean"] == pytest.approx(demo["oracle"]["mean"])
    assert "6 of 6 products were trained on" in (tmp_path / "out" / "validation.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "6 of 6 products of the validation"),
        (("--start", 5, "--allow-overlap", "products"), "periods of the validation were trained"),
        (("--start", 400), "periods [400, 30), must be a non-empty part of [1, 30)"),
        (("--replications", 0), "replications is 0, must be in [1, 1000]"),
        (("--policies", "other.npz", "--allow-overlap", "products"), "other.npz holds"),
    ],
    ids=["products", "periods", "bounds", "replications", "policy"],
)
def test_what_validate_refuses(run, words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "other.npz", weight=np.zeros(3))
    with pytest.raises(SystemExit, match="2"):
        call(monkeypatch, run[0], *words, "--out", tmp_path / "out")
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_validate_needs_a_finished_run(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit, match="2"):
        call(monkeypatch, tmp_path)
    assert "must be the folder of a finished run" in capsys.readouterr().err


class Wrong:
    """A policy that requests what cannot be ordered."""

    def init(self, key):
        return jax.numpy.float32(-1.0)

    def apply(self, params, observation, key):
        return jax.numpy.full_like(observation.on_hand, params)


@pytest.mark.parametrize("units", [-1.0, np.nan], ids=["negative", "nan"])
def test_a_policy_that_requests_what_cannot_be_ordered_is_named(run, units):
    folder = Run(SMALL, run[0])
    setting = folder.setting
    with pytest.raises(ValueError, match=r"policy 'wrong' in the simulator: .* requests"):
        validate(
            {"wrong": (Wrong(), jax.numpy.float32(units))},
            setting.simulator,
            setting.params,
            setting.test,
            3,
            folder.oracle(1),
        )


def test_labels_are_the_log_s_panel_with_what_the_oracle_shipped(run):
    folder = Run(SMALL, run[0])
    whole = folder.setting_of([folder.checkpoint], test=(1, folder.split))
    scenario = window(whole.test, 0, folder.split - 1, jax.random.key(0))
    history = folder.drain_data.periods(0, folder.split)
    policies = {n: (folder.policies[n], folder.parameters[n]) for n in ("order up to", "neural")}
    oracle = folder.oracle(1)
    labelled = partial(label, policies, oracle, whole.params, scenario)
    dynamics = whole.simulator.dynamics
    panels = labelled(history, dynamics=dynamics, products=np.array([0, 2, 5]))
    log = history.products(np.array([0, 2, 5]))
    for panel in panels:
        np.testing.assert_array_equal(panel.outbound[:, 0], log.outbound[:, 0])
        np.testing.assert_array_equal(panel.glance_views, log.glance_views)
        assert (panel.outbound[:, 1:] != log.outbound[:, 1:]).any()
        assert (panel.outbound <= panel.available).all()
    assert (panels[0].available != panels[1].available).any()
    with pytest.raises(ValueError, match="history has 4 periods, must have 20"):
        labelled(history.periods(0, 4), dynamics=dynamics)
