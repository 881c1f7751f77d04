"""``draingym recommend``: orders of today, and what they are worth."""

import csv
import shutil
from copy import copy
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from draingym.commands.recommend import RecommendConfig, recommended
from draingym.commands.today import Today, panel_ahead
from draingym.drain_model import load_checkpoint, save_checkpoint
from draingym.policies import checked_rollouts
from draingym.simulator import market_from_panel, window
from draingym.world.eventlog import read_log
from draingym.world.panel import pipeline_at


def standing(run, period):
    """What the log has when a period begins, as today's stock, and the run up to then."""
    then = copy(run)
    then.panel = run.panel.isel(period=slice(0, period))
    return then, Today(
        on_hand=run.panel["on_hand"].to_numpy()[:, period - 1],
        arriving=pipeline_at(run.panel, period),
    )


@pytest.mark.parametrize("name", ["neural", pytest.param("order_up_to", marks=pytest.mark.slow)])
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
    whole_folder, settings, tmp_path, call, capsys
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
        "recommend", whole_folder / "log", "--policy", tmp_path / "neural.npz",
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
