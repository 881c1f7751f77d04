"""A synthetic panel: orders are routed to nodes by distance, stock and persistent lane effects."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from draingym.drain_model import DrainConfig, DrainData, Geography
from draingym.world.lanes import lane_slots

# The least network there is: what tests of training, and not of the network, compile.
LEAST = DrainConfig(
    lane_heads=0,
    pair_bias=False,
    joint="independent",
    width=4,
    heads=1,
    pair_width=4,
    frequencies=1,
    num_atoms=2,
    dilations=(1,),
    node_blocks=0,
    location_blocks=0,
    batch_products=2,
    epochs=3,
    validate_every=1,
    learning_rate=1e-2,
    patience=100,
)


@dataclass(frozen=True, kw_only=True)
class Process:
    """What the panel is drawn from; ``resample`` draws the drain anew on the same stock."""

    data: DrainData
    preference: np.ndarray  # [N, Z] log preference of the truth
    unit_cost: np.ndarray  # [N, Z]

    def resample(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(seed)
        data = self.data
        conversion = np.exp(data.attributes[:, 2].astype(float))
        orders = random.binomial(data.glance_views.astype(int), conversion[:, None, None])
        return route(
            orders, data.available.astype(int), data.active, self.preference, self.unit_cost, random
        )[:2]


def route(
    orders: np.ndarray,
    available: np.ndarray,
    active: np.ndarray,
    preference: np.ndarray,
    unit_cost: np.ndarray,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Orders in random order; each takes a node with stock with softmax probability.

    Returns units and cost by node, and units by lane.
    """
    regions = orders.shape[-1]
    flat = orders.reshape(-1, regions)
    cells = flat.shape[0]
    longest = int(flat.sum(axis=1).max())
    sequence = np.full((cells, longest), -1)
    for c in range(cells):
        drawn = np.repeat(np.arange(regions), flat[c])
        random.shuffle(drawn)
        sequence[c, : drawn.size] = drawn
    stock = available.reshape(cells, -1) * np.broadcast_to(active, available.shape).reshape(
        cells, -1
    )
    outbound, cost = np.zeros(stock.shape), np.zeros(stock.shape)
    weight = np.exp(preference).T  # [Z, N]
    lane = np.zeros((cells, stock.shape[1], regions), int)
    for k in range(longest):
        region = sequence[:, k]
        w = weight[region] * ((stock - outbound) > 0) * (region >= 0)[:, None]
        cumulative = np.cumsum(w, axis=1)
        total = cumulative[:, -1]
        node = (random.random(cells)[:, None] * total[:, None] >= cumulative).sum(axis=1)
        rows = np.flatnonzero(total > 0)
        node = np.minimum(node[rows], stock.shape[1] - 1)
        outbound[rows, node] += 1
        lane[rows, node, region[rows]] += 1
        cost[rows, node] += unit_cost[node, region[rows]] * np.exp(
            0.2 * random.standard_normal(rows.size)
        )
    cell, node, region = np.nonzero(lane)
    periods = available.shape[1]
    lanes = lane_slots(
        *(cell // periods, cell % periods, node, region),
        lane[cell, node, region],
        available.shape[:2],
    )
    return outbound.reshape(available.shape), cost.reshape(available.shape), lanes


def make_process(
    *,
    num_products: int = 6,
    num_periods: int = 20,
    num_nodes: int = 4,
    num_regions: int = 5,
    mean_units: float = 20.0,
    seed: int = 0,
) -> Process:
    random = np.random.default_rng(seed)
    nodes = np.stack(
        [random.uniform(28, 46, num_nodes), random.uniform(-120, -75, num_nodes)], axis=1
    )
    regions = np.stack(
        [random.uniform(28, 46, num_regions), random.uniform(-120, -75, num_regions)], axis=1
    )
    gap = (nodes[:, None] - regions[None]) * np.array([111.0, 88.0])
    distance = np.sqrt((gap**2).sum(axis=-1))
    lane = np.exp(0.25 * random.standard_normal(distance.shape))
    unit_cost = (4.0 + 0.004 * distance) * lane
    preference = -1.5 * unit_cost
    share = random.dirichlet(np.full(num_regions, 3.0))
    conversion = random.uniform(0.05, 0.2, num_products)
    units = mean_units * np.exp(0.6 * random.standard_normal(num_products))
    week = 1.0 + 0.3 * np.sin(2 * np.pi * np.arange(num_periods) / 7)
    rate = units[:, None, None] / conversion[:, None, None] * week[None, :, None] * share
    noise = random.gamma(5.0, 0.2, rate.shape)
    views = random.poisson(rate * noise)
    active = np.ones((num_periods, num_nodes), bool)
    active[:, 0] = False  # upstream
    active[: num_periods // 4, -1] = False  # opens later
    level = units[:, None, None] / (num_nodes - 1) * 2.5
    available = random.poisson(
        level * random.gamma(1.5, 0.7, (num_products, num_periods, num_nodes))
    )
    available[:, : num_periods // 4, -1] = 0
    orders = random.binomial(views, conversion[:, None, None])
    outbound, cost, lanes = route(orders, available, active, preference, unit_cost, random)
    angle = 2 * np.pi * np.arange(num_periods) / 7
    data = DrainData(
        outbound=outbound.astype(np.float32),
        ship_cost=cost.astype(np.float32),
        available=available.astype(np.float32),
        active=active,
        glance_views=views.astype(np.float32),
        lane=(lanes["node"] * num_regions + lanes["region"]).astype(np.int32),
        lane_units=lanes["units"].astype(np.float32),
        calendar=np.stack([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32),
        attributes=np.stack(
            [
                random.normal(3, 0.5, num_products),
                random.normal(1, 0.4, num_products),
                np.log(conversion),
            ],
            axis=1,
        ).astype(np.float32),
        geography=Geography(
            node_coordinates=nodes.astype(np.float32),
            region_coordinates=regions.astype(np.float32),
            distance_km=distance.astype(np.float32),
        ),
    )
    return Process(data=data, preference=preference, unit_cost=unit_cost)


@pytest.fixture(scope="session")
def process() -> Process:
    return make_process()


@pytest.fixture(scope="session")
def processes() -> Callable[..., Process]:
    return make_process
