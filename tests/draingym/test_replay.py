"""``draingym replay`` on the command line."""

import json
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.cli import main
from draingym.commands.replay import choose
from draingym.demo.config import LoopConfig
from draingym.demo.history import run_history
from draingym.oracle.replays.recorder import to_event_log
from draingym.oracle.replays.replay import replay
from draingym.oracle.replays.setting import read_setting
from draingym.oracle.replays.types import Decision
from draingym.policies import (
    BaseStock,
    EchelonBaseStock,
    Historical,
    MLPPolicy,
    NeuralPlacement,
    OrderUpTo,
    TabularOrders,
    tree_of,
)
from draingym.policies.store import save_policy
from draingym.simulator import Dynamics
from draingym.world.eventlog import read_log, write_log
from draingym.world.orders import WorldConfig, build_world
from draingym.world.panel import load_panel
from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines

# Policies here are written by hand, and say of no world.
pytestmark = pytest.mark.filterwarnings("ignore::draingym.world.identity.UnknownWorldWarning")


@pytest.fixture(scope="module")
def network_and_log(tmp_path_factory):
    lines = synthetic_order_lines(
        SyntheticConfig(num_products=6, num_customers=300, num_days=8, lines_per_day=80.0), seed=3
    )
    config = LoopConfig(
        data="synthetic", world=WorldConfig(num_products=4, num_nodes=3, num_regions=5)
    )
    world = build_world(lines, config.world)
    folder = tmp_path_factory.mktemp("history") / "log"
    write_log(to_event_log(world, run_history(world, config)), folder)
    return world.network, folder


def call(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["draingym", "replay", *map(str, words)])
    main()


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["log", "file"])
def test_a_replay_leaves_a_log_a_panel_and_values(network_and_log, policy, tmp_path, monkeypatch):
    network, log = network_and_log
    if policy == "file":
        neural = NeuralPlacement(tree=tree_of(network), num_attributes=3)
        policy = tmp_path / "policy.npz"
        save_policy(policy, neural, neural.init(jax.random.key(1)))
    out = tmp_path / "out"
    call(monkeypatch, log, "--policy", policy, "--out", out, "--start", 2)
    values = json.loads((out / "values.json").read_text())
    panel = load_panel(out / "panel.zarr")
    assert read_log(out / "log")["calendar"].num_rows == len(values["period_values"]) == 6
    assert values["value"] == pytest.approx(sum(values["period_values"]))
    if policy == "log":
        assert values["value_with_purchases"] is None
    else:  # what was bought, moved and left is the difference
        assert values["value_with_purchases"] == pytest.approx(
            sum(values["period_values_with_purchases"])
        )
        assert values["value_with_purchases"] != pytest.approx(values["value"])
    assert values["units"] == int(panel["outbound"].sum()) > 0
    assert values["ship_cost"] == pytest.approx(float(panel["ship_cost"].sum()))


class Spy:
    """A policy that notes the shapes of what it is shown."""

    def init(self, key):
        return jnp.zeros(())

    def apply(self, params, observation, key):
        self.seen = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), observation)
        return jnp.zeros_like(observation.on_hand)


@pytest.mark.parametrize("hold_requests", [False, True])
def test_the_setting_knows_what_a_policy_will_see(network_and_log, hold_requests):
    dynamics = Dynamics(hold_requests=hold_requests)
    setting = replace(read_setting(network_and_log[1]), dynamics=dynamics)
    spy = Spy()
    replay(setting, Decision(policy=spy, params=jnp.zeros(())), start=1, periods=1, record=False)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), setting.seen) == spy.seen


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda tree: MLPPolicy(nodes=4, inputs=10), "is for 10 inputs, must be for "),
        (lambda tree: MLPPolicy(nodes=2, inputs=10), "is for 2 nodes, must be for 4, those it"),
        (lambda tree: EchelonBaseStock(parent=(-1, 0)), "is for 2 nodes, must be for 4, those it"),
        (lambda tree: BaseStock(parent=(-1, 0)), "parent is (-1, 0), must have 4 entries"),
        (lambda tree: TabularOrders(table=np.ones(3, int)), "is for 1 nodes, must be for 4, those"),
        (
            lambda tree: NeuralPlacement(tree=tree, num_attributes=2),
            "is for 2 attributes, must be for 3, those it sees",
        ),
    ],
    ids=["inputs", "nodes", "echelon", "installation", "table", "attributes"],
)
def test_a_policy_for_something_else_ends_with_a_message(
    network_and_log, made, message, tmp_path, monkeypatch, capsys
):
    network, log = network_and_log
    policy, path, out = made(tree_of(network)), tmp_path / "own.npz", tmp_path / "out"
    save_policy(path, policy, policy.init(jax.random.key(0)))
    with pytest.raises(SystemExit, match="2"):
        call(monkeypatch, log, "--policy", path, "--out", out)
    error = capsys.readouterr().err
    assert error.startswith(f"draingym: policy {path} does not act on the network's 4 nodes: ")
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_a_policy_is_known_by_its_name_or_its_file(network_and_log, tmp_path):
    network, log = network_and_log
    setting = read_setting(log)
    policies = {"order-up-to": OrderUpTo, "historical": Historical}
    for name, kind in policies.items():
        assert isinstance(choose(setting, name).policy, kind)
    own = OrderUpTo(tree=tree_of(network))
    save_policy(tmp_path / "own.npz", own, replace(own.init(jax.random.key(0)), buy_cover=3.0))
    decision = choose(setting, str(tmp_path / "own.npz"))
    assert isinstance(decision.policy, OrderUpTo)
    assert float(decision.params.buy_cover) == 3.0
    np.testing.assert_array_equal(choose(setting, "log"), setting.stock)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        pytest.param("best", "policy is 'best', must be one of", id="name"),
        pytest.param("other.npz", "other.npz holds parameters alone", id="file"),
    ],
)
def test_an_unknown_policy_ends_with_a_message(
    network_and_log, policy, message, tmp_path, monkeypatch, capsys
):
    np.savez(tmp_path / "other.npz", weight=np.zeros(3))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        call(monkeypatch, network_and_log[1], "--policy", policy, "--out", tmp_path / "out")
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_values_without_purchases_compare_a_policy_with_the_stock_that_it_kept(network_and_log):
    """The stock that a policy kept, given as a trajectory, has the policy's values of sales."""
    setting = read_setting(network_and_log[1])
    decision = choose(setting, "order-up-to")
    ran = replay(setting, decision, start=2, seed=4)
    kept = ran.panel()["available"].transpose("product", "period", "node").to_numpy()
    given = replay(setting, np.ascontiguousarray(kept), start=2, seed=4)
    np.testing.assert_array_equal(given.outbound, ran.outbound)
    np.testing.assert_allclose(given.sales_values, ran.sales_values, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(given.sales_values, given.values)
    assert ran.values.sum() != pytest.approx(ran.sales_values.sum(), rel=1e-2)
