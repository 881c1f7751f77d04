"""The drain-model benchmark's panels: conserved, distinct, held apart, with a fair floor."""

import numpy as np
import pytest

from benchmarks._economics import a_period
from benchmarks.drain_parts.policies import HELDOUT, heldout_policies, tuning_policies
from benchmarks.drain_parts.world import (
    SIZES,
    DrainWorld,
    Panel,
    describe,
    floor,
    make_drain_world,
    new_products,
    replay_policies,
)
from draingym.demo.config import LoopConfig
from draingym.demo.history import run_history
from draingym.oracle import estimate_rates, to_event_log
from draingym.simulator import Economics, params_from_network
from draingym.world.network import NetworkConfig, build_network
from draingym.world.panel import build_panel


@pytest.fixture(scope="module")
def made() -> DrainWorld:
    return make_drain_world("tiny", 0)


@pytest.fixture(scope="module")
def panels(made: DrainWorld) -> dict[str, Panel]:
    return replay_policies(made, {**heldout_policies(made.world), **tuning_policies(made.world)})


def test_history_is_what_the_truth_did(made):
    again = to_event_log(made.world, run_history(made.world, made.config))
    panel = build_panel(again, known_periods=made.split)
    np.testing.assert_array_equal(made.history.data.outbound, panel["outbound"])
    assert made.split == 16
    assert made.history.data.outbound.shape == (12, 24, 5)
    assert made.geography.distance_km.shape == (5, 12)


def test_a_node_that_opens_at_the_split_has_no_stock_before():
    data = make_drain_world("tiny", 0, opening=True).history.data
    assert not data.active[:16, -1].any()
    assert data.active[16:, -1].all()
    assert (data.available[:, :16, -1] == 0).all()
    assert data.available[:, 16, -1].sum() == 0  # what it asks for takes a period
    assert data.outbound[:, 17:, -1].sum() > 0
    # The others start with what they share of its stock.
    assert (data.available[:, 0, 1:-1] > 0).any(axis=0).all()


def test_new_products_are_a_fifth(made):
    new = new_products(made)
    assert len(new) == 2
    assert len(np.unique(new)) == 2
    np.testing.assert_array_equal(new, new_products(made))


def test_no_preset_of_another_name():
    with pytest.raises(ValueError, match="'huge', must be one of tiny, small, paper"):
        make_drain_world("huge", 0)


def test_rates_know_nothing_of_held_out_periods(made):
    log, periods = made.oracle.log, made.world.num_periods
    whole = estimate_rates(log).pmf
    np.testing.assert_array_equal(estimate_rates(log, known_periods=periods).pmf, whole)
    known = estimate_rates(log, known_periods=made.split)
    np.testing.assert_array_equal(made.oracle.rates.pmf, known.pmf)
    assert not np.array_equal(known.pmf, whole)


def test_held_out_policies_are_never_tuned_on(made):
    heldout, tuning = heldout_policies(made.world), tuning_policies(made.world)
    assert tuple(heldout) == HELDOUT
    assert len(tuning) >= 6
    assert not set(heldout) & set(tuning)


def test_replays_share_what_no_policy_changes(made, panels):
    history = made.history.data
    for panel in panels.values():
        data = panel.data
        assert data.outbound.shape == history.outbound.shape
        for name in ("attributes", "glance_views", "calendar", "active"):
            np.testing.assert_array_equal(getattr(data, name), getattr(history, name))
        assert data.sales is None
        assert (data.outbound >= 0).all()
        assert (data.outbound <= data.available).all()
        assert (data.outbound == np.rint(data.outbound)).all()
        assert (data.ship_cost[data.outbound == 0] == 0).all()
        # Leaf nodes lose stock to customers alone: blocks of a plan join without a seam.
        left = (data.available - data.outbound)[:, :-1]
        near = np.asarray(made.world.network.serves_customers, bool)
        assert (data.available[:, 1:] >= left)[:, :, near].all()


def test_policies_put_stock_in_different_places(made, panels):
    names = list(panels)
    for i, first in enumerate(names):
        for second in names[:i]:
            a, b = panels[first].data.available, panels[second].data.available
            assert np.abs(a - b).mean() > 0.05 * a.mean(), (first, second)
    # By then, what history began with has been sold.
    part = (made.split, made.world.num_periods)
    rows = {name: describe(panel, part) for name, panel in panels.items()}
    assert rows["flooded"]["available"] > rows["even"]["available"] > rows["starved"]["available"]
    assert rows["flooded"]["units"] > rows["even"]["units"] > rows["starved"]["units"]
    assert rows["starved"]["sold_out"] > rows["even"]["sold_out"] > rows["flooded"]["sold_out"]
    assert rows["concentrated"]["empty"] == 0.75  # one node of four keeps stock


def test_random_levels_stay_for_a_block_and_differ_by_product(made):
    plan = heldout_policies(made.world)["random"]
    twice = [replay_policies(made, {"random": plan}, seed=0)["random"].data for _ in range(2)]
    np.testing.assert_array_equal(twice[0].outbound, twice[1].outbound)
    assert len(plan.blocks) == made.world.num_periods // plan.block_periods
    levels = twice[0].available[:, plan.block_periods - 1]
    share = levels / np.maximum(levels.sum(axis=1, keepdims=True), 1.0)
    assert share.std(axis=0).max() > 0.1


def test_the_floor_is_fair_to_resampled_customers(made, panels):
    for name in ("even", "concentrated", "starved", "flooded"):
        panel = panels[name]
        outbound, cost = floor(panel, 24, seed=0)
        assert outbound.shape == cost.shape == (24, *panel.data.outbound.shape)
        assert (outbound <= panel.data.available).all()
        for drawn, actual in ((outbound, panel.data.outbound), (cost, panel.data.ship_cost)):
            totals = drawn.sum(axis=(1, 2, 3), dtype=np.float64)
            assert abs(actual.sum() - totals.mean()) < 4.5 * totals.std(), name
        # No sample is the panel itself.
        assert (outbound != panel.data.outbound).any(axis=(1, 2, 3)).all()
        deviation = ((panel.data.outbound - outbound.mean(axis=0)) ** 2).sum()
        assert 0.6 < deviation / outbound.var(axis=0).sum() < 1.6, name


def test_the_floor_of_some_periods(made):
    part = (made.split, made.world.num_periods)
    outbound, _ = floor(made.history, 3, seed=1, periods=part)
    assert outbound.shape == (3, 12, 8, 5)
    assert (outbound <= made.history.data.available[:, made.split :]).all()


def test_customers_of_the_log_may_be_kept(made):
    plan = {"even": heldout_policies(made.world)["even"]}
    drains = [
        replay_policies(made, plan, customers=kind)["even"].data.outbound.sum()
        for kind in ("resampled", "conditional", "independent")
    ]
    assert len(set(drains)) == 3
    np.testing.assert_allclose(drains, np.mean(drains), rtol=0.15)


@pytest.mark.parametrize("days", [1, 2, 7])
def test_a_period_costs_what_figures_were_measured_with(days):
    """A day's holding of the defaults once a period, whatever its length; the demo's has two."""
    network = build_network(NetworkConfig(num_nodes=2, num_regions=3, period_days=days))
    usual = Economics()
    economics = [a_period(days), *([LoopConfig().economics] if days == 2 else [])]
    for each in economics:
        params = params_from_network(network, each, None, period_days=days)
        np.testing.assert_allclose(params.holding_cost, usual.holding_cost, rtol=1e-7)
        np.testing.assert_allclose(params.holding_rate, usual.holding_rate, rtol=1e-7)
        assert float(params.discount) == usual.discount
    assert SIZES["busy"].period_days == 7
    assert LoopConfig().world.period_days == 2
