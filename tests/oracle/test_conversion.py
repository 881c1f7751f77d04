"""Conversion given history: the paper's example, identities, and estimates from a log."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from draingym.oracle import (
    conditional,
    drain_period,
    draw_latent,
    estimate_rates,
    rates_from_counts,
    sample_latent,
    to_event_log,
)
from draingym.oracle.estimates.rates import decreasing
from draingym.oracle.replays.latents import nearest_place
from draingym.oracle.rules.conversion import latent_interval
from draingym.world.eventlog import EventLog
from draingym.world.views import ConversionRates, Places

# Appendix B. The paper prints .40 for NoOrder under 1d, but its column sums to .80 then.
TWO_DAYS = [0.0, 0.2, 0.1, 0.7]
ONE_DAY = [0.15, 0.15, 0.1, 0.6]


def random_rates(rng, products=1):
    """Rates that respond to the promise in a random isotonic way."""
    cumulative = np.sort(rng.uniform(0.0, 0.95, (products, 3, 3)), axis=2)
    cumulative[:, np.tri(3, k=-1, dtype=bool)] = 0.0
    for p in (1, 0):
        cumulative[:, p] = np.maximum(cumulative[:, p], cumulative[:, p + 1])
    pmf = np.zeros((products, 4, 4))
    pmf[:, :3, :3] = np.diff(cumulative, axis=2, prepend=0.0)
    pmf[:, :, 3] = 1.0 - pmf[:, :, :3].sum(axis=2)
    return ConversionRates(pmf=pmf)


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        pytest.param(1, [0.75, 0.25, 0.0, 0.0], id="bought 2d"),
        pytest.param(2, [0.0, 1.0, 0.0, 0.0], id="bought 3d+"),
        pytest.param(3, [0.0, 0.0, 1 / 7, 6 / 7], id="bought nothing"),
    ],
)
def test_appendix_b(option, expected):
    np.testing.assert_allclose(conditional(TWO_DAYS, ONE_DAY, option), expected, atol=1e-12)


def test_a_view_of_an_empty_shelf_tells_nothing_about_the_customer():
    out_of_stock = [0.0, 0.0, 0.0, 1.0]
    np.testing.assert_allclose(conditional(out_of_stock, ONE_DAY, 3), ONE_DAY, atol=1e-12)


@given(seed=st.integers(0, 2**32), old=st.integers(0, 3), new=st.integers(0, 3))
def test_total_probability(seed, old, new):
    rates = random_rates(np.random.default_rng(seed)).pmf[0]
    options = np.flatnonzero(rates[old] > 1e-9)
    total = sum(rates[old, s] * conditional(rates[old], rates[new], s) for s in options)
    np.testing.assert_allclose(total, rates[new], atol=1e-8)


@given(seed=st.integers(0, 2**32), old=st.integers(0, 2), data=st.data())
def test_a_promise_that_is_no_slower_never_loses_an_order(seed, old, data):
    rates = random_rates(np.random.default_rng(seed)).pmf[0]
    new = data.draw(st.integers(0, old))
    options = np.flatnonzero(rates[old, :3] > 1e-9)
    assume(options.size)
    for option in options:
        after = conditional(rates[old], rates[new], option)
        assert after[3] < 1e-6
        assert after[option + 1 :].sum() < 1e-6  # nor slows one down


@given(seed=st.integers(0, 2**32))
def test_a_drawn_latent_repeats_history(seed):
    rng = np.random.default_rng(seed)
    rates = random_rates(rng, products=5)
    product, promise = rng.integers(5, size=40), rng.integers(4, size=40)
    cumulative = rates.cumulative[product, promise]
    true = rng.uniform(0.0, 1.0, 40)
    option = (true[:, None] > cumulative).sum(axis=1)
    uniform = rng.choice([0.0, 0.5, 1.0 - 2.0**-53], 40)
    latent = draw_latent(cumulative, option, uniform)
    assert np.array_equal((latent[:, None] > cumulative).sum(axis=1), option)
    assert ((latent > 0) & (latent < 1)).all()


def test_an_option_without_probability_is_refused():
    with pytest.raises(
        ValueError, match=r"option\[\] is 0, must be one that has a probability above 0 under"
    ):
        latent_interval(np.cumsum(TWO_DAYS), 0)


def test_estimates_recover_the_rates_of_many_views():
    rng = np.random.default_rng(0)
    truth = ConversionRates.from_conversion(np.array([0.05, 0.12, 0.3]))
    counts = np.stack([[rng.multinomial(200_000, row) for row in pmf] for pmf in truth.pmf])
    found = rates_from_counts(counts)
    np.testing.assert_allclose(found.pmf, truth.pmf, atol=3e-3)


def test_a_product_without_views_gets_the_national_rates():
    truth = ConversionRates.from_conversion(np.array([0.1, 0.1, 0.1]))
    counts = 100_000 * truth.pmf
    counts[2] = 0.0
    found = rates_from_counts(counts)
    np.testing.assert_allclose(found.pmf[2], truth.pmf[2], atol=1e-3)


def test_thin_counts_are_made_isotonic():
    # By chance, 2d converted better than 1d.
    counts = np.zeros((1, 4, 4))
    counts[0, 0] = [30, 10, 10, 950]
    counts[0, 1] = [0, 90, 60, 850]
    counts[0, 2] = [0, 0, 20, 980]
    cumulative = rates_from_counts(counts).cumulative[0]
    assert cumulative[0, 2] == pytest.approx(cumulative[1, 2])
    assert cumulative[0, 2] > cumulative[2, 2]


@given(seed=st.integers(0, 2**32))
def test_the_isotonic_fit_decreases_and_keeps_the_mean(seed):
    rng = np.random.default_rng(seed)
    values = np.sort(rng.uniform(size=(4, 3, 3)), axis=2)
    weights = rng.uniform(0.1, 5.0, (4, 3, 1))
    fit = decreasing(values, weights)
    assert (np.diff(fit, axis=1) <= 1e-12).all()
    assert (np.diff(fit, axis=2) >= -1e-12).all()  # options stay in order
    np.testing.assert_allclose((weights * fit).sum(axis=1), (weights * values).sum(axis=1))


@pytest.mark.parametrize(
    ("cell", "value", "message"),
    [
        pytest.param(
            (0, 0, 1), -1, r"counts\[0, 0, 1\] is -1.0, must be at least 0", id="negative"
        ),
        pytest.param(
            (0, 1, 0), 2, r"counts\[0, 1, 0\] is 2.0, must be", id="faster than its promise"
        ),
        pytest.param((0, 3, 2), 1, r"counts\[0, 3, 2\]", id="out of stock, yet bought"),
    ],
)
def test_impossible_counts_are_refused(cell, value, message):
    counts = np.zeros((1, 4, 4))
    counts[0, 0] = 5
    counts[cell] = value
    with pytest.raises(ValueError, match=message):
        rates_from_counts(counts)


def test_counts_without_orders_are_refused():
    counts = np.zeros((1, 4, 4))
    counts[0, :, 3] = 10
    with pytest.raises(ValueError, match=r"counts holds 0.0 orders and 30.0 views, must hold"):
        rates_from_counts(counts)


def test_latents_given_a_log_repeat_its_orders_on_its_stock(small_world, true_systems, history):
    log = to_event_log(small_world, history)
    rates = estimate_rates(log)
    views = sample_latent(log, rates, small_world.places, seed=11)
    views.validate(rates, small_world.places, small_world.period_days)
    systems = true_systems.with_rates(rates)
    stock = np.asarray(history.trajectory.transitions.available).astype(np.int64)
    assert len(history.outcomes) == small_world.num_periods
    for t, outcome in enumerate(history.outcomes):
        again = drain_period(systems, views, t, stock[:, t])
        assert np.array_equal(again.outbound, outcome.outbound)
    # Fewer views than were seen, at least as many as were ordered.
    assert log["order_lines"].num_rows <= views.num_views < log["glance_views"].num_rows / 2


def test_latents_follow_their_seed(small_world, history):
    log = to_event_log(small_world, history)
    rates = estimate_rates(log)
    one, same, other = (
        sample_latent(log, rates, small_world.places, seed=seed).latent for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one[:100], other[:100])


@pytest.mark.parametrize("conditional", [True, False])
def test_the_candidates_are_the_same_with_those_that_never_convert(
    small_world, history, conditional
):
    log = to_event_log(small_world, history)
    rates = estimate_rates(log)
    some, every = (
        sample_latent(
            log, rates, small_world.places, seed=3, conditional=conditional, complete=complete
        )
        for complete in (False, True)
    )
    assert every.num_views == log["glance_views"].num_rows
    every.validate(rates, small_world.places, small_world.period_days)
    again = every.select(every.quantity > 0)
    for field in fields(some):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(some, field.name))


def test_drawn_latents_are_not_the_true_ones(small_world, history):
    log = to_event_log(small_world, history)
    drawn = sample_latent(log, estimate_rates(log), small_world.places)
    assert not np.isin(drawn.latent, small_world.views.latent).any()


def test_a_region_without_places_is_refused(small_world, history):
    log = to_event_log(small_world, history)
    merged = replace(small_world.places, region=np.minimum(small_world.places.region, 4))
    with pytest.raises(ValueError, match=r"glance_views.region\[\d+\] is 5"):
        sample_latent(log, estimate_rates(log), merged)


def test_estimates_from_a_log_are_near_the_truth(small_world, history):
    log = to_event_log(small_world, history)
    assert isinstance(log, EventLog)
    found = estimate_rates(log).best / small_world.rates.best
    assert 0.7 < found.min() <= found.max() < 1.4


def test_the_nearest_place_is_found_on_the_sphere():
    # The second place is nearest to the third point, but lies in another region.
    places = Places(
        name=("a", "b", "c"),
        latitude=np.array([40.0, 40.0, 10.0]),
        longitude=np.array([179.0, -120.0, 0.0]),
        region=np.array([0, 0, 1]),
        population=np.ones(3),
    )
    found = nearest_place(places, [41.0, 40.0, 40.0], [-179.0, -121.0, -120.0], [0, 0, 1])
    assert found.tolist() == [0, 1, 2]
