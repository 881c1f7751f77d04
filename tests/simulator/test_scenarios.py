"""Scenarios: what is drawn, what is known when, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.simulator import make_series, sample_noise, sample_supply, scenario_from_views
from draingym.simulator.scenarios.series import sample_lead_share, smooth_views

LEADS = np.array([[0.0, 0.25, 0.75], [1.0, 0.0, 0.0]])


def series(key=0, products=3, periods=6):
    rng = np.random.default_rng(0)
    views = rng.poisson(5, (products, periods, 4))
    return make_series(
        glance_views=views,
        forecast=smooth_views(views, 2.0),
        price=np.ones(products),
        unit_cost=np.ones(products),
        attributes=np.zeros((products, 3)),
        calendar=np.zeros((periods, 2)),
        lead_time=LEADS,
        num_uniforms=5,
        key=jax.random.key(key),
    )


def test_lead_shares_are_whole_orders_with_the_right_frequencies():
    share = np.asarray(sample_lead_share(jax.random.key(0), jnp.asarray(LEADS), (20000,)))
    assert set(np.unique(share)) == {0.0, 1.0}
    np.testing.assert_array_equal(share.sum(axis=-1), 1.0)
    np.testing.assert_allclose(share.mean(axis=0), LEADS, atol=0.01)


def test_forecasts_know_earlier_periods_alone():
    rng = np.random.default_rng(1)
    views = rng.poisson(4, (2, 8, 3)).astype(float)
    changed = views.copy()
    changed[:, 5:] += 100
    first, second = smooth_views(views, 3.0), smooth_views(changed, 3.0)
    np.testing.assert_array_equal(first[:, :6], second[:, :6])
    assert (second[:, 6:] > first[:, 6:]).all()


def test_smoothing_by_hand():
    # Half-life 1: decay 1/2. 8 | 8 | (8 + 0)/2 = 4 | (4 + 2)/2 = 3.
    smoothed = smooth_views(np.array([[[8.0], [0.0], [2.0], [9.0]]]), 1.0)
    np.testing.assert_allclose(smoothed[0, :, 0], [8, 8, 4, 3])


def test_one_key_gives_common_random_numbers_and_leaves_the_rest():
    one = series()
    again, other = (sample_noise(one, jnp.asarray(LEADS), jax.random.key(k)) for k in (7, 7))
    jax.tree.map(np.testing.assert_array_equal, again, other)
    fresh = sample_noise(one, jnp.asarray(LEADS), jax.random.key(8))
    assert not np.array_equal(fresh.drain_uniform, again.drain_uniform)
    np.testing.assert_array_equal(fresh.glance_views, one.glance_views)
    assert np.asarray(one.last).sum(axis=1).tolist() == [1, 1, 1]


def test_a_supplier_splits_and_ships_short_with_the_means_asked_for():
    drawn = sample_supply(
        series(products=300, periods=20), LEADS, jax.random.key(0),
        concentration=4.0, fill_mean=0.8, fill_concentration=20.0,
    )  # fmt: skip
    share, fill = np.asarray(drawn.lead_share), np.asarray(drawn.fill_rate)
    np.testing.assert_allclose(share.sum(axis=-1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(share.mean(axis=(0, 1)), LEADS, atol=0.02)
    # Dirichlet(4 * (1/4, 3/4)): variance of a share is 1/4 * 3/4 / (4 + 1).
    assert share[..., 0, 1].std() == pytest.approx((0.1875 / 5) ** 0.5, rel=0.05)
    assert fill.mean() == pytest.approx(0.8, abs=0.01)
    assert fill.std() == pytest.approx((0.16 / 21) ** 0.5, rel=0.05)
    again = sample_noise(drawn, None, jax.random.key(1))
    np.testing.assert_array_equal(again.lead_share, drawn.lead_share)
    assert not np.array_equal(again.split_uniform, drawn.split_uniform)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fill_mean": 0.0}, r"fill_mean is 0.0, must be in \(0, 1\]"),
        ({"concentration": 0.0}, "concentration is 0.0, must be above 0"),
        ({"lead_time": [[0.3, 0.3]]}, "must be 1, without negatives"),
    ],
)
def test_bad_supply_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        sample_supply(series(), **({"lead_time": LEADS, "key": jax.random.key(0)} | arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lead_time": [[0.5, 0.4]]}, r"lead_time rows sum to \[0.9\], must be 1"),
        ({"lead_time": [[1.5, -0.5]]}, "without negatives"),
        ({"on_hand": [-1.0]}, r"on_hand is \[-1.\], must hold 1 entries of at least 0"),
        ({"on_hand": [1.0, 2.0]}, "must hold 1 entries"),
        ({"waiting": [-1.0]}, "waiting is"),
        ({"pipeline": [[1.0]]}, "pipeline is"),
    ],
    ids=["sum", "negative share", "negative stock", "shape", "waiting", "pipeline"],
)
def test_bad_scenarios_are_refused(arguments, message):
    values = {"views": np.ones((3, 1)), "lead_time": [[1.0]], "key": jax.random.key(0)}
    with pytest.raises(ValueError, match=message):
        scenario_from_views(**(values | arguments))


def test_a_half_life_of_zero_is_refused():
    with pytest.raises(ValueError, match=r"half_life is 0.0, must be above 0"):
        smooth_views(np.ones((1, 2, 1)), 0.0)
