"""The price response is monotone and continuous, and the discount has its derivative."""

from dataclasses import replace

import chex
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from draingym.simulator import (
    Dynamics,
    LocalDemand,
    LocalDemandParams,
    PricedDemand,
    PricedDemandParams,
    PricedSimulator,
    PriceResponse,
    Simulator,
    demand_level,
    demand_lift,
    make_params,
    make_price_response,
    scenario_from_views,
)

LIFT = (1.35, 1.8, 2.3, 2.85, 3.4, 3.9, 4.3)
level = jax.jit(jax.vmap(demand_level, in_axes=(None, 0)))


def responses():
    raw = st.floats(-4.0, 4.0, width=32)
    return st.builds(
        lambda base, steps, scale: PriceResponse(
            base=jnp.float32(base),
            step=jnp.asarray(steps, jnp.float32),
            scale=jnp.float32(scale),
        ),
        st.floats(0.125, 8.0, width=32),
        st.lists(raw, min_size=7, max_size=7),
        raw,
    )


@settings(max_examples=30)
@given(responses(), st.floats(0.0, 0.6875, width=32))
def test_demand_rises_with_the_discount_and_never_jumps(response, discount):
    grid = np.linspace(0.0, 0.7, 141, dtype=np.float32)
    values = np.asarray(level(response, grid))
    assert (np.diff(values) >= 0).all()
    steepest = float(jax.nn.softplus(response.scale) * jax.nn.softplus(response.step).max()) / 0.1
    beside = np.asarray(level(response, np.float32([discount, discount + 1e-3])))
    assert 0 <= beside[1] - beside[0] <= steepest * 1.1e-3 + 1e-5 * beside[1]


def test_it_is_the_printed_formula_between_and_at_tenths():
    response = make_price_response(LIFT)
    delta = np.logaddexp(0, np.asarray(response.step, np.float64))
    sigma = np.logaddexp(0, float(response.scale))
    for d in (0.0, 0.04, 0.1, 0.25, 0.31, 0.699):
        m = min(int(10 * d + 1e-9), 6)
        expected = 1.0 + sigma * (delta[:m].sum() + (d - 0.1 * m) * delta[m] / 0.1)
        assert float(demand_level(response, jnp.float32(d))) == pytest.approx(expected, rel=1e-5)


def test_the_lift_is_what_was_asked_for():
    lift = jax.vmap(demand_lift, in_axes=(None, 0))
    tenths = jnp.arange(8, dtype=jnp.float32) / 10
    np.testing.assert_allclose(lift(make_price_response(LIFT), tenths), (1.0, *LIFT), rtol=1e-5)


@pytest.mark.parametrize(
    ("discount", "slope"),
    [(0.0, 3.5), (0.05, 3.5), (0.15, 4.5), (0.5, 5.0), (0.65, 4.0), (0.7, 4.0)],
)
def test_the_slope_is_that_of_the_piece(discount, slope):
    derivative = jax.grad(demand_level, argnums=1)(make_price_response(LIFT), jnp.float32(discount))
    assert float(derivative) == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize(
    "lift",
    [(1.1,) * 7, (0.9, *LIFT[1:]), LIFT[:6], (*LIFT[:6], np.inf)],
    ids=["flat", "below one", "six", "infinite"],
)
def test_bad_responses_are_refused(lift):
    with pytest.raises(ValueError, match="must be 7 finite factors that rise from 1"):
        make_price_response(lift)


def world(*, backlog=False):
    """A store with lead time 0, list price 10, cost 4, and demand 6 and 2 in two regions."""
    kernel = PricedDemandParams(
        kernel=LocalDemandParams(share=jnp.ones((1, 2)), unit_ship_cost=jnp.full(1, 0.5)),
        response=make_price_response(LIFT),
    )
    params = make_params([-1], kernel, holding_cost=1.0)
    scenario = scenario_from_views(
        np.tile([6.0, 2.0], (4, 1)), [[1.0]], jax.random.key(0), price=10.0, unit_cost=4.0
    )
    simulator = PricedSimulator(
        kernel=PricedDemand(kernel=LocalDemand(backlog=backlog)),
        dynamics=Dynamics(whole_units=False),
    )
    return simulator, params, simulator.prepare(params, scenario)


def one_period(order, discount, **options):
    simulator, params, scenario = world(**options)
    now = jax.tree.map(lambda leaf: leaf[0], scenario.series)
    start = simulator.reset(params, scenario)
    return simulator.step(params, start, jnp.asarray([order, discount], jnp.float32), now)


@pytest.mark.parametrize(
    ("order", "discount", "sold", "lost", "reward"),
    [
        # Revenue - ship - purchase - holding.
        pytest.param(20.0, 0.0, 8.0, 0.0, 80 - 4 - 80 - 12, id="list price"),
        pytest.param(20.0, 0.2, 14.4, 0.0, 8 * 14.4 - 7.2 - 80 - 5.6, id="discount"),
        pytest.param(10.0, 0.2, 10.0, 4.4, 80 - 5 - 40, id="more demand than stock"),
        pytest.param(40.0, 0.9, 34.4, 0.0, 3 * 34.4 - 17.2 - 160 - 5.6, id="clipped above"),
        pytest.param(20.0, -1.0, 8.0, 0.0, 80 - 4 - 80 - 12, id="clipped below"),
    ],
)
def test_a_period_by_hand(order, discount, sold, lost, reward):
    _, transition = one_period(order, discount)
    assert float(transition.outbound[0]) == pytest.approx(sold, rel=1e-5)
    assert float(transition.lost[0]) == pytest.approx(lost, abs=1e-4)
    assert float(transition.reward) == pytest.approx(reward, rel=1e-4)
    np.testing.assert_allclose(transition.action, [order, discount])
    assert float(transition.observation.price) == 10.0  # what was seen is the list price


def test_without_a_discount_it_is_the_plain_simulator():
    simulator, params, scenario = world(backlog=True)
    plain = Simulator(kernel=LocalDemand(backlog=True), dynamics=Dynamics(whole_units=False))
    plain_params = replace(params, kernel=params.kernel.kernel)

    class Constant:
        def __init__(self, action):
            self.action = jnp.asarray(action)

        def init(self, key):
            return ()

        def apply(self, params, observation, key):
            return self.action

    priced = simulator.rollout(params, Constant([7.0, 0.0]), (), scenario).transitions
    moves = plain.rollout(plain_params, Constant([7.0]), (), scenario).transitions
    chex.assert_trees_all_close(replace(priced, action=moves.action), moves, rtol=1e-6)


@pytest.mark.parametrize("discount", [0.05, 0.23, 0.44, 0.68])
def test_the_reward_of_a_rollout_has_its_derivative_in_the_discount(discount):
    """Central differences in float64-like steps: four periods, orders that bind and that do not."""
    simulator, params, scenario = world(backlog=True)

    class Fixed:
        def init(self, key):
            return ()

        def apply(self, d, observation, key):
            return jnp.stack([18.0 - observation.on_hand[0] + 0.0 * d, d])

    def total(d):
        return simulator.rollout(params, Fixed(), d, scenario).transitions.reward.sum()

    total = jax.jit(total)
    step = 4e-3
    numeric = (total(discount + step) - total(discount - step)) / (2 * step)
    assert float(jax.grad(total)(discount)) == pytest.approx(float(numeric), rel=3e-3)


def test_kernels_without_real_demand_are_refused():
    _, params, scenario = world()
    with pytest.raises(TypeError, match="kernel is LocalDemand, must be a PricedDemand"):
        PricedSimulator(kernel=LocalDemand())

    class Whole(LocalDemand):
        def prepare(self, params, series):
            return LocalDemand.prepare(self, params, series).astype(jnp.int32)

    odd = PricedSimulator(kernel=PricedDemand(kernel=Whole()))
    with pytest.raises(TypeError, match="prepares int32, must prepare units of demand"):
        odd.prepare(params, replace(scenario, series=replace(scenario.series, exogenous=None)))
