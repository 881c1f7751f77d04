"""The gradient of a policy's mean return through a rollout, against central differences.

What is expected, kernel by kernel:

- learned: values are hard draws and whole units, so one path is a step function of the policy and
  has no derivative of use; the derivative that is defined (``hard_draw``, rounding straight
  through) is that of the mean, up to a small bias near kinks. Means over many paths must agree
  within 5%, at two step sizes.
- closest node on real units, every order to its nearest node with stock: a path is piecewise
  linear in what policies ship, so the derivative is exact away from its kinks, path by path.
- local demand: exact for the same reason; ``tests/simulator/test_classic.py`` checks it.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.drain_model import ClosestNode, ClosestNodeParams, DrainConfig, LearnedDrain, train
from draingym.policies import OrderUpTo, OrderUpToParams, Tree, simulated_values
from draingym.simulator import (
    HISTORY_LENGTH,
    Dynamics,
    History,
    Initial,
    Scenario,
    Simulator,
    make_market,
    make_params,
    sample_noise,
)
from tests.drain_model.conftest import make_process

PARENT = [-1, 0, 0, 0]
# The vendor takes two periods, or three; nodes get their stock the period after.
LEAD_TIME = np.array([[0, 0, 0.5, 0.5], [0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]])
HORIZON = 10
STEPS = (0.06, 0.12)  # of the logarithm of a cover
PATHS = 300


@pytest.fixture(scope="module")
def data():
    made = make_process(num_products=12, num_periods=36, num_nodes=4, num_regions=6, seed=3).data
    return replace(made, active=np.broadcast_to(np.array([False, True, True, True]), (36, 4)))


@pytest.fixture(scope="module")
def tree(data):
    distance = jnp.asarray(data.geography.distance_km / 1000.0)
    regions = distance.shape[1]
    return Tree(
        parent=jnp.array(PARENT),
        descends=jnp.array(np.eye(4, dtype=bool) | (np.arange(4) == 0)[:, None]),
        serves=jnp.array([False, True, True, True]),
        distance=distance,
        population=jnp.full(regions, 1.0 / regions),
    )


def scenarios(data, key, num_uniforms, products=slice(None)):
    views = data.glance_views[products, :HORIZON]
    units = views * np.exp(data.attributes[products, 2])[:, None, None]
    market = make_market(
        glance_views=views,
        forecast=np.broadcast_to(units.mean(axis=1, keepdims=True), views.shape),
        price=np.full(len(views), 40.0),
        unit_cost=np.full(len(views), 10.0),
        attributes=data.attributes[products],
        calendar=data.calendar[:HORIZON],
    )
    demand = jnp.asarray(units.sum(axis=2).mean(axis=1), jnp.float32)
    nothing = jnp.zeros((len(views), HISTORY_LENGTH, 4))
    initial = Initial(
        on_hand=jnp.rint(demand[:, None] * jnp.array([[3.0, 0.5, 0.5, 0.5]])),
        pipeline=jnp.zeros((len(views), 3, 4)),
        history=History(outbound=nothing, ship_cost=nothing, available=nothing),
    )
    series = sample_noise(market, LEAD_TIME, num_uniforms, key)
    return Scenario(initial=initial, series=series)


def params_of(kernel_params):
    return make_params(PARENT, kernel_params, holding_cost=0.3, transfer_cost=0.2, salvage_rate=0.8)


def covers(log_covers):
    # Strictly fewer than what demand asks for over the lead time: the return is steep here.
    return OrderUpToParams(
        buy_cover=jnp.exp(log_covers[0]), place_cover=jnp.exp(log_covers[1]), safety=jnp.float32(1)
    )


@pytest.mark.long
def test_learned_kernel_within_five_percent_of_central_differences(data, tree):
    config = DrainConfig(width=16, heads=2, pair_width=16, epochs=8, batch_products=4)
    checkpoint = train(data, config, seed=0).checkpoint
    kernel, kernel_params = LearnedDrain.bind(
        checkpoint, data.geography, tree.serves, jnp.zeros(4, jnp.int32)
    )
    simulator, policy = Simulator(kernel=kernel), OrderUpTo(tree=tree)
    params = params_of(kernel_params)
    first = scenarios(data, jax.random.key(0), kernel.num_uniforms)
    prepared = jax.vmap(lambda s: simulator.prepare(params, s))(first)
    base, directions = jnp.log(jnp.array([2.5, 1.0])), jnp.eye(2)

    def mean_return(log_covers, key):
        drawn = scenarios(data, key, kernel.num_uniforms).series
        series = replace(drawn, exogenous=prepared.series.exogenous)
        scenario = replace(prepared, series=series)
        return simulated_values(simulator, params, policy, covers(log_covers), scenario).mean()

    @jax.jit
    def compare(key):
        slope = jax.grad(mean_return)(base, key)
        central = [
            [
                (mean_return(base + h * d, key) - mean_return(base - h * d, key)) / (2 * h)
                for d in directions
            ]
            for h in STEPS
        ]
        return slope, jnp.array(central)

    slope, central = jax.lax.map(compare, jax.random.split(jax.random.key(1), PATHS))
    slope, central = np.asarray(slope), np.asarray(central)
    for i in range(2):
        for j, step in enumerate(STEPS):
            difference = slope[:, i] - central[:, j, i]
            error = difference.std(ddof=1) / np.sqrt(PATHS)
            target = abs(central[:, j, i].mean())
            assert error < 0.02 * target, (i, step, error, target)
            assert abs(difference.mean()) < 0.05 * target + 3 * error, (i, step)


@pytest.mark.slow
def test_closest_node_on_real_units_is_exact(data, tree):
    kernel = ClosestNode(max_orders=96, num_nodes=4, choices=4)
    kernel_params = ClosestNodeParams(
        distance_km=jnp.asarray(data.geography.distance_km),
        serves=tree.serves,
        active_from=jnp.zeros(4, jnp.int32),
        temperature=jnp.float32(1e3),  # every order goes to its nearest node with stock
        rate_scale=jnp.float32(1.0),
        cost_fixed=jnp.float32(4.0),
        cost_per_km=jnp.float32(0.004),
    )
    simulator = Simulator(kernel=kernel, dynamics=Dynamics(whole_units=False))
    policy, params = OrderUpTo(tree=tree), params_of(kernel_params)
    scenario = scenarios(data, jax.random.key(2), kernel.num_uniforms)
    base = jnp.log(jnp.array([2.5, 1.0]))

    @jax.jit
    def returns(log_covers):
        return simulated_values(simulator, params, policy, covers(log_covers), scenario)

    slope = np.asarray(jax.jit(jax.jacrev(returns))(base))
    for step in (2e-3, 4e-3):
        for i, direction in enumerate(jnp.eye(2)):
            ahead, behind = returns(base + step * direction), returns(base - step * direction)
            central = np.asarray((ahead - behind) / (2 * step))
            off = np.abs(slope[:, i] - central) > 0.02 * np.abs(central).max()
            assert off.mean() <= 0.25, (step, i)  # products with a kink inside the step
            assert slope[:, i].mean() == pytest.approx(central.mean(), rel=0.05)
