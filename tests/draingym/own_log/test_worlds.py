"""Log, panel, drain model and policy are of one world, or the verbs refuse them."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from draingym.drain_model import load_checkpoint, save_checkpoint
from draingym.policies import load_policy, policy_world, save_policy
from draingym.world.eventlog import read_log, write_log
from draingym.world.panel import load_panel, save_panel


def moved(panel: xr.Dataset) -> xr.Dataset:
    """The same panel of a network whose second node is elsewhere."""
    return panel.assign(node_latitude=panel["node_latitude"] + np.array([0.0, 3.0, 0.0]))


MIXED = [
    pytest.param("panel", "node_latitude", "is of another world than log", id="panel, network"),
    pytest.param("panel", "product", "has 2 products, must have 3", id="panel, products"),
    pytest.param("drain", "period_days", "its periods have 2 days, must have 8", id="model, days"),
    pytest.param("policy", "node", "node 0 is 'Elsewhere', must be", id="policy, network"),
    pytest.param("policy", "products", "of which log", id="policy, products"),
]
SLOW = pytest.mark.slow


def test_a_log_knows_what_a_model_was_trained_on(log_run, whole_folder):
    assert log_run.split == load_checkpoint(whole_folder / "drain_model.npz").train_periods
    assert log_run.trained_products.all()
    assert log_run.notes == []
    assert log_run.config.economics.holding_cost == 0.01  # by the day, not the demo's
    assert log_run.setting.train.num_starts == 2


@pytest.mark.parametrize(
    "verb",
    ["validate", pytest.param("train-policy", marks=SLOW), pytest.param("recommend", marks=SLOW)],
)
@pytest.mark.parametrize(("what", "how", "message"), MIXED)
def test_worlds_are_never_mixed(
    verb, what, how, message, whole_folder, refused, tmp_path, settings
):
    if what == "policy" and verb == "train-policy":
        pytest.skip("it takes no policy")
    files = {
        "panel": whole_folder / "panel.zarr",
        "drain": whole_folder / "drain_model.npz",
        "policy": whole_folder / "neural.npz",
    }
    if what == "panel":
        panel = load_panel(files["panel"])
        save_panel(
            moved(panel) if how == "node_latitude" else panel.isel(product=[0, 1]),
            tmp_path / "panel.zarr",
        )
        files["panel"] = tmp_path / "panel.zarr"
    elif what == "drain":
        model = load_checkpoint(files["drain"])
        facts = replace(model.world.facts, period_days=2.0)
        files["drain"] = tmp_path / "other.npz"
        save_checkpoint(replace(model, world=replace(model.world, facts=facts)), files["drain"])
    else:
        world = policy_world(files["policy"])
        if how == "node":
            names = ("Elsewhere", *world.facts.node[1:])
            world = replace(world, facts=replace(world.facts, node=names))
        else:
            world = world.of(["nothing of ours"])
        policy, params = load_policy(files["policy"])
        files["policy"] = tmp_path / "policy.npz"
        save_policy(files["policy"], policy, params, world=world)
    words = ["--drain", files["drain"], "--panel", files["panel"], "--settings", settings]
    if verb == "validate":
        words += ["--policies", files["policy"]]
    if verb == "recommend":
        (tmp_path / "stock.csv").write_text("product,node,on_hand\n")
        words += ["--policy", files["policy"], "--stock", tmp_path / "stock.csv"]
    assert message in refused(verb, whole_folder / "log", *words)


def test_a_replay_refuses_a_policy_of_another_world(whole_folder, refused, tmp_path):
    path = whole_folder / "order_up_to.npz"
    world = policy_world(path)
    other = replace(world, facts=replace(world.facts, period_days=1.0))
    save_policy(tmp_path / "p.npz", *load_policy(path), world=other)
    said = refused("replay", whole_folder / "log", "--policy", tmp_path / "p.npz")
    assert "its periods have 1 days, must have 8" in said


def test_a_panel_that_knows_other_periods_than_the_model_is_refused(
    whole_folder, refused, tmp_path, settings
):
    panel = load_panel(whole_folder / "panel.zarr")
    save_panel(panel.assign_attrs(known_periods=3), tmp_path / "panel.zarr")
    said = refused(
        "train-policy", whole_folder / "log", "--drain", whole_folder / "drain_model.npz",
        "--panel", tmp_path / "panel.zarr", "--settings", settings,
    )  # fmt: skip
    assert "has attributes from the first 3 periods, must have them from the first" in said
    assert "make it by draingym panel --known-periods" in said


def test_a_log_needs_its_own_options_and_a_run_others(whole_folder, refused, tmp_path):
    assert "--drain is not given" in refused("validate", whole_folder / "log")
    assert "--model is lstm, must not be given" in refused(
        "train-policy", whole_folder / "log", "--model", "lstm"
    )
    assert "--drain is m.npz, must not be given" in refused(
        "validate", whole_folder, "--drain", "m.npz"
    )
    log = read_log(whole_folder / "log")
    tables = {name: table for name, table in log.tables.items() if name != "shipments"}
    write_log(type(log)(tables=tables), tmp_path / "log")
    said = refused("validate", tmp_path / "log", "--drain", whole_folder / "drain_model.npz")
    assert "lacks the table 'shipments'" in said
