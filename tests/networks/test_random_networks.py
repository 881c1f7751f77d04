"""Random networks with random mechanisms: the JAX path against the slow reference, and balances."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.networks import reference
from tests.networks.random_networks import random_network, random_requests

PERIODS = 6
# In float64: a fee is paid, or not, for what rounding leaves.
REAL = {"rtol": 1e-9, "atol": 1e-9}


def played(network, requests):
    state, moves = jax.device_get(network.simulate(requests))
    return state, moves


def check_against_reference(seed, size):
    network = random_network(seed, size, PERIODS)
    requests = random_requests(seed, network, PERIODS)
    with jax.enable_x64(True):
        state, moves = played(network, requests)
        series = network.built.sample(jax.random.key(0), PERIODS).series
    flows = moves.ledger.flows
    for t, want in enumerate(reference.simulate(network, requests, series.age_uniform)):
        got = {name: getattr(flows, name)[t] for name in want if hasattr(flows, name)}
        got |= {name: getattr(moves, name)[t] for name in want if hasattr(moves, name)}
        got["transit"] = state.pipeline[t].sum(axis=0)
        for name, value in want.items():
            np.testing.assert_allclose(got[name], value, **REAL, err_msg=f"{name} {t} {seed}")


def check_balances(seed, size, *, whole_units):
    """Units are conserved, arc by arc and node by node, whatever is requested."""
    network = random_network(seed, size, PERIODS, whole_units=whole_units)
    requests = random_requests(seed, network, PERIODS, odd=True)
    with jax.enable_x64(True):  # a request without end is of a thousand million units
        state, moves = played(network, requests)
    flows = moves.ledger.flows
    built = network.built
    source = np.asarray(built.params.source)
    target = np.array([network.index[arc.target] for arc in network.arcs])
    initial = built.sample(jax.random.key(0), PERIODS).initial
    in_transit = np.asarray(initial.pipeline).sum(axis=0)
    on_hand = np.asarray(initial.on_hand)
    gate, door, parts = np.zeros((3, len(source)))
    needs = np.array([arc.needs or 0.0 for arc in network.arcs])
    yields = np.array([node.yields for node in network.nodes])

    def at_nodes(ends, units):
        kept = ends >= 0
        return np.bincount(ends[kept], units[kept], minlength=len(yields))

    for t in range(PERIODS):
        close = {"rtol": 1e-9, "atol": 1e-5}
        transit = state.pipeline[t].sum(axis=0)
        np.testing.assert_allclose(
            in_transit + gate + moves.shipped[t],
            transit + flows.gate[t] + flows.arrived[t],
            **close,
        )
        let_in = flows.arrived[t] + door - flows.door[t] - flows.refused[t]
        goods = np.where(needs > 0, 0.0, let_in)
        made = moves.stowed[t] - at_nodes(target, goods)
        taken = np.where(needs > 0, parts + let_in - flows.parts[t], 0.0)
        np.testing.assert_allclose(taken, needs * made[target], **close)
        back = at_nodes(source, flows.refused[t]) if network.send_back else 0.0
        after = on_hand - flows.used[t] + moves.stowed[t] - moves.outbound[t]
        after = after - flows.wasted[t] - flows.spilled[t] + back
        np.testing.assert_allclose(moves.on_hand[t], after, **close)
        np.testing.assert_allclose(
            at_nodes(source, moves.shipped[t]), flows.used[t] * yields, **close
        )
        in_transit, on_hand = transit, moves.on_hand[t]
        gate, door, parts = flows.gate[t], flows.door[t], flows.parts[t]
        if state.ages is not None:
            np.testing.assert_allclose(state.ages[t].sum(axis=0), on_hand, **close)
    for leaf in jax.tree.leaves((state, moves.shipped, moves.stowed, moves.reward)):
        assert np.isfinite(leaf).all()
    for leaf in (state.on_hand, state.pipeline, moves.shipped, flows.door, flows.parts):
        assert (leaf >= -1e-6).all()
    if whole_units:
        for leaf in (moves.shipped, state.on_hand, state.pipeline):
            np.testing.assert_array_equal(leaf % 1, 0)


@pytest.mark.parametrize(("seed", "size"), [(3, 4), (8, 2)])
def test_agrees_with_the_slow_reference(seed, size):
    check_against_reference(seed, size)


def test_units_are_conserved_whatever_is_asked_for():
    check_balances(0, 5, whole_units=True)


@pytest.mark.long
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(6, 2**16), size=st.sampled_from([1, 3, 5, 30]))
def test_agrees_with_the_slow_reference_in_many_networks(seed, size):
    check_against_reference(seed, size)


@pytest.mark.long
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(6, 2**16), size=st.sampled_from([1, 3, 5, 30]), whole=st.booleans())
def test_units_are_conserved_in_many_networks(seed, size, whole):
    check_balances(seed, size, whole_units=whole)
