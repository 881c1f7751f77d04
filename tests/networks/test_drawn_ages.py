"""Ages on arrival that are drawn: their distribution, what is conserved, and the derivative."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from draingym import AgeOdds, Arc, Network, Node, Poisson
from draingym.simulator import DrawnAges
from draingym.simulator.network.ages import draw_ages

INTERCEPT, SLOPE = np.array([0.5, 1.0, 0.0]), np.array([0.3, -0.2, 0.0])
ODDS = DrawnAges(  # the second of two arcs
    arc=jnp.array([1]), intercept=jnp.asarray(INTERCEPT)[None], slope=jnp.asarray(SLOPE)[None]
)
DRAWN = jax.jit(jax.vmap(draw_ages, in_axes=(None, None, 0)))
DRAWS = 20_000
UNIFORM = np.random.default_rng(0).random((DRAWS, 1, 4), np.float32)


def expected(units):
    return units * special.softmax(INTERCEPT + SLOPE * units)


@pytest.mark.parametrize("units", [1, 4])
def test_numbers_by_age_are_multinomial(units):
    numbers = np.asarray(DRAWN(ODDS, jnp.array([7.0, units]), UNIFORM))
    assert (numbers[:, 0] == 0).all()
    share = special.softmax(INTERCEPT + SLOPE * units)
    for young in range(units + 1):
        for middle in range(units + 1 - young):
            of_age = [young, middle, units - young - middle]
            chance = stats.multinomial.pmf(of_age, units, share)
            seen = (numbers[:, 1] == of_age).all(axis=1).mean()
            assert abs(seen - chance) < 5 * np.sqrt(chance * (1 - chance) / DRAWS)


@pytest.mark.parametrize("units", [0.0, 3.0, 11.0, 2.5, 23.0])
def test_units_are_conserved_and_whole_ones_stay_whole(units):
    """Of more units than uniforms as well."""
    numbers = np.asarray(DRAWN(ODDS, jnp.array([1.0, units]), UNIFORM))
    assert (numbers.sum(axis=(1, 2)) == units).all()
    assert (numbers >= 0).all()
    assert (np.count_nonzero(numbers[:, 1] % 1, axis=1) == (units % 1 > 0)).all()


def test_an_age_of_no_odds_is_of_no_unit():
    never = replace(ODDS, intercept=jnp.array([[-1e30, 0.0, -1e30]]))
    edges = np.full_like(UNIFORM, 1.0 - 2.0**-24)
    edges[0] = 0.0
    numbers = np.asarray(DRAWN(never, jnp.array([1.0, 3.0]), edges))
    assert (numbers[:, 1] == [0, 3, 0]).all()


def test_the_derivative_is_that_of_the_expected_numbers():
    units, step = 5.0, 1e-3
    found = jax.jit(jax.jacfwd(partial(draw_ages, ODDS, uniform=UNIFORM[0])))(
        jnp.array([3.0, units])
    )
    want = (expected(units + step) - expected(units - step)) / (2 * step)
    np.testing.assert_allclose(found[1, :, 1], want, rtol=1e-4)
    assert (np.asarray(found[:, :, 0]) == 0).all()
    assert (np.asarray(found[0]) == 0).all()


def ward(**options):
    return Network(
        nodes=[
            Node("ward", shelf_life=3, waste_cost=5.0, unmet_cost=20.0, holding_cost=1.0, **options)
        ],
        arcs=[Arc(None, "ward", most=20, ages=AgeOdds(INTERCEPT, slopes=SLOPE, most=4))],
        demand={"ward": Poisson(rate=2.0)},
    )


def test_what_is_on_the_shelf_is_what_came_less_what_left():
    requests = np.array([[6.0], [11.0], [0.0], [3.0], [8.0]])
    state, moves = jax.device_get(ward().simulate(requests, jax.random.key(3)))
    assert (state.ages.sum(axis=1) == state.on_hand).all()
    out = moves.outbound + moves.ledger.flows.wasted
    assert (state.on_hand == np.cumsum(requests - out, axis=0)).all()
    assert (state.ages % 1 == 0).all()
    assert moves.ledger.flows.wasted.sum() > 0


@pytest.mark.slow
def test_gradients_of_a_rollout_are_finite():
    built = ward(class_limit=6.0).built
    series = built.sample(jax.random.key(0), 6)
    assert series.series.age_uniform.shape == (6, 1, 4)

    def total(requests):
        def period(state, given):
            state, moves = built.simulator.step(built.params, state, *given)
            return state, moves.reward

        now = built.simulator.prepare(built.params, series)
        start = built.simulator.reset(built.params, now)
        return jax.lax.scan(period, start, (requests, now.series))[1].sum()

    slope = jax.grad(total)(jnp.full((6, 1), 4.0))
    assert jnp.isfinite(slope).all()
    assert (slope != 0).any()


def test_nothing_is_drawn_where_no_age_is():
    plain = Network(
        nodes=[Node("ward", shelf_life=3)], arcs=[Arc(None, "ward")], demand={"ward": [1]}
    ).built
    assert plain.params.perishable.drawn is None
    assert plain.sample(jax.random.key(0), 3).series.age_uniform is None
