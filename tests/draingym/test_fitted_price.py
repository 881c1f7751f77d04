"""A fitted demand curve is a price response: same demand, and profit has its derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.envs.fitted_price import fitted_response, with_response
from draingym.envs.make import make_problem
from draingym.forecasters.monotone_transformer import PriceCurves
from draingym.forecasters.monotone_transformer.types import DemandCurves
from draingym.simulator import demand_lift

LIFT = jax.jit(jax.vmap(demand_lift, in_axes=(None, 0)))


def curves(seed=0, low=0.0):
    """Two series over three periods: elasticities of about 2 to 6."""
    random = np.random.default_rng(seed)
    delta = np.repeat(random.uniform(low, 0.5, (2, 1, 7)), 3, axis=1)
    return PriceCurves(
        ids=("shirt", "shoe"),
        times=np.arange(3),
        curves=DemandCurves(
            base=jnp.asarray(random.uniform(0.3, 1.0, (2, 3)), jnp.float32),
            scale=jnp.asarray(random.uniform(0.5, 1.5, (2, 3)), jnp.float32),
            delta=jnp.asarray(delta, jnp.float32),
        ),
        scale=jnp.asarray([10.0, 3.0]),
    )


def test_the_response_is_the_forecast():
    prices = curves()
    discounts = np.linspace(0, 0.7, 15)
    demand = prices.grid(discounts.tolist())
    for s, series in enumerate(prices.ids):
        for period in (0, 2):
            found = LIFT(fitted_response(prices, series, period), jnp.asarray(discounts))
            expected = demand[s, period] / demand[s, period, 0]
            np.testing.assert_allclose(found, expected, rtol=2e-4)


def test_a_piece_without_a_rise_stays_without():
    prices = curves()
    flat = jax.tree.map(lambda x: x, prices.curves)
    flat = DemandCurves(base=flat.base, scale=flat.scale, delta=jnp.zeros_like(flat.delta))
    prices = PriceCurves(ids=prices.ids, times=prices.times, curves=flat, scale=prices.scale)
    response = fitted_response(prices, "shoe")
    np.testing.assert_allclose(LIFT(response, jnp.linspace(0, 0.7, 5)), 1.0, rtol=1e-6)
    slope = jax.grad(demand_lift, argnums=1)(response, jnp.float32(0.3))
    assert float(slope) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.slow
def test_profit_in_pricing_has_its_derivative_in_the_discount():
    plain = make_problem("Pricing", num_nodes=2, num_regions=4, horizon=20)
    environment = with_response(plain, fitted_response(curves(), "shirt"))
    scenario = environment.simulator.prepare(
        environment.params, environment.sample(jax.random.key(0))
    )

    class Fixed:
        def init(self, key):
            return ()

        def apply(self, d, observation, key):
            nodes = observation.on_hand.shape[0]
            return jnp.concatenate([jnp.full(nodes, 40.0), d[None]])

    def profit(d):
        found = environment.simulator.rollout(environment.params, Fixed(), d, scenario)
        return found.transitions.reward.sum()

    at, step = jnp.asarray([0.07, 0.33, 0.62]), 4e-3
    run = jax.jit(jax.vmap(jax.value_and_grad(profit)))
    values, slopes = run(jnp.concatenate([at, at + step, at - step]))
    numeric = (values[3:6] - values[6:]) / (2 * step)
    np.testing.assert_allclose(slopes[:3], numeric, rtol=5e-3)
    assert (np.abs(slopes[:3]) > 1.0).all()


@pytest.mark.parametrize(
    ("series", "period", "message"),
    [
        ("hat", 0, "series is 'hat', must be one of those that were forecast"),
        ("shoe", 3, r"period is 3, must be in \[0, 2\]"),
    ],
    ids=["series", "period"],
)
def test_what_was_not_forecast_is_refused(series, period, message):
    with pytest.raises(ValueError, match=message):
        fitted_response(curves(), series, period)


def test_a_problem_without_a_discount_is_refused():
    response = fitted_response(curves(), "shirt")
    with pytest.raises(ValueError, match="must have PricedDemandParams"):
        with_response(make_problem("SingleStore"), response)


def test_a_curve_that_falls_is_refused():
    with pytest.raises(ValueError, match=r"delta\[\d\] is -.*, must be at least 0: demand must"):
        fitted_response(curves(low=-1.0), "shirt")
