"""The verbs of a log of one's own, on the log of a small run in which nothing was trained."""

import csv
import json
import shutil
import sys
from copy import copy
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from draingym.cli import main
from draingym.commands.log_run import LogRun
from draingym.commands.next_step import next_step
from draingym.commands.recommend import RecommendConfig, recommended
from draingym.commands.today import Today, panel_ahead, read_today
from draingym.drain_model import load_checkpoint, save_checkpoint
from draingym.policies import checked_rollouts, load_policy, policy_world, save_policy
from draingym.policies.rules.historical import covers_kept
from draingym.simulator import market_from_panel, window
from draingym.world.eventlog import read_log, write_log
from draingym.world.identity import WorldIdentity
from draingym.world.panel import load_panel, pipeline_at, save_panel
from tests.draingym.damage import CONFIG

SETTINGS = {
    "training_horizon": 3,
    "training_starts": 2,
    "train": {"updates": 2, "batch_products": 3, "evaluate_every": 1},
    "tune": {"population": 1, "generations": 1},
}


def call(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["draingym", *map(str, words)])
    main()


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    path = tmp_path_factory.mktemp("settings") / "settings.json"
    path.write_text(json.dumps(SETTINGS))
    return path


@pytest.fixture(scope="module")
def log_run(whole_folder, settings):
    return LogRun(
        whole_folder / "log",
        settings,
        drain=whole_folder / "drain_model.npz",
        panel=whole_folder / "panel.zarr",
    )


def test_a_log_knows_what_a_model_was_trained_on(log_run, whole_folder):
    assert log_run.split == load_checkpoint(whole_folder / "drain_model.npz").train_periods
    assert log_run.trained_products.all()
    assert log_run.notes == []
    assert log_run.config.economics.holding_cost == 0.01  # by the day, not the demo's
    assert log_run.setting.train.num_starts == 2


def test_a_panel_is_made_of_a_log_for_training(whole_folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "panel.zarr"
    known = load_panel(whole_folder / "panel.zarr").attrs["known_periods"]
    for _ in range(2):  # a second time it is replaced by the same
        call(monkeypatch, "panel", whole_folder / "log", "--known-periods", known, "--out", out)
    assert f"from the first {known} periods" in " ".join(capsys.readouterr().out.split())
    assert load_panel(out).identical(load_panel(whole_folder / "panel.zarr"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--known-periods", 99), "known_periods is 99, must be in [1,"),
        (("--out", "FULL"), "FULL holds something that is no panel, must be empty"),
    ],
)
def test_a_panel_that_cannot_be_is_refused(
    words, message, whole_folder, refused, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FULL").mkdir()
    (tmp_path / "FULL" / "mine.txt").write_text("x")
    assert message in refused("panel", whole_folder / "log", *words)


# Worlds are never mixed


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


# Training, verdict and fine-tuning


@pytest.mark.parametrize("policy", ["historical", pytest.param("neural", marks=pytest.mark.slow)])
def test_a_policy_is_made_of_a_log_and_says_of_which(
    policy, whole_folder, settings, tmp_path, monkeypatch
):
    out = tmp_path / f"{policy}.npz"
    call(
        monkeypatch, "train-policy", whole_folder / "log", "--drain",
        whole_folder / "drain_model.npz", "--panel", whole_folder / "panel.zarr",
        "--settings", settings, "--policy", policy, "--out", out,
    )  # fmt: skip
    world = policy_world(out)
    here = WorldIdentity.from_log(read_log(whole_folder / "log"))
    assert world.facts.node == here.facts.node
    assert world.facts.periods < here.facts.periods  # those that it was fitted on
    made, _ = load_policy(out)
    assert made.tree.parent.shape == (len(here.facts.node),)


@pytest.mark.long
def test_a_log_gets_a_verdict_fine_tuning_and_another_verdict(
    whole_folder, settings, tmp_path, monkeypatch, capsys
):
    log, panel = whole_folder / "log", whole_folder / "panel.zarr"
    common = ("--panel", panel, "--settings", settings)
    model, policy = whole_folder / "drain_model.npz", whole_folder / "neural.npz"
    verdict = (
        "--replications", 1, "--samples", 2, "--no-spread", "--allow-overlap", "products",
    )  # fmt: skip
    out = tmp_path / "validation"
    call(
        monkeypatch, "validate", log, "--drain", model, "--policies", policy, *common, *verdict,
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
    call(monkeypatch, *words)
    first = (tuned / "drain_model.npz").read_bytes()
    before, after = load_checkpoint(model), load_checkpoint(tuned / "drain_model.npz")
    assert after.world.facts == before.world.facts
    moved = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), before.weights, after.weights)
    assert max(jax.tree.leaves(moved)) > 0
    # The same command again finds the fits that are kept, and ends where it ended.
    call(monkeypatch, *words)
    assert (tuned / "drain_model.npz").read_bytes() == first
    call(
        monkeypatch, "validate", log, "--drain", tuned / "drain_model.npz", "--policies",
        tuned / "neural.npz", *common, *verdict,
    )  # fmt: skip
    assert (tuned / "validation" / "validation.html").exists()


@pytest.mark.long
def test_all_verbs_run_in_order_and_go_on(whole_folder, settings, tmp_path, monkeypatch, capsys):
    out, log = tmp_path / "own", tmp_path / "log"
    shutil.copytree(whole_folder / "log", log)
    values = SETTINGS | {"drain": {**_plain(CONFIG.drain), "epochs": 1}}
    own = tmp_path / "settings.json"
    own.write_text(json.dumps(values))
    ids = read_log(log)["products"]["id"].to_pylist()
    node = read_log(log)["nodes"]["name"].to_pylist()[0]
    (tmp_path / "stock.csv").write_text(f'product,node,on_hand\n"{ids[0]}","{node}",3\n')
    words = (
        "run", log, "--settings", own, "--stock", tmp_path / "stock.csv", "--out", out,
        "--replications", 1,
    )  # fmt: skip
    call(monkeypatch, *words)
    first = (out / "orders.csv").read_bytes()
    assert (out / "validation" / "validation.html").exists()
    capsys.readouterr()
    call(monkeypatch, *words)
    said = capsys.readouterr().out
    assert said.count("done before, kept") >= 4
    assert (out / "orders.csv").read_bytes() == first


def test_a_run_that_cannot_be_is_refused_before_it_writes(whole_folder, refused, tmp_path):
    log, out = whole_folder / "log", tmp_path / "own"
    (tmp_path / "bad.json").write_text('{"train": {"updates": -1}}')
    said = refused("run", log, "--settings", tmp_path / "bad.json", "--out", out)
    assert "config.train: updates is -1" in said
    assert not out.exists()
    before = sorted(path.name for path in log.iterdir())
    assert "must be a folder of its own, and not that of a log" in refused("run", log, "--out", log)
    assert "must be a folder of its own" in refused("run", log, "--out", log / "own")
    assert sorted(path.name for path in log.iterdir()) == before
    said = refused("run", log, "--out", out)
    assert "training_horizon is 14, must be in [1, 9], with 10 periods to train on" in said
    assert not (out / "panel.zarr").exists()
    assert "is not there, must be the folder of an event log, or of a run" in refused(
        "validate", tmp_path / "none", "--drain", "m.npz"
    )


def _plain(config):
    return json.loads(json.dumps({f: getattr(config, f) for f in config.__dataclass_fields__}))


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


def test_the_covers_that_a_log_kept_are_its_stock_over_its_demand():
    dims = ("product", "period", "node")
    # One upstream node, one store. Each period begins with 12 and 6 units, and sells 3.
    on_hand = np.tile(np.array([12, 6]), (1, 4, 1))
    transit = np.tile(np.array([3, 0]), (1, 4, 1))
    shipped = np.zeros((1, 4, 2, 2), np.int64)
    shipped[:, :, 0, 1] = 3
    shipped[:, :, 1, 0] = 3
    panel = xr.Dataset(
        {
            "on_hand": (dims, on_hand),
            "in_transit": (dims, transit),
            "shipped": ((*dims, "lead"), shipped),
            "ordered_units": (("product", "period", "region"), np.full((1, 4, 1), 3)),
            "parent": (("node",), np.array([-1, 0])),
            "serves_customers": (("node",), np.array([False, True])),
        }
    )
    kept = covers_kept(panel, 4)
    assert float(kept.place_cover) == pytest.approx((6 + 3) / 3)  # on hand, and sent
    assert float(kept.buy_cover) == pytest.approx((12 + 6 + 3 + 3) / 3)  # all there is, and bought
    with pytest.raises(ValueError, match="ordered_units sums to 0 over the first 4"):
        covers_kept(panel.assign(ordered_units=panel["ordered_units"] * 0), 4)


# Orders of today


def standing(run, period):
    """What the log has when a period begins, as today's stock, and the run up to then."""
    then = copy(run)
    then.panel = run.panel.isel(period=slice(0, period))
    return then, Today(
        on_hand=run.panel["on_hand"].to_numpy()[:, period - 1],
        arriving=pipeline_at(run.panel, period),
    )


@pytest.mark.parametrize("name", ["neural", pytest.param("order_up_to", marks=SLOW)])
def test_orders_are_those_of_the_simulator(name, log_run, whole_folder):
    path = whole_folder / f"{name}.npz"
    ((policy, params),) = log_run.files([path]).values()
    start, horizon = log_run.split, 2
    then, today = standing(log_run, start)
    config = RecommendConfig(policy=path, stock=path, horizon=horizon, futures=2)
    found = recommended(then, policy, params, today, config, Console(quiet=True))
    setting = log_run.setting_of([log_run.checkpoint], test=(start, start + horizon))
    scenario = window(setting.test, 0, horizon, jax.random.key(5))
    halves = scenario.series.round_uniform.at[:, 0].set(0.5)  # as orders are rounded
    scenario = replace(scenario, series=replace(scenario.series, round_uniform=halves))
    _, moves = checked_rollouts(setting.simulator, setting.params, policy, params, scenario)
    np.testing.assert_allclose(found.asked, moves.action[:, 0], rtol=1e-5)
    np.testing.assert_array_equal(found.units, moves.shipped[:, 0])
    assert found.units.sum() > 0
    assert (found.low <= found.worth).all()
    assert (found.worth <= found.high).all()
    assert found.total.low <= found.total.value <= found.total.high


def test_prices_that_changed_go_on_as_they_are_today(log_run):
    then, today = standing(log_run, log_run.split)
    periods = np.arange(1.0, 1.0 + log_run.split)
    path = then.panel["price"].to_numpy()[:, None] * periods
    changed = then.panel.assign(price_path=(("product", "period"), path))
    ahead, _ = panel_ahead(changed, today, log_run.split, 2, 1.0, np.random.default_rng(0))
    np.testing.assert_array_equal(ahead["price_path"][:, :-2], path)
    np.testing.assert_array_equal(ahead["price_path"][:, -2:], path[:, [-1, -1]])
    market = market_from_panel(ahead, known_periods=log_run.split)
    np.testing.assert_allclose(market.price[:, -2:], path[:, [-1, -1]], rtol=1e-6)
    same, _ = panel_ahead(then.panel, today, log_run.split, 2, 1.0, np.random.default_rng(0))
    assert "price_path" not in same


@pytest.mark.slow
def test_the_rule_itself_is_worth_nothing_over_itself(log_run, whole_folder):
    then, today = standing(log_run, log_run.split)
    config = RecommendConfig(policy=whole_folder, stock=whole_folder, horizon=2, futures=2)
    rule = log_run.policies["historical"], log_run.parameters["historical"]
    found = recommended(then, *rule, today, config, Console(quiet=True))
    np.testing.assert_array_equal(found.worth, 0.0)
    assert (found.total.low, found.total.high) == (0.0, 0.0)


def test_orders_are_written_with_their_worth_and_a_warning(
    whole_folder, settings, tmp_path, monkeypatch, capsys
):
    log = read_log(whole_folder / "log")
    ids, nodes = (log[t][c].to_pylist() for t, c in (("products", "id"), ("nodes", "name")))
    regions = log["regions"]["name"].to_pylist()
    model = load_checkpoint(whole_folder / "drain_model.npz")
    low = np.array(model.statistics.attributes_low)
    price = np.log(log.array("products", "price"))
    dear = int(np.argmax(price))
    high = np.array(model.statistics.attributes_high)
    high[0] = float(np.sort(price)[-2]) + 1e-4  # the dearest product was not trained on
    statistics = replace(model.statistics, attributes_high=jnp.asarray(high))
    world = model.world.of([ids[k] for k in range(3) if k != dear])
    save_checkpoint(
        replace(model, statistics=statistics, world=world), tmp_path / "drain_model.npz"
    )
    assert (low <= high).all()
    shutil.copy(whole_folder / "neural.npz", tmp_path / "neural.npz")
    with (tmp_path / "stock.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["product", "node", "on_hand", "arriving_0"])
        table.writerows([name, node, 2, 1] for name in ids for node in nodes[1:])
    with (tmp_path / "forecast.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["product", "region", "units"])
        table.writerows([name, region, 6.5] for name in ids for region in regions)
    out = tmp_path / "orders.csv"
    call(
        monkeypatch, "recommend", whole_folder / "log", "--policy", tmp_path / "neural.npz",
        "--stock", tmp_path / "stock.csv", "--forecast", tmp_path / "forecast.csv",
        "--settings", settings, "--horizon", 2, "--futures", 2, "--out", out,
    )  # fmt: skip
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["action"] for row in rows} <= {"buy", "place"}
    assert {row["product"] for row in rows} == set(ids)
    for row in rows:
        assert (row["source"] == "vendor") == (row["action"] == "buy")
        assert int(row["units"]) <= float(row["asked"]) + 1
        assert float(row["worth_low"]) <= float(row["worth"]) <= float(row["worth_high"])
        unlike = row["product"] == ids[dear]
        assert ("not trained on" in row["warning"]) is unlike
        assert ("is beyond" in row["warning"]) is unlike
    said = " ".join(capsys.readouterr().out.split())
    assert "1 of 3 products are unlike those trained on" in said
    assert "units to buy" in said


STOCK = "product,node,on_hand,arriving_0\n"
BAD_STOCK = [
    ("product,node\n", "lacks the column 'on_hand', must have product, node, on_hand"),
    (STOCK + "tea,York,3,0\ncoal,York,1,0\n", "row 3: product is 'coal', must be one of"),
    (STOCK + "tea,Bath,3,0\n", "row 2: node is 'Bath', must be one of"),
    (STOCK + "tea,York,2.5,0\n", "row 2: on_hand is '2.5', must be a whole number in [0,"),
    (STOCK + "tea,York,-1,0\n", "row 2: on_hand is '-1', must be a whole number"),
    (STOCK + "tea,York,3,x\n", "row 2: arriving_0 is 'x', must be a whole number"),
    (STOCK + "tea,York,nan,0\n", "row 2: on_hand is 'nan', must be"),
    (STOCK + "tea,York,3,0\ntea,York,3,0\n", "row 3: product 'tea' at node 'York' is there twice"),
    (STOCK + "tea,York,3\n", "row 2 has another number of cells than the 4 columns"),
    (STOCK + "tea,York,3,0,9\n", "row 2 has another number of cells than the 4 columns"),
    ("product,node,on_hand,arriving_7\ntea,York,3,1\n", "must be one of arriving_0 to arriving_1"),
    ("", "lacks the column 'product'"),
]


@pytest.mark.parametrize(("text", "message"), BAD_STOCK)
def test_bad_stock_is_named_by_row_and_column(text, message, tmp_path):
    (tmp_path / "stock.csv").write_text(text)
    sizes = {"products": ("tea", "milk"), "nodes": ("Leeds", "York"), "regions": ("n",), "leads": 2}
    with pytest.raises(ValueError, match=r"stock\.csv") as error:
        read_today(tmp_path / "stock.csv", None, **sizes)
    assert message in str(error.value)


def test_stock_and_forecast_are_read_by_name(tmp_path):
    sizes = {"products": ("tea", "milk"), "nodes": ("Leeds", "York"), "regions": ("n", "s")}
    (tmp_path / "s.csv").write_text(
        "node,product,on_hand,note,arriving_1\nYork,milk,3,x,4\nLeeds,tea,1,y,\n"
    )
    (tmp_path / "f.csv").write_text("product,region,units\n" + "".join(
        f"{p},{z},{k}.5\n" for k, (p, z) in enumerate(
            [("milk", "s"), ("tea", "n"), ("tea", "s"), ("milk", "n")]
        )
    ))  # fmt: skip
    found = read_today(tmp_path / "s.csv", tmp_path / "f.csv", leads=2, **sizes)
    np.testing.assert_array_equal(found.on_hand, [[1, 0], [0, 3]])
    np.testing.assert_array_equal(found.arriving[1], [[0, 0], [0, 4]])
    np.testing.assert_array_equal(found.forecast, [[1.5, 2.5], [3.5, 0.5]])
    (tmp_path / "f.csv").write_text("product,region,units\ntea,n,1\n")
    with pytest.raises(ValueError, match=r"no row for product 'tea' in region 's'.*3 are missing"):
        read_today(tmp_path / "s.csv", tmp_path / "f.csv", leads=2, **sizes)


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
