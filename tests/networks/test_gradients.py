"""Derivatives of everything that happens in random networks, against central differences."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draingym import AgeOdds, Arc, Network, Node
from tests.networks.random_networks import random_network

PERIODS = 4


def smooth(network):
    """Without batches and drawn ages, whose derivatives are straight through."""

    def ages(arc):
        return None if isinstance(arc.ages, AgeOdds) else arc.ages

    return replace(network, arcs=[replace(a, batch=None, ages=ages(a)) for a in network.arcs])


def off_the_edge(terms, direction):
    """The direction without limits of 0, which cannot fall, and without what is there or is not."""
    kept = {
        name: jnp.where(getattr(terms, name) > 0, getattr(direction, name), 0.0)
        for name in ("request_limit", "ship_limit", "source_limit", "leave_limit", "receive_limit")
        if getattr(terms, name) is not None
    }
    if terms.stands is not None:
        kept["stands"] = jnp.zeros_like(terms.stands)
    return replace(direction, **kept)


def check(seed, size):
    """Compare a derivative in a random direction: of requests, costs, limits and initial stock."""
    with jax.enable_x64(True):
        network = smooth(random_network(seed, size, PERIODS))
        built = network.built
        rng = np.random.default_rng(seed)
        requests = jnp.asarray(10 * rng.random((PERIODS, len(network.arcs))))
        scenario = built.sample(jax.random.key(0), PERIODS)
        terms = built.params.terms if scenario.series.terms is None else scenario.series.terms
        # Off the kinks: limits, stock and costs in eighths are moved a little.
        moved = jax.tree.map(lambda leaf: leaf * (1 + 0.01 * rng.random(leaf.shape)), terms)
        stock = scenario.initial.on_hand * 1.01 + 0.01 * rng.random(len(network.nodes))
        point = (requests, moved, stock if scenario.initial.ages is None else requests[:0])
        weights = {}

        def value(point):
            requests, terms, stock = point
            initial = scenario.initial
            if scenario.initial.ages is None:
                initial = replace(initial, on_hand=stock)
            params, series = built.params, scenario.series
            if series.terms is None:
                params = replace(params, terms=terms)
            else:
                series = replace(series, terms=terms)
            now = replace(scenario, initial=initial, series=series)
            now = built.simulator.prepare(params, now)

            def period(state, given):
                state, moves = built.simulator.step(params, state, *given)
                return state, (state, moves.reward, moves.lost, moves.ledger)

            state = built.simulator.reset(params, now)
            leaves = jax.tree.leaves(jax.lax.scan(period, state, (requests, now.series))[1])
            total = 0.0
            for i, leaf in enumerate(leaves):
                if i not in weights:
                    weights[i] = rng.random(leaf.shape)
                total += jnp.sum(weights[i] * leaf)
            return total

        both = jax.jit(jax.value_and_grad(value))  # one program for all that follows
        both(point)
        direction = jax.tree.map(
            lambda leaf: jnp.where(jnp.isfinite(leaf), rng.standard_normal(leaf.shape), 0.0), point
        )
        direction = (direction[0], off_the_edge(moved, direction[1]), direction[2])
        gradient = both(point)[1]
        for leaf in jax.tree.leaves(gradient):
            assert np.isfinite(leaf).all()
        ours = sum(
            jnp.sum(jnp.where(d != 0, d * g, 0.0))
            for d, g in zip(jax.tree.leaves(direction), jax.tree.leaves(gradient), strict=True)
        )
        step = 1e-6

        def at(size):
            return float(both(jax.tree.map(lambda x, d: x + size * d, point, direction))[0])

        differences = (at(step) - at(-step)) / (2 * step)
        assert float(ours) == pytest.approx(differences, rel=1e-4, abs=1e-4)


def test_gradients_are_those_of_central_differences():
    check(3, 2)


@pytest.mark.long
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(6, 2**16), size=st.sampled_from([1, 3, 5]))
def test_gradients_are_those_of_central_differences_in_many_networks(seed, size):
    check(seed, size)


def test_a_batch_is_straight_through_and_a_fee_has_no_derivative():
    network = Network(
        nodes=[Node("shop")],
        arcs=[Arc(None, "shop", batch=4, request_cost=3, request_fee=50)],
        demand={"shop": [0]},
    )
    slope = jax.grad(lambda units: network.simulate(units)[1].reward.sum())(jnp.full((1, 1), 6.0))
    assert float(slope[0, 0]) == -3.0
