"""Where the units lie decides what is left and what shipping costs: the oracle's first example.

Two warehouses, New York and Los Angeles, and ten units of one product. Four customers in Los
Angeles want one unit each. The emulated production systems promise, convert, fulfil and bill.

Run it with ``python examples/opening_example.py``.
"""

import numpy as np

from draingym.oracle import OracleConfig, PeriodOutcome, Systems, build_systems, drain_period
from draingym.world.geography import great_circle_km
from draingym.world.network import Network
from draingym.world.views import PROMISES, ConversionRates, Places, Products, Views

NODES = ("New York", "Los Angeles")
LATITUDE, LONGITUDE = np.array([40.7, 34.0]), np.array([-74.0, -118.2])
SCENARIOS = {"A: 10 / 0": [10, 0], "B: 5 / 5": [5, 5]}  # units in New York / Los Angeles


def make_systems() -> Systems:
    """Return the systems of two cities, each with a warehouse and customers."""
    distance = great_circle_km(LATITUDE[:, None], LONGITUDE[:, None], LATITUDE, LONGITUDE)
    network = Network(
        node_name=NODES,
        node_latitude=LATITUDE,
        node_longitude=LONGITUDE,
        parent=np.array([-1, -1]),
        serves_customers=np.array([True, True]),
        active_from=np.array([0, 0]),
        daily_capacity=np.array([np.inf, np.inf]),
        region_name=NODES,
        region_latitude=LATITUDE,
        region_longitude=LONGITUDE,
        population=np.array([8.3e6, 3.8e6]),
        distance_km=distance,
        lead_time=np.array([[1.0], [1.0]]),
    )
    places = Places(
        name=("100", "900"),
        latitude=LATITUDE,
        longitude=LONGITUDE,
        region=np.array([0, 1]),
        population=network.population,
    )
    product = Products(
        id=("kettle",),
        price=np.array([30.0]),
        unit_cost=np.array([18.0]),
        weight_lb=np.array([2.5]),
        conversion=np.array([0.12]),
        units_per_order=np.array([1.0]),
    )
    rates = ConversionRates.from_products(product)
    # No lane is dear and no bill noisy, so that the distance alone makes the difference.
    config = OracleConfig(lane_effect_sd=0.0, cost_noise_sd=0.0, capacity_factor=100.0)
    return build_systems(network, places, product, rates, np.array([4.0]), config)


def four_customers() -> Views:
    """Return four views in Los Angeles, one an hour; each buys a unit even if it takes days."""
    count = 4
    return Views(
        time=(9.0 + np.arange(count)) / 24.0,
        product=np.zeros(count, np.int32),
        place=np.ones(count, np.int32),
        region=np.ones(count, np.int32),
        customer=np.arange(count, dtype=np.int32),
        quantity=np.ones(count, np.int32),
        session=np.arange(count),
        latent=np.full(count, 0.01),
        offsets=np.array([0, count]),
    )


def serve(stock: list[int]) -> PeriodOutcome:
    """Return what becomes of units in New York and Los Angeles."""
    return drain_period(make_systems(), four_customers(), 0, np.array([stock]))


def main() -> None:
    """Print what is left, what it cost, and what the customers were promised."""
    print(f"{'New York / Los Angeles':24}{'shipped':>12}{'left':>12}{'promise':>10}{'cost':>12}")
    for name, stock in SCENARIOS.items():
        outcome = serve(stock)
        shipped, left = ("{} / {}".format(*x[0]) for x in (outcome.outbound, outcome.stock))
        promise = PROMISES[outcome.promise[0]]
        cost = f"{outcome.ship_cost.sum():.2f} USD"
        print(f"{name:24}{shipped:>12}{left:>12}{promise:>10}{cost:>12}")


if __name__ == "__main__":
    main()
