"""Nothing that a policy sees depends on the future, however a scenario is made.

Two histories that agree before period t give the same observations up to t: policies act before a
period's views are there. What the environments draw is held to it in ``tests/draingym``.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draingym.simulator import (
    Dynamics,
    LocalDemand,
    LocalDemandParams,
    PricedDemand,
    PricedDemandParams,
    PricedSimulator,
    Simulator,
    last_period,
    make_market,
    make_params,
    make_price_response,
    make_windows,
    market_from_panel,
    running_mean,
    sample_noise,
    scenario_from_views,
    serial_in_transit,
    serial_line,
    single_store,
    smoothed,
    transshipment,
    window,
)
from draingym.simulator.scenarios.forecasts import RULES
from tests.simulator.worlds import observations

PERIODS, KNOWN = 8, 3
LEADS = np.array([[0.5, 0.5]])
KEY = jax.random.key(0)
PARAMS = make_params([-1], LocalDemandParams(share=jnp.ones((1, 2)), unit_ship_cost=jnp.zeros(1)))


@dataclass(frozen=True, eq=False)
class Given:
    """Demand that is what it is."""

    views: np.ndarray

    @property
    def regions(self):
        return self.views.shape[1]

    @property
    def mean(self):
        return np.full(self.regions, 4.0)

    def sample(self, key, shape):
        return jnp.asarray(self.views)


def market(views, forecast):
    return make_market(
        glance_views=views[None],
        forecast=forecast[None],
        price=[3.0],
        unit_cost=[2.0],
        attributes=[[0.5]],
        calendar=np.arange(PERIODS)[:, None],
    )


class Panel(dict):
    """Variables by item and attribute, as a panel has them."""

    __getattr__ = dict.__getitem__


def panel_of(flows):
    """A panel of one product whose attributes are known."""
    names = ("price", "unit_cost", "weight_lb", "conversion", "units_per_order")
    constants = {name: np.array([2.0]) for name in names}
    periods = flows["glance_views"].shape[1]
    return Panel(calendar=np.zeros((periods, 1)), **flows, **constants)


def panel(views):
    """A panel that sold a third of its views."""
    units = np.floor(views / 3).sum(axis=1)[None, :, None]
    flows = {name: units for name in ("outbound", "on_hand", "available", "ship_cost")}
    return panel_of({"glance_views": views[None], **flows})


def in_windows(views):
    made = make_windows(
        Simulator(kernel=LocalDemand()), PARAMS, panel(views),
        market_from_panel(panel(views)), [1], [np.zeros((1, 1, 1))], PERIODS - 1, LEADS, KEY,
    )  # fmt: skip
    cut = replace(window(made, 0, PERIODS - 1, KEY).series, exogenous=None)
    # The window begins with the second period.
    first = of_product(market_from_panel(panel(views)))
    return jax.tree.map(lambda a, b: jnp.concatenate([a[:1], b[0]]), first, cut)


def of_product(market):
    return jax.tree.map(lambda leaf: leaf[0], sample_noise(market, LEADS, 0, KEY))


def priced(views):
    kernel = PricedDemandParams(
        kernel=PARAMS.kernel, response=make_price_response([2, 3, 4, 5, 6, 7, 8])
    )
    simulator = PricedSimulator(
        kernel=PricedDemand(kernel=LocalDemand()), dynamics=Dynamics(whole_units=False)
    )
    scenario = scenario_from_views(views, LEADS, KEY, price=5.0)
    return simulator.prepare(make_params([-1], kernel), scenario).series


CONSTRUCTORS = {
    **{
        f"views, {rule}": lambda views, rule=rule: (
            scenario_from_views(views, LEADS, KEY, forecast=rule).series
        )
        for rule in RULES
    },
    "views, no forecast given": lambda views: scenario_from_views(views, LEADS, KEY).series,
    "views, known mean": lambda views: (
        scenario_from_views(views, LEADS, KEY, forecast=[1.0, 2.0]).series
    ),
    "market, running mean": lambda views: of_product(
        market(views, running_mean(jnp.asarray(views), 5.0))
    ),
    "market, last period": lambda views: of_product(
        market(views, last_period(jnp.asarray(views), 5.0))
    ),
    "market, smoothed": lambda views: of_product(market(views, smoothed(views, 2.0, 5.0))),
    "panel": lambda views: of_product(market_from_panel(panel(views))),
    "window": in_windows,
    "single store": lambda views: single_store(demand=Given(views[:, :1]))[2](KEY, PERIODS).series,
    "serial line": lambda views: serial_line(demand=Given(views[:, :1]))[2](KEY, PERIODS).series,
    "serial, in transit": lambda views: (
        serial_in_transit(demand=Given(views[:, :1]))[2](KEY, PERIODS).series
    ),
    "transshipment": lambda views: transshipment(demand=Given(views))[2](KEY, PERIODS).series,
    "pricing": priced,
}


def histories(seed, t):
    """Two histories of views that agree before t, and nowhere later."""
    rng = np.random.default_rng(seed)
    one = rng.poisson(6.0, (PERIODS, 2)).astype(np.float32)
    other = one.copy()
    other[t:] += rng.integers(1, 9, other[t:].shape)
    return one, other


@pytest.mark.parametrize("name", CONSTRUCTORS)
@settings(max_examples=5)
@given(seed=st.integers(0, 2**16), t=st.integers(0, PERIODS - 1))
def test_histories_that_agree_so_far_are_seen_alike(name, seed, t):
    one, other = (CONSTRUCTORS[name](views) for views in histories(seed, t))
    assert not np.array_equal(one.glance_views, other.glance_views)  # or nothing is tested
    first, second = observations(PARAMS, one, t + 1), observations(PARAMS, other, t + 1)
    jax.tree.map(np.testing.assert_array_equal, first, second)


@settings(max_examples=5)
@given(seed=st.integers(0, 2**16), t=st.integers(KNOWN, PERIODS - 1))
def test_known_periods_are_all_that_a_panel_tells_beforehand(seed, t):
    one, other = (
        of_product(market_from_panel(panel(views), known_periods=KNOWN))
        for views in histories(seed, t)
    )
    first, second = observations(PARAMS, one, t + 1), observations(PARAMS, other, t + 1)
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_rules_by_hand():
    views = jnp.array([[8.0], [0.0], [2.0], [9.0]])
    # Half-life 1: decay 1/2. 6 | (6 + 8)/2 = 7 | (7 + 0)/2 = 3.5 | (3.5 + 2)/2 = 2.75.
    np.testing.assert_allclose(smoothed(views, 1.0, 6.0)[:, 0], [6, 7, 3.5, 2.75])
    np.testing.assert_allclose(running_mean(views)[:, 0], [0, 8, 4, 10 / 3], rtol=1e-6)
    np.testing.assert_allclose(last_period(views, 1.0)[:, 0], [1, 8, 0, 2])
    both = running_mean(jnp.stack([views, 2 * views]), jnp.array([[1.0], [2.0]]))
    np.testing.assert_allclose(both[1, :, 0], [2, 16, 8, 20 / 3], rtol=1e-6)


def test_what_a_view_is_worth_is_learned_as_a_panel_goes_on():
    views = np.array([[10.0, 0.0], [0.0, 20.0], [5.0, 5.0]])
    seen = {"glance_views": views[None], "outbound": np.array([[[1.0], [5.0], [0.0]]])}
    made = market_from_panel(panel_of(seen), half_life=1.0)
    # 1 of 10 views, then 6 of 30. Smoothed views: 0 | (5, 0) | (2.5, 10).
    np.testing.assert_allclose(made.forecast[0], [[0, 0], [0.5, 0], [0.5, 2.0]], rtol=1e-6)
    known = market_from_panel(panel_of(seen), known_periods=1, half_life=1.0)
    # A tenth of a unit a view throughout; the first period expects what is known of it.
    np.testing.assert_allclose(known.forecast[0], [[1, 0], [1, 0], [0.5, 1.0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("forecast", "message"),
    [
        ("mean", "forecast is 'mean', must be an array or one of 'running mean', 'last period'"),
        (np.ones(3), r"forecast has shape \(3,\), must be \(2,\) or \(4, 2\)"),
        ([1.0, -1.0], r"forecast\[1\] is -1.0, must be in \[0, 1e\+09\]"),
        (np.nan, r"forecast is nan, must be in"),
    ],
    ids=["no such rule", "shape", "negative", "nan"],
)
def test_bad_forecasts_are_refused(forecast, message):
    with pytest.raises(ValueError, match=message):
        scenario_from_views(np.ones((4, 2)), LEADS, KEY, forecast=forecast)


def test_a_half_life_of_zero_is_refused():
    with pytest.raises(ValueError, match=r"half_life is 0.0, must be above 0"):
        smoothed(np.ones((1, 2, 1)), 0.0)


@pytest.mark.parametrize("known", [0, PERIODS + 1])
def test_periods_that_a_panel_does_not_have_cannot_be_known(known):
    with pytest.raises(ValueError, match=rf"known_periods is {known}, must be in \[1, 8\]"):
        market_from_panel(panel(np.ones((PERIODS, 2))), known_periods=known)
