"""What the simulator is given of a world in the oracle's tests."""

import jax
import numpy as np

from draingym.simulator import HISTORY_LENGTH, History, Initial, Scenario, make_market, sample_noise
from draingym.world.views import attribute_matrix


def scenario_of(world, days_of_cover, on_its_way=0.0):
    """A world's own views, shelves that hold so many days of demand, and units to come.

    Args:
        world: Of ``build_world``.
        days_of_cover: [N] days of a product's mean demand.
        on_its_way: Units of each product that reach the first node in the second period.
    """
    views = world.glance_views()
    nodes, leads = world.network.lead_time.shape
    products = world.products.num_products
    market = make_market(
        glance_views=views,
        forecast=np.broadcast_to(views.mean(axis=1, keepdims=True), views.shape) * 0.1,
        price=world.products.price,
        unit_cost=world.products.unit_cost,
        attributes=attribute_matrix(world.products),
        calendar=world.calendar,
    )
    nothing = np.zeros((products, HISTORY_LENGTH, nodes), np.float32)
    pipeline = np.zeros((products, leads - 1, nodes), np.float32)
    pipeline[:, 1, 0] = on_its_way
    cover = np.rint(world.mean_daily_demand[:, None] * np.asarray(days_of_cover))
    initial = Initial(
        on_hand=cover.astype(np.float32),
        pipeline=pipeline,
        history=History(outbound=nothing, ship_cost=nothing, available=nothing),
    )
    series = sample_noise(market, world.network.lead_time, 0, jax.random.key(0))
    return Scenario(initial=initial, series=series)
