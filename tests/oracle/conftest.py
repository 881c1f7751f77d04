import jax
import numpy as np
import pytest

from draingym.oracle import build_systems, run
from draingym.simulator import (
    HISTORY_LENGTH,
    Dynamics,
    Economics,
    History,
    Initial,
    Scenario,
    make_market,
    params_from_network,
    sample_noise,
)
from draingym.world.orders import WorldConfig, build_world
from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines
from draingym.world.views import attribute_matrix
from tests.oracle.policies import Refill


@pytest.fixture(scope="session")
def small_world():
    """Six products, four nodes, six regions, twelve days."""
    lines = synthetic_order_lines(
        SyntheticConfig(num_products=8, num_customers=400, num_days=12, lines_per_day=120.0), seed=3
    )
    return build_world(lines, WorldConfig(num_products=6, num_nodes=3, num_regions=6, seed=1))


@pytest.fixture(scope="session")
def true_systems(small_world):
    w = small_world
    return build_systems(w.network, w.places, w.products, w.rates, w.mean_daily_demand)


@pytest.fixture(scope="session")
def params(small_world):
    return params_from_network(
        small_world.network, Economics(), None, period_days=small_world.period_days
    )


@pytest.fixture(scope="session")
def scenario(small_world):
    w = small_world
    views = w.glance_views()
    nodes, leads = w.network.lead_time.shape
    products = w.products.num_products
    market = make_market(
        glance_views=views,
        forecast=np.broadcast_to(views.mean(axis=1, keepdims=True), views.shape) * 0.1,
        price=w.products.price,
        unit_cost=w.products.unit_cost,
        attributes=attribute_matrix(w.products),
        calendar=w.calendar,
    )
    nothing = np.zeros((products, HISTORY_LENGTH, nodes), np.float32)
    pipeline = np.zeros((products, leads - 1, nodes), np.float32)
    pipeline[:, 1, 0] = 7.0
    cover = np.rint(w.mean_daily_demand[:, None] * np.array([4.0, 1.0, 0.5, 0.5]))
    initial = Initial(
        on_hand=cover.astype(np.float32),
        pipeline=pipeline,
        history=History(outbound=nothing, ship_cost=nothing, available=nothing),
    )
    series = sample_noise(market, w.network.lead_time, 0, jax.random.key(0))
    return Scenario(initial=initial, series=series)


@pytest.fixture(scope="session")
def history(small_world, true_systems, params, scenario):
    """A recorded run through the hidden truth."""
    level = np.full(4, 12.0, np.float32)
    return run(
        true_systems,
        small_world.views,
        params,
        Refill(),
        level,
        scenario,
        dynamics=Dynamics(),
        seed=5,
        record=True,
    )
