"""The single store: the textbook optimum, and gradients through its rollout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from policies import BaseStock
from simulator import single_store


def mean_cost(store, level, keys, periods=400):
    simulator, params, sample = store

    def one(key):
        moves = simulator.rollout(params, BaseStock(), level, sample(key, periods)).transitions
        return -moves.reward[20:].mean()

    return jax.vmap(one)(keys).mean()


# Level and cost of the backlogged store, Normal(5, 1.6) clipped at 0, holding 1, penalty 9.
@pytest.mark.parametrize(
    ("lead_time", "level", "cost"), [(1, 12.90, 3.9703), (4, 29.59, 6.2769)], ids=["L=1", "L=4"]
)
def test_published_optimum(lead_time, level, cost):
    store = single_store(lead_time=lead_time, unmet_cost=9.0)
    keys = jax.random.split(jax.random.key(0), 500)
    value, slope = jax.jit(jax.value_and_grad(lambda s: mean_cost(store, s, keys)))(level)
    assert float(value) == pytest.approx(cost, rel=0.01)
    # At the optimum the slope is zero; one unit away it is a tenth of the penalty or more.
    assert abs(float(slope)) < 0.1
    low = jax.jit(jax.grad(lambda s: mean_cost(store, s, keys)))(level - 2)
    high = jax.jit(jax.grad(lambda s: mean_cost(store, s, keys)))(level + 2)
    assert float(low) < -0.4 < 0.4 < float(high)


def test_gradient_descent_finds_the_optimum():
    store = single_store(lead_time=1, unmet_cost=9.0)
    keys = jax.random.split(jax.random.key(1), 64)
    slope = jax.jit(jax.grad(lambda s: mean_cost(store, s, keys)))
    level = jnp.float32(6.0)
    for step in range(60):
        level = level - 1.5 * 0.95**step * slope(level)
    assert float(level) == pytest.approx(12.90, abs=0.15)


@pytest.mark.parametrize("backlog", [True, False], ids=["backlog", "lost sales"])
@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_local_demand_gradient_is_exact(backlog, mode):
    # On reals the rollout is piecewise linear in the level: away from a kink a central difference
    # of any step that meets none is the derivative; averaged over paths, kinks are rare at 1e-2.
    store = single_store(lead_time=2, backlog=backlog)
    keys = jax.random.split(jax.random.key(2), 256)
    cost = jax.jit(lambda s: mean_cost(store, s, keys, periods=60))
    derivative = jax.jit((jax.grad if mode == "reverse" else jax.jacfwd)(cost))(17.3)
    for step in (0.02, 0.05):
        central = (cost(17.3 + step) - cost(17.3 - step)) / (2 * step)
        assert float(derivative) == pytest.approx(float(central), rel=0.02, abs=2e-3)


def test_lost_sales_cost_of_a_base_stock_level_is_the_published_one():
    # Poisson(5) demand, holding 1, penalty 4, lead time 1: best base stock 12 costs 4.1628.
    simulator, params, _ = single_store(lead_time=1, unmet_cost=4.0, backlog=False)
    from simulator import scenario_from_views

    def one(key):
        key_demand, key_noise = jax.random.split(key)
        demand = jax.random.poisson(key_demand, 5.0, (1000, 1)).astype(jnp.float32)
        scenario = scenario_from_views(demand, np.eye(2)[[1]], key_noise)
        return (
            -simulator.rollout(params, BaseStock(), 12.0, scenario).transitions.reward[20:].mean()
        )

    costs = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(3), 200))
    assert float(costs.mean()) == pytest.approx(4.1628, abs=3 * float(costs.std()) / 200**0.5)


@pytest.mark.parametrize(
    "arguments", [{"lead_time": -1}, {"sd_demand": -0.1}], ids=["lead time", "deviation"]
)
def test_bad_store_is_refused(arguments):
    name, value = next(iter(arguments.items()))
    with pytest.raises(ValueError, match=f"{name} is {value}, must be at least 0"):
        single_store(**arguments)
