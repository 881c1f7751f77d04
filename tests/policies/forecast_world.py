"""A small panel with weekly swings, windows in it, and a forecaster of its views."""

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from draingym.forecasters import ARMDN, TrainConfig, fit, read_panel
from draingym.simulator import (
    LocalDemand,
    LocalDemandParams,
    Simulator,
    make_params,
    make_windows,
    market_from_panel,
)

PRODUCTS, PERIODS, NODES, REGIONS, HORIZON = 3, 30, 2, 4, 5
LEADS = np.array([[0.0, 1.0], [1.0, 0.0]])


def small_panel(seed=0):
    """Views that swing over five periods; half of them buy a unit."""
    random = np.random.default_rng(seed)
    level = np.array([40.0, 12.0, 5.0])[:, None, None]
    swing = 1.0 + 0.6 * np.sin(2 * np.pi * np.arange(PERIODS) / 5)[:, None]
    views = random.poisson(level * swing * np.array([0.4, 0.3, 0.2, 0.1]))
    shape = (PRODUCTS, PERIODS, NODES)
    outbound = np.zeros(shape)
    outbound[:, :, 1] = np.floor(views.sum(axis=2) / 2)
    dims = ("product", "period", "node")
    return xr.Dataset(
        {
            "glance_views": (("product", "period", "region"), views.astype(np.float32)),
            "outbound": (dims, outbound.astype(np.float32)),
            "on_hand": (dims, random.poisson(30.0, shape).astype(np.float32)),
            "available": (dims, random.poisson(40.0, shape).astype(np.float32)),
            "ship_cost": (dims, np.zeros(shape, np.float32)),
            "price": (("product",), [20.0, 15.0, 30.0]),
            "unit_cost": (("product",), [9.0, 8.0, 14.0]),
            "weight_lb": (("product",), [1.0, 2.0, 3.0]),
            "conversion": (("product",), [0.5, 0.5, 0.5]),
            "units_per_order": (("product",), [1.0, 1.0, 1.0]),
            "calendar": (("period", "feature"), swing - 1.0),
        },
        coords={"product": ["a", "b", "c"], "feature": ["phase"]},
    )


def small_simulator():
    """One node behind, one in front of all regions; half of what is looked at is wanted."""
    share = np.zeros((NODES, REGIONS))
    share[1] = 0.5
    kernel = LocalDemandParams(share=jnp.asarray(share), unit_ship_cost=jnp.zeros(NODES))
    return Simulator(kernel=LocalDemand()), make_params([-1, 0], kernel)


def small_windows(panel, starts=(8, 20), horizon=HORIZON, known_periods=20):
    """Windows of a panel's market."""
    simulator, params = small_simulator()
    market = market_from_panel(panel, known_periods=known_periods)
    pipelines = [np.zeros((panel.sizes["product"], 1, NODES))] * len(starts)
    return make_windows(
        simulator, params, panel, market, starts, pipelines, horizon, LEADS, jax.random.key(0)
    )


def small_forecaster(panel, until=20, **given):
    """A forecaster of the products' views, fitted to the first periods."""
    model = ARMDN(horizon=HORIZON, context=10, width=12, mixtures=2, dropout=0.0)
    config = TrainConfig(epochs=15, batch=16, windows=128, learning_rate=1e-2, validate=False)
    return fit(read_panel(panel, "glance_views", **given).until(until), model, config=config)


def changed_after(panel, origin, seed=7):
    """The same panel with other views, orders and stock from an origin on."""
    random = np.random.default_rng(seed)
    found = panel.copy(deep=True)
    for name in ("glance_views", "outbound", "on_hand", "available"):
        found[name].values[:, origin:] = random.poisson(99.0, found[name][:, origin:].shape)
    return found
