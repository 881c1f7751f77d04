"""Random trees, costs, shares and requests: the JAX path against the slow reference."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draingym.simulator import Dynamics
from tests.simulator import reference
from tests.simulator.worlds import Requests, tree_scenario, tree_world

# Every option in some world, on trees of several depths and widths; whether demand waits.
WORLDS = {
    "store, lost": ([-1], Dynamics(), False),
    "serial, reals, backlog, ships arrivals": (
        [-1, 0, 1],
        Dynamics(whole_units=False, ship_arrivals=True),
        True,
    ),
    "stores, holds requests": ([-1, 0, 0, 0], Dynamics(hold_requests=True), True),
    "deep, holds requests, ships arrivals": (
        [-1, -1, 0, 0, 1, 2, 2],
        Dynamics(hold_requests=True, ship_arrivals=True),
        False,
    ),
    "deep, reals, holds requests": (
        [-1, 0, 0, 1, 3],
        Dynamics(whole_units=False, hold_requests=True),
        False,
    ),
    "vendor, upstream, nodes": ([-1, -1, 0, 0, 1, 1], Dynamics(), True),
}
PERIODS, LEADS = 6, 3
# Reals are float32 there and float64 here.
REAL = {"rtol": 2e-5, "atol": 2e-4}
FLOWS = ("ordered", "shipped", "transferred", "stowed", "available", "outbound", "lost", "waiting")


@functools.cache
def runner(name):
    parent, dynamics, backlog = WORLDS[name]
    simulator, _ = tree_world(parent, backlog=backlog)
    simulator = replace(simulator, dynamics=dynamics)

    @jax.jit
    def run(params, table, scenario):
        class Policy:
            def apply(self, params, observation, key):
                return Requests(table).apply(params, observation, key)

        return simulator.rollout(params, Policy(), jnp.zeros(()), scenario)

    return run


def world(name, seed):
    """Draw costs, shares, stock and requests in exact binary fractions, uniforms in 251sts.

    So that no cumulated amount lies on the edge of a whole unit, where float32 and float64 would
    round to different sides.
    """
    parent, dynamics, backlog = WORLDS[name]
    nodes = len(parent)
    rng = np.random.default_rng(seed)
    costs = {
        cost: rng.integers(0, 9, nodes) / 8
        for cost in (
            "holding_cost", "holding_rate", "transfer_cost", "unmet_cost", "transit_cost",
            "capacity_price", "overflow_price",
        )
    }  # fmt: skip
    costs["transfer_cost"] *= np.asarray(parent) >= 0
    _, params = tree_world(
        parent,
        capacity=rng.integers(0, 12, nodes),
        salvage_rate=0.5,
        active_from=np.where(rng.random(nodes) < 0.2, 2, 0),
        **costs,
    )
    leaves = ~np.isin(np.arange(nodes), parent)
    demand = rng.poisson(4, (PERIODS, int(leaves.sum()))).astype(np.float32)
    scenario = tree_scenario(
        parent,
        demand,
        np.full((nodes, LEADS), 1 / LEADS),
        seed,
        on_hand=rng.integers(0, 12, nodes),
        waiting=rng.integers(0, 4, nodes) * leaves if backlog else None,
        pipeline=rng.integers(0, 5, (LEADS - 1, nodes)),
        price=10.0,
        unit_cost=4.0,
    )
    cuts = np.sort(rng.integers(0, 9, (PERIODS, nodes, LEADS - 1)), axis=-1) / 8
    share = np.diff(cuts, axis=-1, prepend=0.0, append=1.0)
    odd = (rng.integers(1, 251, (2, PERIODS, nodes)) / 251).astype(np.float32)
    series = replace(
        scenario.series,
        lead_share=jnp.asarray(share, jnp.float32),
        round_uniform=jnp.asarray(odd[0]),
        split_uniform=jnp.asarray(odd[1]) if dynamics.whole_units else None,
        fill_rate=jnp.asarray(rng.integers(4, 9, (PERIODS, nodes)) / 8, jnp.float32),
    )
    requests = rng.integers(0, 25, (PERIODS, nodes)) / 2 * (rng.random((PERIODS, nodes)) < 0.8)
    return params, replace(scenario, series=series), requests.astype(np.float32)


@pytest.mark.parametrize("name", sorted(WORLDS))
@settings(max_examples=12)
@given(seed=st.integers(0, 2**16))
def test_agrees_with_the_slow_reference_and_conserves_units(name, seed):
    parent, dynamics, backlog = WORLDS[name]
    parent = np.array(parent)
    params, scenario, requests = world(name, seed)
    trajectory = runner(name)(params, jnp.asarray(requests), scenario)
    moves = jax.tree.map(np.asarray, trajectory.transitions)
    for t, want in enumerate(reference.rollout(params, dynamics, backlog, scenario, requests)):
        for field, value in want.items():
            got = getattr(moves, field)[t]
            if dynamics.whole_units and field in FLOWS:
                np.testing.assert_array_equal(got, value, err_msg=f"{field} {t}")
            else:
                np.testing.assert_allclose(got, value, **REAL, err_msg=f"{field} {t}")
    start = np.asarray(scenario.initial.on_hand)
    before = np.vstack([start, moves.on_hand[:-1]])
    after = before + moves.stowed - moves.transferred - moves.outbound
    np.testing.assert_allclose(moves.on_hand, after, atol=0 if dynamics.whole_units else 1e-4)
    owned = np.asarray(scenario.initial.pipeline).sum() + start.sum()
    left = np.asarray(trajectory.final.pipeline).sum() + moves.on_hand[-1].sum()
    bought = moves.shipped[:, parent < 0].sum()
    assert owned + bought == pytest.approx(left + moves.outbound.sum(), abs=1e-2)
    for field in (*FLOWS, "on_hand"):
        assert (getattr(moves, field) >= 0).all(), field
    if dynamics.whole_units:
        for field in ("shipped", "stowed", "on_hand", "outbound"):
            np.testing.assert_array_equal(getattr(moves, field) % 1, 0, err_msg=field)
