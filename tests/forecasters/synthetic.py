"""Small series of known structure, for the tests that train."""

import numpy as np

from draingym.forecasters.data.grid import Grid, Step
from draingym.forecasters.data.series import SeriesData

RISE = 2.5  # of log demand with the discount


def discounted(series=24, periods=48, ahead=4, seed=0):
    """Demand that rises with a discount nobody can foresee from the past: ``base exp(RISE d)``."""
    random = np.random.default_rng(seed)
    discount = 0.1 * random.integers(0, 6, (series, periods + ahead))
    base = random.uniform(5.0, 30.0, (series, 1))
    mean = base * np.exp(RISE * discount)
    demand = np.round(mean * random.gamma(100.0, 0.01, mean.shape))
    data = SeriesData(
        ids=tuple(f"s{i:02d}" for i in range(series)),
        grid=Grid(0, Step("whole", 1)),
        target=demand[:, :periods],
        past={"stock": np.full((series, periods), 100.0)},
        known={"discount": discount},
        labels={"brand": np.array(["ab"[i % 2] for i in range(series)])},
    )
    return data, demand[:, periods:]


def stocked(series=24, periods=56, ahead=4, seed=0):
    """Sales that double under a promotion, from a stock that is filled up every sixth period."""
    random = np.random.default_rng(seed)
    promotion = (random.random((series, periods + ahead)) < 0.3).astype(float)
    noise = random.normal(size=promotion.shape)
    base = random.uniform(5.0, 20.0, (series, 1))
    wanted = random.poisson(base * (1.0 + promotion)).astype(float)
    stock, sales = np.zeros(promotion.shape), np.zeros(promotion.shape)
    left = np.full(series, 0.0)
    for t in range(promotion.shape[1]):
        left = np.where(t % 6 == 0, np.round(7.0 * base[:, 0]), left)
        sales[:, t] = np.minimum(wanted[:, t], left)
        left = left - sales[:, t]
        stock[:, t] = left
    phase = np.broadcast_to(np.arange(periods + ahead) % 6, promotion.shape)
    data = SeriesData(
        ids=tuple(f"s{i:02d}" for i in range(series)),
        grid=Grid(0, Step("whole", 1)),
        target=sales[:, :periods],
        past={"inventory": stock[:, :periods]},
        known={"promotion": promotion, "noise": noise},
        known_labels={"phase": phase.astype(np.str_)},
        labels={"kind": np.array(["ab"[i % 2] for i in range(series)])},
    )
    return data, sales[:, periods:], stock[:, periods:]


def seasonal_naive(data, season, horizon):
    """The value of a season before, again and again."""
    last = data.target[:, -season:]
    return np.tile(last, (1, -(-horizon // season)))[:, :horizon]
