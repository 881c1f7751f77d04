"""Classic problems: the simulator at the optimal policy, and gradient descent towards it.

Costs are compared as z-scores: the mean over independent rollouts against the exact or published
cost, in standard errors; |z| < 3.5 passes. The seeds are fixed, so a test that passes once passes
always.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from draingym.policies import (
    BaseStock,
    CappedBaseStock,
    CappedParams,
    EchelonBaseStock,
    EqualFractile,
)
from draingym.policies.bounds.lost_sales import LostSales, capped_base_stock, policy_cost
from draingym.policies.bounds.optimal import (
    base_stock_optimum,
    discretise,
    serial_optimum,
    transshipment_bound,
)
from draingym.simulator import (
    Normal,
    Poisson,
    batch_returns,
    serial_in_transit,
    serial_line,
    single_store,
    transshipment,
)

# As the public settings of hindsight-differentiable policy optimisation draw them, seeds 33, 92.
MEANS = (3.743, 4.75, 4.555, 3.801, 6.852)
SDS = (1.765, 2.124, 1.622, 1.405, 1.714)
WARM_UP = 30


def mean_cost(problem, policy, policy_params, key, batch, periods):
    simulator, params, sample = problem
    scenario = sample(key, periods, batch)
    total = batch_returns(simulator, params, policy, policy_params, scenario, warm_up=WARM_UP)
    return -total / (periods - WARM_UP)


def z_score(problem, policy, policy_params, cost, batch=2000, periods=130, stores=1):
    run = jax.jit(lambda p, k: mean_cost(problem, policy, p, k, batch, periods) / stores)
    costs = np.asarray(run(policy_params, jax.random.key(0)), np.float64)
    return (costs.mean() - cost) / (costs.std(ddof=1) / np.sqrt(batch))


def lost_sales(lead_time, unmet_cost):
    return single_store(
        lead_time=lead_time, unmet_cost=unmet_cost, backlog=False, demand=Poisson(rate=5.0)
    )


def one_warehouse(store_lead_time=2, unmet_cost=4.0, correlation=0.5, stores=5):
    means, sds = MEANS[:stores], SDS[:stores]
    problem = transshipment(
        demand=Normal(means=means, sds=sds, correlation=correlation, clip=False),
        store_lead_time=store_lead_time,
        unmet_cost=unmet_cost,
    )
    bound = transshipment_bound(
        means, sds, correlation=correlation, warehouse_lead_time=3,
        store_lead_time=store_lead_time, holding_cost=1.0, unmet_cost=unmet_cost,
    )  # fmt: skip
    exposed = store_lead_time + 1
    policy = EqualFractile(
        mean=tuple(exposed * mean for mean in means),
        sd=tuple(exposed**0.5 * sd for sd in sds),
    )
    return problem, policy, bound


# A. Published costs of the best base-stock level.
@pytest.mark.parametrize(
    ("lead_time", "unmet_cost", "level", "cost"),
    [(1, 4.0, 12, 4.1628), (1, 9.0, 13, 5.5475), (4, 4.0, 25, 5.1978), (4, 9.0, 28, 7.2709)],
)
def test_lost_sales_store(lead_time, unmet_cost, level, cost):
    problem = lost_sales(lead_time, unmet_cost)
    assert abs(z_score(problem, BaseStock(), jnp.float32(level), cost)) < 3.5


@pytest.mark.parametrize(
    ("lead_time", "unmet_cost", "level", "cap"),
    [(4, 9.0, 29, 5), (2, 19.0, 20, 7)],
    ids=["published setting", "another"],
)
def test_lost_sales_store_with_capped_orders(lead_time, unmet_cost, level, cap):
    pmf = np.append(stats.poisson(5).pmf(np.arange(23)), stats.poisson(5).sf(22))
    exact = LostSales(
        pmf=pmf, lead_time=lead_time, holding_cost=1.0, unmet_cost=unmet_cost,
        max_order=cap, max_stock=level,
    )  # fmt: skip
    cost = policy_cost(exact, capped_base_stock(exact, level, cap))
    policy_params = CappedParams(level=jnp.float32(level), cap=jnp.float32(cap))
    problem = lost_sales(lead_time, unmet_cost)
    assert abs(z_score(problem, CappedBaseStock(), policy_params, cost)) < 3.5


# B. Published levels and costs, and one that is computed.
@pytest.mark.parametrize(
    ("lead_time", "unmet_cost", "published"),
    [(1, 9.0, (12.90, 3.9703)), (4, 9.0, (29.59, 6.2769)), (0, 39.0, None)],
)
def test_backlogged_store(lead_time, unmet_cost, published):
    if published is None:
        best = base_stock_optimum(
            discretise(stats.norm(5, 1.6), 0.01), 0.01,
            lead_time=lead_time, holding_cost=1.0, unmet_cost=unmet_cost,
        )  # fmt: skip
        published = best.levels[0], best.cost
    level, cost = published
    problem = single_store(lead_time=lead_time, unmet_cost=unmet_cost)
    assert abs(z_score(problem, BaseStock(), jnp.float32(level), cost)) < 3.5


# C, and a line with other parameters.
def test_serial_line():
    levels = jnp.array([83.2, 72.8, 49.0, 32.35])
    policy = EchelonBaseStock(parent=(-1, 0, 1, 2))
    assert abs(z_score(serial_line(), policy, levels, 10.7341, batch=3000)) < 3.5


def test_another_serial_line():
    setting = {"lead_times": (1, 2, 0), "holding_cost": (0.5, 0.6, 1.5), "unmet_cost": 19.0}
    best = serial_optimum(discretise(stats.norm(5, 2), 0.02), 0.02, **setting)
    policy = EchelonBaseStock(parent=(-1, 0, 1))
    levels = jnp.asarray(best.levels, jnp.float32)
    assert abs(z_score(serial_line(**setting), policy, levels, best.cost)) < 3.5


# D. The bound is not reached: the policy is within 0.26% of it.
@pytest.mark.parametrize(
    "setting",
    [{}, {"store_lead_time": 3, "unmet_cost": 9.0, "correlation": 0.0, "stores": 3}],
    ids=["published", "another"],
)
def test_one_warehouse(setting):
    problem, policy, bound = one_warehouse(**setting)
    level = jnp.float32(bound.levels[0])
    stores = setting.get("stores", 5)
    if not setting:
        assert bound.cost == pytest.approx(5.2964, abs=5e-5)
    above = z_score(problem, policy, level, bound.cost, stores=stores)
    below = z_score(problem, policy, level, bound.cost * 1.0026, stores=stores)
    assert above > -3.5
    assert below < 3.5


# E. Snyder and Shen, example 6.1: 47.66 +- 0.01.
def test_serial_line_with_goods_in_transit():
    levels = jnp.array([22.71, 12.02, 6.49])
    policy = EchelonBaseStock(parent=(-1, 0, 1))
    assert abs(z_score(serial_in_transit(), policy, levels, 47.66)) < 3.5


DESCENTS = {
    # problem, policy, start, optimum
    "A": lambda: (lost_sales(4, 9.0), BaseStock(), jnp.float32(20.0), jnp.float32(28.0)),
    "B": lambda: (single_store(lead_time=4), BaseStock(), jnp.float32(20.0), jnp.float32(29.59)),
    "C": lambda: (
        serial_line(),
        EchelonBaseStock(parent=(-1, 0, 1, 2)),
        jnp.array([70.0, 60.0, 40.0, 25.0]),
        jnp.array([83.2, 72.8, 49.0, 32.35]),
    ),
    "D": lambda: (
        *one_warehouse()[:2],
        jnp.float32(140.0),
        jnp.asarray(one_warehouse()[2].levels[0], jnp.float32),
    ),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n in ("C", "D") else n for n in sorted(DESCENTS)],
)
def test_gradient_descent_through_the_rollout_finds_the_optimum(name):
    # Levels start at what the mean demand needs, or below. In A demand is discrete and the level
    # a real number: cost is linear between whole levels, and its derivative there is exact.
    problem, policy, start, optimum = DESCENTS[name]()
    optimiser = optax.adam(optax.cosine_decay_schedule(0.6, 120))

    def loss(levels, key):
        return mean_cost(problem, policy, levels, key, 64, 90).mean()

    def update(carry, key):
        levels, state = carry
        step, state = optimiser.update(jax.grad(loss)(levels, key), state)
        return (optax.apply_updates(levels, step), state), None

    @jax.jit
    def descend(start):
        keys = jax.random.split(jax.random.key(1), 120)
        return jax.lax.scan(update, (start, optimiser.init(start)), keys)[0][0]

    levels = descend(start)
    if name == "A":
        levels = jnp.round(levels)
    cost = jax.jit(lambda levels: mean_cost(problem, policy, levels, jax.random.key(2), 1000, 130))
    assert float(cost(start).mean()) > 1.05 * float(cost(optimum).mean())
    assert float(cost(levels).mean()) < 1.01 * float(cost(optimum).mean())


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (single_store, {"lead_time": -1}, r"lead_time is -1, must be in \[0, 1000\]"),
        (single_store, {"lead_time": 1.5}, "lead_time is 1.5, must be a whole number of at least"),
        (single_store, {"lead_time": True}, "lead_time is True, must be a whole number"),
        (serial_line, {"lead_times": (2, 4.5, 3, 4)}, "lead_time is 4.5, must be a whole number"),
        (single_store, {"mean_demand": -5.0}, "mean_demand is -5.0, must be finite and in"),
        (single_store, {"unmet_cost": np.inf}, "unmet_cost is inf, must be in"),
        (single_store, {"sd_demand": -0.1}, "sd_demand is -0.1, must be finite and in"),
        (serial_line, {"lead_times": (0, 1), "holding_cost": (1, 2)}, "at least 1 before the st"),
        (serial_line, {"lead_times": (1, 1)}, "holding_cost has 4 entries"),
        (serial_in_transit, {"lead_times": (2, 1, 0)}, "must be at least 1"),
        (transshipment, {"demand": Normal(means=(1.0,), sds=(1.0,)), "warehouse_lead_time": 0},
         "warehouse_lead_time is 0"),
        (single_store, {"demand": Normal(means=(1.0, 2.0), sds=(1.0, 1.0))}, "has 2 regions"),
    ],
)  # fmt: skip
def test_bad_problems_are_refused(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)
