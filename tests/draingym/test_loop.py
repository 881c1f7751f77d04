"""The whole loop, small: every stage, resuming, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from drain_model import DrainConfig
from draingym.config import LoopConfig, from_dict, load_config
from draingym.loop import Loop, run_loop
from policies import TrainConfig, TuneConfig
from world.orders import WorldConfig

SMALL = LoopConfig(
    data="synthetic",
    samples=16,
    floor_samples=16,
    replications=1,
    training_horizon=5,
    training_starts=2,
    world=WorldConfig(num_products=6, num_nodes=3, num_regions=6, period_days=4),
    drain=DrainConfig(width=8, heads=2, pair_width=8, epochs=2, batch_products=3),
    tune=TuneConfig(population=2, generations=1),
    train=TrainConfig(updates=2, batch_products=3, evaluate_every=2),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    figures = run_loop(SMALL, out, Console(quiet=True))
    return out, figures


def test_every_cell_of_the_validation_table_is_filled(run):
    _, figures = run
    table = figures["validation"]["value"]
    assert set(table) == {"historical", "order up to", "neural"}
    for columns in table.values():
        assert set(columns) == {"simulator", "oracle", "truth"}
        for cell in columns.values():
            assert np.isfinite([cell["mean"], cell["low"], cell["high"]]).all()
            assert cell["low"] <= cell["mean"] <= cell["high"]


def test_the_folder_holds_what_the_readme_says(run):
    out, figures = run
    assert json.loads((out / "results.json").read_text()) == json.loads(json.dumps(figures))
    for name in ("report.html", "config.json", "drain_model.npz", "neural.npz", "order_up_to.npz"):
        assert (out / name).stat().st_size > 0, name
    assert "<script" not in (out / "report.html").read_text()
    assert load_config(out / "config.json") == SMALL


def test_the_oracle_knows_no_latent_and_the_truth_no_estimate(run):
    out, figures = run
    log_columns = Loop(SMALL, out).log["glance_views"].column_names
    assert "latent" not in log_columns
    # On history's own rates the two columns may be close, but not the same numbers.
    cells = figures["validation"]["value"]["neural"]
    assert cells["oracle"]["mean"] != cells["truth"]["mean"]


def test_flows_of_the_map_are_the_panel_s_units(run):
    out, figures = run
    flows = np.array(figures["history"]["flows"])
    panel = Loop(SMALL, out).panel
    np.testing.assert_array_equal(
        flows.sum(axis=1), panel["outbound"].sum(["product", "period"]).to_numpy()
    )


def test_a_finished_run_keeps_every_stage(run):
    out, figures = run
    before = {p.name: p.stat().st_mtime_ns for p in (out / "stages").iterdir()}
    again = run_loop(SMALL, out, Console(quiet=True))
    assert {p.name: p.stat().st_mtime_ns for p in (out / "stages").iterdir()} == before
    assert again["validation"] == figures["validation"]


def test_an_interrupted_run_goes_on_after_its_last_finished_stage(run, monkeypatch):
    out, figures = run
    for name in ("accuracy", "policies", "validation"):
        (out / "stages" / f"{name}.json").unlink()
    ran = []

    def counted(name):
        original = getattr(Loop, name)
        monkeypatch.setattr(
            Loop, name, lambda self, advance: ran.append(name) or original(self, advance)
        )

    for name in ("history", "train_drain_model", "score_drain_model", "train_policies"):
        counted(name)
    again = run_loop(SMALL, out, Console(quiet=True))
    assert ran == ["score_drain_model", "train_policies"]
    assert again["validation"]["value"] == figures["validation"]["value"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sede": 1}, r"config.sede = 1 is unknown, must be one of data, seed"),
        ({"drain": {"widht": 8}}, r"config.drain.widht = 8 is unknown"),
        ({"samples": 1}, r"samples is 1, must be at least 2"),
        ({"train_share": "most"}, r"config.train_share is 'most', must be of type float"),
        ({"data": "jd"}, r"config.data is 'jd', must be one of ta-feng, synthetic"),
        ({"world": {"num_products": 0}}, r"config.world: world.num_products"),
        ({"tune": 3}, r"config.tune is 3, must hold fields of TuneConfig"),
    ],
    ids=["key", "nested key", "bound", "type", "choice", "nested bound", "not a table"],
)
def test_bad_config_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        from_dict(LoopConfig, values)


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
            _ = Loop(SMALL, out).panel
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


def test_unreachable_data_falls_back_to_synthetic_orders_and_says_so(tmp_path, monkeypatch, capsys):
    from dataclasses import replace

    from world.ta_feng import DataUnavailableError

    def unreachable():
        raise DataUnavailableError("no registry in sight")

    monkeypatch.setattr("draingym.loop.load_order_lines", unreachable)
    loop = Loop(replace(SMALL, data="ta-feng"), tmp_path)
    figures = loop.orders(lambda done, total: None)
    assert figures["fallback"] == "no registry in sight"
    assert "going on with synthetic ones" in capsys.readouterr().out
    assert "synthetic" in figures["source"]
