"""Yesterday's policy saw no more than what had happened."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from draingym.demo.config import LoopConfig
from draingym.demo.history import history_scenario
from draingym.simulator import Economics, params_from_network
from draingym.world.network import NetworkConfig, build_network
from draingym.world.views import Products
from tests.simulator.worlds import observations

NETWORK = build_network(NetworkConfig(num_nodes=2, num_regions=3))
PRODUCTS = Products(
    id=("a", "b"),
    price=np.array([9.0, 5.0]),
    unit_cost=np.array([4.0, 3.0]),
    weight_lb=np.ones(2),
    conversion=np.array([0.1, 0.2]),
    units_per_order=np.array([2.0, 1.0]),
)


def scenario(views):
    """What a world makes of its views; nothing else of it is asked for."""
    world = SimpleNamespace(
        network=NETWORK,
        products=PRODUCTS,
        calendar=np.zeros((views.shape[1], 1)),
        period_days=2,
        mean_daily_demand=np.array([4.0, 8.0]),
        glance_views=lambda: views,
    )
    return history_scenario(world, LoopConfig(data="synthetic"))


@pytest.mark.parametrize("period", [0, 3])
def test_histories_that_agree_so_far_are_seen_alike(period):
    views = np.random.default_rng(0).poisson(30, (2, 6, 3))
    changed = views.copy()
    changed[:, period:] += 7
    params = params_from_network(NETWORK, Economics(), None, period_days=2.0)
    for product in range(2):
        first, second = (
            observations(
                params,
                jax.tree.map(lambda leaf, p=product: leaf[p], scenario(each).series),
                period + 1,
            )
            for each in (views, changed)
        )
        jax.tree.map(np.testing.assert_array_equal, first, second)


def test_a_product_that_nobody_has_seen_yet_is_expected_to_sell_its_mean_by_population():
    forecast = scenario(np.full((2, 4, 3), 10.0)).series.forecast
    share = NETWORK.population / NETWORK.population.sum()
    np.testing.assert_allclose(forecast[:, 0], np.outer([8.0, 16.0], share), rtol=1e-5)
    # 3.5 periods of two days halve what was expected, here after one: decay 2**(-1 / 3.5).
    decay = 2 ** (-1 / 3.5)
    expected = decay * 8.0 * share + (1 - decay) * 10.0 * 0.1 * 2.0
    np.testing.assert_allclose(forecast[0, 1], expected, rtol=1e-5)
