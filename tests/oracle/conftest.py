import numpy as np
import pytest

from draingym.oracle import build_systems, run
from draingym.simulator import Dynamics, Economics, params_from_network
from draingym.world.orders import WorldConfig, build_world
from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines
from tests.oracle.policies import Refill
from tests.oracle.scenarios import scenario_of


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
    return scenario_of(small_world, [4.0, 1.0, 0.5, 0.5], on_its_way=7.0)


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
