"""Scenarios: what is drawn, what is known when, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.simulator import (
    Poisson,
    make_market,
    sample_noise,
    sample_supply,
    scenario_from_views,
    smoothed,
)
from draingym.simulator.scenarios.noise import sample_lead_share

LEADS = np.array([[0.0, 0.25, 0.75], [1.0, 0.0, 0.0]])


def market(products=3, periods=6):
    rng = np.random.default_rng(0)
    views = rng.poisson(5, (products, periods, 4))
    return make_market(
        glance_views=views,
        forecast=smoothed(views, 2.0),
        price=np.ones(products),
        unit_cost=np.ones(products),
        attributes=np.zeros((products, 3)),
        calendar=np.zeros((periods, 2)),
    )


def series(key=0, products=3, periods=6):
    return sample_noise(market(products, periods), LEADS, 5, jax.random.key(key))


def test_lead_shares_are_whole_orders_with_the_right_frequencies():
    share = np.asarray(sample_lead_share(jax.random.key(0), jnp.asarray(LEADS), (20000,)))
    assert set(np.unique(share)) == {0.0, 1.0}
    np.testing.assert_array_equal(share.sum(axis=-1), 1.0)
    np.testing.assert_allclose(share.mean(axis=0), LEADS, atol=0.01)


def test_one_key_gives_common_random_numbers_and_leaves_the_rest():
    again, other = series(7), series(7)
    jax.tree.map(np.testing.assert_array_equal, again, other)
    fresh = series(8)
    assert not np.array_equal(fresh.drain_uniform, again.drain_uniform)
    assert fresh.drain_uniform.shape == (3, 6, 5)
    np.testing.assert_array_equal(fresh.glance_views, again.glance_views)
    assert np.asarray(fresh.last).sum(axis=1).tolist() == [1, 1, 1]


def test_certain_lead_times_take_no_draw_and_are_what_a_draw_gives():
    certain = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    known = sample_lead_share(jax.random.key(0), certain, (4,))
    np.testing.assert_array_equal(known, np.broadcast_to(certain, (4, 2, 3)))
    drawn = sample_lead_share(jax.random.key(0), jnp.asarray(certain), (4,))
    np.testing.assert_array_equal(drawn, known)


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fill_mean": 0.0}, r"fill_mean is 0.0, must be finite and in \(0.0, 1.0\]"),
        ({"concentration": 0.0}, r"concentration is 0.0, must be finite and in \(0.0, inf\)"),
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
        ({"lead_time": 1.5}, r"lead_time has shape \(\), must be \[N, L\+1\]"),
        ({"lead_time": [[np.nan]]}, "lead_time rows sum to"),
        (
            {"on_hand": [-10.0]},
            r"on_hand\[0\] is -10.0, must be in \[0, 1e\+09\] \(what customers are owed at the "
            r"start is `waiting`\)",
        ),
        ({"on_hand": [1.0, 2.0]}, r"on_hand has shape \(2,\), must be \(1,\)"),
        ({"on_hand": [np.nan]}, r"on_hand\[0\] is nan, must be in"),
        ({"on_hand": Poisson(rate=5.0)}, r"on_hand is Poisson\(rate=5.0\), must hold real numbers"),
        ({"waiting": [-1.0]}, r"waiting\[0\] is -1.0, must be in"),
        ({"pipeline": [[1.0]]}, r"pipeline has shape \(1, 1\), must be \(0, 1\)"),
        ({"views": [[1.0], [np.nan]]}, r"glance_views\[1, 0\] is nan, must be in"),
        ({"views": [[1.0], [-2.0]]}, r"glance_views\[1, 0\] is -2.0, must be in"),
        ({"views": [1.0]}, r"glance_views has shape \(1,\), must be \[T, Z\], not empty"),
        ({"price": np.inf}, r"price is inf, must be in \[0, 1e\+09\]"),
        ({"unit_cost": 1e30}, r"unit_cost is 1e\+30, must be in \[0, 1e\+09\]"),
    ],
)
def test_bad_scenarios_are_refused(arguments, message):
    values = {"views": np.ones((3, 1)), "lead_time": [[1.0]], "key": jax.random.key(0)}
    with pytest.raises(ValueError, match=message):
        scenario_from_views(**(values | arguments))


def test_a_start_that_is_drawn_inside_jit_is_the_scenarios():
    """A sampler may draw where its episodes start; only the shape is known then."""

    def sample(key, nodes=1):
        stock = jnp.floor(5 * jax.random.uniform(key, (nodes,)))
        return scenario_from_views(jnp.ones((3, 1)), [[1.0]], key, on_hand=stock, waiting=stock)

    drawn = jax.jit(jax.vmap(sample))(jax.random.split(jax.random.key(0), 9)).initial
    assert len(np.unique(drawn.on_hand)) > 2
    np.testing.assert_array_equal(drawn.on_hand, drawn.history.waiting)
    with pytest.raises(ValueError, match=r"waiting has shape \(2,\), must be \(1,\)"):
        jax.jit(lambda key: sample(key, 2))(jax.random.key(0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"glance_views": np.full((1, 2, 1), -1.0)}, r"glance_views\[0, 0, 0\] is -1.0"),
        ({"glance_views": np.ones((2, 1))}, r"glance_views has shape \(2, 1\), must be \[P, T, Z"),
        ({"forecast": np.ones((1, 2, 2))}, r"forecast has shape \(1, 2, 2\), must be \(1, 2, 1\)"),
        ({"price": [np.nan]}, r"price\[0\] is nan, must be in"),
        ({"unit_cost": [-1.0]}, r"unit_cost\[0\] is -1.0, must be in"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_markets_are_refused(changes, message):
    ones = np.ones((1, 2, 1))
    values = {
        "glance_views": ones, "forecast": ones, "price": [1.0], "unit_cost": [1.0],
        "attributes": np.zeros((1, 0)), "calendar": np.zeros((2, 0)),
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        make_market(**(values | changes))
